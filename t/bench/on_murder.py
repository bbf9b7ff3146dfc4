"""First provisioning on a murder: a frontend and two backends, which get people in turn."""

import contextlib
import json

import check
import commands
import floor
import growing
import world as worlds
from turns import in_turn

from murder import open_murder  # of t/system, which world knows the way to
from witness import Telemetry

SERVER = "(/shared/vendor/cmu/cyrus-imapd/server)"


class MurderWorld:
    """What bench.py asks of a World, for one that has a murder; people and programs are the World's."""

    def __init__(self, world, murder):
        self.world = world
        self.murder = murder
        self.parts = [murder.frontend, *murder.backends]
        self.telemetries = [Telemetry(part.env["IMAP_TELEMETRY"]) for part in self.parts]

    def __getattr__(self, name):
        return getattr(self.world, name)

    def configure(self, word, workers):
        file = self.world.configure(word, workers)
        settings = json.loads(file.read_text())
        settings["imap"].update(uri=self.murder.frontend.env["IMAPS_URI"],
                                backends={part.name: part.env["IMAPS_URI"] for part in self.murder.backends})
        settings["placement"] = {"policy": "round-robin"}
        file.write_text(json.dumps(settings, indent=1))
        return file

    def sync(self, word, changed, workers):
        return self.world.sync(word, changed, workers, self.configure)

    def run_floor(self, users, connections):
        return floor.run(work, Servers(self.murder), users, connections)

    def cpu(self):
        pids = [int((part.base / "pid").read_text()) for part in self.murder.parts.values()]
        return self.world.cpu()[0], sum(map(worlds.session_cpu, pids))

    def stop_watching(self):
        for part in self.parts:
            worlds.remove_telemetry(part.env)

    def watch(self, users):
        for telemetry in self.telemetries:
            telemetry.watch(*users)

    def mark(self):
        return [telemetry.mark() for telemetry in self.telemetries]

    def since(self, mark):
        """Of those who came by TLS at once: what the frontend relays is not ours."""
        return [command for telemetry, part in zip(self.telemetries, mark) for command in telemetry.since(part, "imaps-*")]


def place_commands(mailbox):
    return [f"GETACL {mailbox}", f"GETMETADATA {mailbox} {SERVER}"]


class Servers:
    """The frontend and the backends (as floor.Server)."""

    def __init__(self, murder):
        self.frontend = floor.Server(murder.frontend.env, as_users=False)
        self.backends = [floor.Server(part.env) for part in murder.backends]

    def prepare(self, connections):
        for backend in self.backends:
            backend.begin_resuming()
        return [(frontend, self.backends) for frontend in self.frontend.prepare(connections)]


class Backend:
    """An administrator's session that is kept, and users' sessions."""

    def __init__(self, server):
        self.server = server
        self.admin = None

    def set_quota(self, user):
        """The backend itself is asked, too, since the frontend may tell old news."""
        if self.admin is None:
            self.admin = self.server.open_user("")
        self.admin.run([*commands.look(user), *commands.set_quota(user, commands.QUOTA_KIB)])

    def close(self):
        if self.admin is not None:
            self.admin.close()


def work(servers, users, cursor):
    """As one of kolabd's workers."""
    frontend = servers[0].admin
    backends = [Backend(server) for server in servers[1]]
    first = ["NAMESPACE"]
    for number in floor.take_turns(users, cursor):
        backend, mailbox = backends[number % len(backends)], f'"user/{users[number]}"'
        frontend.run([*place_commands(mailbox), f"CREATE {mailbox} (SERVER {backend.server.env['IMAP_SERVER']})",
                      *place_commands(mailbox)])
        backend.set_quota(users[number])
        session = backend.server.open_user(users[number])
        session.run([*first, *commands.create_folders()])
        session.close()
        first = []
    frontend.close()
    for backend in backends:
        backend.close()


@contextlib.contextmanager
def open_beside(world):
    with open_murder(world.directory / "murder", world.directory / "ca") as murder:
        yield MurderWorld(world, murder)


def check_commands(world):
    with open_beside(world) as there:
        check.first_provisioning(there, "murder")


def measure(world, table, people, pairs):
    """A frontend and two backends, beside the world's directory."""
    with open_beside(world) as there:
        there.stop_watching()
        bare, kolabd = in_turn(pairs, lambda number: growing.observe_floor(there, f"murderfloor{number}", 0, people),
                               lambda number: growing.observe_kolabd(there, f"murderkolabd{number}", people))
        growing.tell(table, ("murder", people), bare, kolabd)
