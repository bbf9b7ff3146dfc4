"""The life of people and shared folders whose mailboxes are on two backends: each stays where it is, whatever happens to it, and
nothing is left on the other one. (`make check-murder` also repeats the tests of a single server on a murder.)"""

import sqlite3

import pytest

from polling import wait_until as poll
from test_life import add_people, check_people, check_untouched, is_quiet, query
from test_shared import FOLDER_TYPE
from test_users import FOLDERS, check_default_folders

SHARED_FOLDER = ["top", "mailRecipient", "kolabSharedFolder"]
BOTH = pytest.mark.parametrize("number", [0, 1], ids=["first", "second"])


@pytest.fixture
def lab(murder_lab):
    """An entry's mailHost says where its mailbox is made."""
    murder_lab.spread()
    murder_lab.kolabd.settings["placement"] = {"policy": "mailhost"}
    murder_lab.kolabd.configure()
    return murder_lab


def mailbox(lab, name, folder=""):
    return f"user/{name}{folder and '/' + folder}@{lab.domain}"


def add(lab, number, name, **attributes):
    """A person whose mailbox is to be on backend 0 or 1; gives the DN."""
    return lab.add_person(name, givenName=name.title(), sn="Example", mail=f"{name}@{lab.domain}",
                          mailHost=lab.backends[number].name, **attributes)


def add_both(lab, **attributes):
    """Ann on the first backend and Bob on the second one, each in order and with a mail of their own name; gives the DNs."""
    people = [add(lab, 0, "ann", **attributes), add(lab, 1, "bob", **attributes)]
    lab.kolabd.run("--sync")
    for name in ("ann", "bob"):
        lab.imap.put_mail(f"{name}@{lab.domain}", name)
    return people


def add_shared(lab, cn, number=None, **attributes):
    host = lab.backends[number].name if number is not None else None
    return lab.add(f"cn={cn},{lab.people_dn}", objectClass=SHARED_FOLDER, cn=cn, mailHost=host, **attributes)


def places(lab, pattern=None):
    """{mailbox: [numbers of the backends that have it]}; of people's mailboxes, without their folders, unless a pattern is given."""
    found = {}
    for number, backend in enumerate(lab.backends):
        for name in backend.mailboxes(pattern or f"user/%@{lab.domain}"):
            found.setdefault(name, []).append(number)
    return found


def check_whole(lab, number, name, mail, quota=1000):
    """A mailbox with all that there is to it, on that backend, and its folders with it."""
    login = f"{name}@{lab.domain}"
    assert lab.imap.server(mailbox(lab, name)) == lab.backends[number].name
    assert len(lab.backends[number].mailboxes(mailbox(lab, name, "*"))) == len(FOLDERS)
    assert lab.backends[1 - number].mailboxes(f"user/{name}*@{lab.domain}") == []
    assert (lab.imap.mails(login), lab.imap.quota(mailbox(lab, name))) == ([mail], quota)
    check_default_folders(lab, login)


def check_nothing_to_do(lab):
    """Neither a sync nor a look at everything writes anything to the directory, the frontend, the backends."""
    mark = lab.mark()
    lab.kolabd.run("--sync")
    lab.kolabd.run("--sync", "--resync")
    assert all(lab.backend_commands(mark, number) for number in (0, 1))
    check_untouched(lab, mark)
    assert lab.kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


# --- people

def test_people_get_everything_on_their_backend_and_nothing_is_left_to_do(lab, kolabd):
    people = add_both(lab, mailQuota=1000)
    for number, name in enumerate(("ann", "bob")):
        check_whole(lab, number, name, mail=name)
        assert lab.get_one(people[number], "mailHost") == lab.backends[number].name
    check_nothing_to_do(lab)


@BOTH
def test_a_new_name_takes_the_whole_mailbox_along_on_its_backend(lab, kolabd, number):
    people, name = add_both(lab, mailQuota=1000), ("ann", "bob")[number]
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    lab.modify(people[number], mail=f"new@{lab.domain}")
    daemon.wait_for_log("in order after")
    poll(lambda: is_quiet(kolabd))
    daemon.stop()
    check_whole(lab, number, "new", mail=name)
    assert places(lab) == {mailbox(lab, "new"): [number], mailbox(lab, ("ann", "bob")[1 - number]): [1 - number]}
    assert lab.get_one(people[number], "mailHost") == lab.backends[number].name
    check_nothing_to_do(lab)


