"""The control socket: a --sync beside the daemon is handed over and tells what came of it, kolabctl is heard at once, and nobody who
speaks there keeps the daemon from its work."""

import contextlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import threading

import pytest

from kolabd import Kolabd
from polling import wait_until

# No absolute promise, but the end of hanging for ever.
DEADLINE = 60
SUMMARY = r"^kolabd: (\d+) entries looked at, (\d+) changed, (\d+) failed$"


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def mailbox(lab, name):
    return f"user/{name}.example@{lab.domain}"


def add(lab, *names, **attributes):
    """Gives their DNs."""
    return [lab.add_person(name, givenName=name.capitalize(), sn="Example", **attributes) for name in names]


def start(kolabd):
    """A daemon that has nothing to do."""
    daemon = kolabd.start()
    daemon.wait_for_log("to look at")
    return daemon


def outcome(done, daemon):
    """(entries looked at, changed, failed) of a --sync that was handed over."""
    assert done.stderr.count(f"handed to the running kolabd, process {daemon.pid}\n") == 1, done.stderr
    assert len(re.findall(SUMMARY, done.stderr, re.MULTILINE)) == 1, done.stderr
    return tuple(map(int, re.search(SUMMARY, done.stderr, re.MULTILINE).groups()))


class HandedOver:
    """A --sync that is handed to the daemon and waits."""

    def __init__(self, kolabd, daemon, *arguments):
        before = daemon.log_text.count("hands over a --sync")
        self.process = subprocess.Popen(kolabd.command("kolabd", ["--sync", *arguments]), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: daemon.log_text.count("hands over a --sync") > before)

    def end(self):
        """(exit status, what it wrote)"""
        _, text = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, text


@contextlib.contextmanager
def connected(kolabd):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(f"{kolabd.state}.socket")
        client.settimeout(DEADLINE)
        yield client


def ask(kolabd, data, shut=False):
    """All that the daemon answers to `data`."""
    with connected(kolabd) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            if shut:
                client.shutdown(socket.SHUT_WR)
        return hear_all(client)


def hear_all(client):
    answer = b""
    with contextlib.suppress(ConnectionResetError):  # it did not read all that we said
        while block := client.recv(65536):
            answer += block
    return answer.decode()


# --- a --sync beside the daemon

def test_a_sync_is_carried_out_by_the_daemon_and_tells_what_came_of_it(lab, kolabd):
    add(lab, "jane", "john", mailQuota=1000)
    kolabd.run("--sync")
    daemon = start(kolabd)
    lab.imap.set_quota(mailbox(lab, "jane"), 5)
    assert outcome(kolabd.run("--sync"), daemon) == (0, 0, 0)
    assert outcome(kolabd.run("--sync", "--resync"), daemon) == (2, 1, 0)
    assert lab.imap.quota(mailbox(lab, "jane")) == 1000
    assert outcome(kolabd.run("--sync", "--resync"), daemon) == (2, 0, 0)
    assert f"{mailbox(lab, 'jane')}" in daemon.log_text


def test_a_sync_of_one_entry_looks_at_that_one_only(lab, kolabd):
    jane, _ = add(lab, "jane", "john", mailQuota=1000)
    kolabd.run("--sync")
    daemon = start(kolabd)
    for name in ("jane", "john"):
        lab.imap.set_quota(mailbox(lab, name), 5)
    for what, changed in ((jane, 1), (f"jane.example@{lab.domain}", 0)):
        assert outcome(kolabd.run("--sync", "--resync", "--entry", what), daemon) == (1, changed, 0)
    assert [lab.imap.quota(mailbox(lab, name)) for name in ("jane", "john")] == [1000, 5]
    done = kolabd.run("--sync", "--entry", "nobody ünï %41", check=1)
    assert done.stderr.endswith('kolabd: error: no entry with the DN or address "nobody ünï %41" in the directory\n')
    assert "at most" in kolabd.run("--sync", "--entry", "x" * 10000, check=1).stderr


