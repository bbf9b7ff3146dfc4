"""Entries that leave: why they left, what becomes of their mailboxes and their access rights, and what stops a mistake."""

import contextlib
import json
import sqlite3
import time

import pytest

GROUP = ["top", "groupOfUniqueNames", "kolabGroupOfUniqueNames"]


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def change(kolabd, statement):
    with contextlib.closing(sqlite3.connect(kolabd.state)) as connection, connection:
        connection.execute(statement)


def departures(kolabd):
    """{mailbox: (status, reason)}"""
    return {mailbox: (status, reason)
            for mailbox, status, reason in query(kolabd, "SELECT mailbox, status, reason FROM departure")}


def mailbox(lab, name):
    return f"user/{name}.example@{lab.domain}"


def add(lab, *names):
    """Gives their DNs."""
    return [lab.add_person(name, givenName=name.capitalize(), sn="Example") for name in names]


def add_many(lab, count):
    return add(lab, *(f"p{number}" for number in range(count)))


def start(kolabd):
    daemon = kolabd.start()
    daemon.wait_for_log("to look at")
    return daemon


def is_settled(kolabd):
    return query(kolabd, "SELECT count(*) FROM change") == [(0,)]


@pytest.fixture
def quick(kolabd):
    kolabd.settings["deletion"] = {"delay": "1s"}
    kolabd.configure()
    return kolabd


# --- one entry

