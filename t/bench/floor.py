"""The floors that are many processes: what the servers need for the commands (commands.py) when the client has nothing else to
do. As kolabd's workers do, each has a session as administrator for all, and one of each user's."""

import base64
import multiprocessing
import resource
import socket
import ssl
import time

import commands

WINDOW = 64  # commands ahead of their answers

class Session:
    """One login, with the dialogue that libcurl makes of it."""

    def __init__(self, env, context, user=""):
        plain = socket.create_connection((env["IMAP_HOST"], int(env["IMAPS_PORT"])))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.acknowledge_at_once(plain)
        self.socket = context.wrap_socket(plain, server_hostname=env["IMAP_HOST"])
        self.read_until(b"* OK")
        self.run(["CAPABILITY"])
        secret = "\0".join([user, env["IMAP_ADMIN"], env["PASSWORD"]]).encode()
        self.run(["AUTHENTICATE PLAIN " + base64.b64encode(secret).decode()])

    @staticmethod
    def acknowledge_at_once(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def read_until(self, mark):
        """Reads whole lines to the one that begins with the mark."""
        answer = b"\n"
        while not (answer.endswith(b"\n") and answer.rfind(b"\n" + mark) >= 0):
            self.acknowledge_at_once(self.socket)
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"the server closed the connection after {answer[-200:]!r}")
            answer += data
        return answer

    def run(self, lines):
        """Sends all in one write. Whatever makes something must succeed. Gives the answers."""
        self.socket.sendall("".join(f"f{number} {line}\r\n" for number, line in enumerate(lines)).encode())
        answer = self.read_until(b"f%d " % (len(lines) - 1))
        for number, line in enumerate(lines):
            if b"\nf%d OK" % number not in answer and not line.startswith("GET"):
                raise RuntimeError(f"{line}: {answer.decode(errors='replace')}")
        return answer

    def run_each(self, lines):
        """One after the other, each when the one before is answered."""
        for line in lines:
            self.run([line])

    def close(self):
        self.socket.close()


def trust(env):
    return ssl.create_default_context(cafile=env["CA_FILE"])


def open_admin(env, context):
    session = Session(env, context)
    session.run(["NAMESPACE", "ID NIL", "CAPABILITY"])
    return session


def take_turns(users, cursor):
    """The numbers of the users that are this worker's."""
    while True:
        with cursor.get_lock():
            number = cursor.value
            cursor.value += 1
        if number >= len(users):
            return
        yield number


def make_mailboxes(env, users, cursor):
    context = trust(env)
    admin = open_admin(env, context)
    first = ["NAMESPACE"]
    for number in take_turns(users, cursor):
        admin.run(commands.create(users[number]))
        session = Session(env, context, users[number])
        session.run([*first, *commands.create_folders(), "LOGOUT"])
        session.close()
        first = []
    admin.run(["LOGOUT"])
    admin.close()


def verify_mailboxes(env, users, cursor):
    context = trust(env)
    for number in take_turns(users, cursor):
        session = Session(env, context, users[number])
        answer = session.run([*commands.verify(), "LOGOUT"])
        session.close()
        if answer.count(b"* LIST (") != len(commands.FOLDERS):
            raise RuntimeError(f"not all folders of {users[number]}: {answer.decode(errors='replace')}")


def run_admin(env, lines, cursor):
    """The administrator's commands."""
    admin = open_admin(env, trust(env))
    mine = [lines[number] for number in take_turns(lines, cursor)]
    for begin in range(0, len(mine), WINDOW):
        admin.run(mine[begin:begin + WINDOW])
    admin.close()


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Workers:
    """So many processes that share the users, each with a function (ENV, USERS, CURSOR)."""

    def __init__(self, work, env, users, count):
        cursor = multiprocessing.Value("i", 0)
        self.processes = [multiprocessing.Process(target=work, args=(env, users, cursor)) for _ in range(count)]
        for process in self.processes:
            process.start()

    def wait(self):
        for process in self.processes:
            process.join()
        if any(process.exitcode for process in self.processes):
            raise RuntimeError("the floor failed")


def run(work, env, users, connections):
    """All of the users over so many connections; gives {seconds, cpu}, the processor seconds of this side."""
    begin, cpu = time.monotonic(), children_cpu()
    Workers(work, env, users, connections).wait()
    return {"seconds": time.monotonic() - begin, "cpu": children_cpu() - cpu}
