"""What the servers themselves say that somebody did to them: 389's access log, Cyrus' telemetry."""

import bisect
import pathlib
import re
import shutil

import imap_client

LDAP_WRITES = {"ADD", "MOD", "DEL", "MODRDN"}
IMAP_READS = {"AUTHENTICATE", "CAPABILITY", "ENABLE", "EXAMINE", "FETCH", "GETACL", "GETMETADATA", "GETQUOTA", "GETQUOTAROOT", "ID",
              "LIST", "LOGIN", "LOGOUT", "LSUB", "MYRIGHTS", "NAMESPACE", "NOOP", "SEARCH", "SELECT", "STARTTLS", "STATUS",
              "UNAUTHENTICATE"}


class AccessLog:
    """The operations in 389's access log, each with the name that its connection was bound as."""

    LINE = re.compile(r'conn=(\d+) (?:fd=\d+ slot=\d+ (\w+)|op=-?\d+ (BIND|ADD|MOD|DEL|MODRDN|SRCH) (?:dn|base)="([^"]*)")')

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.offset = 0
        self.bound = {}
        self.operations = []  # of (bind DN, operation, DN)

    def read(self):
        with self.path.open("rb") as log:
            log.seek(self.offset)
            text = log.read()
        text = text[:text.rfind(b"\n") + 1]
        self.offset += len(text)
        for match in self.LINE.finditer(text.decode(errors="replace")):
            connection, opened, operation, dn = match.groups()
            if opened:  # numbers start again with the server
                self.bound.pop(connection, None)
            elif operation == "BIND":
                self.bound[connection] = dn.lower()
            else:
                self.operations.append((self.bound.get(connection, ""), operation, dn))

    def mark(self):
        self.read()
        return len(self.operations)

    def since(self, mark, bind_dn):
        """[(operation, DN)] that were asked by `bind_dn`."""
        self.read()
        return [(operation, dn) for bound, operation, dn in self.operations[mark:] if bound == bind_dn.lower()]


class Telemetry:
    """The commands in Cyrus' telemetry, of those users that have a directory there. Sessions of our own client, which sign
    themselves, do not count."""

    CHUNK = re.compile(rb"([<>])\d{9,11}\1|^---------- .*\n", re.MULTILINE)
    LITERAL = re.compile(rb"\{(\d+)\+?\}$")

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def watch(self, *users):
        """Only sessions that begin later are recorded."""
        for user in users:
            place = self.directory / user
            if not place.exists():
                place.mkdir()
                status = self.directory.stat()
                shutil.chown(place, status.st_uid, status.st_gid)

    def mark(self):
        return {path: path.stat().st_size for path in self.directory.glob("*/*")}

    def since(self, mark, files="*"):
        """[(user, command without its tag)], each user's in order. A file is named after the service and the process: those of
        who came by TLS at once begin with imaps-, those of frontends with imap-."""
        found = []
        grown = [path for path in self.directory.glob(f"*/{files}") if path.stat().st_size > mark.get(path, 0)]
        for path in sorted(grown):
            for session in self.sessions(path.read_bytes()):
                commands = list(self.commands(*session))
                if not any(imap_client.SIGNATURE in command for _, command in commands):
                    found += [(path.parent.name, command) for offset, command in commands if offset >= mark.get(path, 0)]
        return found

    def sessions(self, data):
        """What the client sent in each session, as (text, [starts of its chunks in the text], [in the file])."""
        sessions = []
        heads = list(self.CHUNK.finditer(data))
        for head, end in zip(heads, [following.start() for following in heads[1:]] + [len(data)]):
            if head[1] is None:
                sessions.append((bytearray(), [], []))
            elif head[1] == b"<" and sessions:
                text, starts, offsets = sessions[-1]
                starts.append(len(text))
                offsets.append(head.end())
                text += data[head.end():end]
        return sessions

    def commands(self, text, starts, offsets):
        """(offset in the file, command) of each; a literal is part of its command."""
        position = 0
        while (end := text.find(b"\n", position)) >= 0:
            start = position
            while literal := self.LITERAL.search(text[position:end].rstrip(b"\r")):
                position = end + 1 + int(literal[1])
                end = text.find(b"\n", position)
                if end < 0:
                    return
            chunk = bisect.bisect_right(starts, start) - 1
            command = bytes(text[start:end]).decode(errors="replace").strip()
            position = end + 1
            yield offsets[chunk] + start - starts[chunk], command.partition(" ")[2]


def is_imap_write(command):
    return command.split(" ")[0].upper() not in IMAP_READS
