"""What faults in the middle of a session get: an IMAP server that goes wrong in every way, servers that go and come back, and
the end of the daemon while a server hangs."""

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest

from kolabd import Kolabd

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fake"))

import imap_hostile  # noqa: E402 pylint: disable=wrong-import-position

# Replies of one session are bounded to 64 MiB; libraries, malloc and a sanitizer add to it.
SIZE_LIMIT_KIB = 512 * 1024
# No absolute promise, but the end of hanging for ever.
DEADLINE = 60
# What a session may do wrong, and part of what the error says of it.
LOST = {"close": "closed the connection instead of answering", "half": "closed the connection instead of answering",
        "bye": "after BYE: Server shutting down", "bye-open": "does not answer",
        "bye-inside": "closed the connection instead of answering", "fatal": "after BYE: Fatal error: Internal error: assertion failed",
        "silent": "does not answer", "garbage": "not understood as IMAP", "wrong-tag": "answers what was not asked",
        "continuation": "asks for more data", "endless-line": "line too long", "endless-data": "sends too much",
        "endless-noise": "sends too much", "trickle": "sends next to nothing, and does not come to an end",
        "nested": "nested too deep", "many-literals": "line too long",
        "huge-literal": "literal too long"}
# Ways that say nothing more, or next to nothing, so that only time ends them.
PATIENT = {"silent": {"timeout": "2s"}, "bye-open": {"timeout": "2s"}, "trickle": {"timeout": "400ms"}}
# At which commands a BYE was not tried yet, and what a sync ends with.
BYES = {"ID": 1, "GETQUOTA": 3, "LSUB": 3, "CREATE": 3, "SETMETADATA": 3, "SUBSCRIBE": 3, "LOGOUT": 0}
REFUSED = {"refuse": 'answers NO "Refused by command"', "misunderstand": 'answers BAD "Refused by command"'}


class Hostile(imap_hostile.Server):
    """A hostile IMAP server in this process, and a Kolabd of its own against it."""

    def __init__(self, lab, name, *arguments, **imap):
        super().__init__(imap_hostile.parse_options(arguments))
        self.heard = []
        self.listener = self.listen()
        scheme = "imaps" if self.tls and not self.options.starttls else "imap"
        self.uri = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"
        directory = lab.kolabd.directory / name
        directory.mkdir()
        self.kolabd = Kolabd(directory, lab.settings(), lab.ds.env["PASSWORD"])
        # Nothing is written to the directory, so that many may work on one entry.
        self.kolabd.configure({"imap": {"uri": self.uri, "insecure": not self.tls, "timeout": "20s", "mail_host": "", **imap},
                               "policy": {"mode": "never"}, "workers": 1})

    def log(self, line):
        with self.lock:
            self.heard.append(line)

    def sync(self):
        """Gives (exit status, what it wrote, its largest size in KiB)."""
        with (self.kolabd.directory / "output").open("w+b") as output:
            with subprocess.Popen(self.kolabd.command("kolabd", ["--sync"]), stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=output) as process:
                timer = threading.Timer(DEADLINE, process.kill)
                timer.start()
                _, status, usage = os.wait4(process.pid, 0)
                timer.cancel()
                process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            return process.returncode, output.read().decode(), usage.ru_maxrss


@pytest.fixture(name="hostile")
def make_hostile(lab):
    """hostile(name, mode, option..., imap setting=...): a server that listens."""
    with contextlib.ExitStack() as stack:
        def make(*arguments, **imap):
            server = Hostile(lab, *arguments, **imap)
            stack.callback(server.listener.close)
            return server
        yield make


def sync_all(servers):
    """[result] of each server's sync(), some at the same time: all of them would wait for each other longer than for a server."""
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        return list(pool.map(Hostile.sync, servers))


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture(name="jane")
def add_jane(lab):
    return lab.add_person("jane", givenName="Jane", sn="Example", mail=f"jane@{lab.domain}")


