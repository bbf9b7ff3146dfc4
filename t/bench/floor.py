"""The floors that are many processes: what the servers need for the commands (commands.py) when the client has nothing else to
do. As kolabd's workers do, each has a session as administrator for all, and one of each user's."""

import base64
import concurrent.futures
import copy
import multiprocessing
import resource
import socket
import ssl
import time

import commands

WINDOW = 64  # commands ahead of their answers
READ_OCTETS = 65536

class Server:
    """A server, and TLS with it as kolabd has that: an administrator's session has the newest, users' sessions resume an earlier one, which
    Cyrus can do with TLS 1.2 only."""

    def __init__(self, env, as_admin=True, as_users=True):
        self.env = env
        self.as_admin, self.as_users = as_admin, as_users  # what for it is needed
        self.newest = ssl.create_default_context(cafile=env["CA_FILE"])
        self.resuming = ssl.create_default_context(cafile=env["CA_FILE"])
        self.resuming.maximum_version = ssl.TLSVersion.TLSv1_2
        self.resuming.options |= ssl.OP_NO_TICKET
        self.resumed = None
        self.admin = None

    def prepare(self, connections):
        """As many, each with a session as administrator. They share a session of TLS as kolabd's workers do, made as the last one: an imapd
        of Cyrus 3.6.1 that makes another forgets it."""
        servers = [copy.copy(self) for _ in range(connections)]
        if self.as_admin:
            with concurrent.futures.ThreadPoolExecutor(connections) as pool:
                for server, admin in zip(servers, pool.map(lambda _: self.open_admin(), servers)):
                    server.admin = admin
        if self.as_users:
            self.begin_resuming()
        for server in servers:
            server.resumed = self.resumed
        return servers

    def begin_resuming(self):
        """Makes the session of TLS that users' sessions resume."""
        connection = self.connect("nobody")
        connection.recv(READ_OCTETS)
        log_out(connection)

    def connect(self, user):
        plain = socket.create_connection((self.env["IMAP_HOST"], int(self.env["IMAPS_PORT"])))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        acknowledge_at_once(plain)
        if not user:
            return self.newest.wrap_socket(plain, server_hostname=self.env["IMAP_HOST"])
        connection = self.resuming.wrap_socket(plain, server_hostname=self.env["IMAP_HOST"], session=self.resumed)
        self.resumed = connection.session
        return connection

    def open_user(self, user):
        return Session(self, user)

    def open_admin(self):
        session = Session(self)
        session.run(["NAMESPACE", "ID NIL", "CAPABILITY"])
        return session


def acknowledge_at_once(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def log_out(connection):
    """Says so, and that TLS ends, as one who wants to resume must; waits for no answer."""
    connection.sendall(b"f LOGOUT\r\n")
    connection.setblocking(False)
    try:
        connection.unwrap()
    except OSError:
        pass
    connection.close()


class Session:
    """One login. The greeting tells what the server offers."""

    def __init__(self, server, user=""):
        self.socket = server.connect(user)
        self.read_until(b"* OK")
        secret = "\0".join([user, server.env["IMAP_ADMIN"], server.env["PASSWORD"]]).encode()
        self.run(["AUTHENTICATE PLAIN " + base64.b64encode(secret).decode()])

    def read_until(self, mark):
        """Reads whole lines to the one that begins with the mark."""
        answer = b"\n"
        while not (answer.endswith(b"\n") and answer.rfind(b"\n" + mark) >= 0):
            acknowledge_at_once(self.socket)
            data = self.socket.recv(READ_OCTETS)
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
        log_out(self.socket)


def take_turns(users, cursor):
    """The numbers of the users that are this worker's."""
    while True:
        with cursor.get_lock():
            number = cursor.value
            cursor.value += 1
        if number >= len(users):
            return
        yield number


def make_mailboxes(server, users, cursor):
    first = ["NAMESPACE"]
    for number in take_turns(users, cursor):
        server.admin.run(commands.create(users[number]))
        session = server.open_user(users[number])
        session.run([*first, *commands.create_folders()])
        session.close()
        first = []
    server.admin.close()


def verify_mailboxes(server, users, cursor):
    for number in take_turns(users, cursor):
        session = server.open_user(users[number])
        answer = session.run(commands.verify())
        session.close()
        if answer.count(b"* LIST (") != len(commands.FOLDERS):
            raise RuntimeError(f"not all folders of {users[number]}: {answer.decode(errors='replace')}")


def run_admin(server, lines, cursor):
    """The administrator's commands."""
    mine = [lines[number] for number in take_turns(lines, cursor)]
    for begin in range(0, len(mine), WINDOW):
        server.admin.run(mine[begin:begin + WINDOW])
    server.admin.close()


def our_cpu():
    usages = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


FORK = multiprocessing.get_context("fork")  # they have their sessions from here


class Workers:
    """A process for each server that shares the users with the others, and a function (SERVER, USERS, CURSOR)."""

    def __init__(self, work, servers, users):
        cursor = FORK.Value("i", 0)
        self.processes = [FORK.Process(target=work, args=(server, users, cursor)) for server in servers]
        for process in self.processes:
            process.start()

    def wait(self):
        for process in self.processes:
            process.join()
        if any(process.exitcode for process in self.processes):
            raise RuntimeError("the floor failed")


def run(work, server, users, connections):
    """All of the users over so many connections; gives {seconds, cpu}, the processor seconds of this side."""
    begin, cpu = time.monotonic(), our_cpu()
    Workers(work, server.prepare(connections), users).wait()
    return {"seconds": time.monotonic() - begin, "cpu": our_cpu() - cpu}
