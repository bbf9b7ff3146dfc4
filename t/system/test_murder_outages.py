"""When a part of a murder fails, those who do not need it are served, and the rest follows when it is back."""

import contextlib
import itertools
import json
import re
import threading

import pytest

import proxy as faults
from kolabd import merged


@pytest.fixture
def lab(murder_lab):
    return murder_lab


def by_host(lab, **settings):
    """Mailboxes go where mailHost says."""
    return merged({"workers": 2, "placement": {"policy": "mailhost"},
                   "imap": {"timeout": "4s", "backends": {backend.name: backend.env["IMAPS_URI"] for backend in lab.backends}}},
                  settings)


def add_people(lab, word, count, backend):
    """People whose mailboxes are to be on a backend; gives their DNs."""
    return [lab.add_person(f"{word}{number}", givenName=word.capitalize(), sn=f"Number{number}", mailHost=backend.name)
            for number in range(count)]


def mailbox(lab, word, number=0):
    return f"user/{word}.number{number}@{lab.domain}"


def set_quota(lab, people, kib):
    for dn in people:
        lab.modify(dn, mailQuota=str(kib))


def has_quota(lab, word, count, kib, backend):
    return all(backend.quota(mailbox(lab, word, number)) == kib for number in range(count))


def outages(kolabd):
    return kolabd.query("SELECT server FROM outage")


def told(daemon, backend):
    """How often the log says that it is out of reach, and that it is back."""
    name = re.escape(backend.name)
    return (len(re.findall(rf"backend {name}: .*changes wait, trying again", daemon.log_text)),
            len(re.findall(rf"{name} can be reached again", daemon.log_text)))


def start(lab, kolabd, entries):
    daemon = kolabd.start()
    daemon.wait_for_log(f"{lab.domain}: {entries} entries read, 0 to look at")
    return daemon


@pytest.mark.parametrize("fail", ["stop", pytest.param("hang", marks=pytest.mark.slow)])
def test_who_is_on_a_backend_that_fails_waits_and_delays_nobody(lab, kolabd, wait_until, fail):
    good, bad = lab.backends
    kolabd.configure(by_host(lab))
    waiting, others = add_people(lab, "wait", 10, bad), add_people(lab, "other", 10, good)
    kolabd.run("--sync")
    daemon = start(lab, kolabd, 20)
    getattr(bad.part, fail)()
    set_quota(lab, waiting, 2048)
    set_quota(lab, others, 2048)
    wait_until(lambda: has_quota(lab, "other", 10, 2048, good))
    [outage] = json.loads(kolabd.ctl("--json", "status").stdout)["outages"]
    assert outage["server"] == bad.name and bad.env["IMAPS_URI"] in outage["message"]
    assert kolabd.query("SELECT count(*), sum(attempts) FROM change") == [(10, 0)]
    if fail == "stop":
        bad.part.start()
    else:
        bad.part.resume()
    wait_until(lambda: has_quota(lab, "wait", 10, 2048, bad), 40)
    wait_until(lambda: outages(kolabd) == [])
    assert told(daemon, bad) == (1, 1)


def test_rights_on_a_backend_that_is_down_are_removed_when_it_is_back(lab, kolabd, wait_until):
    good, bad = lab.backends
    kolabd.configure(by_host(lab))
    [jane] = add_people(lab, "jane", 1, good)
    add_people(lab, "john", 1, good)
    add_people(lab, "mary", 1, bad)
    kolabd.run("--sync")
    login = f"jane.number0@{lab.domain}"
    for word in ("john", "mary"):
        lab.imap.admin_at(mailbox(lab, word)).set_acl(mailbox(lab, word), login, "lrs")
        wait_until(lambda word=word: login in lab.imap.acl(mailbox(lab, word)))
    bad.part.stop()
    lab.delete(jane)
    kolabd.run("--sync", check=3)
    assert login not in good.acl(mailbox(lab, "john"))
    assert kolabd.query("SELECT identifier FROM cleanup") == [(login,)]
    bad.part.start()
    kolabd.run("--sync")
    assert login not in bad.acl(mailbox(lab, "mary"))
    assert kolabd.query("SELECT identifier FROM cleanup") == []


def kill_once_gone(backend, name):
    """As soon as the mailbox is not there any more under this name, which Cyrus takes before what is below it. Gives the thread."""
    def strike():
        with backend.session() as session:
            while session.exists(name):
                pass
        backend.part.kill()
    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("action", ["rename", "delete"])
