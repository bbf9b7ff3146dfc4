"""The folders of a user's mailbox: partitions, quota roots, special uses, rights, and what a resync repairs."""

import pytest

FOLDER_TYPE = "/private/vendor/kolab/folder-type"
SENT = {"metadata": {FOLDER_TYPE: "mail.sentitems"}}
DRAFTS = {"metadata": {FOLDER_TYPE: "mail.drafts"}}


@pytest.fixture
def jane(lab):
    lab.add_person("jane", givenName="Jane", sn="Example", mail=f"jane@{lab.domain}", mailQuota=1000)
    return f"jane@{lab.domain}"


def configure(kolabd, create, enforce=False):
    kolabd.configure({"folders": {"create": create, "enforce": enforce}})


def name(lab, folder):
    return f"user/jane/{folder}@{lab.domain}"


def root_of(lab, folder):
    return lab.imap.admin.command("GETQUOTAROOT", f'"{name(lab, folder)}"', answer="QUOTAROOT")[1]


def partition_of(lab, folder):
    return lab.imap.partition(name(lab, folder))


def uses(lab, login):
    """{folder: special use}, of those that have one."""
    entry = "/private/specialuse"
    found = {folder: lab.imap.metadata(login, folder, entry)[entry] for folder in lab.imap.folders(login) if folder != "INBOX"}
    return {folder: use for folder, use in found.items() if use}


def check_nothing_to_do(lab, kolabd):
    mark = lab.mark()
    kolabd.run("--sync", "--resync")
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


def test_a_folder_can_have_a_quota_of_its_own_with_or_without_a_limit(lab, kolabd, jane):
    configure(kolabd, {"Archive": {"quota": 0}, "Big": {"quota": 5000}, "Plain": {}})
    kolabd.run("--sync")
    assert root_of(lab, "Archive") == name(lab, "Archive") and lab.imap.quota(name(lab, "Archive")) is None
    assert root_of(lab, "Big") == name(lab, "Big") and lab.imap.quota(name(lab, "Big")) == 5000
    assert root_of(lab, "Plain") == f"user/{jane}" and lab.imap.quota(f"user/{jane}") == 1000
    check_nothing_to_do(lab, kolabd)


def test_the_quota_of_a_folder_follows_the_configuration_and_is_repaired(lab, kolabd, jane):
    configure(kolabd, {"Archive": {}, "Big": {"quota": 5000}})
    kolabd.run("--sync")
    assert root_of(lab, "Archive") == f"user/{jane}"
    lab.imap.set_quota(name(lab, "Big"), 7)
    configure(kolabd, {"Archive": {"quota": 0}, "Big": {"quota": 6000}})
    kolabd.run("--sync", "--resync")
    assert root_of(lab, "Archive") == name(lab, "Archive") and lab.imap.quota(name(lab, "Archive")) is None
    assert lab.imap.quota(name(lab, "Big")) == 6000
    configure(kolabd, {"Archive": {"quota": 0}, "Big": {"quota": 0}})
    kolabd.run("--sync", "--resync")
    assert lab.imap.quota(name(lab, "Big")) is None
    check_nothing_to_do(lab, kolabd)


def test_a_folder_goes_to_its_partition_and_its_parent_does_not(lab, kolabd, jane):
    configure(kolabd, {"Archive": {"partition": "archive"}, "Mail/Old": {"partition": "archive"}, "Plain": {}})
    kolabd.run("--sync")
    assert {folder: partition_of(lab, folder) for folder in ("Archive", "Mail", "Mail/Old", "Plain")} == {
        "Archive": "archive", "Mail": "default", "Mail/Old": "archive", "Plain": "default"}
    assert set(lab.imap.subscriptions(jane)) >= {"Archive", "Mail", "Mail/Old", "Plain"}
    check_nothing_to_do(lab, kolabd)


@pytest.mark.alone  # on a murder once for each backend: see test_murder_life
def test_a_partition_that_the_server_has_not_is_warned_of_once_and_left_out(lab, kolabd, jane):
    for number in range(4):
        lab.add_person(f"p{number}", givenName="Pat", sn="Example", mail=f"p{number}@{lab.domain}")
    configure(kolabd, {"Archive": {"partition": "nowhere", **SENT}, "Plain": {"partition": "nowhere"}})
    done = kolabd.run("--sync")
    assert done.stderr.count('has no partition "nowhere"') == 1
    assert lab.imap.folders(jane) == ["Archive", "INBOX", "Plain"]
    assert partition_of(lab, "Archive") == "default" and uses(lab, jane) == {"Archive": "\\Sent"}
    check_nothing_to_do(lab, kolabd)


def test_folders_have_the_special_use_of_their_type(lab, kolabd, jane):
    kolabd.run("--sync")
    assert uses(lab, jane) == {"Drafts": "\\Drafts", "Sent": "\\Sent", "Spam": "\\Junk", "Trash": "\\Trash"}
    check_nothing_to_do(lab, kolabd)