def test_a_sync_of_one_domain_looks_at_that_one_only(lab, kolabd):
    other, third = [lab.add(f"ou={name},{lab.base_dn}", objectClass=["top", "organizationalUnit"]) for name in ("other", "third")]
    domains = {lab.domain: {"base_dn": lab.people_dn}, f"other.{lab.domain}": {"base_dn": other}}
    add(lab, "jane")
    lab.add_person("john", givenName="John", sn="Example", parent=other)
    kolabd.configure({"domains": domains})
    kolabd.run("--sync")
    daemon = start(kolabd)
    assert outcome(kolabd.run("--sync", "--resync"), daemon) == (2, 0, 0)
    assert outcome(kolabd.run("--sync", "--resync", "--domain", f"OTHER.{lab.domain}"), daemon) == (1, 0, 0)
    kolabd.configure({"domains": {**domains, f"third.{lab.domain}": {"base_dn": third}}})  # the daemon does not know
    done = kolabd.run("--sync", "--domain", f"third.{lab.domain}", check=1)
    assert f'there is no domain "third.{lab.domain}"' in done.stderr


def test_an_entry_that_fails_is_told_as_by_a_sync_alone(lab, kolabd):
    dn, = add(lab, "jane", mailQuota="abc")
    add(lab, "john")
    alone = kolabd.run("--sync", check=3).stderr
    daemon = start(kolabd)
    done = kolabd.run("--sync", check=3)
    assert outcome(done, daemon) == (1, 0, 1)
    told = [line for line in alone.splitlines() if dn in line]
    assert told and told == [line for line in done.stderr.splitlines() if dn in line]
    lab.modify(dn, mailQuota=1000)
    assert outcome(kolabd.run("--sync", "--resync"), daemon)[2] == 0


def test_what_failed_earlier_is_a_reason_for_status_3_until_it_is_in_order(lab, kolabd):
    """Of an entry that is as it was: no sweep queues it again."""
    jane, john = add(lab, "jane", "john")
    kolabd.run("--sync")
    with contextlib.closing(sqlite3.connect(kolabd.state)) as connection, connection:
        connection.execute("INSERT INTO change (domain, unique_id, reason, state, due, queued_at, attempts, fault, last_error)"
                           " SELECT domain, unique_id, 'parent', 'parked', '2026-11-21T09:00:00.000Z', '2026-11-21T09:00:00.000Z',"
                           " 1, 'park', 'it did not work' FROM entry WHERE mailbox = ?", [mailbox(lab, "jane")])
    told = "besides: 1 entries failed earlier"
    assert told in kolabd.run("--sync", check=3).stderr
    assert kolabd.run("--sync", "--entry", john).returncode == 0
    daemon = start(kolabd)
    done = kolabd.run("--sync", check=3)
    assert outcome(done, daemon) == (0, 0, 0) and told in done.stderr
    for dn in (john, jane):
        assert outcome(kolabd.run("--sync", "--entry", dn), daemon) == (1, 0, 0)
    assert outcome(kolabd.run("--sync"), daemon) == (0, 0, 0)


def test_departures_that_are_held_are_a_reason_for_status_3(lab, kolabd):
    kolabd.configure({"deletion": {"limit": 1, "limit_percent": 0}})
    people = add(lab, "jane", "john", "jack")
    kolabd.run("--sync")
    daemon = start(kolabd)
    daemon.process.send_signal(signal.SIGSTOP)  # so that it cannot be faster
    for dn in people[1:]:
        lab.delete(dn)
    daemon.process.send_signal(signal.SIGCONT)
    done = kolabd.run("--sync", check=3)
    assert "departed entries: 2 held, 0 failed" in done.stderr
    kolabd.ctl("approve", "--all")
    wait_until(lambda: len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 1, 10)
    assert kolabd.run("--sync").returncode == 0


