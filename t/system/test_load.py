"""The queue under load: 20,000 changes at once, workers that hang meanwhile, crashes in the middle."""

import contextlib
import os
import pathlib
import sys

import pytest

from burst import Burst

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fake"))

import imap_hostile  # noqa: E402 pylint: disable=wrong-import-position

PEOPLE = 100
MODIFICATIONS = 20000
SECONDS = 120
FIRST_KIB = 1000
# Whatever is queued, malloc and SQLite keep no more than this for it. (A sanitizer keeps what was freed, too.)
ROOM_KIB = (512 if "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ else 8) * 1024


class HangingServer(imap_hostile.Server):
    """An IMAP server that never answers to SETQUOTA."""

    def __init__(self):
        super().__init__(imap_hostile.parse_options(["silent", "--at", "SETQUOTA"]))
        self.heard = []
        self.listener = self.listen()
        self.uri = f"imap://127.0.0.1:{self.listener.getsockname()[1]}"

    def log(self, line):
        with self.lock:
            self.heard.append(line)

    def hanging(self):
        return sum(line.startswith("SETQUOTA") for line in self.heard)


@pytest.fixture(name="hanging")
def start_hanging_server():
    server = HangingServer()
    with contextlib.closing(server.listener):
        yield server


@pytest.fixture(name="impatient_directory")
def make_directory_impatient(lab):
    """389-ds drops at once who does not read, and not after ten seconds."""
    before = lab.get_one("cn=config", "nsslapd-ioblocktimeout")
    lab.modify("cn=config", **{"nsslapd-ioblocktimeout": "200"})
    yield
    lab.modify("cn=config", **{"nsslapd-ioblocktimeout": before})


@pytest.fixture(name="people")
def add_people(lab, kolabd):
    """Their DNs. They have mailboxes."""
    kolabd.configure({"folders": {"create": {"Drafts": {}}}})
    burst = Burst(lab.ds.env)
    dns = [burst.add_person(number, f"p{number}", lab.people_dn, mailQuota=FIRST_KIB) for number in range(PEOPLE)]
    burst.run()
    kolabd.run("--sync")
    return dns


def quota_burst(lab, people, count):
    """Gives the burst, and what each person has after it: every change gives more than the one before."""
    burst = Burst(lab.ds.env)
    for number in range(count):
        burst.modify(number % PEOPLE, people[number % PEOPLE], mailQuota=FIRST_KIB + 1 + number)
    return burst, {f"user/jane.p{number}@{lab.domain}": FIRST_KIB + 1 + count - PEOPLE + number for number in range(PEOPLE)}


def start_in_order(kolabd):
    daemon = kolabd.start()
    daemon.wait_for_log(f"{PEOPLE} entries read, 0 to look at")
    return daemon


def check_end(lab, kolabd, wait_until, expected):
    """389-ds answers a modify before it tells who watches: a queue that is empty may not be so for long."""
    def seen():
        return {mailbox: lab.imap.quota(mailbox) for mailbox in expected}

    wait_until(lambda: seen() == expected, SECONDS, "everybody has the last quota")
    wait_until(lambda: kolabd.query("SELECT count(*) FROM change") == [(0,)], SECONDS, "an empty queue")
    assert seen() == expected
    assert kolabd.ctl("problems").stdout == "no problems\n"


def check_order(kolabd):
    """Nobody's quota went back to an older value. Gives how often quotas were set since the first time."""
    steps = kolabd.query("SELECT unique_id, CAST(after AS INTEGER) FROM journal WHERE step = 'set quota' ORDER BY id")
    last = {}
    for unique_id, kib in steps:
        assert kib > last.get(unique_id, 0), (unique_id, kib, last[unique_id])
        last[unique_id] = kib
    return len(steps) - PEOPLE


def test_a_burst_of_modifications_leaves_the_last_values_on_the_one_watch_in_bounded_memory(lab, kolabd, people, wait_until):
    daemon = start_in_order(kolabd)
    before_kib = daemon.peak_memory_kib
    burst, expected = quota_burst(lab, people, MODIFICATIONS)
    burst.run()
    check_end(lab, kolabd, wait_until, expected)
    assert PEOPLE <= check_order(kolabd) < MODIFICATIONS
    assert daemon.log_text.count("watching ldap") == 1
    assert daemon.peak_memory_kib < before_kib + ROOM_KIB


@pytest.mark.usefixtures("impatient_directory")
def test_the_watch_reads_on_while_all_workers_hang_and_a_crash_loses_nothing(lab, kolabd, people, hanging, wait_until):
    settings = {"folders": {"create": {"Drafts": {}}}, "workers": 2}
    kolabd.configure({**settings, "imap": {"uri": hanging.uri, "insecure": True, "timeout": "1h"}})
    daemon = start_in_order(kolabd)
    before_kib = daemon.peak_memory_kib
    burst, expected = quota_burst(lab, people, MODIFICATIONS)
    burst.run()
    # Each notice adds 1 to the generation of its entry's row.
    wait_until(lambda: kolabd.query("SELECT count(*), sum(generation) FROM change") == [(PEOPLE, MODIFICATIONS)], SECONDS,
               "every notice is in the queue")
    assert hanging.hanging() == 2
    assert daemon.log_text.count("watching ldap") == 1
    assert daemon.peak_memory_kib < before_kib + ROOM_KIB
    daemon.kill()
    kolabd.configure(settings)
    kolabd.start()
    check_end(lab, kolabd, wait_until, expected)
    assert check_order(kolabd) == PEOPLE


def test_crashes_during_a_burst_lose_nothing(lab, kolabd, people, wait_until):
    daemon = start_in_order(kolabd)
    burst, expected = quota_burst(lab, people, MODIFICATIONS // 4)
    burst.begin()
    for crash in range(3):
        wait_until(lambda done=(crash + 1) * 10: check_order(kolabd) >= done, SECONDS, "some are in order")
        daemon.kill()
        daemon = kolabd.start()
    burst.end()
    check_end(lab, kolabd, wait_until, expected)
    check_order(kolabd)