def test_the_mailbox_of_a_deleted_entry_is_deleted_with_all_folders_and_can_be_brought_back(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    lab.delete(jane)
    kolabd.run("--sync")
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [mailbox(lab, "john")]
    assert lab.imap.mailboxes(f"user/jane.example/*@{lab.domain}") == []
    deleted = lab.imap.mailboxes(f"DELETED/user/jane.example/*@{lab.domain}")
    assert len(deleted) == 15
    assert departures(kolabd) == {mailbox(lab, "jane"): ("deleted", "gone")}
    assert query(kolabd, "SELECT count(*) FROM entry") == [(1,)]
    assert query(kolabd, "SELECT step, target, outcome FROM journal WHERE step = 'delete mailbox'") == [
        ("delete mailbox", mailbox(lab, "jane"), "ok")]


def test_the_daemon_waits_for_the_delay_and_then_deletes(lab, kolabd, wait_until):
    kolabd.configure({"deletion": {"delay": "3s"}})
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    daemon = start(kolabd)
    lab.delete(jane)
    wait_until(lambda: departures(kolabd) == {mailbox(lab, "jane"): ("waiting", "gone")})
    assert lab.imap.exists(mailbox(lab, "jane"))
    daemon.wait_for_log(f"mailbox {mailbox(lab, 'jane')} deleted")
    assert not lab.imap.exists(mailbox(lab, "jane"))


def test_a_mailbox_that_is_gone_already_is_no_fault(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    lab.delete(jane)
    lab.imap.delete(mailbox(lab, "jane"))
    kolabd.run("--sync")
    assert departures(kolabd) == {mailbox(lab, "jane"): ("deleted", "gone")}


@pytest.mark.parametrize("way", ["class", "opt-out", "base"])
def test_an_entry_that_is_only_not_served_keeps_its_mailbox_and_may_come_back(lab, quick, wait_until, way):
    jane, _ = add(lab, "jane", "john")
    quick.configure({"opt_out_filter": "(employeeType=none)"})
    quick.run("--sync")
    folders = lab.imap.folders(f"jane.example@{lab.domain}")
    start(quick)
    classes = lab.get(jane)["objectClass"]
    if way == "class":
        lab.modify(jane, objectClass=[name for name in classes if name not in ("kolabInetOrgPerson", "mailRecipient")], alias=None,
                   mailHost=None)
    elif way == "opt-out":
        lab.modify(jane, employeeType="none")
    else:
        moved = lab.rename(jane, new_parent="ou=Special Users,dc=example,dc=org")
        quick_sweep(quick)
    reason = "moved" if way == "base" else "unserved"
    wait_until(lambda: departures(quick) == {mailbox(lab, "jane"): ("kept", reason)})
    assert lab.imap.exists(mailbox(lab, "jane"))
    if way == "class":
        lab.modify(jane, objectClass=classes)
    elif way == "opt-out":
        lab.modify(jane, employeeType=None)
    else:
        lab.rename(moved, new_parent=lab.people_dn)
    wait_until(lambda: departures(quick) == {})
    wait_until(lambda: is_settled(quick))
    assert lab.imap.folders(f"jane.example@{lab.domain}") == folders
    assert query(quick, "SELECT count(*) FROM entry WHERE status = 'ok'") == [(2,)]


def quick_sweep(kolabd):
    """389 sends no notice of an entry that left the base: a sweep finds it."""
    kolabd.daemons[-1].stop()
    start(kolabd)


def test_an_entry_that_was_elsewhere_and_is_then_deleted_is_gone(lab, quick):
    jane, _ = add(lab, "jane", "john")
    quick.run("--sync")
    moved = lab.rename(jane, new_parent="ou=Special Users,dc=example,dc=org")
    quick.run("--sync")
    assert departures(quick) == {mailbox(lab, "jane"): ("kept", "moved")}
    lab.delete(moved)
    quick.run("--sync")
    assert departures(quick) == {mailbox(lab, "jane"): ("deleted", "gone")}
    assert not lab.imap.exists(mailbox(lab, "jane"))


@pytest.mark.parametrize("run", ["sync", "daemon"])
def test_an_entry_that_moves_to_another_domain_takes_its_mailbox_along(lab, quick, wait_until, run):
    others = lab.add(f"ou=Others,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    other = f"other.{lab.domain}"
    quick.configure({"domains": {lab.domain: {"base_dn": lab.people_dn}, other: {"base_dn": others}}})
    jane, _ = add(lab, "jane", "john")
    quick.run("--sync")
    with lab.imap.session(f"jane.example@{lab.domain}") as session:
        session.create("Mine")
    if run == "daemon":
        start(quick).wait_for_log(f"domain {other}: .* to look at")
    moved = lab.rename(jane, new_parent=others)
    if run == "sync":
        quick.run("--sync")
    else:
        wait_until(lambda: (other,) in query(quick, "SELECT domain FROM entry WHERE status = 'ok'"))
        wait_until(lambda: is_settled(quick))
    assert query(quick, "SELECT mailbox, dn FROM entry WHERE domain LIKE 'other.%'") == [(mailbox(lab, "jane"), moved)]
    assert query(quick, "SELECT count(*) FROM entry") == [(2,)]
    assert departures(quick) == {}
    assert "Mine" in lab.imap.folders(f"jane.example@{lab.domain}")
    assert quick.run("--sync", "--dry-run").stdout == ""


def test_an_entry_that_is_restored_before_the_deletion_loses_nothing(lab, kolabd):
    """By its unique id: moved away while hidden, then back."""
    kolabd.configure({"deletion": {"limit": 0, "limit_percent": 0}})
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    with lab.hidden("ou=Special Users,dc=example,dc=org"):
        moved = lab.rename(jane, new_parent="ou=Special Users,dc=example,dc=org")
        kolabd.run("--sync", check=3)
    assert departures(kolabd) == {mailbox(lab, "jane"): ("held", "gone")}
    lab.rename(moved, new_parent=lab.people_dn)
    kolabd.run("--sync")
    assert departures(kolabd) == {}
    assert query(kolabd, "SELECT count(*) FROM mailboxes WHERE status = 'ok'") == [(2,)]
    assert kolabd.run("--sync", "--dry-run").stdout == ""


# --- what is not believed

def test_an_emptied_base_lets_nobody_depart(lab, kolabd):
    people = add_many(lab, 3)
    kolabd.run("--sync")
    for dn in people:
        lab.delete(dn)
    assert "nothing is concluded" in kolabd.run("--sync", check=1).stderr
    assert departures(kolabd) == {}
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 3


# --- many entries

def test_more_than_the_limit_are_held_until_the_domain_is_approved(lab, kolabd):
    kolabd.configure({"deletion": {"limit": 2, "limit_percent": 50}})
    people = add_many(lab, 6)
    kolabd.run("--sync")
    for dn in people[:4]:
        lab.delete(dn)
    done = kolabd.run("--sync", check=3)
    assert "4 entries have left the directory" in done.stderr and f"kolabctl approve {lab.domain}" in done.stderr
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 6
    assert set(departures(kolabd).values()) == {("held", "gone")}
    assert "4 entries have left" in kolabd.ctl("problems", check=3).stdout
    assert "departed, held for approval   4" in kolabd.ctl("status").stdout
    done = kolabd.run("--sync", check=3)
    assert "have left the directory" not in done.stderr
    assert [row["status"] for row in json.loads(kolabd.ctl("departures", "--json").stdout)] == ["held"] * 4
    assert "4 approved" in kolabd.ctl("approve", lab.domain).stdout
    kolabd.run("--sync")
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 2
    assert kolabd.ctl("problems").stdout == "no problems\n"


def test_as_many_as_the_limit_are_deleted_and_one_more_within_the_hour_is_held(lab, kolabd):
    kolabd.configure({"deletion": {"limit": 2, "limit_percent": 0}})
    people = add_many(lab, 5)
    kolabd.run("--sync")
    for dn in people[:2]:
        lab.delete(dn)
    kolabd.run("--sync")
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 3
    lab.delete(people[2])
    kolabd.run("--sync", check=3)
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 3
    kolabd.ctl("approve", "--all")
    kolabd.run("--sync")
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 2


def test_the_daemon_holds_a_set_and_carries_out_what_is_approved_meanwhile(lab, quick, wait_until):
    quick.configure({"deletion": {"limit": 2, "limit_percent": 0}})
    people = add_many(lab, 6)
    quick.run("--sync")
    daemon = start(quick)
    for dn in people[:4]:
        lab.delete(dn)
    wait_until(lambda: list(departures(quick).values()) == [("held", "gone")] * 4)
    assert daemon.log_text.count("have left the directory") == 1
    quick.ctl("approve", mailbox(lab, "p1"))
    daemon.wait_for_log(f"mailbox {mailbox(lab, 'p1')} deleted", deadline=10)
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 5
    quick.ctl("approve", lab.domain)
    wait_until(lambda: len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 2, 10)
    assert "no deletion" in quick.ctl("approve", lab.domain, check=1).stderr


def test_a_set_that_left_while_the_daemon_was_down_is_held_whole_even_without_delay(lab, kolabd, wait_until):
    kolabd.configure({"deletion": {"limit": 3, "limit_percent": 0, "delay": 0}})
    people = add_many(lab, 30)
    kolabd.run("--sync")
    for dn in people[:20]:
        lab.delete(dn)
    start(kolabd)
    wait_until(lambda: list(departures(kolabd).values()) == [("held", "gone")] * 20)
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 30


def test_a_dry_run_prints_the_deletions_and_does_none(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    lab.delete(jane)
    mark = lab.mark()
    done = kolabd.run("--sync", "--dry-run", check=2)
    assert "delete mailbox" in done.stdout and mailbox(lab, "jane") in done.stdout and jane in done.stdout
    assert lab.imap_writes(mark) == []
    plan = json.loads(kolabd.run("--sync", "--dry-run", "--json", check=2).stdout)
    assert [(step["step"], step["mailbox"]) for step in plan["steps"]] == [("delete mailbox", mailbox(lab, "jane"))]
    assert departures(kolabd) == {}
    assert lab.imap.exists(mailbox(lab, "jane"))


def test_in_keep_mode_a_mailbox_goes_only_when_an_operator_says_so(lab, kolabd):
    kolabd.configure({"deletion": {"mode": "keep"}})
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    lab.delete(jane)
    kolabd.run("--sync")
    kolabd.run("--sync")
    assert departures(kolabd) == {mailbox(lab, "jane"): ("kept", "gone")}
    assert lab.imap.exists(mailbox(lab, "jane"))
    assert "kept" in kolabd.ctl("departures").stdout
    kolabd.ctl("approve", jane)
    kolabd.run("--sync")
    assert not lab.imap.exists(mailbox(lab, "jane"))


def test_what_waits_when_keep_mode_comes_with_a_reload_is_kept(lab, kolabd, wait_until):
    kolabd.configure({"deletion": {"delay": "1d"}})
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    daemon = start(kolabd)
    lab.delete(jane)
    wait_until(lambda: departures(kolabd) == {mailbox(lab, "jane"): ("waiting", "gone")})
    kolabd.configure({"deletion": {"delay": "1d", "mode": "keep"}})
    daemon.reload()
    daemon.wait_for_log(f"left the directory; mailbox {mailbox(lab, 'jane')} is kept")
    assert departures(kolabd) == {mailbox(lab, "jane"): ("kept", "gone")}
    kolabd.run("--sync")
    assert lab.imap.exists(mailbox(lab, "jane"))
    kolabd.ctl("approve", jane)
    wait_until(lambda: not lab.imap.exists(mailbox(lab, "jane")))


@pytest.mark.parametrize("who", ["the daemon", "an operator"])
def test_what_is_approved_when_keep_mode_comes_is_deleted_only_if_an_operator_said_so(lab, kolabd, who):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    kolabd.configure({"deletion": {"mode": "keep"}})
    lab.delete(jane)
    kolabd.run("--sync")
    kolabd.ctl("approve", jane)
    if who == "the daemon":
        change(kolabd, "UPDATE departure SET approved_at = NULL")
    kolabd.run("--sync")
    if who == "the daemon":
        assert departures(kolabd) == {mailbox(lab, "jane"): ("kept", "gone")}
    else:
        assert departures(kolabd) == {mailbox(lab, "jane"): ("deleted", "gone")}
    assert lab.imap.exists(mailbox(lab, "jane")) == (who == "the daemon")


def test_two_mailboxes_of_one_name_that_are_deleted_in_one_second_are_both_kept_for_a_while(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    lab.delete(jane)
    now = int(time.time())
    names = [f"DELETED/user/jane.example/{second:08X}@{lab.domain}" for second in (now, now + 1)]
    for name in names:
        lab.imap.create(name)
    kolabd.run("--sync")
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [mailbox(lab, "john")]
    assert departures(kolabd) == {mailbox(lab, "jane"): ("deleted", "gone")}
    assert len(lab.imap.mailboxes(f"DELETED/user/jane.example/%@{lab.domain}")) == 3


# --- shared mailboxes

def add_shared(lab, cn):
    return lab.add(f"cn={cn},{lab.base_dn}", objectClass=["top", "mailRecipient", "kolabSharedFolder"], cn=cn)


def test_the_mailbox_of_a_deleted_shared_folder_is_deleted(lab, kolabd):
    team, _ = add_shared(lab, "Team"), add(lab, "jane")
    kolabd.run("--sync")
    assert lab.imap.exists(f"shared/Team@{lab.domain}")
    lab.delete(team)
    kolabd.run("--sync")
    assert not lab.imap.exists(f"shared/Team@{lab.domain}")
    assert departures(kolabd) == {f"shared/Team@{lab.domain}": ("deleted", "gone")}


def test_a_shared_mailbox_with_others_below_it_stays_until_they_are_gone(lab, kolabd):
    team, _ = add_shared(lab, "Team"), add(lab, "jane")
    kolabd.run("--sync")
    name, child = f"shared/Team@{lab.domain}", f"shared/Team/Old@{lab.domain}"
    lab.imap.create(child)
    before = lab.imap.acl(name)
    lab.delete(team)
    assert "inferior hierarchical names" in kolabd.run("--sync", check=3).stderr
    assert departures(kolabd) == {name: ("failed", "gone")}
    assert lab.imap.acl(name) == before
    assert "inferior hierarchical names" in kolabd.ctl("problems", check=3).stdout
    lab.imap.delete(child)
    kolabd.run("--sync", check=3)
    kolabd.ctl("approve", name)
    kolabd.run("--sync")
    assert not lab.imap.exists(name)
    assert departures(kolabd) == {name: ("deleted", "gone")}


# --- the address is used again

def test_an_entry_created_again_under_the_same_dn_gets_a_new_mailbox(lab, quick, wait_until):
    jane, _ = add(lab, "jane", "john")
    quick.run("--sync")
    old = lab.get(jane)["nsUniqueId"]
    with lab.imap.session(f"jane.example@{lab.domain}") as session:
        session.create("Secret")
    daemon = start(quick)
    lab.delete(jane)
    add(lab, "jane")
    assert lab.get(jane)["nsUniqueId"] != old
    daemon.wait_for_log(f"mailbox {mailbox(lab, 'jane')} deleted")
    wait_until(lambda: query(quick, "SELECT count(*) FROM entry WHERE status = 'ok'") == [(2,)])
    assert "Secret" not in lab.imap.folders(f"jane.example@{lab.domain}")
    assert lab.get_one(jane, "mail") == f"jane.example@{lab.domain}"


def test_sync_deletes_the_old_mailbox_before_it_makes_the_new_one(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    with lab.imap.session(f"jane.example@{lab.domain}") as session:
        session.create("Secret")
    lab.delete(jane)
    add(lab, "jane")
    kolabd.run("--sync")
    assert "Secret" not in lab.imap.folders(f"jane.example@{lab.domain}")
    assert len(lab.imap.folders(f"jane.example@{lab.domain}")) == 15
    assert query(kolabd, "SELECT count(*) FROM entry WHERE status = 'ok'") == [(2,)]


def test_the_address_of_a_kept_mailbox_is_not_used_again_before_an_operator_decides(lab, kolabd):
    kolabd.configure({"deletion": {"mode": "keep"}})
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    with lab.imap.session(f"jane.example@{lab.domain}") as session:
        session.create("Secret")
    old = lab.get_one(jane, "nsUniqueId")
    lab.delete(jane)
    kolabd.run("--sync")
    add(lab, "jane")
    done = kolabd.run("--sync", check=3)
    assert f"kolabctl approve {old}" in done.stderr and "kept" in done.stderr
    assert "Secret" in lab.imap.folders(f"jane.example@{lab.domain}")
    kolabd.ctl("approve", old)
    kolabd.run("--sync")
    assert "Secret" not in lab.imap.folders(f"jane.example@{lab.domain}")
    assert len(lab.imap.folders(f"jane.example@{lab.domain}")) == 15


# --- groups and access rights

def add_group(lab, cn, **attributes):
    return lab.add(f"cn={cn},{lab.base_dn}", objectClass=GROUP, cn=cn, **attributes)


def share(lab, owner, identifier, rights="lrs", folder=None):
    name = mailbox(lab, owner) if folder is None else mailbox(lab, owner).replace("@", f"/{folder}@")
    lab.imap.admin.set_acl(name, identifier, rights)
    return name


def test_the_rights_of_departed_people_are_removed_everywhere_in_one_pass(lab, quick, wait_until):
    jane, joan, _, _ = add(lab, "jane", "joan", "john", "mary")
    quick.run("--sync")
    names = [share(lab, "john", f"jane.example@{lab.domain}"), share(lab, "john", f"joan.example@{lab.domain}", folder="Calendar"),
             share(lab, "mary", f"-jane.example@{lab.domain}", "w", folder="Tasks"),
             share(lab, "mary", f"john.example@{lab.domain}", folder="Tasks")]
    daemon = start(quick)
    mark = lab.mark()
    lab.delete(jane)
    lab.delete(joan)
    daemon.wait_for_log("access rights of departed entries: 2 names")
    acls = [lab.imap.acl(name) for name in names]
    assert not [identifier for acl in acls for identifier in acl if "jane" in identifier or "joan" in identifier]
    assert acls[3][f"john.example@{lab.domain}"] == "lrs"
    assert [command for _, command in lab.imap_commands(mark) if command.startswith("LIST")] == ['LIST "" "*"']
    assert query(quick, "SELECT count(*) FROM cleanup") == [(0,)]
    assert sorted(query(quick, "SELECT target, before FROM journal WHERE step = 'remove rights'")) == [
        (f"-jane.example@{lab.domain}", "w"), (f"jane.example@{lab.domain}", "lrs"), (f"joan.example@{lab.domain}", "lrs")]


def test_the_rights_of_a_departed_group_are_removed_by_its_name(lab, kolabd):
    """Cyrus takes only groups that the system has: `users`."""
    add(lab, "jane")
    group = add_group(lab, "users", mail=f"users@{lab.domain}")
    kolabd.run("--sync")
    name = share(lab, "jane", "group:users")
    lab.imap.admin.set_acl(name, f"users@{lab.domain}", "lrs")
    kolabd.run("--sync")
    assert "group:users" in lab.imap.acl(name)
    lab.delete(group)
    kolabd.run("--sync")
    assert set(lab.imap.acl(name)) == {f"jane.example@{lab.domain}"}


def test_a_departed_group_with_somebodys_address_touches_neither_mailbox_nor_rights(lab, kolabd):
    add(lab, "jane", "john")
    kolabd.run("--sync")
    group = add_group(lab, "friends", mail=f"jane.example@{lab.domain}")
    kolabd.run("--sync")
    name = share(lab, "john", f"jane.example@{lab.domain}")
    lab.delete(group)
    kolabd.run("--sync")
    kolabd.run("--sync")
    assert lab.imap.exists(mailbox(lab, "jane"))
    assert lab.imap.acl(name)[f"jane.example@{lab.domain}"] == "lrs"
    assert f"jane.example@{lab.domain}" in lab.imap.acl(mailbox(lab, "jane"))


def test_a_group_never_deletes_the_mailbox_of_a_user_whom_kolabd_does_not_know(lab, kolabd):
    lab.imap.create(mailbox(lab, "other"))
    name = mailbox(lab, "other")
    add(lab, "john")
    group = add_group(lab, "friends", mail=f"other.example@{lab.domain}")
    kolabd.run("--sync")
    shared = share(lab, "john", f"other.example@{lab.domain}")
    lab.delete(group)
    kolabd.run("--sync")
    assert f"other.example@{lab.domain}" in lab.imap.acl(name)
    assert f"other.example@{lab.domain}" in lab.imap.acl(shared)


def test_a_new_person_with_an_old_login_does_not_get_its_rights(lab, kolabd):
    jane, _ = add(lab, "jane", "john")
    kolabd.run("--sync")
    name = share(lab, "john", f"jane.example@{lab.domain}")
    lab.delete(jane)
    add(lab, "jane")
    kolabd.run("--sync")
    assert f"jane.example@{lab.domain}" not in lab.imap.acl(name)
    assert f"jane.example@{lab.domain}" in lab.imap.acl(mailbox(lab, "jane"))


def test_many_departed_groups_are_held_like_people(lab, kolabd):
    kolabd.configure({"deletion": {"limit": 1, "limit_percent": 0}})
    add(lab, "jane")
    groups = [add_group(lab, cn) for cn in ("users", "mail", "staff")]
    kolabd.run("--sync")
    name = share(lab, "jane", "group:users")
    for dn in groups:
        lab.delete(dn)
    kolabd.run("--sync", check=3)
    assert "group:users" in lab.imap.acl(name)
    kolabd.ctl("approve", lab.domain)
    kolabd.run("--sync")
    assert "group:users" not in lab.imap.acl(name)
