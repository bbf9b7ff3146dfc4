"""On which server of a murder a new mailbox is made, what mailHost says then, and what happens while the murder does not settle."""

import collections
import re
import shutil

import pytest

from kolabd import merged


@pytest.fixture
def lab(murder_lab):
    return murder_lab


def known(lab, **settings):
    """All backends are known from the start."""
    return merged({"imap": {"timeout": "5s", "backends": {backend.name: backend.env["IMAPS_URI"] for backend in lab.backends}}},
                  settings)


def add_domain(lab, word):
    """Another domain in the directory: (its name, DN of its people, settings)."""
    base = lab.add(lab.base_dn.replace("ou=", f"ou={word}-", 1), objectClass=["top", "organizationalUnit"])
    people = lab.add(f"ou=People,{base}", objectClass=["top", "organizationalUnit"])
    return f"{word}.{lab.domain}", people, {"base_dn": base}


def add(lab, uid, parent=None, host=None):
    return lab.add_person(uid, givenName=uid.capitalize(), sn="Example", parent=parent, mailHost=host)


def places(lab, domain):
    """How many mailboxes each server has."""
    return collections.Counter(lab.imap.server(name) for name in lab.imap.mailboxes(f"user/%@{domain}"))


def mailbox(lab, uid):
    return f"user/{uid}.example@{lab.domain}"


def test_without_any_setting_for_it_a_murder_is_noticed_and_mailhost_is_the_server_that_cyrus_chose(lab, kolabd):
    hosts = {None: None, "localhost": None, "mail.example.com": None}
    people = {add(lab, f"p{number}", host=host): f"p{number}" for number, host in enumerate(hosts)}
    done = kolabd.run("--sync")
    for dn, uid in people.items():
        assert lab.get_one(dn, "mailHost") == lab.imap.server(mailbox(lab, uid)) in [backend.name for backend in lab.backends]
    assert 'mailHost says "mail.example.com", which is not known' in done.stderr and "localhost" not in done.stderr


@pytest.mark.slow
def test_each_domain_has_its_policy(lab, kolabd):
    first, second = lab.backends
    names, people, domains = {}, {}, {lab.domain: None}
    for policy in ("mailhost", "round-robin", "server", "least-used"):
        names[policy], people[policy], settings = add_domain(lab, policy)
        domains[names[policy]] = {**settings, "placement": {"policy": policy, "partition": "" if policy == "server" else "archive"}}
    kolabd.configure(known(lab, domains=domains, workers=1))
    for policy in ("mailhost", "round-robin", "server"):
        for number in range(4):
            add(lab, f"{policy}{number}", people[policy], second.name if policy == "mailhost" else None)
    kolabd.run("--sync")
    assert places(lab, names["mailhost"]) == {second.name: 4}
    assert places(lab, names["round-robin"]) == {first.name: 2, second.name: 2}
    assert sum(places(lab, names["server"]).values()) == 4
    before = sum((places(lab, name) for name in names.values()), collections.Counter())
    for number in range(6):
        add(lab, f"least{number}", people["least-used"])
    kolabd.run("--sync")
    after = sum((places(lab, name) for name in names.values()), collections.Counter())
    assert sum(after.values()) == 18
    assert abs(after[first.name] - after[second.name]) <= max(0, abs(before[first.name] - before[second.name]) - 6)
    for policy in ("mailhost", "round-robin", "least-used"):
        assert {lab.imap.partition(name) for name in lab.imap.mailboxes(f"user/%@{names[policy]}")} == {"archive"}, policy


