"""An IMAP client that owes nothing to kolabd: imaplib, with what imaplib lacks (modified UTF-7, METADATA)."""

import base64
import binascii
import contextlib
import imaplib
import re
import socket
import ssl

FOLDER_TYPE = "vendor/kolab/folder-type"
# The first command of each session of ours, so that a reader of the server's telemetry can tell it from kolabd's.
SIGNATURE = '("name" "kolabd-lab")'

imaplib.Commands.setdefault("ID", ("NONAUTH", "AUTH", "SELECTED"))
TOKEN = re.compile(rb'[()]|"(?:[^"\\]|\\.)*"|[^\s()"]+')



def encode_name(name):
    """Modified UTF-7 of RFC 3501, section 5.1.3."""
    def encode_run(match):
        if match[0] == "&":
            return "&-"
        return "&" + binascii.b2a_base64(match[0].encode("utf-16-be")).rstrip(b"\n=").replace(b"/", b",").decode() + "-"
    return re.sub(r"&|[^\x20-\x7e]+", encode_run, name)


def decode_name(name):
    def decode_run(match):
        if not match[1]:
            return "&"
        text = match[1].replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-16-be")
    return re.sub(r"&([^-]*)-", decode_run, name)


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(reply):
    """The parts of an untagged reply, as imaplib gives it, as nested lists of str; NIL is None."""
    root = []
    stack = [root]

    def feed(data):
        for token in TOKEN.findall(data):
            if token == b"(":
                stack.append([])
            elif token == b")":
                done = stack.pop()
                stack[-1].append(done)
            elif token.startswith(b'"'):
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", token[1:-1]).decode())
            else:
                stack[-1].append(None if token.upper() == b"NIL" else token.decode())

    for part in reply:
        if isinstance(part, tuple):  # (text that ends in {length}, literal)
            feed(re.sub(rb"\{\d+\}$", b"", part[0]))
            stack[-1].append(part[1].decode())
        elif part is not None:
            feed(part)
    return root


class Connection(imaplib.IMAP4_SSL):
    """Acknowledges at once: or else the server's Nagle and our delayed acknowledgement cost 40 ms a dialogue."""

    def readline(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super().readline()


class Session:
    """One login. `as_user`: log in as the administrator, be that user (SASL PLAIN with an authorisation id)."""

    def __init__(self, port, ca_file, login, password, as_user="", host="127.0.0.1", signed=True):
        context = ssl.create_default_context(cafile=ca_file)
        self.imap = Connection(host, port, ssl_context=context, timeout=30)
        self.imap.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.imap.authenticate("PLAIN", lambda _: f"{as_user}\0{login}\0{password}".encode())
        if signed:
            self.command("ID", SIGNATURE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self.imap.logout()

    def command(self, name, *arguments, answer=None):
        """Sends a command; gives the untagged replies named `answer`. A NO or BAD raises imaplib.IMAP4.error."""
        imaplib.Commands.setdefault(name, ("AUTH", "SELECTED"))
        status, text = self.imap._simple_command(name, *arguments)
        replies = self.imap.untagged_responses.pop(answer, []) if answer else []
        self.imap.untagged_responses.clear()
        if status != "OK":
            raise imaplib.IMAP4.error(f"{name} {' '.join(arguments)}: {status} {text}")
        return parse(replies)

    def list(self, pattern="*", command="LIST"):
        """[(attributes, decoded name)]"""
        parts = self.command(command, '""', quote(encode_name(pattern)), answer=command)
        return [(attributes, decode_name(name)) for attributes, _, name in zip(*[iter(parts)] * 3)]

    def names(self, pattern="*"):
        return sorted(name for attributes, name in self.list(pattern) if "\\Noselect" not in attributes)

    def own_folders(self):
        """As the user sees them: INBOX, Calendar, ...; not what others share."""
        return [name for name in self.names() if not name.startswith(("Other Users/", "Shared Folders/"))]

    def subscriptions(self):
        return sorted(name for _, name in self.list(command="LSUB"))

    def metadata(self, mailbox, *entries):
        """{entry: value}, None for an entry without a value. For kolab's folder type when no entry is given."""
        entries = entries or (f"/private/{FOLDER_TYPE}", f"/shared/{FOLDER_TYPE}")
        parts = self.command("GETMETADATA", quote(encode_name(mailbox)), f"({' '.join(entries)})", answer="METADATA")
        found = dict.fromkeys(entries)
        for _, pairs in zip(*[iter(parts)] * 2):
            found.update(zip(*[iter(pairs)] * 2))
        return found

    def set_metadata(self, mailbox, entry, value):
        self.command("SETMETADATA", quote(encode_name(mailbox)), f"({entry} {'NIL' if value is None else quote(value)})")

    def quota(self, root):
        """Limit of STORAGE in KiB, None when there is none."""
        try:
            parts = self.command("GETQUOTA", quote(encode_name(root)), answer="QUOTA")
        except imaplib.IMAP4.error as error:
            if "does not exist" in str(error):
                return None
            raise
        resources = parts[1] if len(parts) > 1 else []
        return next((int(limit) for name, _, limit in zip(*[iter(resources)] * 3) if name == "STORAGE"), None)

    def set_quota(self, root, kib):
        self.command("SETQUOTA", quote(encode_name(root)), f"(STORAGE {kib})")

    def exists(self, mailbox):
        return bool(self.list(mailbox))

    def acl(self, mailbox):
        """{identifier: rights}"""
        parts = self.command("GETACL", quote(encode_name(mailbox)), answer="ACL")
        return dict(zip(*[iter(parts[1:])] * 2))

    def create(self, mailbox):
        self.command("CREATE", quote(encode_name(mailbox)))

    def subscribe(self, mailbox):
        self.command("SUBSCRIBE", quote(encode_name(mailbox)))

    def delete(self, mailbox):
        self.command("DELETE", quote(encode_name(mailbox)))

    def set_acl(self, mailbox, identifier, rights):
        self.command("SETACL", quote(encode_name(mailbox)), quote(identifier), rights)