def test_a_domain_that_cannot_be_read_is_an_error_and_the_other_is_done(lab, kolabd):
    jane, = add(lab, "jane")
    kolabd.configure({"domains": {lab.domain: {"base_dn": lab.base_dn}, f"absent.{lab.domain}": {"base_dn": f"ou=absent,{lab.base_dn}"}}})
    daemon = kolabd.start()
    daemon.wait_for_log(f"{jane}: in order after")
    done = kolabd.run("--sync", "--resync", check=1)
    assert outcome(done, daemon) == (1, 0, 0)
    assert re.search(rf"^kolabd: error: domain absent\.{lab.domain} cannot be read completely: ", done.stderr, re.MULTILINE)


def test_a_server_that_is_out_of_reach_ends_the_sync_and_not_its_changes(lab, kolabd):
    add(lab, "jane")
    kolabd.run("--sync")
    daemon = start(kolabd)
    lab.cyrus.stop()
    done = kolabd.run("--sync", "--resync", check=1)
    assert "cannot connect" in done.stderr and done.stderr.endswith("; what is queued waits in the running kolabd\n")
    lab.ds.stop()
    assert lab.ds.env["LDAPS_URI"] in kolabd.run("--sync", check=1).stderr
    lab.ds.start()
    lab.cyrus.start()
    daemon.wait_for_log("can be reached again")
    assert outcome(kolabd.run("--sync", "--resync"), daemon) == (1, 0, 0)