@BOTH
def test_what_is_deleted_is_kept_for_a_while_on_its_backend(lab, kolabd, number):
    people, name = add_both(lab), ("ann", "bob")[number]
    lab.delete(people[number])
    kolabd.run("--sync")
    assert places(lab) == {mailbox(lab, ("ann", "bob")[1 - number]): [1 - number]}
    deleted = places(lab, f"DELETED/user/{name}/*@{lab.domain}")
    assert list(deleted.values()) == [[number]] * (1 + len(FOLDERS))
    [inbox] = lab.imap.mailboxes(f"DELETED/user/{name}/%@{lab.domain}")
    lab.imap.admin.command("RENAME", f'"{inbox}"', f'"{mailbox(lab, name)}"')
    assert lab.imap.mails(f"{name}@{lab.domain}") == [name]


@pytest.mark.parametrize("by", ["daemon", pytest.param("sync", marks=pytest.mark.slow)])
def test_people_on_two_backends_exchange_their_names_and_stay_where_they_are(lab, kolabd, by):
    people = dict(zip(("ann", "bob"), add_both(lab)))
    if by == "daemon":
        kolabd.start().wait_for_log("0 to look at")
    lab.modify(people["ann"], mail=f"bob@{lab.domain}")
    lab.modify(people["bob"], mail=f"ann@{lab.domain}")
    if by == "daemon":
        poll(lambda: is_quiet(kolabd) and set(query(kolabd, "SELECT dn, mailbox FROM entry"))
             == {(people["ann"], mailbox(lab, "bob")), (people["bob"], mailbox(lab, "ann"))})
        kolabd.daemons[-1].stop()
    else:
        kolabd.run("--sync")
    check_people(lab, people, {"ann": "bob", "bob": "ann"})
    assert places(lab) == {mailbox(lab, "bob"): [0], mailbox(lab, "ann"): [1]}
    assert [lab.get_one(dn, "mailHost") for dn in people.values()] == [backend.name for backend in lab.backends]
    check_nothing_to_do(lab)


@pytest.mark.slow
def test_a_ring_of_names_goes_round_over_two_backends(lab, kolabd):
    kolabd.configure({"placement": {"policy": "round-robin"}})
    names = ["ann", "bob", "cat", "dan"]
    people = add_people(lab, kolabd, *names)
    where = {name: places(lab)[mailbox(lab, name)] for name in names}
    assert sorted(where.values()) == [[0], [0], [1], [1]]
    expected = {"ann": "bob", "bob": "cat", "cat": "dan", "dan": "ann"}
    for name, address in expected.items():
        lab.modify(people[name], mail=f"{address}@{lab.domain}")
    kolabd.run("--sync")
    check_people(lab, people, expected)
    assert places(lab) == {mailbox(lab, address): where[name] for name, address in expected.items()}


@pytest.mark.slow
def test_a_new_person_with_an_old_name_gets_a_new_mailbox_on_the_other_backend(lab, kolabd):
    ann, _ = add_both(lab)
    lab.delete(ann)
    add(lab, 1, "ann")
    kolabd.run("--sync")
    assert places(lab) == {mailbox(lab, "ann"): [1], mailbox(lab, "bob"): [1]}
    assert lab.imap.mails(f"ann@{lab.domain}") == []
    assert list(places(lab, f"DELETED/user/ann/%@{lab.domain}").values()) == [[0]]
    check_default_folders(lab, f"ann@{lab.domain}")


@pytest.mark.slow
def test_a_mailbox_that_is_there_already_is_adopted_where_it_is(lab, kolabd):
    for number, name in enumerate(("ann", "bob")):
        lab.imap.create(mailbox(lab, name), lab.backends[1 - number])
        lab.imap.put_mail(f"{name}@{lab.domain}", name)
    people = [add(lab, number, name, mailQuota=1000) for number, name in enumerate(("ann", "bob"))]
    assert kolabd.run("--sync").stderr.count("corrected") == 2
    for number, name in enumerate(("ann", "bob")):
        check_whole(lab, 1 - number, name, mail=name)
        assert lab.get_one(people[number], "mailHost") == lab.backends[1 - number].name
    check_nothing_to_do(lab)


