"""Outages: each is told once and shown while it lasts, and after it everything comes in order by itself."""

import collections
import json
import os
import random
import subprocess

import pytest

from lab import READ, WRITE
from polling import wait_until
from proxied import SECONDS, faults, outages, side_by_side, warnings
from servers import LAB

# KOLABD_CUTS=1000 for a night; KOLABD_CUT_SEED to have the same again.
CUTS = int(os.environ.get("KOLABD_CUTS", "12"))
SEED = os.environ.get("KOLABD_CUT_SEED") or str(random.randrange(10**9))
CUT_LANES = 6

# What has to be seen of an outage after it was told: another attempt at the least. Most ways make many.
ATTEMPTS = 1


def slam(lab, side):
    lab.proxies[side].slam()


def hang(lab, side):
    lab.proxies[side].hang()
    lab.proxies[side].cut()


def freeze(lab, side):
    """Also what stands already, and nobody says good-bye."""
    lab.proxies[side].hang()


def swap_certificate(lab, side):
    """What stands goes on; on the directory's side that would be the watch, and nobody would notice for long."""
    directory = lab.kolabd.directory / "other-ca"
    subprocess.run([LAB / "ca.sh", directory], check=True)
    lab.proxies[side].present(directory / "server.pem", directory / "server.key")
    if side == "ldap":
        lab.proxies[side].cut()


def set_password(lab, side, password):
    if side == "ldap":
        lab.modify(f"uid=service,{lab.base_dn}", userPassword=password)
        return
    subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", lab.cyrus.base / "etc/sasldb2", "-u", "imap.example.org", "spare-admin"],
                   input=password.encode(), check=True)


def change_password(lab, side):
    """The sessions of the IMAP administrator go on; then those are refused that act for users."""
    set_password(lab, side, "Another-One-4711")
    if side == "ldap":
        lab.proxies[side].cut()


def heal(lab, side):
    lab.proxies[side].heal()


def swap_certificate_back(lab, side):
    lab.proxies[side].present(*lab.certificate)


def change_password_back(lab, side):
    assert lab.kolabd.query("SELECT * FROM change WHERE state = 'parked'") == []
    set_password(lab, side, lab.ds.env["PASSWORD"])


def change_all(lab, people):
    """A change of each sort: jane gets more room, john a new address, joan leaves, jack comes. Gives what (login: KiB) follows."""
    lab.modify(people["jane"], mailQuota=2000)
    lab.modify(people["john"], mail=f"johnny@{lab.domain}")
    lab.delete(people["joan"])
    people["jack"] = lab.add_login("jack", mailQuota=1000)
    return {"jane": 2000, "johnny": 1000, "jack": 1000}


def check_all(lab, people):
    lab.check_people({"jane": (people["jane"], ["jane"]), "johnny": (people["john"], ["john"]), "jack": (people["jack"], [])})


def wait_for_outage(lab, side):
    """Until it is told, shown, and met again several times. Gives the line that tells it."""
    wait_until(lambda: outages(lab.told)[0], SECONDS, "an outage")
    [outage] = json.loads(lab.kolabd.ctl("--json", "status").stdout)["outages"]
    assert outage["server"] == lab.uri(side) and lab.uri(side) in outage["message"], outage
    assert lab.uri(side) in lab.kolabd.ctl("problems", check=3).stdout
    seen = lab.proxies[side].accepted
    wait_until(lambda: lab.proxies[side].accepted >= seen + ATTEMPTS, SECONDS, "more attempts")
    return outages(lab.told)[0][0]


def check_outage_is_over(lab):
    """And was told once: no line comes twice, whatever was tried again and again."""
    wait_until(lambda: lab.kolabd.query("SELECT * FROM problems") == [], SECONDS, "no problems")
    assert json.loads(lab.kolabd.ctl("--json", "status").stdout)["outages"] == []
    began, ended = outages(lab.told)
    assert len(began) == 1 and len(ended) == 1, (began, ended)
    repeated = [line for line, count in collections.Counter(warnings(lab.told)).items() if count > 1]
    assert repeated == [], repeated


def live_through(lab, side, begin, end, word):
    if begin is change_password:
        # The IMAP server waits for three seconds before it refuses.
        lab.kolabd.configure({"ldap": {"bind_dn": lab.add_service("service", READ, WRITE)}} if side == "ldap" else
                             {"imap": {"admin_login": "spare-admin", "timeout": "20s"}})
    _, people = lab.begin("jane", "john", "joan")
    begin(lab, side)
    expected = change_all(lab, people)
    assert word in wait_for_outage(lab, side)
    end(lab, side)
    lab.wait_for(expected)
    check_all(lab, people)
    check_outage_is_over(lab)
    if begin in (swap_certificate, change_password):  # nor is anybody told of whose change it stopped in the middle
        assert len(warnings(lab.told)) == 1, warnings(lab.told)


def test_an_outage_is_told_once_and_shown_and_what_changed_meanwhile_is_done_after_it(proxied_lab):
    lanes = {f"{side}, {begin.__name__}{', after TLS' if ends_tls else ''}": (proxied_lab(ends_tls=ends_tls), side, begin, heal, "")
             for side in ("ldap", "imap") for begin, ends_tls in ((slam, False), (hang, False), (hang, True), (freeze, False))}
    for side in ("ldap", "imap"):
        lanes[f"{side}, certificate"] = (proxied_lab(ends_tls=True), side, swap_certificate, swap_certificate_back, "ertificate")
    lanes["ldap, password"] = (proxied_lab(), "ldap", change_password, change_password_back, "Invalid credentials")
    lanes["imap, password"] = (proxied_lab(), "imap", change_password, change_password_back, "refuses the administrator's login")
    side_by_side(live_through, lanes)