@pytest.mark.parametrize("policy", ["round-robin", pytest.param("least-used", marks=pytest.mark.slow)])
def test_a_backend_that_is_down_gets_no_new_mailboxes_and_who_asks_for_it_waits(lab, kolabd, wait_until, policy):
    good, bad = lab.backends
    name, people, settings = add_domain(lab, "hosted")
    kolabd.configure(known(lab, placement={"policy": policy}, workers=2,
                           domains={name: {**settings, "placement": {"policy": "mailhost"}}}))
    daemon = kolabd.start()
    for domain in (lab.domain, name):
        daemon.wait_for_log(f"domain {domain}: 0 entries read, 0 to look at")
    bad.part.stop()
    asking = add(lab, "asking", people, bad.name)
    for number in range(4):
        add(lab, f"new{number}")
    wait_until(lambda: places(lab, lab.domain) == {good.name: 4})
    assert kolabd.query("SELECT server FROM outage") == [(bad.name,)]
    assert kolabd.query(f"SELECT attempts FROM change WHERE domain = '{name}'") == [(0,)]
    bad.part.start()
    wait_until(lambda: places(lab, name) == {bad.name: 1}, 40)
    wait_until(lambda: lab.get_one(asking, "mailHost") == bad.name)
    wait_until(lambda: kolabd.query("SELECT server FROM outage") == [])


class Settings:
    """A part's imapd.conf with one line changed, until it is put back."""

    def __init__(self, part):
        self.part = part
        self.path = part.base / "etc/imapd.conf"
        self.saved = self.path.with_suffix(".saved")

    def change(self, name, value):
        self.part.stop()
        shutil.copy(self.path, self.saved)
        text, count = re.subn(rf"^{name}: .*$", f"{name}: {value}", self.path.read_text(), flags=re.MULTILINE)
        assert count == 1
        self.path.write_text(text)
        self.part.start()

    def put_back(self):
        if not self.saved.exists():
            return
        self.part.stop()
        self.saved.replace(self.path)
        self.part.start()


@pytest.fixture(name="frontend")
def give_settings(lab):
    settings = Settings(lab.murder.frontend)
    yield settings
    settings.put_back()


def test_what_the_frontend_does_not_learn_of_is_set_aside_with_the_reason_and_delays_nobody(lab, kolabd, wait_until, frontend):
    known_before = add(lab, "known")
    kolabd.configure(known(lab, placement={"settle_timeout": "2s"}, workers=1))
    kolabd.run("--sync")
    frontend.change("mupdate_password", "wrong")
    daemon = kolabd.start()
    daemon.wait_for_log(f"{lab.domain}: 1 entries read, 0 to look at")
    dn = add(lab, "hidden")
    daemon.wait_for_log("the frontend does not know it yet")
    lab.modify(known_before, mailQuota="2048")
    daemon.wait_for_log(f"{known_before}: in order after 1 step")
    daemon.wait_for_log("does not settle within placement.settle_timeout; look for the mupdate master")
    assert kolabd.query("SELECT state FROM change") == [("parked",)]
    assert kolabd.query("SELECT server FROM outage") == []
    assert dn in kolabd.ctl("problems", check=3).stdout
    frontend.put_back()
    assert "1 made due" in kolabd.ctl("retry", dn).stdout
    wait_until(lambda: lab.get_one(dn, "mailHost") == lab.imap.server(mailbox(lab, "hidden")) is not None, 40)
    wait_until(lambda: kolabd.query("SELECT 1 FROM change") == [])


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mailhost", "server"])
def test_a_frontend_that_cannot_log_in_to_a_backend_is_told_apart_from_a_murder_that_does_not_settle(
        lab, kolabd, wait_until, frontend, policy):
    _, second = lab.backends
    frontend.change("proxy_password", "wrong")
    kolabd.configure(known(lab, imap={"timeout": "20s"}, placement={"policy": policy, "settle_timeout": "1s"}))
    daemon = kolabd.start()
    dn = add(lab, "new", host=second.name)
    pattern = f"backend {second.name} answers kolabd, so the frontend cannot log in there" if policy == "mailhost" \
        else "is a backend up that the frontend may use .*can it log in there"
    daemon.wait_for_log(rf"{pattern}.*proxy_password")
    assert "settle" not in daemon.log_text
    assert kolabd.query("SELECT server FROM outage") == []
    frontend.put_back()
    wait_until(lambda: lab.get_one(dn, "mailHost") == lab.imap.server(mailbox(lab, "new")) is not None, 60)