@pytest.mark.slow
def test_quota_follows_the_directory_on_both_backends(lab, kolabd):
    people = add_both(lab, mailQuota=1000)
    for value, expected in ((500, 500), (2000, 2000), (-1, None), (700, 700), (None, None)):
        for dn in people:
            lab.modify(dn, mailQuota=value)
        kolabd.run("--sync")
        assert [lab.backends[number].quota(mailbox(lab, name)) for number, name in enumerate(("ann", "bob"))] == [expected] * 2, value
    check_nothing_to_do(lab)


def test_a_resync_repairs_on_both_backends_what_drifted(lab, kolabd):
    kolabd.configure({"folders": {"enforce": True}})
    add_both(lab, mailQuota=1000)
    for name in ("ann", "bob"):
        login = f"{name}@{lab.domain}"
        lab.imap.set_quota(mailbox(lab, name), 5)
        lab.imap.set_metadata(login, "Calendar", "/private/vendor/kolab/folder-type", None)
        lab.imap.set_metadata(login, "Tasks", "/shared/vendor/kolab/folder-type", "note")
        with lab.imap.session(login) as session:
            session.delete("Notes")
            session.command("UNSUBSCRIBE", '"Journal"')
    kolabd.run("--sync", "--resync")
    for number, name in enumerate(("ann", "bob")):
        check_whole(lab, number, name, mail=name)


def test_folders_have_their_partition_quota_and_rights_on_both_backends(lab, kolabd):
    kolabd.configure({"folders": {"create": {"Archive": {"partition": "archive", "quota": 0}, "Plain": {"acl": {"anyone": "p"}}}}})
    add_both(lab, mailQuota=1000)
    for number, name in enumerate(("ann", "bob")):
        backend = lab.backends[number]
        assert {folder: backend.partition(mailbox(lab, name, folder)) for folder in ("Archive", "Plain")} == {
            "Archive": "archive", "Plain": "default"}
        archive = mailbox(lab, name, "Archive")
        assert backend.admin.command("GETQUOTAROOT", archive, answer="QUOTAROOT") == [archive, archive]
        assert backend.acl(mailbox(lab, name, "Plain")) == {f"{name}@{lab.domain}": "lrswipkxtecdan", "anyone": "p"}
    check_nothing_to_do(lab)


@pytest.mark.slow
def test_a_partition_that_the_backends_have_not_is_warned_of_once_for_each(lab, kolabd):
    kolabd.configure({"folders": {"create": {"Archive": {"partition": "nowhere"}, "Plain": {}}}})
    for name in ("cat", "dan"):
        add(lab, 0, name)
        add(lab, 1, name[::-1])
    done = kolabd.run("--sync")
    for backend in lab.backends:
        assert done.stderr.count(f'{backend.name} has no partition "nowhere"') == 1, done.stderr
    for name in ("cat", "dan", "tac", "nad"):
        assert lab.imap.folders(f"{name}@{lab.domain}") == ["Archive", "INBOX", "Plain"]
    check_nothing_to_do(lab)


def test_rights_of_who_left_are_removed_on_both_backends(lab, kolabd):
    ann, _ = add_both(lab)
    add_shared(lab, "Team", 0)
    add_shared(lab, "Crew", 1)
    kolabd.run("--sync")
    names = [mailbox(lab, "bob"), mailbox(lab, "bob", "Calendar"), f"shared/Team@{lab.domain}", f"shared/Crew@{lab.domain}"]
    for name in names:
        lab.imap.admin.set_acl(name, f"ann@{lab.domain}", "lrs")
        lab.imap.admin.set_acl(name, f"cat@{lab.domain}", "lrs")
    lab.delete(ann)
    mark = lab.mark()
    kolabd.run("--sync")
    owners = [lab.imap.backend(name).acl(name) for name in names]
    assert not [acl for acl in owners if f"ann@{lab.domain}" in acl] and all(acl[f"cat@{lab.domain}"] == "lrs" for acl in owners)
    assert [lab.imap.acl(name) for name in names] == owners
    assert [command for _, command in lab.imap_commands(mark) if command.startswith("LIST")] == ['LIST "" "*"']


