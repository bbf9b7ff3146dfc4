"""Shared folders and resources: their mailboxes, rights and folder types, on a server that takes a folder type and on one that
dies of it."""

import json
import socket
import sqlite3

import pytest

SHARED_FOLDER = ["top", "mailRecipient", "kolabSharedFolder"]
RESOURCE = [*SHARED_FOLDER, "kolabResource"]
FOLDER_TYPE = "/shared/vendor/kolab/folder-type"
ALL = "lrswipkxtecda"


def add_shared(lab, cn, kind=SHARED_FOLDER, parent=None, **attributes):
    return lab.add(f"cn={cn},{parent or lab.people_dn}", objectClass=kind, cn=cn, **attributes)


def shared_mailboxes(lab):
    return sorted({*lab.imap.mailboxes(f"shared@{lab.domain}"), *lab.imap.mailboxes(f"shared/*@{lab.domain}")})


def folder_type(lab, mailbox):
    return lab.imap.admin_at(mailbox).metadata(mailbox, FOLDER_TYPE)[FOLDER_TYPE]


def query(kolabd, statement):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


def check_nothing_to_do(lab):
    mark = lab.mark()
    lab.kolabd.run("--sync", "--resync")
    assert lab.imap_writes(mark) == []
    assert lab.ldap_writes(mark) == []
    assert lab.kolabd.run("--sync", "--dry-run", "--resync").stdout == ""


@pytest.mark.parametrize("kind, name", [(SHARED_FOLDER, "shared folder"), (RESOURCE, "resource")])
def test_a_new_one_gets_mailbox_type_and_rights(fixed, kind, name):
    lab = fixed
    dn = add_shared(lab, "Plans", kind, kolabFolderType="event", mail=f"plans@{lab.domain}",
                    acl=[f"Jane@{lab.domain}, all", "group:staff, read-only", f"-john@{lab.domain}, w"])
    before = lab.get(dn)
    lab.kolabd.run("--sync")
    mailbox = f"shared/Plans@{lab.domain}"
    assert shared_mailboxes(lab) == [mailbox, f"shared@{lab.domain}"]
    assert folder_type(lab, mailbox) == "event"
    assert lab.imap.acl(mailbox) == {f"jane@{lab.domain}": "lrswipkxtecdan", "group:staff": "lrs", f"-john@{lab.domain}": "w"}
    assert lab.get(dn) == before
    assert query(lab.kolabd, "SELECT kind, mailbox FROM entry") == [(name, mailbox)]
    check_nothing_to_do(lab)


def test_without_the_attribute_the_rights_are_the_servers(fixed):
    lab = fixed
    add_shared(lab, "Team", kolabFolderType="event")
    lab.kolabd.run("--sync")
    assert lab.imap.acl(f"shared/Team@{lab.domain}") == {"anyone": "lrs"}
    check_nothing_to_do(lab)


def test_rights_follow_the_directory(fixed):
    lab = fixed
    mailbox = f"shared/Team@{lab.domain}"
    dn = add_shared(lab, "Team", acl=[f"a@{lab.domain}, read", f"b@{lab.domain}, full"])
    lab.kolabd.run("--sync")
    assert lab.imap.acl(mailbox) == {f"a@{lab.domain}": "lrs", f"b@{lab.domain}": "lrswipkxtecdn"}
    lab.imap.admin.set_acl(mailbox, lab.cyrus.env["IMAP_ADMIN"], "lrswipkxtecda")
    for values, expected in (
            ([f"a@{lab.domain}, semi-full", f"b@{lab.domain}, full"], {f"a@{lab.domain}": "lrswitd", f"b@{lab.domain}": "lrswipkxtecdn"}),
            ([f"b@{lab.domain}, -a", f"c@{lab.domain}, post"], {f"b@{lab.domain}": "lrswipkxtecdn", f"c@{lab.domain}": "p"}),
            ([f"b@{lab.domain}, +0-w", "anyone, read"], {f"b@{lab.domain}": "lrsipkxtecdn0", "anyone": "lrs"}),
            (None, {})):
        lab.modify(dn, acl=values)
        lab.kolabd.run("--sync")
        assert lab.imap.acl(mailbox) == {**expected, "cyrus-admin": ALL}, values
        check_nothing_to_do(lab)