def test_a_special_use_goes_with_a_partition(lab, kolabd, jane):
    configure(kolabd, {"Out": {"partition": "archive", **SENT}})
    kolabd.run("--sync")
    assert uses(lab, jane) == {"Out": "\\Sent"} and partition_of(lab, "Out") == "archive"


def test_an_adopted_folder_gets_its_special_use_unless_the_user_has_it_elsewhere(lab, kolabd, jane):
    lab.imap.create(f"user/{jane}")
    with lab.imap.session(jane) as session:
        session.create("Sent")
        session.create("Drafts")
        session.create("Mine")
        session.set_metadata("Mine", "/private/specialuse", "\\Sent")
    configure(kolabd, {"Sent": SENT, "Drafts": DRAFTS})
    kolabd.run("--sync")
    assert uses(lab, jane) == {"Mine": "\\Sent", "Drafts": "\\Drafts"}
    assert lab.imap.metadata(jane, "Sent")[FOLDER_TYPE] == "mail.sentitems"
    check_nothing_to_do(lab, kolabd)


def test_a_new_folder_does_without_a_special_use_that_another_one_has(lab, kolabd, jane):
    lab.imap.create(f"user/{jane}")
    with lab.imap.session(jane) as session:
        session.create("Mine")
        session.set_metadata("Mine", "/private/specialuse", "\\Sent")
    configure(kolabd, {"Sent": SENT, "Drafts": DRAFTS, "Old": {"partition": "archive", **SENT}})
    kolabd.run("--sync")
    assert lab.imap.folders(jane) == ["Drafts", "INBOX", "Mine", "Old", "Sent"]
    assert uses(lab, jane) == {"Mine": "\\Sent", "Drafts": "\\Drafts"}
    assert lab.imap.metadata(jane, "Sent")[FOLDER_TYPE] == "mail.sentitems"
    assert partition_of(lab, "Old") == "archive"
    check_nothing_to_do(lab, kolabd)


def test_a_folder_gives_rights_and_leaves_what_the_owner_gave(lab, kolabd, jane):
    configure(kolabd, {"Calendar": {"acl": {"Pat@Example.org": "read-only", "anyone": "p"}}, "Plain": {}})
    kolabd.run("--sync")
    assert lab.imap.acl(name(lab, "Calendar")) == {jane: "lrswipkxtecdan", "pat@example.org": "lrs", "anyone": "p"}
    check_nothing_to_do(lab, kolabd)
    with lab.imap.session(jane) as session:
        session.command("SETACL", "Calendar", "friend@example.org", "lrsw")
        session.command("SETACL", "Calendar", "pat@example.org", "l")
        session.command("DELETEACL", "Calendar", "anyone")
    kolabd.run("--sync", "--resync")
    assert lab.imap.acl(name(lab, "Calendar")) == {jane: "lrswipkxtecdan", "pat@example.org": "lrs", "anyone": "p",
                                                   "friend@example.org": "lrsw"}
    configure(kolabd, {"Calendar": {"acl": {"pat@example.org": "+w-s", "friend@example.org": "-w"}}})
    kolabd.run("--sync", "--resync")
    acl = lab.imap.acl(name(lab, "Calendar"))
    assert set(acl["pat@example.org"]) == set("lrw") and set(acl["friend@example.org"]) == set("lrs")
    check_nothing_to_do(lab, kolabd)


def test_a_folder_that_is_new_in_the_configuration_comes_with_the_next_resync(lab, kolabd, jane):
    configure(kolabd, {"Calendar": {}})
    kolabd.run("--sync")
    configure(kolabd, {"Calendar": {}, "Notes": {"quota": 77}})
    kolabd.run("--sync")
    assert lab.imap.folders(jane) == ["Calendar", "INBOX"]
    kolabd.run("--sync", "--resync")
    assert lab.imap.folders(jane) == ["Calendar", "INBOX", "Notes"]
    assert lab.imap.quota(name(lab, "Notes")) == 77
    assert "Notes" in lab.imap.subscriptions(jane)


@pytest.mark.parametrize("enforce", [False, True])
def test_what_the_user_deleted_or_renamed_comes_back_only_when_that_is_enforced(lab, kolabd, jane, enforce):
    create = {"Calendar": {"quota": 0, "acl": {"anyone": "lr"}}, "Sent": SENT, "Notes": {}}
    configure(kolabd, create, enforce)
    kolabd.run("--sync")
    with lab.imap.session(jane) as session:
        session.delete("Calendar")
        session.command("RENAME", "Sent", "Mine")
    kolabd.run("--sync", "--resync")
    back = ["Calendar", "Sent"] if enforce else []
    assert lab.imap.folders(jane) == sorted(["INBOX", "Mine", "Notes", *back])
    check_nothing_to_do(lab, kolabd)
