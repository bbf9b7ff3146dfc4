"""Domains that the directory has: made, changed, suspended and removed while the daemon runs; many of them; broken ones."""

import contextlib
import json
import pathlib
import re
import sqlite3
import time

import ldap
import pytest

PLACE = "cn=kolab,cn=config"
DOMAIN_ENTRY = ["top", "domainRelatedObject", "inetDomain", "extensibleObject"]
# Long enough for a daemon under a sanitizer.
SECONDS = 20


class Domains:
    """The domain entries of one test, apart from those of the others by their description."""

    def __init__(self, lab):
        self.lab = lab
        self.mark = lab.domain
        self.dns = []

    @property
    def discovery(self):
        return {"base_dn": PLACE, "filter": f"(&(associatedDomain=*)(description={self.mark}))"}

    def configure(self, domains=None, **settings):
        """With discovery, and with the domains of the file, if any."""
        overrides = {"domain_discovery": self.discovery, "domains": None, **settings}
        self.lab.kolabd.settings.pop("domains", None)
        if domains is not None:
            overrides["domains"] = domains
        self.lab.kolabd.configure(overrides)

    def base_dn(self, label):
        return f"ou={label},{self.lab.base_dn}"

    def add_base(self, label):
        return self.lab.add(self.base_dn(label), objectClass=["top", "organizationalUnit"], ou=label)

    def add(self, label, *aliases, base=True, **attributes):
        """The domain LABEL.tN.example.org, with a base of its own. Gives its name."""
        name = self.name(label)
        if base:
            self.add_base(label)
        attributes.setdefault("inetDomainBaseDN", self.base_dn(label))
        attributes.setdefault("inetDomainStatus", "active")
        self.dns.append(self.lab.add(self.dn(label), objectClass=DOMAIN_ENTRY, description=self.mark,
                                     associatedDomain=[*(self.name(alias) for alias in aliases), name], **attributes))
        return name

    def name(self, label):
        return f"{label}.{self.mark}"

    def dn(self, label):
        return f"associatedDomain={self.name(label)},{PLACE}"

    def modify(self, label, **attributes):
        self.lab.modify(self.dn(label), **attributes)

    def delete(self, label):
        self.lab.delete(self.dn(label))
        self.dns.remove(self.dn(label))

    def add_person(self, label, uid, **attributes):
        return self.lab.add_person(uid, givenName=uid.capitalize(), sn="Example", parent=self.base_dn(label), **attributes)

    def mailbox(self, label, uid):
        return f"user/{uid}.example@{self.name(label)}"

    def standing(self, label):
        """The row of `kolabctl status --json`; None: there is none."""
        status = json.loads(self.lab.kolabd.ctl("status", "--json").stdout)
        return next((row for row in status["domains"] if row["name"] == self.name(label)), None)

    def close(self):
        for dn in self.dns:
            with contextlib.suppress(ldap.NO_SUCH_OBJECT):
                self.lab.delete(dn)


@pytest.fixture
def domains(lab):
    made = Domains(lab)
    try:
        yield made
    finally:
        made.close()


def queue_is_empty(kolabd):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM change").fetchone() == (0,)


def hidden_from_service(lab):
    who = lab.ds.env["SERVICE_DN"]
    return f'(targetattr = "*") (version 3.0; acl "hide {lab.domain}"; deny (all) (userdn = "ldap:///{who}");)'


def entries(kolabd, domain):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT mailbox, status FROM entry WHERE domain = ? ORDER BY mailbox", (domain,)).fetchall()


def in_order(daemon, mailbox):
    daemon.wait_for_log(f"in order after .* mailbox {re.escape(mailbox)}$", SECONDS)


def test_a_sync_serves_the_domains_of_the_directory(lab, domains, kolabd):
    domains.configure()
    a, b = domains.add("a", "alias"), domains.add("b")
    anna, bert = domains.add_person("a", "anna"), domains.add_person("b", "bert")
    kolabd.run("--sync")
    assert lab.get_one(anna, "mail") == f"anna.example@{a}"
    assert f"anna@{domains.name('alias')}" in lab.get(anna)["alias"]
    assert lab.get_one(bert, "mail") == f"bert.example@{b}"
    assert lab.imap.exists(domains.mailbox("a", "anna")) and lab.imap.exists(domains.mailbox("b", "bert"))
    assert domains.standing("a")["status"] == "served"
    assert f"domain {a}" in kolabd.ctl("status").stdout
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.ldap_writes(mark) == [] and lab.imap_writes(mark) == []


