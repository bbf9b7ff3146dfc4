"""Users from the directory to the mailbox: what the daemon and the one-shot run make of them."""

import json
import sqlite3

import pytest

FOLDER_TYPE = "vendor/kolab/folder-type"
# Kolab's default folders: /private and /shared folder type.
FOLDERS = {
    "Archive": (None, None),
    "Calendar": ("event.default", "event"),
    "Calendar/Personal Calendar": (None, "event"),
    "Configuration": ("configuration.default", "configuration.default"),
    "Contacts": ("contact.default", "contact"),
    "Contacts/Personal Contacts": (None, "contact"),
    "Drafts": ("mail.drafts", None),
    "Files": ("file.default", "file"),
    "Journal": ("journal.default", "journal"),
    "Notes": ("note.default", "note"),
    "Sent": ("mail.sentitems", None),
    "Spam": ("mail.junkemail", None),
    "Tasks": ("task.default", "task"),
    "Trash": ("mail.wastebasket", None),
}


def check_default_folders(lab, login):
    assert lab.imap.folders(login) == sorted(["INBOX", *FOLDERS])
    for folder, (private, shared) in FOLDERS.items():
        assert lab.imap.metadata(login, folder) == {f"/private/{FOLDER_TYPE}": private, f"/shared/{FOLDER_TYPE}": shared}, folder
    assert set(lab.imap.subscriptions(login)) >= set(FOLDERS)