def test_a_backend_that_dies_in_the_middle_of_a_rename_or_deletion_leaves_nothing_behind(lab, kolabd, wait_until, action):
    _, bad = lab.backends
    kolabd.configure(by_host(lab, deletion={"delay": "1s"}))
    [jane] = add_people(lab, "jane", 1, bad)
    kolabd.run("--sync")
    name, new_name = mailbox(lab, "jane"), f"user/janet@{lab.domain}"
    for number in range(60):
        bad.create(f"user/jane.number0/F{number:02}@{lab.domain}")
    before = len(bad.tree(name))
    start(lab, kolabd, 1)
    killed = kill_once_gone(bad, name)
    if action == "rename":
        lab.modify(jane, mail=f"janet@{lab.domain}")
    else:
        lab.delete(jane)
    killed.join()
    bad.part.start()
    wait_until(lambda: kolabd.query("SELECT 1 FROM change UNION SELECT 1 FROM departure WHERE status != 'deleted'") == [], 90)
    wait_until(lambda: lab.imap.mailboxes(name.replace("@", "/*@")) == [])
    assert bad.tree(name) == []
    assert len(bad.tree(new_name)) == (before if action == "rename" else 0)
    assert len(bad.mailboxes(f"DELETED/user/jane.number0/*@{lab.domain}")) == (0 if action == "rename" else before)
    if action == "rename":
        assert len(lab.imap.folders(f"janet@{lab.domain}")) == before
        assert {bad.acl(one)[f"janet@{lab.domain}"] for one in bad.tree(new_name)} == {"lrswipkxtecdan"}


@pytest.fixture(name="free_addresses")
def find_free_addresses(lab):
    return (f"{lab.murder.network}.{number}" for number in itertools.count(11))


@pytest.fixture(name="open_proxy")
def make_open_proxy(free_addresses):
    """open_proxy(server): a Proxy at an address that the murder's certificate is for, too; `uri` is its own, `server` may change."""
    with contextlib.ExitStack() as stack:
        def open_one(server):
            host = next(free_addresses)
            opened = faults.Proxy(lambda: (opened.server.env["IMAP_HOST"], 993), at=(host, 993))
            stack.enter_context(contextlib.closing(opened))
            opened.uri, opened.server = f"imaps://{host}", server
            return opened
        yield open_one


@pytest.mark.slow
def test_no_worker_waits_for_a_backend_that_is_known_to_hang(lab, kolabd, wait_until, open_proxy):
    good, bad = lab.backends
    before = open_proxy(bad)
    kolabd.configure(by_host(lab, workers=1, imap={"timeout": "3s", "backends": {bad.name: before.uri}}))
    [waiting], others = add_people(lab, "wait", 1, bad), add_people(lab, "other", 5, good)
    kolabd.run("--sync")
    start(lab, kolabd, 6)
    before.hang()
    set_quota(lab, [waiting], 2048)
    wait_until(lambda: outages(kolabd))
    tries = before.accepted
    wait_until(lambda: before.accepted > tries and before.open)
    tries, before.most = before.accepted, before.open
    set_quota(lab, [waiting], 4096)
    set_quota(lab, others, 2048)
    wait_until(lambda: has_quota(lab, "other", 5, 2048, good))
    assert (before.accepted, before.open, before.most) == (tries, 1, 1)
    before.heal()
    wait_until(lambda: has_quota(lab, "wait", 1, 4096, bad), 40)


@pytest.mark.parametrize("new", [False, True], ids=["changed", "new"])
def test_a_backend_that_is_slow_keeps_only_its_own_people_waiting(lab, kolabd, wait_until, open_proxy, new):
    good, bad = lab.backends
    before = open_proxy(bad)
    kolabd.configure(by_host(lab, imap={"timeout": "30s", "backends": {bad.name: before.uri}}))
    if not new:
        waiting, others = add_people(lab, "wait", 8, bad), add_people(lab, "other", 5, good)
        kolabd.run("--sync")
    daemon = start(lab, kolabd, 0 if new else 13)
    before.delay = 0.5
    if new:
        add_people(lab, "wait", 8, bad)
    else:
        set_quota(lab, waiting, 2048)
    wait_until(lambda: kolabd.query("SELECT count(*) FROM change") == [(8,)])
    wait_until(lambda: kolabd.query("SELECT DISTINCT server FROM change WHERE server IS NOT NULL") == [(bad.name,)], 40)
    assert f"changes waiting for {bad.name}, which is slow" in kolabd.ctl("status").stdout
    assert [slow["server"] for slow in json.loads(kolabd.ctl("--json", "status").stdout)["slow_servers"]] == [bad.name]
    if new:
        others = add_people(lab, "other", 5, good)
    set_quota(lab, others, 2048)
    wait_until(lambda: has_quota(lab, "other", 5, 2048, good), 40)
    assert kolabd.query("SELECT count(*) FROM change")[0][0] >= 4
    assert outages(kolabd) == []
    before.delay = 0
    wait_until(lambda: kolabd.query("SELECT * FROM change") == [], 60)
    assert {bad.exists(mailbox(lab, "wait", number)) for number in range(8)} == {True}
    assert {lab.get_one(dn, "mailHost") for dn in others} == {good.name}
    assert "error" not in daemon.log_text


