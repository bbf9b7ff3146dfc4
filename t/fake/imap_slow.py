#!/usr/bin/python3
"""A scripted IMAP server at the end of a long link: it answers at once, and what it hears and says takes its time.

    imap_slow.py RTT_MS --cert PEM --key PEM [--port N] [--work-ms MS]

It says OK to all that kolabd sends for new people, as Cyrus 3.6 does: mailboxes are not there before they are created. It speaks TLS
at once. The link is a delay line under TLS: every octet is late by half the round trip, in each direction, and a new connection's
first octets by a whole one more, which TCP's handshake takes. (Kernels of virtual machines may have no netem.) So whatever is sent
in one go costs one round trip, and what waits for an answer each time costs one each time. With --work-ms each command that changes
something takes so long in its session, as if for a disk.
Prints "port N" when it listens. Ends with its standard input, or by a signal.
"""
import argparse
import asyncio
import base64
import collections
import ssl
import sys

GREETING = "* OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE AUTH=PLAIN SASL-IR] imap.example.org Cyrus IMAP 3.6.1 server ready\r\n"
BEFORE_LOGIN = "IMAP4rev1 LITERAL+ ID ENABLE AUTH=PLAIN SASL-IR"
CAPABILITY = ("IMAP4rev1 LITERAL+ ID ENABLE ACL RIGHTS=kxten QUOTA MAILBOX-REFERRALS NAMESPACE UIDPLUS NO_ATOMIC_RENAME UNSELECT "
              "CHILDREN MULTIAPPEND BINARY CATENATE CONDSTORE ESEARCH SORT SORT=MODSEQ SORT=DISPLAY SORT=UID THREAD=ORDEREDSUBJECT "
              "THREAD=REFERENCES THREAD=REFS ANNOTATEMORE ANNOTATE-EXPERIMENT-1 METADATA LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS "
              "LIST-METADATA WITHIN QRESYNC SCAN XLIST XMOVE MOVE SPECIAL-USE CREATE-SPECIAL-USE OBJECTID STATUS=SIZE")
WRITES = ("CREATE", "SETQUOTA", "SETMETADATA", "SUBSCRIBE")
NAMESPACES = {True: '(("" "/")) (("user/" "/")) (("" "/"))',
              False: '(("" "/")) (("Other Users/" "/")) (("Shared Folders/" "/"))'}
CHUNK = 65536


class DelayLine:
    """Calls deliver(data) so many seconds after put(data), in order."""

    def __init__(self, loop, deliver, delay):
        self.loop = loop
        self.deliver = deliver
        self.delay = delay
        self.held = collections.deque()

    def put(self, data, not_before=0):
        self.held.append(data)
        self.loop.call_at(max(self.loop.time(), not_before) + self.delay, lambda: self.deliver(self.held.popleft()))


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.loop = asyncio.get_running_loop()
        self.up = DelayLine(self.loop, self.hear, server.rtt / 2)
        self.down = DelayLine(self.loop, self.write, server.rtt / 2)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server.tls.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.greeted = self.admin = False
        self.user = ""
        self.heard = b""
        self.busy_until = 0

    # --- the link

    def connection_made(self, transport):
        self.transport = transport
        self.connected_at = self.loop.time() + self.server.rtt

    def data_received(self, data):
        self.up.put(data, self.connected_at)

    def write(self, data):
        if data is None:
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write(data)

    # --- TLS

    def hear(self, data):
        self.incoming.write(data)
        try:
            if not self.greeted:
                self.tls.do_handshake()
                self.greeted = True
                self.say(GREETING)
            while True:
                data = self.tls.read(CHUNK)
                if not data:
                    break
                self.heard += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.transport.close()
            return
        self.say("".join(self.take_commands()))
        self.flush()

    def say(self, text):
        if text:
            self.tls.write(text.encode())

    def flush(self):
        if self.outgoing.pending:
            self.down.put(self.outgoing.read(), self.busy_until)

    # --- IMAP

    def take_commands(self):
        """The answers to the complete commands that were heard."""
        while (line := self.take_line()) is not None:
            tag, _, command = line.partition(" ")
            verb, _, rest = command.partition(" ")
            if verb in WRITES:
                self.busy_until = max(self.busy_until, self.loop.time()) + self.server.work
            yield self.answer(tag, verb.upper(), rest)
            if verb == "LOGOUT":
                self.loop.call_soon(self.down.put, None)

    def take_line(self):
        """A command with its literals."""
        at = 0
        while (end := self.heard.find(b"\r\n", at)) >= 0:
            line = self.heard[:end]
            if not line.endswith(b"+}"):
                self.heard = self.heard[end + 2:]
                return line.decode(errors="replace")
            at = end + 2 + int(line[line.rindex(b"{") + 1:-2])
        return None

    def answer(self, tag, verb, rest):
        data, end = "", "OK Completed"
        if verb == "CAPABILITY":
            data = f"* CAPABILITY {CAPABILITY if self.user or self.admin else BEFORE_LOGIN}\r\n"
        elif verb == "AUTHENTICATE":
            self.user, admin, _ = base64.b64decode(rest.split(" ")[1]).decode().split("\0")
            self.admin = self.user in ("", admin)
            end = f"OK [CAPABILITY {CAPABILITY}] Success (tls protection)"
        elif verb == "NAMESPACE":
            data = f"* NAMESPACE {NAMESPACES[self.admin]}\r\n"
        elif verb == "ID":
            data = '* ID ("name" "Cyrus IMAPD" "version" "3.6.1" "vendor" "Project Cyrus")\r\n'
        elif verb == "CREATE":
            end = self.create(rest)
        elif verb in ("GETMETADATA", "GETACL") and self.admin and self.name(rest) not in self.server.created:
            end = "NO Mailbox does not exist"
        elif verb == "GETMETADATA" and self.admin:
            data = f'* METADATA "{self.name(rest)}" ("/shared/vendor/cmu/cyrus-imapd/partition" "default")\r\n'
        elif verb == "GETQUOTA":
            end = "NO Quota root does not exist"
        elif verb == "LOGOUT":
            data = "* BYE LOGOUT received\r\n"
        return f"{data}{tag} {end}\r\n"

    @staticmethod
    def name(rest):
        return rest.split('"')[1] if '"' in rest else rest

    def create(self, rest):
        name = (self.user, self.name(rest)) if not self.admin else self.name(rest)
        if name in self.server.created:
            return "NO Mailbox already exists"
        self.server.created.add(name)
        return f"OK [MAILBOXID ({len(self.server.created):024x})] Completed"


class Server:
    def __init__(self, options):
        self.rtt = options.rtt_ms / 1000
        self.work = options.work_ms / 1000
        self.created = set()
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(options.cert, options.key)

    async def run(self, port):
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self), "127.0.0.1", port, backlog=256)
        print(f"port {listener.sockets[0].getsockname()[1]}", flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rtt_ms", type=float)
    parser.add_argument("--cert", metavar="PEM", required=True)
    parser.add_argument("--key", metavar="PEM", required=True)
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--work-ms", metavar="MS", type=float, default=0)
    options = parser.parse_args()
    asyncio.run(Server(options).run(options.port))


if __name__ == "__main__":
    main()