def test_a_sync_of_one_domain_takes_its_name_or_an_alias(lab, domains, kolabd):
    domains.configure()
    domains.add("a", "alias")
    domains.add("b")
    domains.add("c", inetDomainStatus="suspended")
    domains.add_person("a", "anna")
    domains.add_person("b", "bert")
    assert kolabd.run("--sync", "--dry-run", "--domain", domains.name("a"), check=2).stdout.count("anna") > 0
    assert "bert" not in kolabd.run("--sync", "--domain", domains.name("alias").upper()).stdout
    assert lab.imap.exists(domains.mailbox("a", "anna")) and not lab.imap.exists(domains.mailbox("b", "bert"))
    assert "no domain" in kolabd.run("--sync", "--domain", "nowhere.example.org", check=1).stderr
    assert "suspended" in kolabd.run("--sync", "--domain", domains.name("c"), check=1).stderr


def test_one_entry_is_synced_in_the_domain_that_has_it(lab, domains, kolabd):
    domains.configure()
    for label in "abc":
        domains.add(label)
    anna, bert = domains.add_person("a", "anna"), domains.add_person("b", "bert")
    kolabd.run("--sync", "--entry", bert)
    assert lab.imap.exists(domains.mailbox("b", "bert")) and not lab.imap.exists(domains.mailbox("a", "anna"))
    lab.modify(anna, mail=f"anna.example@{domains.name('a')}")
    kolabd.run("--sync", "--entry", f"anna.example@{domains.name('a')}")
    assert lab.imap.exists(domains.mailbox("a", "anna"))


def test_a_domain_that_is_made_while_the_daemon_runs_is_served_within_seconds(domains, kolabd):
    domains.configure()
    domains.add("a")
    daemon = kolabd.start()
    daemon.wait_for_log(f"domain {domains.name('a')}: .*0 to look at")
    began = time.monotonic()
    domains.add_base("b")
    domains.add_person("b", "before")
    domains.add("b", base=False)
    in_order(daemon, domains.mailbox("b", "before"))
    domains.add_person("b", "after")
    in_order(daemon, domains.mailbox("b", "after"))
    assert time.monotonic() - began < 10


