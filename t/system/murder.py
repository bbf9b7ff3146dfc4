"""A Cyrus murder (t/lab/murder-up.sh): its parts as servers, its mailboxes as whoever talks to the frontend, or to one backend,
sees them."""

import contextlib
import imaplib
import os
import pathlib
import shlex
import signal
import subprocess

import imap_client
from lab import ImapHelper, Lab
from servers import DIE_WITH_US, LAB, Server
from witness import Telemetry, is_imap_write

SERVER_ENTRY = "/shared/vendor/cmu/cyrus-imapd/server"


def may_listen():
    """Whether we may have the standard ports of IMAP."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    return first <= 143 or os.geteuid() == 0


class Part(Server):
    """mupdate, a frontend or a backend: to stop(), start(), hang() and resume(). `name` is its Cyrus servername."""

    def __init__(self, directory, name):
        super().__init__("murder", directory, name)
        self.read_env()

    @property
    def name(self):
        return self.env["IMAP_SERVER"]

    def begin_start(self):
        return subprocess.Popen([*DIE_WITH_US, LAB / "murder-up.sh", self.base.parent, self.base.name])

    def stop(self, gently=False):
        subprocess.run([LAB / "murder-down.sh", self.base.parent, self.base.name], check=True)

    def kill(self):
        """As a power cut does; start() is next."""
        pid = self.base / "pid"
        os.killpg(int(pid.read_text()), signal.SIGKILL)
        pid.unlink()

    def hang(self):
        """It takes connections, and answers nobody."""
        subprocess.run([LAB / "hang.sh", self.base], check=True)

    def resume(self):
        subprocess.run([LAB / "hang.sh", self.base, "resume"], check=True)


class Murder:
    """`options` as in murder-up.sh. `mupdate`, `frontends`, `backends` are Parts; `frontend` is the first."""

    def __init__(self, directory, ca_directory, **options):
        self.base = directory
        self.options = dict(options, CA_DIRECTORY=str(ca_directory))
        self.parts = {}

    def start(self):
        subprocess.run([*DIE_WITH_US, "env", *(f"{name}={value}" for name, value in self.options.items()),
                        LAB / "murder-up.sh", self.base], check=True)
        env = dict(line.split("=", 1) for line in shlex.split((self.base / "env").read_text()))
        self.network = env["MURDER_NETWORK"]
        self.parts = {name: Part(self.base, name) for name in env["MURDER_PARTS"].split()}

    def close(self):
        subprocess.run([LAB / "murder-down.sh", self.base], check=True)

    @property
    def mupdate(self):
        return self.parts["mupdate"]

    @property
    def frontends(self):
        return [part for name, part in self.parts.items() if name.startswith("frontend")]

    @property
    def frontend(self):
        return self.parts["frontend"]

    @property
    def backends(self):
        return [self.parts["backend1"], self.parts["backend2"]]

    def restart_stopped(self):
        for part in self.parts.values():
            if part.running:
                part.resume()
        subprocess.run([*DIE_WITH_US, LAB / "murder-up.sh", self.base], check=True)


class MurderImap(ImapHelper):
    """As lab-admin at the frontend, which knows the latest when it is asked. Metadata is read and written at the mailbox's
    backend: a frontend of 3.6.1 says OK to either, and does nothing."""

    def __init__(self, murder, backends):
        super().__init__(murder.frontend.env)
        self.backends = backends

    @property
    def admin(self):
        """For the rights of a mailbox that it does not know a frontend asks the master for the news, all of them."""
        session = super().admin
        with contextlib.suppress(imaplib.IMAP4.error):
            session.acl("no-such-mailbox")
        return session

    def session(self, user=""):
        if user:
            _ = self.admin
        return super().session(user)

    def create(self, mailbox, backend=None, partition=None):
        places = [*(["SERVER", backend.name] if backend else []), *(["PARTITION", partition] if partition else [])]
        options = [f"({' '.join(places)})"] if places else []
        self.admin.command("CREATE", imap_client.quote(imap_client.encode_name(mailbox)), *options)

    def server(self, mailbox):
        """The name of the backend that has it, as the frontend knows; None: it knows of no such mailbox, or it is on its way."""
        try:
            return self.admin.metadata(mailbox, SERVER_ENTRY)[SERVER_ENTRY] if self.exists(mailbox) else None
        except imaplib.IMAP4.error as error:
            if "currently reserved" in str(error):
                return None
            raise

    def backend(self, mailbox):
        name = self.server(mailbox)
        return next((backend for backend in self.backends if backend.name == name), None)

    def move(self, mailbox, backend, partition=None):
        """A user's, with all folders."""
        name = imap_client.quote(imap_client.encode_name(mailbox))
        self.admin.command("RENAME", name, name, f"{backend.name}!{partition}" if partition else backend.name)

    def admin_at(self, mailbox):
        return self.backend(mailbox).admin

    def metadata(self, user, folder, *entries):
        return self.backend(f"user/{user}").metadata(user, folder, *entries)

    def set_metadata(self, user, folder, entry, value):
        self.backend(f"user/{user}").set_metadata(user, folder, entry, value)


class Backend(ImapHelper):
    """As lab-admin at one backend. `part` is the server, to stop() and hang()."""

    def __init__(self, part):
        super().__init__(part.env)
        self.part = part
        self.telemetry = Telemetry(part.env["IMAP_TELEMETRY"])

    @property
    def name(self):
        return self.part.name


class MurderLab(Lab):
    """A Lab whose IMAP side is a murder: kolabd and `imap` talk to the frontend, `cyrus` is the frontend, `murder` all of it and
    `backends` two Backends."""

    def __init__(self, servers, murder, access_log, number, directory):
        self.murder = murder
        self.backends = [Backend(part) for part in murder.backends]
        telemetry = Telemetry(murder.frontend.env["IMAP_TELEMETRY"])
        super().__init__(servers, (access_log, telemetry), number, directory, murder.frontend)

    def open_imap(self):
        return MurderImap(self.murder, self.backends)

    def close(self):
        self.murder.restart_stopped()
        for backend in self.backends:
            backend.close()
        super().close()

    def watch_users(self, *users):
        super().watch_users(*users)
        for backend in self.backends:
            backend.telemetry.watch(*users)

    def spread(self):
        """Lets kolabd give new mailboxes to the backends in turn; Cyrus would choose by what is free on their one disk."""
        backends = {backend.name: backend.env["IMAPS_URI"] for backend in self.backends}
        self.kolabd.settings["imap"]["backends"] = backends
        self.kolabd.settings["placement"] = {"policy": "round-robin"}
        self.kolabd.configure()

    def mail_host(self, mailbox):
        return self.imap.server(mailbox)

    def mark(self):
        return *super().mark(), *(backend.telemetry.mark() for backend in self.backends)

    def imap_commands(self, mark):
        """[(user, command)] of kolabd since the mark, to the frontend and to the backends."""
        return super().imap_commands(mark) + [command for number in range(2) for command in self.backend_commands(mark, number)]

    def backend_commands(self, mark, number):
        """[(user, command)] of kolabd's own sessions to backend 0 or 1 since the mark; not what the frontend relays."""
        return self.backends[number].telemetry.since(mark[2 + number], "imaps-*")

    def backend_writes(self, mark, number):
        return [(user, command) for user, command in self.backend_commands(mark, number) if is_imap_write(command)]


@contextlib.contextmanager
def open_murder(directory, ca_directory, **options):
    murder = Murder(directory, ca_directory, **options)
    murder.start()
    try:
        yield murder
    finally:
        murder.close()