@pytest.mark.usefixtures("jane")
def test_a_sync_names_every_way_of_going_wrong_with_the_server_and_ends(lab, hostile):
    tls = ["--cert", str(lab.servers.directory / "ca/server.pem"), "--key", str(lab.servers.directory / "ca/server.key")]
    # (server, exit status, part of the last message)
    expected = []
    for mode, problem in LOST.items():
        patience = PATIENT.get(mode, {})
        expected += [(hostile(f"{mode}-connected", mode, **patience), 1, problem),
                     (hostile(f"{mode}-login", mode, "--at", "AUTHENTICATE", timeout="2s"), 1, ""),
                     (hostile(f"{mode}-first", mode, "--at", "GETQUOTA", **patience), 3, problem),
                     (hostile(f"{mode}-last", mode, "--at", "SUBSCRIBE", "--after", "3", **patience), 3, problem),
                     (hostile(f"{mode}-once", mode, "--at", "CREATE", "--times", "1", "--empty", **patience), 0, "in order after")]
    for mode in ("bye", "silent", "garbage", "endless-line", "endless-noise", "huge-literal"):
        expected += [(hostile(f"{mode}-greeting", mode, "--at", "GREETING", timeout="2s"), 1, "")]
    for mode, problem in REFUSED.items():
        expected += [(hostile(f"{mode}-connected", mode), 1, "NAMESPACE"),
                     (hostile(f"{mode}-login", mode, "--at", "AUTHENTICATE"), 1, "check login and password"),
                     (hostile(f"{mode}-first", mode, "--at", "CREATE", "--empty"), 3, problem),
                     (hostile(f"{mode}-last", mode, "--at", "SUBSCRIBE", "--after", "3"), 3, problem)]
    for mode in ("close", "half", "endless-data"):
        expected += [(hostile(f"{mode}-tls", mode, "--at", "GETQUOTA", *tls), 3, LOST[mode])]
    expected += [(hostile("close-starttls", "close", "--at", "GETQUOTA", "--starttls", *tls), 3, LOST["close"]),
                 (hostile("drip", "drip"), 0, "in order after"),
                 (hostile("drip-greeting", "drip", "--at", "GREETING"), 0, "in order after"),
                 (hostile("drip-tls", "drip", *tls), 0, "in order after")]
    for verb, status in BYES.items():
        options = ["--empty"] if verb == "CREATE" else []
        expected += [(hostile(f"bye-at-{verb}", "bye", "--at", verb, *options), status, "in order after" if status == 0 else "BYE")]
    for (server, status, problem), result in zip(expected, sync_all([server for server, *_ in expected])):
        check_result(server, status, problem, *result)


def check_result(server, status, problem, ended, output, size_kib):
    name = server.kolabd.directory.name
    assert server.wrong > 0, name
    assert ended == status, (name, ended, output)
    assert size_kib < SIZE_LIMIT_KIB, (name, size_kib)
    assert problem in output, (name, output)
    if status == 1:
        last = output.splitlines()[-1]
        assert last.startswith(f"kolabd: error: {server.uri}: ") and problem in last, (name, last)
        assert query(server.kolabd, "SELECT count(*) FROM change WHERE fault IS NOT NULL") == [(0,)], name
    if status == 3:
        assert "1 entries looked at, 0 changed, 1 failed" in output, (name, output)
        (message,), = query(server.kolabd, "SELECT last_error FROM change")
        assert message.startswith(f"{server.uri}: ") and problem in message, (name, message)
        failed = query(server.kolabd, "SELECT outcome FROM journal WHERE outcome <> 'ok'")
        assert message in [outcome for outcome, in failed] or not name.endswith("-last"), (name, failed)
    if status == 0:
        assert query(server.kolabd, "SELECT count(*) FROM change") == [(0,)], name


def test_a_daemon_converges_after_the_imap_server_was_away(lab, kolabd, wait_until):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    daemon = kolabd.start()
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    lab.cyrus.stop()
    lab.modify(dn, mailQuota=2000)
    lab.add_person("john", givenName="John", sn="Example")
    daemon.wait_for_log("cannot connect.*changes wait, trying again")
    lab.cyrus.start()
    daemon.wait_for_log(f"in order after.*user/john.example@{lab.domain}")
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM change") == [(0,)])
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 2000
    assert kolabd.ctl("problems").stdout == "no problems\n"


