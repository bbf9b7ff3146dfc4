"""A TCP relay: one address before servers that a test chooses, to be refused, to answer nobody, and to count who came."""

import contextlib
import select
import socket
import threading


class Relay:
    """Listens on (host, port). A new connection goes to `target(number)`, a (host, port), where number counts from 0; None: it is
    taken, and nobody answers. `open`: connections now, `most`: at the same time so far, `taken`: so far."""

    def __init__(self, host, port, target):
        self.address = (host, port)
        self.target = target
        self.lock = threading.Lock()
        self.open = self.most = self.taken = 0
        self.sockets = set()
        self.listener = None
        self.listen()

    def listen(self):
        self.listener = socket.create_server(self.address)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def refuse(self):
        """Who comes is refused, who is there is thrown out; listen() ends that."""
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for one in self.sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with self.lock:
                    number = self.taken
                    self.taken += 1
                threading.Thread(target=self.serve, args=(client, number), daemon=True).start()

    def serve(self, client, number):
        with self.lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            with self.held(client), contextlib.suppress(OSError):
                target = self.target(number)
                if target is None:
                    self.swallow(client)
                else:
                    with self.held(socket.create_connection(target)) as server:
                        self.copy(client, server)
        finally:
            with self.lock:
                self.open -= 1

    @contextlib.contextmanager
    def held(self, one):
        with self.lock:
            self.sockets.add(one)
        try:
            yield one
        finally:
            with self.lock:
                self.sockets.discard(one)
            one.close()

    @staticmethod
    def swallow(client):
        while client.recv(65536):
            pass

    @staticmethod
    def copy(client, server):
        other = {client: server, server: client}
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                other[ready].sendall(data)