def test_without_the_attribute_only_what_was_given_goes(fixed):
    lab = fixed
    mailbox = f"shared/Team@{lab.domain}"
    dn = add_shared(lab, "Team", acl=f"a@{lab.domain}, read")
    lab.kolabd.run("--sync")
    lab.imap.admin.set_acl(mailbox, f"hand@{lab.domain}", "lrs")
    lab.modify(dn, acl=None)
    lab.kolabd.run("--sync")
    assert lab.imap.acl(mailbox) == {f"hand@{lab.domain}": "lrs"}
    check_nothing_to_do(lab)


def test_resync_repairs_rights_and_type_that_drifted(fixed):
    lab = fixed
    mailbox = f"shared/Team@{lab.domain}"
    add_shared(lab, "Team", kolabFolderType="event", acl=f"a@{lab.domain}, read")
    lab.kolabd.run("--sync")
    lab.imap.admin.set_acl(mailbox, f"a@{lab.domain}", "lrsp")
    lab.imap.admin.set_acl(mailbox, "anyone", "lrs")
    lab.imap.admin_at(mailbox).set_metadata(mailbox, FOLDER_TYPE, "task")
    lab.kolabd.run("--sync")
    assert lab.imap.acl(mailbox) == {f"a@{lab.domain}": "lrsp", "anyone": "lrs"}
    lab.kolabd.run("--sync", "--resync")
    assert lab.imap.acl(mailbox) == {f"a@{lab.domain}": "lrs"}
    assert folder_type(lab, mailbox) == "event"
    check_nothing_to_do(lab)


def test_anyone_may_post_while_there_is_a_delivery_address(fixed):
    lab = fixed
    mailbox = f"shared/Team@{lab.domain}"
    dn = add_shared(lab, "Team", kolabFolderType="mail")
    for changes, expected in (
            ({"mail": f"team@{lab.domain}"}, {"anyone": "lrsp"}),
            ({"acl": f"a@{lab.domain}, all"}, {f"a@{lab.domain}": "lrswipkxtecdan", "anyone": "p"}),
            ({"acl": [f"a@{lab.domain}, all", "anyone, read"]}, {f"a@{lab.domain}": "lrswipkxtecdan", "anyone": "lrsp"}),
            ({"mail": None}, {f"a@{lab.domain}": "lrswipkxtecdan", "anyone": "lrs"}),
            ({"mail": f"team@{lab.domain}"}, {f"a@{lab.domain}": "lrswipkxtecdan", "anyone": "lrsp"}),
            ({"kolabFolderType": "event"}, {f"a@{lab.domain}": "lrswipkxtecdan", "anyone": "lrs"}),
            ({"acl": None, "kolabFolderType": "mail"}, {"anyone": "p"}),
            ({"mail": None}, {})):
        lab.modify(dn, **changes)
        lab.kolabd.run("--sync")
        assert lab.imap.acl(mailbox) == expected, changes
        check_nothing_to_do(lab)


def test_posting_is_taken_back_and_what_the_server_gave_stays(fixed):
    lab = fixed
    mailbox = f"shared/Team@{lab.domain}"
    dn = add_shared(lab, "Team", mail=f"team@{lab.domain}")
    lab.kolabd.run("--sync")
    assert lab.imap.acl(mailbox) == {"anyone": "lrsp"}
    lab.modify(dn, mail=None)
    lab.kolabd.run("--sync")
    assert lab.imap.acl(mailbox) == {"anyone": "lrs"}


@pytest.mark.parametrize("target, mailbox", [
    ("shared/Shared Mail@{d}", "shared/Shared Mail@{d}"),
    ("Other@{d}", "shared/Other@{d}"),
    ("shared/Größe & Maß/台北@{d}", "shared/Größe & Maß/台北@{d}"),
    ("shared/a.b,c(d)!#$'+-=?:~_@{d}", "shared/a.b,c(d)!#$'+-=?:~_@{d}"),
])
def test_the_target_folder_names_the_mailbox(fixed, target, mailbox):
    lab = fixed
    mailbox = mailbox.format(d=lab.domain)
    add_shared(lab, "Team", kolabTargetFolder=target.format(d=lab.domain.upper()), acl=f"a@{lab.domain}, read", kolabFolderType="event")
    lab.kolabd.run("--sync")
    assert mailbox in shared_mailboxes(lab)
    assert lab.imap.acl(mailbox) == {f"a@{lab.domain}": "lrs"}
    assert folder_type(lab, mailbox) == "event"
    check_nothing_to_do(lab)