def test_a_new_alias_gives_its_people_new_addresses(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    anna = domains.add_person("a", "anna")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    domains.modify("a", associatedDomain=[domains.name("new"), domains.name("a")])
    wait_until(lambda: f"anna@{domains.name('new')}" in lab.get(anna)["alias"], SECONDS)
    assert lab.get_one(anna, "mail") == f"anna.example@{domains.name('a')}"
    domains.modify("a", associatedDomain=domains.name("a"))
    wait_until(lambda: daemon.log_text.count(f"domain {domains.name('a')}: changed") == 2)
    bert = domains.add_person("a", "bert")
    in_order(daemon, domains.mailbox("a", "bert"))
    wait_until(lambda: queue_is_empty(kolabd))
    assert f"anna@{domains.name('new')}" in lab.get(anna)["alias"]
    assert f"bert@{domains.name('new')}" not in lab.get(bert)["alias"]


def test_a_suspended_domain_is_left_alone_until_it_is_active_again(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    domains.add("b")
    anna = domains.add_person("a", "anna")
    gone = domains.add_person("a", "gone")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    in_order(daemon, domains.mailbox("a", "gone"))
    domains.modify("a", inetDomainStatus="suspended")
    daemon.wait_for_log(f"warning: domain {domains.name('a')} is suspended")
    wait_until(lambda: domains.standing("a")["status"] == "suspended")
    new = domains.add_person("a", "new")
    lab.delete(gone)
    lab.modify(anna, mailQuota=4711)
    domains.add_person("b", "bert")
    in_order(daemon, domains.mailbox("b", "bert"))
    assert lab.get(new).get("mail") is None
    assert lab.imap.quota(domains.mailbox("a", "anna")) is None
    assert [status for _, status in entries(kolabd, domains.name("a"))] == ["ok", "ok"]
    assert kolabd.ctl("problems").stdout == "no problems\n"
    domains.modify("a", inetDomainStatus="active")
    in_order(daemon, domains.mailbox("a", "new"))
    wait_until(lambda: lab.imap.quota(domains.mailbox("a", "anna")) == 4711, SECONDS)
    daemon.wait_for_log("uid=gone.* left the directory")


def test_a_domain_marked_as_deleted_keeps_everything(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    domains.add_person("a", "anna")
    kolabd.run("--sync")
    domains.modify("a", inetDomainStatus="deleted")
    mark = lab.mark()
    assert "is deleted" in kolabd.run("--sync", "--resync").stderr
    assert lab.imap_writes(mark) == [] and lab.ldap_writes(mark) == []
    assert domains.standing("a")["status"] == "deleted"
    assert "entries left alone: 1" in kolabd.ctl("status").stdout
    assert entries(kolabd, domains.name("a")) == [(domains.mailbox("a", "anna"), "ok")]


def test_a_domain_whose_entry_is_removed_keeps_everything_and_comes_back(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    domains.add("b")
    anna = domains.add_person("a", "anna")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    domains.add_person("a", "stays")
    in_order(daemon, domains.mailbox("a", "stays"))
    domains.delete("a")
    daemon.wait_for_log(f"warning: domain {domains.name('a')} is not there any more")
    lab.delete(anna)
    domains.add_person("b", "bert")
    in_order(daemon, domains.mailbox("b", "bert"))
    assert lab.imap.exists(domains.mailbox("a", "anna"))
    assert entries(kolabd, domains.name("a")) == [(domains.mailbox("a", uid), "ok") for uid in ("anna", "stays")]
    assert domains.standing("a")["status"] == "removed"
    domains.add("a", base=False)
    daemon.wait_for_log("uid=anna.* left the directory")
    assert domains.standing("a")["status"] == "served"


def test_what_happened_to_domains_while_no_daemon_ran_is_told(lab, domains, kolabd):
    domains.configure()
    domains.add("a")
    domains.add("b")
    domains.add_person("a", "anna")
    kolabd.run("--sync")
    domains.delete("a")
    assert f"domain {domains.name('a')} is not there any more" in kolabd.run("--sync").stderr
    assert f"domain {domains.name('a')}" not in kolabd.run("--sync").stderr
    assert domains.standing("a")["status"] == "removed"


def test_a_broken_domain_has_its_own_problem_and_stops_nobody(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    domains.add("broken", base=False)
    domains.add("blind")
    lab.modify(domains.base_dn("blind"), aci=hidden_from_service(lab))
    domains.add_person("a", "anna")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    wait_until(lambda: domains.standing("broken")["problem"], SECONDS)
    assert "base does not exist" in domains.standing("broken")["problem"]
    assert domains.standing("a")["problem"] is None
    assert domains.name("broken") in kolabd.ctl("problems", check=3).stdout
    domains.add_person("a", "later")
    in_order(daemon, domains.mailbox("a", "later"))
    domains.add_base("broken")
    domains.add_person("broken", "bert")
    in_order(daemon, domains.mailbox("broken", "bert"))
    wait_until(lambda: not domains.standing("broken")["problem"], 30)
    assert daemon.log_text.count(f"domain {domains.name('broken')} cannot be read completely") == 1
    assert domains.standing("blind")["problem"]
    lab.modify(domains.base_dn("blind"), aci=None)
    wait_until(lambda: not domains.standing("blind")["problem"], 30)


def test_domains_that_die_delay_nobody_and_keep_everything(lab, domains, kolabd, wait_until):
    domains.configure(folders={"create": {"Drafts": {}}}, deletion={"delay": "0s"}, sweep_interval="1s")
    dead = {label: domains.add(label) for label in ("vanished", "hidden")}
    domains.add("a")
    people = {(label, uid): domains.add_person(label, uid) for label in dead for uid in ("anna", "bert", "carl", "dora", "ella")}
    daemon = kolabd.start()
    for label, uid in people:
        in_order(daemon, domains.mailbox(label, uid))
    base = lab.rename(domains.base_dn("vanished"), "ou=elsewhere")
    lab.modify(domains.base_dn("hidden"), aci=hidden_from_service(lab))
    for (label, _), dn in people.items():
        lab.modify(dn.replace(domains.base_dn("vanished"), base), mailQuota=4711)
    newcomers = [domains.mailbox("a", f"p{number}") for number in range(20)]
    for number in range(20):
        domains.add_person("a", f"p{number}")
    for mailbox in newcomers:
        in_order(daemon, mailbox)
    wait_until(lambda: all(domains.standing(label)["problem"] for label in dead), SECONDS)
    assert domains.standing("a")["problem"] is None
    for label, name in dead.items():
        assert entries(kolabd, name) == [(domains.mailbox(label, uid), "ok") for uid in ("anna", "bert", "carl", "dora", "ella")]
    assert not any(lab.imap.quota(domains.mailbox(*who)) for who in people)
    lab.rename(base, "ou=vanished")
    lab.modify(domains.base_dn("hidden"), aci=None)
    wait_until(lambda: all(lab.imap.quota(domains.mailbox(*who)) == 4711 for who in people), 60)
    wait_until(lambda: kolabd.ctl("problems", check=False).stdout == "no problems\n", SECONDS)
    assert all(daemon.log_text.count(f"domain {name} cannot be read completely") == 1 for name in dead.values())


def test_a_sync_with_a_broken_domain_serves_the_others_and_says_so(lab, domains, kolabd):
    domains.configure()
    domains.add("a", base=False)
    domains.add("b")
    domains.add_person("b", "bert")
    done = kolabd.run("--sync", check=1)
    assert f"error: domain {domains.name('a')} cannot be read" in done.stderr
    assert lab.imap.exists(domains.mailbox("b", "bert"))


def test_a_place_of_domain_entries_that_cannot_be_read_is_not_the_end_of_all_domains(lab, domains, kolabd, wait_until):
    hidden = hidden_from_service(lab)
    place = lab.add(f"cn={domains.mark},{PLACE}", objectClass=["top", "extensibleObject"])
    domains.dns.append(place)
    lab.kolabd.settings.pop("domains")
    kolabd.configure({"domain_discovery": {"base_dn": place}, "sweep_interval": "1s"})
    lab.add_person("anna", givenName="Anna", sn="Example")
    domains.dns.insert(0, lab.add(f"associatedDomain={lab.domain},{place}", objectClass=DOMAIN_ENTRY,
                                  inetDomainBaseDN=lab.base_dn))
    daemon = kolabd.start()
    daemon.wait_for_log(f"mailbox user/anna.example@{lab.domain}$")
    lab.modify(place, aci=hidden)
    daemon.wait_for_log("cannot read the domains.*those known before stay")
    lab.add_person("bert", givenName="Bert", sn="Example")
    daemon.wait_for_log(f"mailbox user/bert.example@{lab.domain}$")
    assert place in kolabd.ctl("problems", check=3).stdout
    assert "is not there any more" not in daemon.log_text
    lab.modify(place, aci=None)
    daemon.wait_for_log("the domains can be read again")
    wait_until(lambda: kolabd.ctl("problems", check=False).stdout == "no problems\n")
    daemon.stop()
    lab.modify(place, aci=hidden)
    daemon = kolabd.start()
    daemon.wait_for_log("cannot read the domains")
    lab.add_person("carl", givenName="Carl", sn="Example")
    assert "cannot read the domains" in kolabd.run("--sync", "--dry-run", check=1).stderr
    assert not lab.imap.exists(f"user/carl.example@{lab.domain}")
    lab.modify(place, aci=None)
    daemon.wait_for_log(f"mailbox user/carl.example@{lab.domain}$", 30)


def test_two_entries_for_one_domain_hold_it(lab, domains, kolabd, wait_until):
    domains.configure()
    domains.add("a")
    domains.add("b")
    domains.add_person("a", "anna")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    twin = lab.add(f"cn=twin-{domains.mark},{PLACE}", objectClass=DOMAIN_ENTRY, description=domains.mark,
                   associatedDomain=domains.name("a"), inetDomainBaseDN=domains.base_dn("b"))
    domains.dns.append(twin)
    daemon.wait_for_log(f"domain {domains.name('a')} is refused .*several domain entries")
    assert "several domain entries" in kolabd.ctl("problems", check=3).stdout
    assert entries(kolabd, domains.name("a")) == [(domains.mailbox("a", "anna"), "ok")]
    lab.delete(twin)
    domains.add_person("a", "later")
    in_order(daemon, domains.mailbox("a", "later"))
    assert kolabd.ctl("problems").stdout == "no problems\n"


def test_the_file_overrides_and_adds_to_the_directory(lab, domains, kolabd):
    domains.add("a")
    domains.add("b")
    domains.add_base("c")
    domains.configure(domains={domains.name("a"): {"quota": {"default": "2MiB"}},
                               domains.name("c"): {"base_dn": domains.base_dn("c")}}, quota={"default": "1MiB"})
    for label in "abc":
        domains.add_person(label, "anna")
    kolabd.run("--sync")
    assert [lab.imap.quota(domains.mailbox(label, "anna")) for label in "abc"] == [2048, 1024, 1024]


def test_another_base_moves_the_watch(domains, kolabd):
    domains.configure()
    domains.add("a")
    domains.add_person("a", "anna")
    domains.add_base("second")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    domains.modify("a", inetDomainBaseDN=domains.base_dn("second"))
    daemon.wait_for_log(f"domain {domains.name('a')}: changed")
    daemon.wait_for_log(f"domain {domains.name('a')}: the directory shows no entry|0 entries read")
    domains.add_person("second", "zoe")
    in_order(daemon, f"user/zoe.example@{domains.name('a')}")


def persistent_searches(lab, offset):
    """(connection, base) of each persistent search since then."""
    text = pathlib.Path(lab.ds.env["ACCESS_LOG"]).read_bytes()[offset:].decode(errors="replace")
    return re.findall(r'conn=(\d+) op=\d+ SRCH base="([^"]*)".*options=persistent', text)


def test_many_domains_are_watched_on_one_connection(lab, domains, kolabd, wait_until):
    """A connection to 389-ds carries four persistent searches, not more: its default of nsslapd-maxthreadsperconn is 5."""
    count = 200
    offset = pathlib.Path(lab.ds.env["ACCESS_LOG"]).stat().st_size
    domains.configure(folders={"create": {"Drafts": {}}})
    for number in range(count):
        domains.add(f"d{number}")
    began = time.monotonic()
    daemon = kolabd.start()
    wait_until(lambda: daemon.log_text.count("0 to look at") == count, SECONDS)
    print(f"{count} domains watched and read after {time.monotonic() - began:.1f} s")
    for number in (0, count // 2, count - 1):
        domains.add_person(f"d{number}", "anna")
    for number in (0, count // 2, count - 1):
        in_order(daemon, domains.mailbox(f"d{number}", "anna"))
    for number in range(10):
        domains.delete(f"d{number}")
    wait_until(lambda: daemon.log_text.count("is not there any more") == 10)
    domains.add("late")
    domains.add_person("late", "anna")
    in_order(daemon, domains.mailbox("late", "anna"))
    searches = persistent_searches(lab, offset)
    assert len({connection for connection, _ in searches}) == 1
    assert len(searches) == 4 and searches[-1][1] == ""


def test_who_is_moved_to_another_of_many_domains_is_noticed_there_and_here(lab, domains, kolabd):
    domains.configure(folders={"create": {"Drafts": {}}})
    for number in range(8):
        domains.add(f"d{number}")
    movers = [domains.add_person(f"d{number}", f"p{number}") for number in range(8)]
    for number in range(8):
        domains.add_person(f"d{number}", "stays")
    daemon = kolabd.start()
    for number in range(8):
        in_order(daemon, domains.mailbox(f"d{number}", f"p{number}"))
    for number, dn in enumerate(movers[4:], 4):
        lab.rename(dn, new_parent=lab.people_dn)
        daemon.wait_for_log(f"uid=p{number},ou=d.* moved out of the base")


def test_who_is_moved_to_another_domain_brings_the_mailbox_along(lab, domains, kolabd, wait_until):
    domains.configure(policy={"mode": "always"})
    domains.add("a")
    domains.add("b")
    domains.add_person("a", "stays")
    anna = domains.add_person("a", "anna")
    daemon = kolabd.start()
    in_order(daemon, domains.mailbox("a", "anna"))
    with lab.imap.session(f"anna.example@{domains.name('a')}") as session:
        session.create("Mine")
    for here, there in ("ab", "ba", "ab"):
        anna = lab.rename(anna, new_parent=domains.base_dn(there))
        wait_until(lambda: lab.imap.exists(domains.mailbox(there, "anna")), SECONDS)
        wait_until(lambda: queue_is_empty(kolabd), SECONDS)
        assert not lab.imap.exists(domains.mailbox(here, "anna"))
        assert lab.get_one(anna, "mail") == f"anna.example@{domains.name(there)}"
        assert "Mine" in lab.imap.folders(f"anna.example@{domains.name(there)}")
        assert entries(kolabd, domains.name(here)) == ([(domains.mailbox("a", "stays"), "ok")] if here == "a" else [])
    assert kolabd.ctl("problems").stdout == "no problems\n"
    daemon.stop()
    anna = lab.rename(anna, new_parent=domains.base_dn("a"))
    kolabd.run("--sync")
    assert lab.imap.exists(domains.mailbox("a", "anna")) and not lab.imap.exists(domains.mailbox("b", "anna"))
