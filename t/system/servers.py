"""The real servers of a test session, each started once by t/lab, everything in one directory."""

import os
import pathlib
import shlex
import signal
import subprocess

LAB = pathlib.Path(__file__).resolve().parent.parent / "lab"
# A script that starts a server must not go on when pytest was killed.
DIE_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


class Server:
    """One server: `env` is what its start script says of it (t/lab/ds-up.sh, t/lab/imap-up.sh)."""

    def __init__(self, kind, directory, name=None, **environment):
        self.kind = kind
        self.base = directory / (name or kind)
        self.environment = environment
        self.env = {}

    def start(self):
        """Starts it, or starts it again: same data, same ports."""
        self.finish_start(self.begin_start())

    def begin_start(self):
        environment = dict(os.environ, CA_DIRECTORY=str(self.base.parent / "ca"), **self.environment)
        return subprocess.Popen([*DIE_WITH_US, LAB / f"{self.kind}-up.sh", self.base], env=environment)

    def finish_start(self, process):
        if process.wait() != 0:
            raise RuntimeError(f"{self.kind}-up.sh failed: see {self.base}/log")
        self.read_env()

    def read_env(self):
        text = (self.base / "env").read_text()
        self.env = dict(line.split("=", 1) for line in shlex.split(text, comments=False))

    def stop(self, gently=False):
        subprocess.run([LAB / f"{self.kind}-down.sh", self.base, *(["gently"] if gently else [])], check=True)

    def kill(self):
        """All its processes at the same moment; stop() and start() follow."""
        os.killpg(int((self.base / "pid").read_text()), signal.SIGKILL)

    @property
    def running(self):
        return (self.base / "pid").exists()


class Servers:
    """A directory server and an IMAP server with one certificate authority. `directory`: an empty one, kolabd-..., instead of the
    one that the lab chooses; `imap_environment`: see t/lab/imap-up.sh."""

    def __init__(self, directory=None, **imap_environment):
        script = f". {shlex.quote(str(LAB / 'lib/lab.sh'))}; lab_make_directory kolabd-test"
        self.directory = directory or pathlib.Path(subprocess.check_output(["bash", "-euc", script], text=True).strip())
        # Cleans up when our end of the pipe closes: at the end, on Ctrl-C, and also when pytest is killed.
        self.guard = subprocess.Popen(["sh", "-c", 'cat > /dev/null; exec "$0" "$1"', LAB / "down.sh", self.directory],
                                      stdin=subprocess.PIPE, start_new_session=True)
        self.ds = Server("ds", self.directory)
        self.imap = Server("imap", self.directory, **imap_environment)

    def start(self):
        subprocess.run([LAB / "ca.sh", self.directory / "ca"], check=True)
        starting = [(server, server.begin_start()) for server in (self.ds, self.imap)]
        for server, process in starting:
            server.finish_start(process)

    def restart_stopped(self):
        for server in (self.ds, self.imap):
            if not server.running:
                server.start()

    def close(self):
        self.guard.stdin.close()
        self.guard.wait()


class FixedServers:
    """The session's directory server, with an IMAP server that survives SETMETADATA on shared mailboxes."""

    def __init__(self, servers):
        self.servers = servers
        self.ds = servers.ds
        self.imap = Server("imap", servers.directory, "imap-fixed", LAB_FIX_4611="1")
        self.imap.start()

    def restart_stopped(self):
        self.servers.restart_stopped()