def test_parents_have_the_domain(fixed):
    lab = fixed
    add_shared(lab, "One", kolabTargetFolder=f"shared/A/B/C@{lab.domain}")
    add_shared(lab, "Two", kolabTargetFolder=f"shared/A/D@{lab.domain}")
    lab.kolabd.run("--sync")
    assert shared_mailboxes(lab) == [f"shared/A/B/C@{lab.domain}", f"shared/A/B@{lab.domain}", f"shared/A/D@{lab.domain}",
                                     f"shared/A@{lab.domain}", f"shared@{lab.domain}"]
    assert not lab.imap.mailboxes("shared") and not lab.imap.mailboxes("shared/A")
    check_nothing_to_do(lab)


def test_rights_are_not_inherited_from_a_parent(fixed):
    lab = fixed
    add_shared(lab, "One", kolabTargetFolder=f"shared/A@{lab.domain}", acl=f"a@{lab.domain}, read")
    lab.kolabd.run("--sync")
    add_shared(lab, "Two", kolabTargetFolder=f"shared/A/B@{lab.domain}", acl=f"b@{lab.domain}, read")
    done = lab.kolabd.run("--sync", "--dry-run", check=2)
    assert "a@" in done.stdout and "none" in done.stdout  # foreseen: a new mailbox gets its parent's rights
    lab.kolabd.run("--sync")
    assert lab.imap.acl(f"shared/A/B@{lab.domain}") == {f"b@{lab.domain}": "lrs"}
    check_nothing_to_do(lab)