# --- in the middle of the work

def kill(lab, side, text):
    """Kills the server as soon as kolabd says `text`, which it does not hear any more. Gives an event."""
    server = {"ldap": lab.ds, "imap": lab.cyrus}[side]

    def strike(connection):
        server.kill()
        faults.cut(connection)
    return lab.proxies[side].set_trap(faults.UP, strike, text=text).sprung


@pytest.mark.parametrize("side", ["imap", "ldap"])
def test_a_server_killed_in_the_middle_of_the_work_leaves_nothing_half_done(proxied_lab, side):
    lab = proxied_lab(ends_tls=True)
    server = {"ldap": lab.ds, "imap": lab.cyrus}[side]
    _, people = lab.begin("jane", "john", "joan")
    quotas = {"jane": 1000, "john": 1000, "joan": 1000}
    steps = {"imap": [b"SUBSCRIBE", b"RENAME"], "ldap": [b"imap.example.org"]}[side]
    for number, text in enumerate(steps):
        struck = kill(lab, side, text)
        lab.modify(people["john"], mail=f"john{number}@{lab.domain}", mailQuota=2000 + number)
        del quotas["john" if number == 0 else f"john{number - 1}"]
        people[f"new{number}"] = lab.add_login(f"new{number}", mailQuota=3000)
        quotas.update({f"john{number}": 2000 + number, f"new{number}": 3000})
        assert struck.wait(SECONDS), text
        wait_until(lambda number=number: len(outages(lab.told)[0]) == number + 1, SECONDS, "an outage")
        server.stop()
        server.start()
        lab.wait_for(quotas)
    last = len(steps) - 1
    lab.check_people({"jane": (people["jane"], ["jane"]), f"john{last}": (people["john"], ["john"]), "joan": (people["joan"], ["joan"]),
                      **{f"new{number}": (people[f"new{number}"], []) for number in range(len(steps))}})
    assert [len(lines) for lines in outages(lab.told)] == [len(steps)] * 2
    wait_until(lambda: lab.kolabd.query("SELECT * FROM problems") == [], SECONDS, "no problems")


# --- connections that break anywhere

ENDINGS = (faults.cut, faults.reset, faults.hang)


class Cutting:
    """One lane of the cuts: people are made, renamed and changed, round by round, and in each round a connection breaks somewhere."""

    def __init__(self, lab, name):
        self.lab = lab
        self.random = random.Random(f"{SEED}-{name}")
        self.quotas = {}
        self.people = {}  # login: (DN, subjects)

    def run(self, rounds):
        _, people = self.lab.begin("jane", "john")
        self.people = {name: (dn, [name]) for name, dn in people.items()}
        self.quotas = dict.fromkeys(people, 1000)
        passed = self.change(0)  # undisturbed: how much is said
        for number in range(1, rounds + 1):
            side, direction = self.random.choice(list(passed))
            ending = self.random.choice(ENDINGS)
            after = self.random.randrange(passed[side, direction])
            print(f"{self.lab.domain}, round {number}: {ending.__name__} {side} {direction} after {after} octets")
            self.lab.proxies[side].set_trap(direction, ending, after)
            self.change(number)
            self.lab.proxies[side].heal()
        self.lab.check_people(self.people)
        assert self.lab.kolabd.query("SELECT count(*) FROM departure") == [(0,)]
        assert self.lab.imap.mailboxes(f"DELETED/user/*@{self.lab.domain}") == []
        self.lab.kolabd.daemons[-1].stop()
        assert self.lab.kolabd.run("--sync", "--dry-run", "--resync").stdout == ""

    def change(self, number):
        """Waits until all is in order. Gives {(side, direction): octets} that passed meanwhile."""
        before = {(side, direction): octets for side, proxy in self.lab.proxies.items() for direction, octets in proxy.passed.items()}
        old, resized = self.random.sample(sorted(self.people), 2)
        moved = f"moved{number}"
        self.people[moved], self.quotas[moved] = self.people.pop(old), self.quotas.pop(old)
        self.lab.modify(self.people[moved][0], mail=f"{moved}@{self.lab.domain}")
        self.quotas[resized] = 2000 + number
        self.lab.modify(self.people[resized][0], mailQuota=2000 + number)
        self.people[f"new{number}"] = (self.lab.add_login(f"new{number}", mailQuota=1000), [])
        self.quotas[f"new{number}"] = 1000
        self.lab.wait_for(self.quotas)
        return {(side, direction): self.lab.proxies[side].passed[direction] - octets for (side, direction), octets in before.items()}


def test_connections_that_break_at_any_octet_lose_nothing_delete_nothing_and_make_nothing_twice(proxied_lab):
    print(f"KOLABD_CUT_SEED={SEED} KOLABD_CUTS={CUTS}")
    side_by_side(lambda lab, name: Cutting(lab, name).run(CUTS // CUT_LANES), {name: (proxied_lab(), name) for name in range(CUT_LANES)})