@pytest.mark.slow
def test_a_directory_that_must_not_be_written_says_where_a_new_mailbox_goes(lab, kolabd):
    kolabd.configure({"ldap": {"read_only": True}, "placement": {"policy": "round-robin"}, "quota": {"default": 1000}})
    people = [add(lab, 1, "ann"), add(lab, 1, "bob"), add(lab, 0, "cat")]
    stray = lab.add_person("dan", givenName="Dan", sn="Example", mail=f"dan@{lab.domain}", mailHost="imap7.example.org")
    before = [lab.get(dn) for dn in (*people, stray)]
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.ldap_operations(mark) and lab.ldap_writes(mark) == []
    assert [lab.get(dn) for dn in (*people, stray)] == before
    found = places(lab)
    assert [found[mailbox(lab, name)] for name in ("ann", "bob", "cat")] == [[1], [1], [0]]
    assert len(found[mailbox(lab, "dan")]) == 1
    lab.modify(people[0], mail=f"new@{lab.domain}", mailQuota=7)
    kolabd.run("--sync")
    assert lab.backends[1].quota(mailbox(lab, "new")) == 7
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


# --- shared folders

def check_no_stray_parent(lab):
    """A parent without its domain makes every further CREATE below it fail on that backend."""
    assert [backend.mailboxes("shared") for backend in lab.backends] == [[], []]


@BOTH
def test_a_shared_folder_lives_on_the_chosen_backend(lab, kolabd, number):
    """Rights, another name, a folder below it, its end; the parent of all is on the other one."""
    add(lab, 0, "ann")
    parent = add_shared(lab, "Parent", 1 - number)
    kolabd.run("--sync")
    assert query(kolabd, "SELECT target, after FROM journal WHERE step = 'create parent'") == [
        (f"shared@{lab.domain}", f"shared@{lab.domain} on {lab.backends[1 - number].name}")]
    team = add_shared(lab, "Team", number, acl=f"ann@{lab.domain}, read")
    kolabd.run("--sync")
    assert places(lab, f"shared/%@{lab.domain}") == {f"shared/Parent@{lab.domain}": [1 - number], f"shared/Team@{lab.domain}": [number]}
    team = lab.rename(team, "cn=Größe & Maß")
    lab.modify(team, acl=[f"ann@{lab.domain}, read", f"bob@{lab.domain}, full"])
    below = add_shared(lab, "Below", 1 - number, kolabTargetFolder=f"shared/Größe & Maß/Below@{lab.domain}")
    kolabd.run("--sync")
    name = f"shared/Größe & Maß@{lab.domain}"
    assert places(lab, f"shared/*@{lab.domain}") == {f"shared/Parent@{lab.domain}": [1 - number], name: [number],
                                                    f"shared/Größe & Maß/Below@{lab.domain}": [number]}
    assert lab.backends[number].acl(name) == {f"ann@{lab.domain}": "lrs", f"bob@{lab.domain}": "lrswipkxtecdn"}
    check_nothing_to_do(lab)
    for dn in (below, team, parent):
        lab.delete(dn)
        kolabd.run("--sync")
    assert places(lab, f"shared/*@{lab.domain}") == {}
    assert list(places(lab, f"DELETED/shared/*Größe & Maß/*@{lab.domain}").values()) == [[number]] * 2
    check_no_stray_parent(lab)


@pytest.mark.slow
def test_shared_folders_go_to_the_backends_in_turn(lab, kolabd):
    kolabd.configure({"placement": {"policy": "round-robin"}})
    names = [f"Team {number}" for number in range(6)]
    for name in names:
        add_shared(lab, name, acl="anyone, read")
    kolabd.run("--sync")
    found = places(lab, f"shared/%@{lab.domain}")
    assert set(found) == {f"shared/{name}@{lab.domain}" for name in names}
    assert sorted(found.values()) == [[0]] * 3 + [[1]] * 3
    check_no_stray_parent(lab)
    check_nothing_to_do(lab)


