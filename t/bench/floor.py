"""The floor: what the IMAP server needs for the commands of a first --sync, when the client has nothing else to do.

The commands are written down here, and not taken from kolabd: bench.py compares them with what kolabd sends, so that one
command more shows as a difference and not as a slower floor."""

import base64
import multiprocessing
import resource
import socket
import ssl
import time

QUOTA_KIB = 1048576
EXISTENCE = "(/shared/vendor/cmu/cyrus-imapd/partition)"
KOLAB = "vendor/kolab/folder-type"
# Those with a special use
USES = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Spam": "\\Junk", "Trash": "\\Trash"}
# Folder, its type for the user alone, its type for everybody
FOLDERS = [
    ("Archive", None, None),
    ("Calendar", "event.default", "event"),
    ("Calendar/Personal Calendar", None, "event"),
    ("Configuration", "configuration.default", "configuration.default"),
    ("Contacts", "contact.default", "contact"),
    ("Contacts/Personal Contacts", None, "contact"),
    ("Drafts", "mail.drafts", None),
    ("Files", "file.default", "file"),
    ("Journal", "journal.default", "journal"),
    ("Notes", "note.default", "note"),
    ("Sent", "mail.sentitems", None),
    ("Spam", "mail.junkemail", None),
    ("Tasks", "task.default", "task"),
    ("Trash", "mail.wastebasket", None),
]


def admin_commands(user):
    mailbox = f'"user/{user}"'
    return [f"GETMETADATA {mailbox} {EXISTENCE}", f"GETQUOTA {mailbox}", f"CREATE {mailbox}",
            f"SETQUOTA {mailbox} (STORAGE {QUOTA_KIB})"]


def user_commands():
    for folder, private, shared in FOLDERS:
        yield f'CREATE "{folder}"' + (f" (USE ({USES[folder]}))" if folder in USES else "")
        values = [f'"/{scope}/{KOLAB}" "{value}"' for scope, value in (("private", private), ("shared", shared)) if value]
        if values:
            yield f'SETMETADATA "{folder}" ({" ".join(values)})'
        yield f'SUBSCRIBE "{folder}"'


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

    def run(self, commands):
        """Sends all in one write. Whatever makes something must succeed."""
        self.socket.sendall("".join(f"f{number} {command}\r\n" for number, command in enumerate(commands)).encode())
        answer = self.read_until(b"f%d " % (len(commands) - 1))
        for number, command in enumerate(commands):
            if b"\nf%d OK" % number not in answer and not command.startswith("GET"):
                raise RuntimeError(f"{command}: {answer.decode(errors='replace')}")

    def close(self):
        self.socket.close()


def take_turns(users, cursor):
    """The numbers of the users that are this worker's."""
    while True:
        with cursor.get_lock():
            number = cursor.value
            cursor.value += 1
        if number >= len(users):
            return
        yield number


def work(env, users, cursor):
    """As one of kolabd's workers: an administrator's session for all, a user's session each."""
    context = ssl.create_default_context(cafile=env["CA_FILE"])
    admin = Session(env, context)
    admin.run(["NAMESPACE", "ID NIL", "CAPABILITY"])
    first = ["NAMESPACE"]
    for number in take_turns(users, cursor):
        admin.run(admin_commands(users[number]))
        session = Session(env, context, users[number])
        session.run([*first, *user_commands(), "LOGOUT"])
        session.close()
        first = []
    admin.run(["LOGOUT"])
    admin.close()


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(work_of_one, env, users, connections):
    """Makes the mailboxes of the users over so many connections; gives (seconds, processor seconds of this side)."""
    cursor = multiprocessing.Value("i", 0)
    workers = [multiprocessing.Process(target=work_of_one, args=(env, users, cursor)) for _ in range(connections)]
    begin, cpu = time.monotonic(), children_cpu()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - begin
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("the floor failed")
    return seconds, children_cpu() - cpu
