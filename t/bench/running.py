"""A daemon whose words are heard the moment it says them: its log comes through a pipe, READY through its socket, and each wait
blocks until something comes."""

import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import world as worlds

PATIENCE_S = 120


class Running:
    """kolabd with a configuration file. Times are of time.monotonic()."""

    def __init__(self, file):
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(f"\0kolabd-bench-{os.getpid()}-{id(self)}")
        self.lines = []  # (time, text) that nobody asked for yet
        self.rest = b""
        self.heard = []  # the last ones, for who asks why it did not come
        self.began = time.monotonic()
        command = [*worlds.DIE_WITH_US, worlds.BUILD / "kolabd", "--config", file]
        environment = dict(os.environ, NOTIFY_SOCKET="@" + self.notices.getsockname()[1:].decode())
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def peak_memory_kib(self):
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", pathlib.Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)[1])

    def wait_ready(self):
        """Gives when READY=1 came."""
        while True:
            self.wait_readable(self.notices, "READY=1")
            if b"READY=1" in self.notices.recv(4096):
                return time.monotonic()

    def wait_for(self, text, count=1):
        """Gives when so many lines with that text have come; what came before the last of them is forgotten."""
        while True:
            if not self.lines:
                self.read(text)
            while self.lines:
                when, line = self.lines.pop(0)
                count -= text in line
                if count == 0:
                    return when

    def read(self, wanted):
        self.wait_readable(self.process.stderr, wanted)
        data = os.read(self.process.stderr.fileno(), 1 << 20)
        now = time.monotonic()
        if not data:
            raise RuntimeError(f"kolabd ended before it said {wanted!r}:\n" + "\n".join(self.heard))
        *lines, self.rest = (self.rest + data).split(b"\n")
        texts = [line.decode(errors="replace") for line in lines]
        self.lines += [(now, text) for text in texts]
        self.heard = (self.heard + texts)[-30:]

    def wait_readable(self, file, wanted):
        if not select.select([file], [], [], PATIENCE_S)[0]:
            raise RuntimeError(f"kolabd did not say {wanted!r} in {PATIENCE_S} s:\n" + "\n".join(self.heard))

    def close(self):
        """As systemd stops it; what it still says is read, since it would wait for that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.stderr.read()
        if self.process.wait() not in (0, -signal.SIGTERM):
            raise RuntimeError(f"kolabd ended with {self.process.returncode}:\n" + "\n".join(self.heard))
        self.notices.close()
        self.process.stderr.close()