def test_of_two_imap_servers_one_is_out_of_reach_and_only_its_entries_fail(lab, kolabd):
    other = lab.add(f"ou=other,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    add(lab, "jane")
    john = lab.add_person("john", givenName="John", sn="Example", parent=other)
    kolabd.configure({"domains": {lab.domain: {"base_dn": lab.people_dn},
                                  f"other.{lab.domain}": {"base_dn": other, "imap": {"uri": "imaps://127.0.0.1:1"}}}})
    daemon = kolabd.start()
    daemon.wait_for_log(f"in order after.*{mailbox(lab, 'jane')}")
    done = kolabd.run("--sync", "--resync", check=3)
    assert outcome(done, daemon) == (2, 0, 1)
    assert re.search(f"^kolabd: warning: {lab.get_one(john, 'nsUniqueId').lower()}: .*out of reach", done.stderr, re.MULTILINE)


def test_many_at_once_each_get_their_own_outcome(lab, kolabd):
    jane, _ = add(lab, "jane", "bad", mailQuota=None)
    lab.modify(jane, mailQuota="abc")
    kolabd.run("--sync", check=3)
    daemon = start(kolabd)
    wanted = [(["--resync"], (2, 0, 1), 3), (["--resync", "--entry", f"bad.example@{lab.domain}"], (1, 0, 0), 0)] * 4
    waiting = [HandedOver(kolabd, daemon, *arguments) for arguments, _, _ in wanted]
    for one, (_, counts, status) in zip(waiting, wanted):
        ended, text = one.end()
        assert ended == status and tuple(map(int, re.search(SUMMARY, text, re.MULTILINE).groups())) == counts, text


@pytest.fixture(name="stuck")
def start_stuck(lab, kolabd, silent):
    """A daemon whose IMAP server does not answer, and a --sync that waits for it."""
    add(lab, "jane")
    kolabd.configure({"imap": silent.settings})
    daemon = kolabd.start()
    wait_until(lambda: any("GETQUOTA" in line for line in silent.heard))
    return daemon, HandedOver(kolabd, daemon)


def test_ctrl_c_detaches_and_the_daemon_goes_on(lab, kolabd, stuck):
    daemon, client = stuck
    client.process.send_signal(signal.SIGINT)
    status, text = client.end()
    assert status == 1 and text.endswith(f"kolabd: detached: kolabd, process {daemon.pid}, goes on with it\n")
    kolabd.configure()
    daemon.reload()
    daemon.wait_for_log(f"in order after.*{mailbox(lab, 'jane')}")
    daemon.wait_for_log(f"handed over by process {client.process.pid}: 1 entries looked at, 1 changed, 0 failed")


@pytest.mark.parametrize("end, told", [(Kolabd.close, "was asked to stop"), (lambda kolabd: kolabd.daemons[0].kill(), "ended before this was done")],
                         ids=["stopped", "killed"])
def test_a_daemon_that_ends_tells_or_leaves_an_error(kolabd, stuck, end, told):
    daemon, client = stuck
    end(kolabd)
    status, text = client.end()
    assert status == 1 and f"kolabd: error: kolabd, process {daemon.pid}, {told}; what is queued waits for its next start" in text
    assert query(kolabd, "SELECT state FROM change") == [("queued",)]


def test_what_was_handed_over_outlives_a_reload(lab, kolabd, stuck):
    daemon, client = stuck
    kolabd.configure()
    daemon.reload()
    assert client.end()[0] == 0
    assert lab.imap.exists(mailbox(lab, "jane"))


def test_a_domain_that_goes_with_a_reload_keeps_nobody_waiting(lab, kolabd, stuck):
    daemon, client = stuck
    other = lab.add(f"ou=other,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    kolabd.configure({"domains": {lab.domain: None, f"other.{lab.domain}": {"base_dn": other}}})
    daemon.reload()
    status, text = client.end()
    assert status == 0 and "entries looked at, 0 changed, 0 failed" in text


def test_a_sync_beside_a_sync_is_refused(kolabd, silent, lab):
    add(lab, "jane")
    kolabd.configure({"imap": silent.settings})
    sync = kolabd.start("--sync")
    wait_until(lambda: any("GETQUOTA" in line for line in silent.heard))
    assert f"is in use by another kolabd, process {sync.pid}" in kolabd.run("--sync", check=1).stderr
    assert sync.stop(check=1) == 1


# --- kolabctl

def test_what_an_operator_retries_is_tried_at_once(lab, kolabd):
    dn, = add(lab, "jane")
    lab.imap.create(f"user/other@{lab.domain}")
    daemon = kolabd.start()
    daemon.wait_for_log(f"in order after.*{mailbox(lab, 'jane')}")
    lab.modify(dn, mail=f"other@{lab.domain}")
    daemon.wait_for_log("both exist")
    for number in range(2, 12):
        assert kolabd.ctl("retry", dn).stdout == "1 made due; kolabd goes on with that now\n"
        wait_until(lambda number=number: daemon.log_text.count("both exist") == number, 10)
    daemon.stop()
    assert kolabd.ctl("retry", dn).stdout == "1 made due; kolabd goes on with that when it runs\n"


# --- the socket

def test_the_socket_is_for_the_owner_only_and_goes_with_the_daemon(kolabd, lab):
    add(lab, "jane")
    path = kolabd.directory / "state.db.socket"
    daemon = start(kolabd)
    assert stat.S_ISSOCK(path.lstat().st_mode) and stat.S_IMODE(path.lstat().st_mode) == 0o600
    daemon.kill()
    assert path.exists()
    assert "entries looked at" in kolabd.run("--sync").stderr  # by itself
    daemon = start(kolabd)
    assert outcome(kolabd.run("--sync"), daemon) == (0, 0, 0)
    daemon.stop()
    assert not path.exists()


def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(kolabd, lab):
    directory = kolabd.directory.joinpath(*["d" * 40] * 4)
    directory.mkdir(parents=True)
    kolabd.state = directory / "state.db"
    kolabd.configure({"state_file": str(kolabd.state)})
    add(lab, "jane")
    daemon = start(kolabd)
    assert outcome(kolabd.run("--sync"), daemon)[2] == 0
    daemon.stop()
    assert not (directory / "state.db.socket").exists()


def test_a_daemon_without_its_socket_says_so_and_does_its_work(kolabd, lab):
    path = kolabd.directory / "state.db.socket"
    path.write_text("mine")
    daemon = start(kolabd)
    daemon.wait_for_log(f"warning: control socket {path}: something else has that name; remove it; ")
    add(lab, "jane")
    daemon.wait_for_log(f"in order after.*{mailbox(lab, 'jane')}")
    assert f"in use by another kolabd, process {daemon.pid}" in kolabd.run("--sync", check=1).stderr
    daemon.stop()
    assert path.read_text() == "mine"


GARBAGE = {
    "nothing": b"", "a line feed": b"\n", "no word": b" sync\n", "another word": b"frob\n", "capitals": b"SYNC\n", "another key": b"sync force=1\n",
    "a key twice": b"sync domain=a domain=b\n", "no value": b"sync domain\n", "NUL": b"sync\0\n", "escaped NUL": b"sync domain=%00\n",
    "no UTF-8": b"sync domain=\xff\xfe\n", "half an escape": b"sync domain=%4\n", "a control character": b"sync \x1b[2J\n", "CRLF": b"sync\r\n",
    "JSON": b'{"sync": true}\n', "HTTP": b"GET / HTTP/1.0\r\n\r\n", "endless": b"x" * 1000000, "endless line": b"sync domain=" + b"x" * 100000 + b"\n",
    "many keys": b"sync" + b"".join(b" k%s=1" % bytes([letter] * 3) for letter in range(97, 123)) + b"\n",
}


def test_nonsense_gets_an_error_and_the_daemon_goes_on(kolabd, lab):
    add(lab, "jane")
    daemon = start(kolabd)
    for name, data in GARBAGE.items():
        answer = ask(kolabd, data, shut=name in ("nothing", "endless"))
        assert re.fullmatch(r"log level=error message=\S+\ndone status=1\n", answer), (name, answer)
    assert outcome(kolabd.run("--sync"), daemon)[2] == 0
    assert "hands over" not in daemon.log_text.partition("hands over")[2]


def test_a_request_may_come_byte_by_byte_and_from_who_says_nothing_more(kolabd, lab):
    add(lab, "jane")
    daemon = start(kolabd)
    with connected(kolabd) as client:
        for byte in b"sync resync=1\n":
            client.send(bytes([byte]))
        answer = hear_all(client)
    assert re.fullmatch(rf"accepted pid={daemon.pid}\nlog level=message message=1%20entries.*\ndone status=0\n", answer), answer
    assert "done status=0\n" in ask(kolabd, b"sync\n", shut=True)
    assert ask(kolabd, b"look\nlook\nsync\n") == "done status=0\n"


def test_who_does_not_listen_keeps_nobody_waiting(kolabd, lab):
    count = 300
    add(lab, *(f"p{number}" for number in range(count)), mailQuota="x" * 1000)  # more is told than a socket's buffer takes
    daemon = kolabd.start()
    wait_until(lambda: daemon.log_text.count("set aside") == count)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connected(kolabd)).sendall(b"sync\n")
        assert outcome(kolabd.run("--sync", check=3), daemon) == (count, 0, count)
        assert daemon.stop(timeout=DEADLINE) == 0


def test_a_crowd_is_refused_until_those_who_say_nothing_are_hung_up_on(kolabd, lab):
    add(lab, "jane")
    daemon = start(kolabd)
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connected(kolabd)) for _ in range(40)]
        assert "too%20many" in hear_all(crowd[-1])
        assert "too many speak to the running kolabd" in kolabd.run("--sync", check=1).stderr
        assert hear_all(crowd[0]) == ""
        wait_until(lambda: kolabd.run("--sync", check=False).returncode == 0)
        stack.enter_context(connected(kolabd))
        assert daemon.stop(timeout=DEADLINE) == 0


def test_who_hangs_up_at_any_moment_does_no_harm(kolabd, lab):
    add(lab, "jane")
    daemon = start(kolabd)

    def hang_up(number):
        for size in range(number, 60, 4):
            with connected(kolabd) as client:
                client.send((b"sync resync=1\n" * 5)[:max(1, size)])
    threads = [threading.Thread(target=hang_up, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcome(kolabd.run("--sync", "--resync"), daemon) == (1, 0, 0)
    wait_until(lambda: daemon.log_text.count("handed over by process") == daemon.log_text.count("hands over a --sync") > 10)