@pytest.mark.parametrize("how", ["cn", "case", "target", "modrdn", "move"])
def test_a_rename_takes_everything_along(fixed, how):
    lab = fixed
    target = f"shared/Team@{lab.domain}" if how == "target" else None
    dn = add_shared(lab, "Team", kolabTargetFolder=target, kolabFolderType="event", acl=f"a@{lab.domain}, read")
    lab.kolabd.run("--sync")
    lab.imap.create(f"shared/Team/Sub@{lab.domain}")
    new = {"cn": "Crew", "case": "TEAM", "target": "Far/Away", "modrdn": "Größe", "move": "Team"}[how]
    if how == "target":
        lab.modify(dn, kolabTargetFolder=f"shared/{new}@{lab.domain}")
    elif how == "move":
        parent = lab.add(f"ou=Shared,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
        lab.rename(dn, new_parent=parent)
    else:
        lab.rename(dn, f"cn={new}")
    lab.kolabd.run("--sync")
    mailbox = f"shared/{new}@{lab.domain}"
    parents = {f"shared/Far@{lab.domain}"} if how == "target" else set()
    assert set(shared_mailboxes(lab)) == {f"shared@{lab.domain}", mailbox, mailbox.replace("@", "/Sub@"), *parents}
    assert lab.imap.acl(mailbox) == {f"a@{lab.domain}": "lrs"}
    assert folder_type(lab, mailbox) == "event"
    check_nothing_to_do(lab)


def test_a_rename_takes_the_limit_along_and_leaves_none(fixed):
    lab = fixed
    old, new = f"shared/Team@{lab.domain}", f"shared/Crew@{lab.domain}"
    dn = add_shared(lab, "Team")
    lab.kolabd.run("--sync")
    lab.imap.admin_at(old).set_quota(old, 1234)
    lab.rename(dn, "cn=Crew")
    server = lab.imap.admin_at(old)
    lab.kolabd.run("--sync")
    assert (server.quota(old), server.quota(new)) == (None, 1234)
    assert query(lab.kolabd, "SELECT mailbox, before, after, outcome FROM journal WHERE step = 'set quota' ORDER BY id") == [
        (new, None, "1234 KiB", "ok"), (old, "1234 KiB", None, "ok")]
    add_shared(lab, "Team")
    lab.kolabd.run("--sync")
    assert (server.quota(old), server.quota(new)) == (None, 1234)
    check_nothing_to_do(lab)


def test_the_daemon_renames_by_notice(fixed):
    lab = fixed
    daemon = lab.kolabd.start()
    daemon.wait_for_log("0 to look at")
    dn = add_shared(lab, "Team", kolabFolderType="event")
    daemon.wait_for_log(f"mailbox shared/Team@{lab.domain}")
    lab.rename(dn, "cn=Crew")
    daemon.wait_for_log(f"mailbox shared/Crew@{lab.domain}")
    assert shared_mailboxes(lab) == [f"shared/Crew@{lab.domain}", f"shared@{lab.domain}"]


def test_renaming_a_parent_does_not_take_other_entries_mailboxes_away(fixed):
    lab = fixed
    one = add_shared(lab, "One", kolabTargetFolder=f"shared/A@{lab.domain}")
    add_shared(lab, "Two", kolabTargetFolder=f"shared/A/B@{lab.domain}", kolabFolderType="task")
    lab.kolabd.run("--sync")
    lab.modify(one, kolabTargetFolder=f"shared/X@{lab.domain}")
    lab.kolabd.run("--sync")
    assert folder_type(lab, f"shared/A/B@{lab.domain}") == "task"  # the same mailbox, and not a new one
    assert shared_mailboxes(lab) == [f"shared/A/B@{lab.domain}", f"shared/A@{lab.domain}", f"shared/X@{lab.domain}", f"shared@{lab.domain}"]
    check_nothing_to_do(lab)


@pytest.mark.parametrize("run", range(3))
def test_a_tree_of_entries_is_renamed_at_once(fixed, run):
    lab = fixed
    names = ["A", "A/B", "A/B/C", "A/D"] if run % 2 else ["A/D", "A/B/C", "A/B", "A"]
    entries = {name: add_shared(lab, f"{number}", kolabTargetFolder=f"shared/{name}@{lab.domain}", kolabFolderType="event")
               for number, name in enumerate(names)}
    lab.kolabd.run("--sync")
    mark = lab.mark()
    for name, dn in entries.items():
        lab.modify(dn, kolabTargetFolder=f"shared/X{name[1:]}@{lab.domain}")
    lab.kolabd.run("--sync")
    assert shared_mailboxes(lab) == sorted([f"shared@{lab.domain}", *(f"shared/X{name[1:]}@{lab.domain}" for name in names)])
    assert not any(command.startswith("CREATE") for _, command in lab.imap_writes(mark))
    check_nothing_to_do(lab)


def test_two_shared_folders_exchange_their_names_with_all_below(fixed):
    lab = fixed
    one = add_shared(lab, "One", kolabTargetFolder=f"shared/A@{lab.domain}", kolabFolderType="event")
    two = add_shared(lab, "Two", kolabTargetFolder=f"shared/B@{lab.domain}", kolabFolderType="task")
    add_shared(lab, "Three", kolabTargetFolder=f"shared/A/Below@{lab.domain}", kolabFolderType="note")
    lab.kolabd.run("--sync")
    lab.imap.create(f"shared/A/Free@{lab.domain}")
    lab.imap.admin_at(f"shared/A@{lab.domain}").set_quota(f"shared/A@{lab.domain}", 1234)
    lab.modify(one, kolabTargetFolder=f"shared/B@{lab.domain}", kolabFolderType=None)
    lab.modify(two, kolabTargetFolder=f"shared/A@{lab.domain}", kolabFolderType=None)
    lab.kolabd.run("--sync")
    types = {name: folder_type(lab, f"shared/{name}@{lab.domain}") for name in ("A", "B", "A/Below", "B/Free")}
    assert types == {"A": "task", "B": "event", "A/Below": "note", "B/Free": None}
    limits = {name: lab.imap.admin_at(f"shared/{name}@{lab.domain}").quota(f"shared/{name}@{lab.domain}") for name in ("A", "B")}
    assert limits == {"A": None, "B": 1234}
    check_nothing_to_do(lab)


def test_a_rename_never_merges_two_mailboxes(fixed):
    lab = fixed
    dn = add_shared(lab, "Team")
    lab.kolabd.run("--sync")
    lab.imap.create(f"shared/Crew@{lab.domain}")
    lab.rename(dn, "cn=Crew")
    done = lab.kolabd.run("--sync", check=3)
    assert "both exist" in done.stderr
    assert len(shared_mailboxes(lab)) == 3


def test_a_mailbox_that_exists_is_adopted(fixed):
    lab = fixed
    for mailbox in ("shared", "shared/Team", "shared/Team/Sub"):
        lab.imap.create(f"{mailbox}@{lab.domain}")
    add_shared(lab, "Team", kolabFolderType="event", acl=f"a@{lab.domain}, read")
    lab.kolabd.run("--sync")
    assert len(shared_mailboxes(lab)) == 3
    assert lab.imap.acl(f"shared/Team@{lab.domain}") == {f"a@{lab.domain}": "lrs"}
    assert lab.imap.acl(f"shared/Team/Sub@{lab.domain}") == {"anyone": "lrs"}


def test_two_names_that_differ_in_case_are_two_mailboxes(fixed):
    lab = fixed
    parent = lab.add(f"ou=Other,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    add_shared(lab, "Team")
    add_shared(lab, "TEAM", parent=parent)
    lab.kolabd.run("--sync")
    assert shared_mailboxes(lab) == [f"shared/TEAM@{lab.domain}", f"shared/Team@{lab.domain}", f"shared@{lab.domain}"]


def test_two_entries_with_one_name_share_nothing(fixed):
    lab = fixed
    parent = lab.add(f"ou=Other,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    add_shared(lab, "Team")
    lab.kolabd.run("--sync")
    add_shared(lab, "Team", parent=parent)
    done = lab.kolabd.run("--sync", check=3)
    assert "belongs to" in done.stderr and "cn" in done.stderr


@pytest.mark.parametrize("attributes, words", [
    ({"acl": "jane"}, ["acl", "subject, rights"]),
    ({"acl": "jane, xyz!"}, ["acl", "xyz!", "rights are"]),
    ({"acl": 'ja"ne, lrs'}, ["acl", "user's name"]),
    ({"acl": "ja ne, lrs"}, ["acl", "user's name"]),
    ({"acl": "ja\r\nne, lrs"}, ["acl", "control characters"]),
    ({"acl": "group:there-is-no-such-group, lrs"}, ["set acl", "Invalid identifier"]),
    ({"kolabTargetFolder": "user/jane@example.org"}, ["kolabTargetFolder", "shared/"]),
    ({"kolabTargetFolder": "shared/../user/jane@example.org"}, ["kolabTargetFolder", ".."]),
    ({"kolabTargetFolder": "shared/*@example.org"}, ["kolabTargetFolder", "*"]),
])
def test_bad_values_are_set_aside_and_hold_nobody_up(fixed, attributes, words):
    lab = fixed
    add_shared(lab, "Bad", **attributes)
    add_shared(lab, "Good")
    done = lab.kolabd.run("--sync", check=3)
    assert all(word in done.stderr for word in words), done.stderr
    assert f"shared/Good@{lab.domain}" in shared_mailboxes(lab)


def test_a_person_does_not_become_a_shared_folder(fixed):
    lab = fixed
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    lab.kolabd.run("--sync")
    lab.modify(dn, objectClass=["top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "kolabSharedFolder"])
    done = lab.kolabd.run("--sync", check=3)
    assert "another kind" in done.stderr
    assert lab.imap.exists(f"user/jane.example@{lab.domain}")


def test_a_server_that_dies_of_a_folder_type_is_asked_once(lab, kolabd):
    """On a murder each of the two that have mailboxes."""
    mark, servers = lab.mark(), len(getattr(lab, "backends", [lab]))
    for number in range(6):
        add_shared(lab, f"Team {number}", kolabFolderType="event", acl=f"a@{lab.domain}, read")
    done = kolabd.run("--sync")
    assert done.stderr.count("dies of SETMETADATA") == servers
    for number in range(6):
        assert lab.imap.acl(f"shared/Team {number}@{lab.domain}") == {f"a@{lab.domain}": "lrs"}
    assert sum(command.startswith("SETMETADATA") for _, command in lab.imap_commands(mark)) == 2 * servers
    assert query(kolabd, "SELECT count(*) FROM entry WHERE blocked = 'set metadata: /shared/vendor/kolab/folder-type=event'") == [(6,)]
    assert query(kolabd, "SELECT count(*) FROM change") == [(0,)]
    problems = json.loads(kolabd.ctl("problems", "--json", check=False).stdout)
    assert [problem["what"] for problem in problems] == ["server"] * servers
    assert all("3.6.1" in problem["message"] and f"entries so far: {6 // servers}" in problem["message"] for problem in problems)
    assert "dies of SETMETADATA" in kolabd.ctl("problems", check=False).stdout
    assert "folder-type=event" in kolabd.ctl("show", f"shared/Team 1@{lab.domain}").stdout


def test_a_server_that_died_is_not_asked_again(lab, kolabd):
    dn = add_shared(lab, "Team", kolabFolderType="event")
    kolabd.run("--sync")
    mark = lab.mark()
    lab.modify(dn, kolabFolderType="task")
    assert "dies" not in kolabd.run("--sync").stderr
    assert kolabd.run("--sync", "--resync").stderr.count("dies") == 0
    assert lab.imap_writes(mark) == []
    assert kolabd.run("--sync", "--dry-run", "--resync").stdout == ""
    assert query(kolabd, "SELECT blocked FROM entry") == [("set metadata: /shared/vendor/kolab/folder-type=task",)]


def test_another_version_of_the_server_is_asked_again(lab, kolabd):
    add_shared(lab, "Team", kolabFolderType="event")
    add_shared(lab, "Plain")
    kolabd.run("--sync")
    with sqlite3.connect(kolabd.state) as connection:
        connection.execute("UPDATE server SET version = 'Cyrus IMAPD 3.0'")
    mark = lab.mark()
    done = kolabd.run("--sync")
    assert "was Cyrus IMAPD 3.0" in done.stderr
    assert sum(command.startswith("SETMETADATA") for _, command in lab.imap_commands(mark)) == 2
    assert done.stderr.count("dies of SETMETADATA") == 1


def test_what_was_blocked_is_done_once_the_server_is_another(lab, fixed_servers, kolabd):
    dn = add_shared(lab, "Team", kolabFolderType="event")
    daemon = kolabd.start()
    daemon.wait_for_log("dies of SETMETADATA")
    daemon.wait_for_log(f"mailbox shared/Team@{lab.domain}")
    daemon.stop()
    with sqlite3.connect(kolabd.state) as connection:
        uri = fixed_servers.imap.env["IMAPS_URI"]
        connection.execute("UPDATE server SET version = 'Cyrus IMAPD 3.0', uri = ?", (uri,))
    kolabd.configure({"imap": {"uri": uri}})
    kolabd.run("--sync")
    assert query(kolabd, "SELECT dn, blocked FROM entry") == [(dn, None)]
    assert query(kolabd, "SELECT count(*) FROM server") == [(0,)]
    assert kolabd.ctl("problems").returncode == 0


def test_a_server_whose_default_domain_is_served_is_told_of(open_server):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    lab = open_server(f"defaultdomain: t{port}.example.org", IMAPS_PORT=str(port))
    lab.add_person("jane", givenName="Jane", sn="Example")
    lab.add_person("john", givenName="John", sn="Example")
    assert "defaultdomain" not in lab.kolabd.run("--sync").stderr
    told = lab.kolabd.run("--sync", "--resync").stderr
    assert told.count(f"the server's defaultdomain is {lab.domain}, which is served") == 1, told
    lab.imap.admin.set_acl(f"user/jane.example@{lab.domain}", f"john.example@{lab.domain}", "lrs")
    with lab.imap.session(f"john.example@{lab.domain}") as john:
        assert [name for name in john.names() if name.startswith("Other Users")] == []
