"""How hard kolabd works at an IMAP server: no more sessions than it may have, and fewer while the server is slow."""

import collections
import contextlib
import pathlib
import re
import socket
import threading

import pytest

from polling import wait_until
from proxied import faults

WORKERS = 8
APART = WORKERS + 3  # sessions as administrator
SECONDS = 120  # under a sanitizer, beside others
FOLDERS = {"create": {name: {} for name in ("Drafts", "Sent", "Trash", "Notes")}}
SLOW = "takes several times as long as it can: fewer sessions work there at once"
FAST = "is fast again: up to 8 sessions work there at once"


def sockets_of(pid):
    """Inodes."""
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(descriptor.readlink()))
    return found


def connections(pid):
    """{(address, port): how many that a process has open to it}, as the kernel says: some of them twice, when others come and go while
    it tells."""
    ours = sockets_of(pid)
    lines = map(str.split, pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return collections.Counter({fields[9]: read_address(fields[2]) for fields in lines if f"socket:[{fields[9]}]" in ours}.values())


def read_address(text):
    address, port = text.split(":")
    return socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)


def address_of(part):
    return part.env["IMAP_HOST"], int(part.env["IMAPS_PORT"])


class Counting:
    """Looks all the time how many connections the daemon has; `most`: {address: at once so far}."""

    def __init__(self, daemon):
        self.pid = daemon.pid
        self.most = collections.Counter()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.ended.wait(0.001):
            self.most |= connections(self.pid)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def add_people(lab, word, count):
    for number in range(count):
        lab.add_person(f"{word}{number}", givenName=word.capitalize(), sn=f"Nr{number}", mail=f"{word}{number}@{lab.domain}")


def count_done(lab):
    return sum(count for count, in lab.kolabd.query("SELECT count(*) FROM entry WHERE provisioned_at IS NOT NULL"))


def wait_for_mailboxes(lab, count):
    wait_until(lambda: count_done(lab) == count, SECONDS, f"{count} people in order")
    wait_until(lambda: lab.kolabd.query("SELECT count(*) FROM change") == [(0,)], SECONDS, "an empty queue")


def check_all(lab, count):
    """Everybody has a mailbox with its folders."""
    names = collections.Counter(name.rpartition("@")[0].count("/") for name in lab.imap.mailboxes(f"user/*@{lab.domain}"))
    assert names == {1: count, 2: 4 * count}, names
    assert lab.kolabd.ctl("problems").stdout == "no problems\n"


def provision(lab, count, **imap):
    """Gives the most connections to each address."""
    lab.kolabd.configure({"workers": WORKERS, "imap": imap, "folders": FOLDERS})
    add_people(lab, "jane", count)
    daemon = lab.kolabd.start()
    with Counting(daemon) as counting:
        wait_for_mailboxes(lab, count)
    daemon.stop()
    check_all(lab, count)
    return counting.most


@pytest.mark.alone
def test_a_server_gets_no_more_sessions_than_the_limit_and_everybody_a_mailbox(lab):
    assert APART - 2 <= provision(lab, 80, max_sessions=APART + 1)[address_of(lab.cyrus)] <= APART + 1


@pytest.mark.alone
def test_without_a_limit_there_are_as_many_sessions_as_workers_need(lab):
    assert APART + 1 < provision(lab, 80)[address_of(lab.cyrus)] <= APART + WORKERS


def test_each_server_of_a_murder_gets_no_more_sessions_than_the_limit(murder_lab):
    murder_lab.spread()
    most = provision(murder_lab, 60, max_sessions=APART + 1)
    for part in (murder_lab.murder.frontend, *murder_lab.murder.backends):
        assert 0 < most[address_of(part)] <= APART + 1, most


def test_a_limit_that_workers_would_wait_for_without_end_is_refused(lab):
    lab.kolabd.configure({"workers": WORKERS, "imap": {"max_sessions": APART}})
    told = lab.kolabd.run("--check-config", check=False)
    assert told.returncode != 0
    assert f"imap.max_sessions: 8 workers need at least {APART + 1}: {APART} as administrator, and one as a user" in told.stderr


def test_a_daemon_whose_workers_wait_for_a_session_ends_at_once(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    lab.kolabd.configure({"workers": WORKERS, "imap": {"max_sessions": APART + 1, "timeout": "1h"}, "folders": FOLDERS})
    add_people(lab, "jane", 1)
    daemon = lab.kolabd.start()
    wait_for_mailboxes(lab, 1)
    # From the moment on at which the one user of the moment has subscribed to something, nobody is answered.
    lab.proxies["imap"].set_trap(faults.UP, lambda _: lab.proxies["imap"].hang(), text=b"SUBSCRIBE")
    add_people(lab, "john", WORKERS)
    wait_until(lambda: lab.proxies["imap"].hanging, SECONDS, "nothing is answered")
    daemon.stop()


@pytest.mark.alone
def test_fewer_sessions_work_at_a_slow_server_and_as_many_as_before_when_it_is_fast_again(proxied_lab):
    lab = proxied_lab()
    proxy, address = lab.proxies["imap"], ("127.0.0.1", lab.proxies["imap"].port)
    lab.kolabd.configure({"workers": WORKERS, "imap": {"timeout": "30s"}, "folders": FOLDERS})
    add_people(lab, "jane", 60)
    daemon = lab.kolabd.start()
    with Counting(daemon) as fast:
        wait_for_mailboxes(lab, 60)
    assert SLOW not in daemon.log_text
    proxy.delay = 0.25
    add_people(lab, "john", 60)
    daemon.wait_for_log(SLOW, SECONDS)
    assert fast.most[address] > WORKERS + 4
    wait_until(lambda: connections(daemon.pid)[address] <= WORKERS + 2, SECONDS, "one session as a user at once")
    with Counting(daemon) as slow:
        before = count_done(lab)
        wait_until(lambda: count_done(lab) >= before + 3, SECONDS, "three more in order")
    assert slow.most[address] <= WORKERS + 3
    assert FAST not in daemon.log_text
    proxy.heal()
    add_people(lab, "joan", 60)
    daemon.wait_for_log(FAST, SECONDS)
    wait_for_mailboxes(lab, 180)
    told = re.findall(f"{SLOW}|{FAST}", daemon.log_text)
    assert told == [SLOW, FAST] * (len(told) // 2) or told == [SLOW, FAST] * (len(told) // 2) + [SLOW], told
    check_all(lab, 180)
