"""Domains with IMAP servers of their own: a single server and a murder, served by one kolabd."""

import contextlib
import json

import pytest

import proxy as faults
from kolabd import merged

WRONG = "Not-the-Password-4711"


class Both:
    """`lab` is a domain on the single server, `murder` one on the murder; lab.kolabd serves both."""

    def __init__(self, lab, murder):
        self.lab, self.murder = lab, murder
        self.labs = (lab, murder)
        self.kolabd = lab.kolabd
        self.configure()

    def configure(self, **settings):
        other = {"base_dn": self.murder.base_dn, "imap": self.imap()}
        self.kolabd.configure(merged({"workers": 2, "imap": {"timeout": "10s"}, "domains": {self.murder.domain: other}}, settings))

    def imap(self):
        return {name: value for name, value in self.murder.settings()["imap"].items() if name != "ca_file"}

    def add(self, uid):
        """A person of that name in each domain."""
        return [lab.add_person(uid, givenName=uid.capitalize(), sn="Example") for lab in self.labs]

    def mailboxes(self):
        return [lab.imap.mailboxes(f"user/%@{lab.domain}") for lab in self.labs]

    def start(self, *arguments):
        return self.kolabd.start(*arguments)

    def outages(self):
        return [server for server, in self.kolabd.query("SELECT server FROM outage")]


@pytest.fixture(name="both")
def serve_both(lab, murder_lab):
    return Both(lab, murder_lab)


def test_each_domain_is_served_at_its_own_server(both):
    people = both.add("jane")
    marks = [lab.mark() for lab in both.labs]
    both.kolabd.run("--sync")
    for lab, dn, mark in zip(both.labs, people, marks):
        assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/jane.example@{lab.domain}"]
        assert lab.get_one(dn, "mailHost") == lab.mail_host(f"user/jane.example@{lab.domain}")
        writes = [command for _, command in lab.imap_writes(mark)]
        assert writes and all(lab.domain in command for command in writes if command.startswith("CREATE \"user/"))
    assert not both.lab.imap.mailboxes(f"*@{both.murder.domain}") and not both.murder.imap.mailboxes(f"*@{both.lab.domain}")


@pytest.mark.parametrize("dead", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_one_server_that_is_down_keeps_only_its_own_people_waiting(both, wait_until, dead):
    down, up = both.labs[dead], both.labs[1 - dead]
    both.add("old")
    both.kolabd.run("--sync")
    daemon = both.start()
    daemon.wait_ready()
    down.cyrus.stop()
    for number in range(5):
        both.add(f"new{number}")
    wait_until(lambda: len(up.imap.mailboxes(f"user/%@{up.domain}")) == 6)
    wait_until(both.outages)
    [outage] = json.loads(both.kolabd.ctl("--json", "status").stdout)["outages"]
    assert outage["server"] == down.cyrus.env["IMAPS_URI"] and outage["message"].startswith(outage["server"])
    wait_until(lambda: both.kolabd.query("SELECT domain, count(*), sum(attempts) FROM change GROUP BY domain") == [(down.domain, 5, 0)])
    down.cyrus.start()
    wait_until(lambda: len(down.imap.mailboxes(f"user/%@{down.domain}")) == 6, 40)
    wait_until(lambda: both.outages() == [])
    assert daemon.log_text.count("changes wait, trying again") == daemon.log_text.count("can be reached again") == 1


def test_one_server_that_is_slow_keeps_only_its_own_people_waiting(both, wait_until):
    with contextlib.closing(faults.Proxy(int(both.lab.cyrus.env["IMAPS_PORT"]))) as proxy:
        uri = f"imaps://127.0.0.1:{proxy.port}"
        both.configure(imap={"uri": uri, "timeout": "30s"})
        both.add("old")
        both.kolabd.run("--sync")
        both.start().wait_ready()
        proxy.delay = 0.5
        for number in range(8):
            both.lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
        wait_until(lambda: both.kolabd.query("SELECT DISTINCT server FROM change WHERE server IS NOT NULL") == [(uri,)], 40)
        for number in range(5):
            both.murder.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
        wait_until(lambda: len(both.murder.imap.mailboxes(f"user/%@{both.murder.domain}")) == 6, 40)
        assert both.kolabd.query("SELECT count(*) FROM change")[0][0] >= 4
        proxy.delay = 0
        wait_until(lambda: both.kolabd.query("SELECT * FROM change") == [], 60)
        assert len(both.lab.imap.mailboxes(f"user/%@{both.lab.domain}")) == 9


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 1])
def test_a_sync_serves_who_can_be_served_and_says_who_cannot(both, dead):
    down, up = both.labs[dead], both.labs[1 - dead]
    people = both.add("jane")
    down.cyrus.stop()
    done = both.kolabd.run("--sync", check=3)
    assert "1 failed" in done.stderr and down.cyrus.env["IMAPS_URI"] in done.stderr
    assert up.imap.mailboxes(f"user/%@{up.domain}") == [f"user/jane.example@{up.domain}"]
    assert up.get_one(people[1 - dead], "mail") == f"jane.example@{up.domain}"
    assert down.get_one(people[dead], "mail") is None
    down.cyrus.start()
    both.kolabd.run("--sync")
    assert down.imap.mailboxes(f"user/%@{down.domain}") == [f"user/jane.example@{down.domain}"]


@pytest.mark.slow
def test_a_server_that_hangs_delays_nobody_once_that_is_known(both, wait_until):
    both.add("old")
    both.kolabd.run("--sync")
    both.start().wait_ready()
    both.murder.murder.frontend.hang()
    both.murder.add_person("new", givenName="New", sn="Example")
    wait_until(lambda: both.outages() == [both.murder.cyrus.env["IMAPS_URI"]], 40)
    for number in range(5):
        both.lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
        wait_until(lambda: both.lab.imap.exists(f"user/p{number}.example@{both.lab.domain}"))  # pylint: disable=cell-var-from-loop
    both.murder.murder.frontend.resume()
    wait_until(lambda: both.murder.imap.exists(f"user/new.example@{both.murder.domain}"), 60)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0, 1])
def test_one_server_that_refuses_the_password_is_shown_and_does_not_end_the_daemon(both, wait_until, wrong):
    refusing, other = both.labs[wrong], both.labs[1 - wrong]
    secret = {"admin_password_file": both.kolabd.secret("wrong.secret", WRONG)}
    right = {"admin_password_file": both.kolabd.settings["imap"]["admin_password_file"]}
    murder = {"imap": {**both.imap(), **(secret if wrong else right)}}
    both.configure(imap={} if wrong else secret, domains={both.murder.domain: murder})
    both.add("jane")
    daemon = both.start()
    wait_until(lambda: other.imap.exists(f"user/jane.example@{other.domain}"))
    wait_until(both.outages)
    assert "refuses the administrator's login as cyrus-admin" in both.kolabd.ctl("problems", check=3).stdout
    assert both.outages() == [refusing.cyrus.env["IMAPS_URI"]]
    both.configure()
    daemon.reload()
    wait_until(lambda: refusing.imap.exists(f"user/jane.example@{refusing.domain}"))
    wait_until(lambda: both.outages() == [])