def test_sync_brings_a_new_person_in_order(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.configure({"quota": {"default": "1GiB"}})
    kolabd.run("--sync")
    person = lab.get(dn)
    assert person["mail"] == [f"jane.example@{lab.domain}"]
    assert person["alias"] == [f"j.example@{lab.domain}", f"jane@{lab.domain}"]
    assert person["mailQuota"] == ["1048576"]
    assert person["mailHost"] == [lab.mail_host(f"user/jane.example@{lab.domain}")]
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 1048576
    check_default_folders(lab, f"jane.example@{lab.domain}")


def test_a_second_sync_writes_nothing_anywhere(lab, kolabd):
    people = [lab.add_person(f"p{number}", givenName="Pat", sn="Example") for number in range(5)]
    kolabd.run("--sync")
    before = [lab.get(dn) for dn in people]
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.ldap_operations(mark)
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []
    assert [lab.get(dn) for dn in people] == before


def test_resync_looks_at_the_imap_side_and_writes_nothing_when_all_is_well(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    mark = lab.mark()
    kolabd.run("--sync", "--resync")
    assert any(command.startswith("GETMETADATA") for _, command in lab.imap_commands(mark))
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []


def test_the_daemon_serves_who_is_there_and_who_comes(lab, kolabd, wait_until):
    lab.add_person("first", givenName="First", sn="Example")
    daemon = kolabd.start()
    daemon.wait_ready()
    wait_until(lambda: lab.imap.exists(f"user/first.example@{lab.domain}"))
    dn = lab.add_person("second", givenName="Second", sn="Example")
    daemon.wait_for_log(f"user/second.example@{lab.domain}")
    assert lab.get_one(dn, "mail") == f"second.example@{lab.domain}"
    check_default_folders(lab, f"second.example@{lab.domain}")


def test_the_notice_of_its_own_write_costs_a_read_and_no_write(lab, kolabd, wait_until):
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    daemon.wait_for_log(f"user/jane.example@{lab.domain}")
    wait_until(lambda: kolabd_queue_is_empty(kolabd))
    mark = lab.mark()
    lab.modify(dn, description="a change that concerns nobody")
    wait_until(lambda: any(operation == "SRCH" for operation, _ in lab.ldap_operations(mark)))
    wait_until(lambda: kolabd_queue_is_empty(kolabd))
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []
    assert daemon.log_text.count("in order after") == 1


def kolabd_queue_is_empty(kolabd):
    return query(kolabd, "SELECT count(*) FROM change") == [(0,)]


def query(kolabd, statement):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


def test_a_person_gets_a_mailbox_when_the_class_is_added_later(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example",
                        objectClass=["top", "person", "organizationalPerson", "inetOrgPerson"])
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    lab.modify(dn, objectClass=["top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "kolabInetOrgPerson"])
    daemon.wait_for_log(f"user/jane.example@{lab.domain}")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"


def test_two_people_with_one_name_at_one_moment_get_two_addresses(lab, kolabd):
    people = [lab.add_person(f"a{number}", givenName="Anna", sn="Example") for number in range(8)]
    kolabd.run("--sync")
    primary = sorted(lab.get_one(dn, "mail") for dn in people)
    assert primary == sorted([f"anna.example@{lab.domain}"] + [f"anna.example{n}@{lab.domain}" for n in range(2, 9)])
    addresses = [address for dn in people for name in ("mail", "alias") for address in lab.get(dn)[name]]
    assert len(addresses) == len(set(addresses))
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 8


@pytest.mark.parametrize("mode, mail, aliases", [
    ("always", "jane.example@{d}", ["hand@{d}", "j.example@{d}", "jane@{d}"]),
    ("when_empty", "hand@{d}", ["j.example@{d}", "jane.example@{d}", "jane@{d}"]),
    ("never", "hand@{d}", []),
])
def test_a_mail_set_by_hand_under_each_mode(lab, kolabd, mode, mail, aliases):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mail=f"hand@{lab.domain}")
    kolabd.configure({"policy": {"mode": mode}})
    kolabd.run("--sync")
    person = lab.get(dn)
    assert person["mail"] == [mail.format(d=lab.domain)]
    assert person.get("alias", []) == [alias.format(d=lab.domain) for alias in aliases]
    assert lab.imap.exists("user/" + mail.format(d=lab.domain))


def test_under_always_a_change_of_name_renames_the_mailbox_and_keeps_the_old_address(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.configure({"policy": {"mode": "always"}})
    kolabd.run("--sync")
    lab.modify(dn, sn="Sample")
    kolabd.run("--sync")
    person = lab.get(dn)
    assert person["mail"] == [f"jane.sample@{lab.domain}"]
    assert f"jane.example@{lab.domain}" in person["alias"]
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/jane.sample@{lab.domain}"]
    check_default_folders(lab, f"jane.sample@{lab.domain}")


def test_a_new_mail_by_hand_renames_the_mailbox(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.modify(dn, mail=f"other@{lab.domain}")
    kolabd.run("--sync")
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/other@{lab.domain}"]


def test_a_rename_never_merges_two_mailboxes(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.imap.create(f"user/other@{lab.domain}")
    lab.modify(dn, mail=f"other@{lab.domain}")
    done = kolabd.run("--sync", check=3)
    assert "both exist" in done.stderr
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == 2


@pytest.mark.alone  # on a murder a backend is chosen first
def test_a_mailbox_of_a_new_person_is_made_without_asking_for_it_and_limited_in_one_round_trip(lab, kolabd):
    kolabd.configure({"quota": {"default": "1GiB"}})
    lab.add_person("jane", givenName="Jane", sn="Example")
    mark = lab.mark()
    kolabd.run("--sync")
    mailbox = f'"user/jane.example@{lab.domain}"'
    assert [command for _, command in lab.imap_commands(mark) if mailbox in command] == \
        [f"GETQUOTA {mailbox}", f"CREATE {mailbox}", f"SETQUOTA {mailbox} (STORAGE 1048576)"]


def test_what_folders_a_person_has_is_one_question_but_for_what_is_not_subscribed(lab, kolabd):
    login = f"jane.example@{lab.domain}"
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.watch_users(login)
    for missing in ([], ["Calendar/Personal Calendar", "Sent"]):
        with lab.imap.session(login) as session:
            for folder in missing:
                session.command("UNSUBSCRIBE", f'"{folder}"')
        mark = lab.mark()
        kolabd.run("--sync", "--resync", "--dry-run", check=2 if missing else 0)
        commands = [command for user, command in lab.imap_commands(mark) if user == login]
        assert [command.split(" ")[0] for command in commands] == ["NAMESPACE", "LIST", *["GETMETADATA"] * len(missing), "LOGOUT"]
    kolabd.run("--sync", "--resync")
    check_default_folders(lab, login)


def test_a_mailbox_that_exists_is_adopted_and_completed(lab, kolabd):
    mailbox = f"user/jane.example@{lab.domain}"
    lab.imap.create(mailbox)
    lab.imap.create(f"user/jane.example/Calendar@{lab.domain}")
    lab.imap.create(f"user/jane.example/Mine@{lab.domain}")
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    assert lab.imap.folders(f"jane.example@{lab.domain}") == sorted(["INBOX", "Mine", *FOLDERS])
    assert lab.imap.metadata(f"jane.example@{lab.domain}", "Calendar")[f"/private/{FOLDER_TYPE}"] == "event.default"


def test_quota_follows_the_directory(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    mailbox = f"user/jane.example@{lab.domain}"
    kolabd.run("--sync")
    assert lab.imap.quota(mailbox) == 1000
    for value, expected in ((500, 500), (2000, 2000), (-1, None), (700, 700), (None, None)):
        lab.modify(dn, mailQuota=value)
        kolabd.run("--sync")
        assert lab.imap.quota(mailbox) == expected, value


def test_a_mailbox_that_somebody_removed_is_made_again_when_its_entry_changes(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    lab.imap.delete(f"user/jane.example@{lab.domain}")
    lab.modify(dn, mailQuota=2000)
    kolabd.run("--sync")
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 2000
    check_default_folders(lab, f"jane.example@{lab.domain}")


def test_the_largest_quota_works_and_one_more_is_parked(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=2147483647)
    kolabd.run("--sync")
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 2147483647
    lab.modify(dn, mailQuota=2147483648)
    done = kolabd.run("--sync", check=3)
    assert '"mailQuota"' in done.stderr and "2147483648" in done.stderr
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 2147483647


def test_folder_names_with_umlauts_blanks_quotes_and_ampersands_work(lab, kolabd):
    names = ["Entwürfe", "台北 & co", "Jane's Ordner", "R&D", "Über uns/Größe & Maß", "📅"]
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.configure({"folders": {"create": {name: {"metadata": {"/private/vendor/kolab/folder-type": "mail"}} for name in names}}})
    kolabd.run("--sync")
    login = f"jane.example@{lab.domain}"
    assert lab.imap.folders(login) == sorted(["INBOX", "Über uns", *names])
    assert all(lab.imap.metadata(login, name)[f"/private/{FOLDER_TYPE}"] == "mail" for name in names)
    mark = lab.mark()
    kolabd.run("--sync", "--resync")
    assert lab.imap_writes(mark) == []


@pytest.mark.parametrize("given, sn, language, mail", [
    ("Jörg", "Müller-Lüdenscheidt", "de", "joerg.mueller-luedenscheidt"),
    ("Seán", "O'Example", "en_US", "sean.o'example"),
    ("Анна", "Примерова", "ru", "anna.primerova"),
    ("%(sn)s%s%n", "{0}", None, "%(sn)s"),
])
def test_names_become_addresses_by_language(lab, kolabd, given, sn, language, mail):
    dn = lab.add_person("jane", givenName=given, sn=sn, preferredLanguage=language)
    if given.startswith("%"):
        kolabd.run("--sync", check=False)
        assert "%" not in (lab.get_one(dn, "mail") or "")
        return
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == f"{mail}@{lab.domain}"
    assert lab.imap.exists(f"user/{mail}@{lab.domain}")


def test_every_character_that_a_local_part_may_have_works_on_the_server(lab, kolabd):
    local = "a!b#c$d'e+f-g=h_i~j.k"
    lab.add_person("jane", givenName="Jane", sn="Example", mail=f"{local}@{lab.domain}")
    kolabd.run("--sync")
    assert len(lab.imap.folders(f"{local}@{lab.domain}")) == 1 + len(FOLDERS)


def test_what_the_user_deleted_is_not_forced_back_and_what_drifted_is_repaired(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    login = f"jane.example@{lab.domain}"
    with lab.imap.session(login) as session:
        session.delete("Notes")
        session.set_metadata("Calendar", f"/private/{FOLDER_TYPE}", None)
        session.command("UNSUBSCRIBE", '"Tasks"')
    kolabd.run("--sync", "--resync")
    assert "Notes" not in lab.imap.folders(login)
    assert lab.imap.metadata(login, "Calendar")[f"/private/{FOLDER_TYPE}"] == "event.default"
    assert "Tasks" in lab.imap.subscriptions(login)


def test_dry_run_prints_the_plan_and_changes_nothing(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    before = lab.get(dn)
    mark = lab.mark()
    done = kolabd.run("--sync", "--dry-run", check=2)
    assert "create mailbox" in done.stdout and f"user/jane.example@{lab.domain}" in done.stdout
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []
    assert lab.get(dn) == before
    assert list(kolabd.directory.glob("state.db*")) == []


def test_dry_run_as_json_has_one_object_a_line(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    done = kolabd.run("--sync", "--dry-run", "--json", check=2)
    plans = [json.loads(line) for line in done.stdout.splitlines()]
    assert [plan["dn"] for plan in plans] == [dn]
    assert {"create mailbox", "write attribute", "create folder", "set metadata", "subscribe"} <= {
        step["step"] for step in plans[0]["steps"]}


def test_dry_run_after_a_sync_has_nothing_to_do(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    content = {path.name: path.read_bytes() for path in kolabd.directory.glob("state.db*")}
    assert kolabd.run("--sync", "--dry-run", "--resync").stdout == ""
    assert {path.name: path.read_bytes() for path in kolabd.directory.glob("state.db*")} == content
    lab.modify(dn, mailQuota=77)
    done = kolabd.run("--sync", "--dry-run", check=2)
    assert "77 KiB" in done.stdout


@pytest.mark.parametrize("by", ["dn", "address"])
def test_one_entry_can_be_asked_for(lab, kolabd, by):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mail=f"jane@{lab.domain}")
    lab.add_person("john", givenName="John", sn="Example")
    kolabd.run("--sync", "--entry", dn if by == "dn" else f"JANE@{lab.domain}")
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/jane@{lab.domain}"]


def test_an_entry_that_is_not_there_is_an_error(lab, kolabd):
    assert "no entry" in kolabd.run("--sync", "--entry", f"nobody@{lab.domain}", check=1).stderr


def test_a_change_survives_a_kill(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    daemon = kolabd.start()
    daemon.wait_for_log(f"user/jane.example@{lab.domain}")
    daemon.kill()
    lab.add_person("john", givenName="John", sn="Example")
    kolabd.start().wait_for_log(f"user/john.example@{lab.domain}")
    check_default_folders(lab, f"john.example@{lab.domain}")


def test_many_people_are_served_by_all_workers(lab, kolabd):
    people = [lab.add_person(f"p{number}", givenName=f"G{number}", sn="Example") for number in range(60)]
    kolabd.run("--sync")
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == len(people)
    assert query(kolabd, "SELECT count(*) FROM mailboxes") == [(60,)]
    assert query(kolabd, "SELECT count(*) FROM change") == [(0,)]


def test_starttls_serves_both_sides(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.configure({"ldap": {"uri": lab.ds.env["LDAP_URI"]}, "imap": {"uri": lab.cyrus.env["IMAP_URI"]}})
    kolabd.run("--sync")
    check_default_folders(lab, f"jane.example@{lab.domain}")
