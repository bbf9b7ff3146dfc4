"""A proxy between a client and one real server, which does on command what a broken network or a tired frontend does.

Proxy(port) listens on a free port of 127.0.0.1 and passes on, both ways, what comes; Proxy(target, at=(host, port)) listens there, and
`target` may be an address, or a function that gives one for each connection. With a certificate it ends the client's TLS
itself, and speaks TLS of its own with the server, by `ca_file`: then the test can put in another certificate, and a trap sees what
is said.
"""
import contextlib
import select
import socket
import ssl
import struct
import threading
import time

UP, DOWN = "up", "down"  # from the client, from the server
CHUNK = 16384
PATIENCE = 10  # seconds, for the proxy's own reads and writes: the thread of a test's connection must end some time
AT_ONCE = struct.pack("ii", 1, 0)


class Cut(Exception):
    """This connection ends here."""


# --- what a trap does to the connection that springs it

def cut(_):
    raise Cut


def reset(connection):
    """As cut, but the two ends get an error instead of an end."""
    for end in connection.ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    raise Cut


def hang(connection):
    """It stays open, and nothing comes through any more."""
    connection.deaf = True


class Trap:
    """Springs once: after so many octets in one direction, of all connections together, or where `text` begins."""

    def __init__(self, direction, action, after=0, text=b""):
        self.direction = direction
        self.action = action
        self.left = after
        self.text = text
        self.sprung = threading.Event()

    def find(self, direction, data):
        """Where in `data` it springs, or None."""
        if direction != self.direction or self.sprung.is_set():
            return None
        place = data.find(self.text) if self.text else self.left
        if not self.text:
            self.left -= len(data)
        if not 0 <= place < len(data):
            return None
        self.sprung.set()
        return place


class Connection:
    def __init__(self, proxy, client):
        self.proxy = proxy
        self.ends = [client]
        self.deaf = False

    def run(self):
        self.proxy.note_open(1)
        with contextlib.suppress(OSError, ValueError, Cut):
            if self.proxy.slamming:
                reset(self)
            self.deaf = self.proxy.hanging and not self.proxy.tls
            self.open()
            self.pump(*self.ends)
        for end in self.ends:
            end.close()
        self.proxy.note_open(-1)

    def open(self):
        self.ends[0].settimeout(PATIENCE)
        if self.deaf:
            self.ends.append(socket.socket())
            return
        if self.proxy.tls:
            self.ends[0] = self.proxy.tls.wrap_socket(self.ends[0], server_side=True)
        server = socket.create_connection(self.proxy.target(), PATIENCE)
        self.ends.append(self.proxy.verify.wrap_socket(server, server_hostname="127.0.0.1") if self.proxy.tls else server)

    def pump(self, client, server):
        ways = {client: (UP, server), server: (DOWN, client)}
        while True:
            listened = [client] if self.deaf else [client, server]
            held = [end for end in listened if self.proxy.tls and end.pending()]
            for source in held or select.select(listened, [], [])[0]:
                self.move(source, *ways[source])

    def move(self, source, direction, sink):
        source.settimeout(0)
        try:
            data = source.recv(CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        if not data:
            raise Cut
        self.deaf = self.deaf or self.proxy.hanging
        place, action = self.proxy.spring(direction, data)
        self.send(sink, direction, data[:place])
        if action:
            action(self)
            self.send(sink, direction, data[place:])

    def send(self, sink, direction, data):
        if self.deaf or not data:
            return
        if direction == DOWN:
            time.sleep(self.proxy.delay)
        sink.settimeout(PATIENCE)
        sink.sendall(data)


class Proxy:
    """What is said of it holds for the connections that stand and for those to come, until heal()."""

    def __init__(self, target, ca_file=None, certificate=None, key=None, at=("127.0.0.1", 0)):
        self.target = target if callable(target) else lambda: target if isinstance(target, tuple) else ("127.0.0.1", target)
        self.verify = ssl.create_default_context(cafile=ca_file)
        self.tls = None
        if certificate:
            self.present(certificate, key)
        self.lock = threading.Lock()
        self.traps = []
        self.slamming = False
        self.hanging = False
        self.delay = 0  # seconds that everything from the server is late
        self.accepted = 0
        self.open = self.most = 0  # connections now, and at the same time so far
        self.passed = {UP: 0, DOWN: 0}  # octets so far
        self.connections = []
        self.listen(at)
        self.port = self.listener.getsockname()[1]

    def listen(self, at=None):
        """Again, after close()."""
        self.listener = socket.create_server(at or self.address)
        self.address = self.listener.getsockname()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            connection = Connection(self, client)
            with self.lock:
                self.accepted += 1
                self.connections.append(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def present(self, certificate, key):
        """The certificate that new connections see."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        self.tls = context

    def set_trap(self, direction, action, after=0, text=b""):
        """`action`: cut, reset, hang, or a function of the connection. Gives the trap: its `sprung` is an event."""
        trap = Trap(direction, action, after, text)
        with self.lock:
            self.traps.append(trap)
        return trap

    def spring(self, direction, data):
        """(octets that pass before, action) of the trap that springs, else (all, None)."""
        with self.lock:
            self.passed[direction] += len(data)
            found = [(place, trap.action) for trap in self.traps if (place := trap.find(direction, data)) is not None]
        return min(found, key=lambda one: one[0], default=(len(data), None))

    def slam(self):
        """Connections are accepted and broken off at once, and who is there is thrown out."""
        self.slamming = True
        self.cut()

    def hang(self):
        """Connections are accepted (and get their TLS, where that is the proxy's), but nothing comes through any more."""
        self.hanging = True

    def cut(self):
        """All connections that there are now."""
        with self.lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            for end in connection.ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def heal(self):
        """As if nothing had been; but what hangs will never be answered."""
        self.slamming = self.hanging = False
        self.delay = 0
        with self.lock:
            self.traps.clear()

    def note_open(self, change):
        with self.lock:
            self.open += change
            self.most = max(self.most, self.open)

    def close(self):
        """Who comes from now on is refused, and who is there is thrown out."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