@pytest.mark.slow
def test_two_shared_folders_on_two_backends_exchange_their_names(lab, kolabd):
    one, two = add_shared(lab, "A", 0, acl="anyone, read"), add_shared(lab, "B", 1, acl="anyone, post")
    kolabd.run("--sync")
    lab.modify(one, kolabTargetFolder=f"shared/B@{lab.domain}")
    lab.modify(two, kolabTargetFolder=f"shared/A@{lab.domain}")
    kolabd.run("--sync")
    assert places(lab, f"shared/%@{lab.domain}") == {f"shared/A@{lab.domain}": [1], f"shared/B@{lab.domain}": [0]}
    assert [lab.imap.acl(f"shared/{name}@{lab.domain}")["anyone"] for name in "AB"] == ["p", "lrs"]
    check_nothing_to_do(lab)


def test_backends_that_die_of_a_folder_type_are_asked_once(lab, kolabd):
    mark = lab.mark()
    for number in range(6):
        add_shared(lab, f"Team {number}", number % 2, kolabFolderType="event", acl="anyone, read")
    done = kolabd.run("--sync")
    assert done.stderr.count("dies of SETMETADATA") == 2
    assert [count_set_metadata(lab, mark, number) for number in (0, 1)] == [2, 2]
    assert sorted(places(lab, f"shared/%@{lab.domain}").values()) == [[0]] * 3 + [[1]] * 3
    assert query(kolabd, "SELECT count(*) FROM change") == [(0,)]


def count_set_metadata(lab, mark, number):
    return sum(command.startswith("SETMETADATA") for _, command in lab.backend_commands(mark, number))


class Mended:
    """A backend that survives SETMETADATA on shared mailboxes, until it is as before."""

    def __init__(self, part):
        self.part = part
        self.path = part.base / "etc/shim"
        self.before = self.path.read_text()

    def start(self):
        self.part.stop()
        assert "LAB_FIX_4611=0" in self.before
        self.path.write_text(self.before.replace("LAB_FIX_4611=0", "LAB_FIX_4611=1"))
        self.part.start()

    def put_back(self):
        self.part.stop()
        self.path.write_text(self.before)
        self.part.start()


@pytest.fixture(name="mended")
def mend_backend(lab):
    mended = Mended(lab.backends[0].part)
    yield mended
    mended.put_back()


@pytest.mark.parametrize("found", ["by a sync", "at the start", pytest.param("at work", marks=pytest.mark.slow)])
def test_a_backend_that_is_another_version_gets_what_it_went_without_and_the_other_is_still_spared(lab, kolabd, mended, found):
    teams = [add_shared(lab, f"Team {number}", number % 2, kolabFolderType="event") for number in range(4)]
    kolabd.run("--sync")
    first, second = (backend.name for backend in lab.backends)
    assert query(kolabd, "SELECT uri FROM server ORDER BY uri") == sorted([(first,), (second,)])
    with sqlite3.connect(kolabd.state) as connection:
        connection.execute("UPDATE server SET version = 'Cyrus IMAPD 3.0' WHERE uri = ?", (first,))
    mark = lab.mark()
    if found == "at work":
        mended.part.stop()
        daemon = kolabd.start()
        poll(lambda: query(kolabd, "SELECT server FROM outage") == [(first,)])
        mended.start()
        poll(lambda: query(kolabd, "SELECT server FROM outage") == [])
        assert "folder types of shared mailboxes are tried again" not in daemon.log_text
        lab.modify(teams[0], acl="anyone, read")
    else:
        mended.start()
        if found == "by a sync":
            kolabd.run("--sync")
        else:
            kolabd.start()
    poll(lambda: query(kolabd, "SELECT dn FROM entry WHERE blocked IS NOT NULL ORDER BY dn") == [(teams[1],), (teams[3],)])
    poll(lambda: is_quiet(kolabd))
    assert query(kolabd, "SELECT uri FROM server") == [(second,)]
    assert [count_set_metadata(lab, mark, number) for number in (0, 1)] == [2, 0]
    assert "entries so far: 2" in kolabd.ctl("problems", check=False).stdout
    names = [f"shared/Team {number}@{lab.domain}" for number in range(4)]
    types = [lab.imap.admin_at(name).metadata(name, FOLDER_TYPE)[FOLDER_TYPE] for name in names]
    assert types == ["event", None, "event", None]