def test_what_changes_while_the_directory_comes_back_is_noticed(lab, kolabd, wait_until):
    jane, john, joan = [lab.add_person(uid, givenName=uid.capitalize(), sn="Example") for uid in ("jane", "john", "joan")]
    kolabd.configure({"deletion": {"mode": "keep"}})
    daemon = kolabd.start()
    for uid in ("jane", "john", "joan"):
        daemon.wait_for_log(f"in order after.*user/{uid}.example@{lab.domain}")
    lab.delete(joan)
    daemon.wait_for_log(f"{joan}: left the directory")
    lab.ds.stop()
    daemon.wait_for_log("changes wait, trying again")
    lab.ds.start()
    lab.delete(john)
    lab.modify(jane, mailQuota=1000)
    lab.add_person("jack", givenName="Jack", sn="Example")
    daemon.wait_for_log(f"in order after.*user/jack.example@{lab.domain}")
    daemon.wait_for_log(f"{john}: left the directory")
    wait_until(lambda: lab.imap.quota(f"user/jane.example@{lab.domain}") == 1000)
    wait_until(lambda: daemon.log_text.count("watching ldaps") == 2 and daemon.log_text.count("entries read") >= 2)
    sweeps = daemon.log_text.count("entries read")
    lab.add_person("jill", givenName="Jill", sn="Example")
    daemon.wait_for_log(f"in order after.*user/jill.example@{lab.domain}")
    assert daemon.log_text.count("entries read") == sweeps
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 5


@pytest.fixture(name="hole")
def open_hole():
    """A port where connections stand, and nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.usefixtures("jane")
def test_sigterm_ends_a_daemon_while_a_server_hangs_and_the_change_waits(lab, hostile, hole, wait_until):
    silent = hostile("silent", "silent", "--at", "GETQUOTA", timeout="1h")
    impatient = hostile("impatient", "silent", "--at", "GETQUOTA", timeout="1h")
    imap_hole = hostile("imap-hole", "drip", timeout="1h", insecure=False, uri=f"imaps://127.0.0.1:{hole}")
    ldap_hole = hostile("ldap-hole", "drip")
    ldap_hole.kolabd.configure({"ldap": {"uri": f"ldaps://127.0.0.1:{hole}", "timeout": "1h"}})
    daemons = {server: server.kolabd.start() for server in (silent, impatient, imap_hole, ldap_hole)}
    for server in (silent, impatient):
        wait_until(lambda server=server: any(line.startswith("GETQUOTA") for line in server.heard))
    daemons[imap_hole].wait_for_log("1 to look at")
    daemons[ldap_hole].wait_ready()
    for daemon in daemons.values():
        daemon.process.send_signal(signal.SIGTERM)
    daemons[impatient].process.send_signal(signal.SIGINT)
    for server, daemon in daemons.items():
        assert daemon.process.wait(DEADLINE) == 0, daemon.log_text
        changes = [] if server is ldap_hole else [("queued", 0)]
        assert query(server.kolabd, "SELECT state, attempts FROM change") == changes, server.kolabd.directory.name


@pytest.mark.usefixtures("jane")
def test_sigterm_ends_a_sync_with_1_and_its_change_waits_for_the_next(hostile, wait_until):
    server = hostile("silent", "silent", "--at", "GETQUOTA", "--times", "1", timeout="1h")
    sync = server.kolabd.start("--sync")
    wait_until(lambda: any(line.startswith("GETQUOTA") for line in server.heard))
    assert sync.stop(check=1, timeout=DEADLINE) == 1
    assert query(server.kolabd, "SELECT state FROM change") == [("queued",)]
    assert server.sync()[0] == 0


@pytest.mark.usefixtures("jane")
def test_what_was_done_before_a_stop_is_in_the_journal(hostile, wait_until):
    server = hostile("silent", "silent", "--at", "SUBSCRIBE", "--times", "1", "--empty", timeout="1h")
    sync = server.kolabd.start("--sync")
    wait_until(lambda: any(line.startswith("SUBSCRIBE") for line in server.heard))
    sync.stop(check=1, timeout=DEADLINE)
    rows = query(server.kolabd, "SELECT step, outcome FROM journal ORDER BY time, id")
    assert rows[0] == ("create mailbox", "ok") and ("create folder", "ok") in rows
    assert rows[-1][0] == "subscribe" and rows[-1][1].startswith(f"{server.uri}: stopped while waiting for the answer to SUBSCRIBE")
    assert query(server.kolabd, "SELECT state, attempts FROM change") == [("queued", 0)]
    assert server.sync()[0] == 0