def test_an_outage_ends_although_nobody_waits_for_it_any_more(lab, kolabd, wait_until):
    _, bad = lab.backends
    kolabd.configure(by_host(lab))
    [dn] = add_people(lab, "wait", 1, bad)
    kolabd.run("--sync")
    start(lab, kolabd, 1)
    bad.part.stop()
    set_quota(lab, [dn], 2048)
    wait_until(lambda: outages(kolabd))
    lab.modify(dn, objectClass=["top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "extensibleObject"])
    mark = lab.mark()
    bad.part.start()
    wait_until(lambda: outages(kolabd) == [])
    asked = {command.split()[0].upper() for _, command in lab.backend_commands(mark, 1)}
    assert asked and asked <= {"CAPABILITY", "AUTHENTICATE", "ID", "LOGOUT"}, "who comes back must not have to choose a place"


def test_without_the_master_what_exists_is_served_and_what_is_new_follows_when_it_is_back(lab, kolabd, wait_until):
    first, second = lab.backends
    kolabd.configure(by_host(lab))
    people = add_people(lab, "other", 2, first)
    leaver, renamed = people
    kolabd.run("--sync")
    start(lab, kolabd, 2)
    lab.murder.mupdate.stop()
    add_people(lab, "new", 1, second)
    lab.modify(renamed, sn="Renamed", mail=f"other.renamed@{lab.domain}")
    wait_until(lambda: kolabd.query("SELECT count(*) FROM change WHERE attempts > 0") == [(2,)])
    set_quota(lab, [leaver], 2048)
    wait_until(lambda: has_quota(lab, "other", 1, 2048, first))
    assert outages(kolabd) == []
    assert not second.exists(mailbox(lab, "new"))
    lab.murder.mupdate.start()
    wait_until(lambda: lab.imap.server(mailbox(lab, "new")) == second.name, 40)
    wait_until(lambda: lab.imap.server(f"user/other.renamed@{lab.domain}") == first.name, 40)
    wait_until(lambda: kolabd.query("SELECT count(*) FROM change") == [(0,)], 40)


def test_a_frontend_that_was_restarted_is_used_again(lab, kolabd, wait_until):
    kolabd.configure(by_host(lab))
    [dn] = add_people(lab, "other", 1, lab.backends[0])
    kolabd.run("--sync")
    daemon = start(lab, kolabd, 1)
    lab.murder.frontend.stop()
    set_quota(lab, [dn], 2048)
    wait_until(lambda: outages(kolabd))
    lab.murder.frontend.start()
    wait_until(lambda: has_quota(lab, "other", 1, 2048, lab.backends[0]), 40)
    wait_until(lambda: outages(kolabd) == [])
    assert daemon.log_text.count("changes wait, trying again") == 1


@pytest.mark.slow
def test_of_two_frontends_behind_one_name_either_serves_and_one_is_enough(other_murder, wait_until):
    lab = other_murder(MURDER_FRONTENDS=2)
    kolabd, hosts = lab.kolabd, [part.env["IMAP_HOST"] for part in lab.murder.frontends]
    turns = itertools.count()
    name = faults.Proxy(lambda: (hosts[next(turns) % len(hosts)], 993), at=(f"{lab.murder.network}.11", 993))
    with contextlib.closing(name):
        kolabd.configure(by_host(lab, imap={"uri": f"imaps://{name.address[0]}"}))
        people = add_people(lab, "p", 4, lab.backends[0])
        daemon = kolabd.start()
        wait_until(lambda: kolabd.query("SELECT count(*) FROM entry WHERE status = 'ok'") == [(4,)])
        for turn in range(3):  # a worker at one frontend renames what another made at the other
            for number, dn in enumerate(people):
                lab.modify(dn, mail=f"p{turn}.number{number}@{lab.domain}")
            wait_until(lambda: lab.imap.mailboxes(f"user/%@{lab.domain}")  # pylint: disable=cell-var-from-loop
                       == [f"user/p{turn}.number{number}@{lab.domain}" for number in range(4)])  # pylint: disable=cell-var-from-loop
        lab.delete(people.pop())
        lab.murder.frontends[1].stop()
        hosts.pop()
        people += add_people(lab, "late", 1, lab.backends[1])
        set_quota(lab, people, 2048)
        wait_until(lambda: lab.imap.server(mailbox(lab, "late")) == lab.backends[1].name, 40)
        wait_until(lambda: has_quota(lab, "p2", 3, 2048, lab.backends[0]), 40)
        wait_until(lambda: not lab.imap.exists(mailbox(lab, "p2", 3)), 40)
        wait_until(lambda: kolabd.query("SELECT count(*) FROM change") == [(0,)])
        assert "set aside" not in daemon.log_text
        daemon.stop()


def test_a_backend_s_second_address_serves_when_the_first_refuses_or_hangs_and_the_first_again_when_that_fails(
        lab, kolabd, wait_until, open_proxy):
    _, other = lab.backends
    first, second = open_proxy(other), open_proxy(other)
    kolabd.configure(by_host(lab, workers=1, imap={"timeout": "1s", "backends": {other.name: [first.uri, second.uri]}}))
    [dn] = add_people(lab, "p", 1, other)
    kolabd.run("--sync")
    assert second.accepted == 0
    start(lab, kolabd, 1)
    first.close()
    set_quota(lab, [dn], 2048)
    wait_until(lambda: has_quota(lab, "p", 1, 2048, other))
    assert second.accepted > 0
    first.listen()
    second.close()
    set_quota(lab, [dn], 4096)
    wait_until(lambda: has_quota(lab, "p", 1, 4096, other))
    second.listen()
    first.hang()
    before = second.accepted
    set_quota(lab, [dn], 8192)
    wait_until(lambda: has_quota(lab, "p", 1, 8192, other))
    assert second.accepted > before and outages(kolabd) == []


@pytest.mark.slow
def test_of_a_pair_of_machines_that_exchange_their_services_each_backend_is_found_at_the_other_s_address(
        lab, kolabd, wait_until, open_proxy):
    """Active/active: each machine may have either service. Who answers at an address says which one it is."""
    machines = [open_proxy(backend) for backend in lab.backends]
    uris = [machine.uri for machine in machines]
    kolabd.configure(by_host(lab, imap={"backends": dict(zip((backend.name for backend in lab.backends), (uris, uris[::-1])))}))
    people = add_people(lab, "one", 2, lab.backends[0]) + add_people(lab, "two", 2, lab.backends[1])
    kolabd.run("--sync")
    start(lab, kolabd, 4)
    for kib, there in ((2048, (0, 1)), (4096, (1, 0)), (8192, (0, 1))):
        for machine, number in zip(machines, there):
            machine.server = lab.backends[number]
            machine.cut()
        set_quota(lab, people, kib)
        for word, backend in zip(("one", "two"), lab.backends):
            wait_until(lambda: has_quota(lab, word, 2, kib, backend))  # pylint: disable=cell-var-from-loop
    wait_until(lambda: kolabd.query("SELECT 1 FROM change") == [])
    assert outages(kolabd) == []


def test_a_session_to_a_backend_lasts_for_a_batch_and_no_longer(lab, kolabd, wait_until, open_proxy):
    _, other = lab.backends
    before = open_proxy(other)
    kolabd.configure(by_host(lab, workers=1, imap={"backends": {other.name: before.uri}}))
    people = add_people(lab, "p", 6, other)
    kolabd.run("--sync")
    start(lab, kolabd, 6)
    set_quota(lab, people[:1], 1024)
    wait_until(lambda: has_quota(lab, "p", 1, 1024, other) and before.open == 0)
    kolabd.daemons[-1].stop()
    set_quota(lab, people, 2048)
    accepted = before.accepted
    kolabd.run("--sync")
    assert has_quota(lab, "p", 6, 2048, other) and before.accepted == accepted + 1
