"""The life of a user, from transition to transition: what each makes of addresses and mailbox, and whose mail is where."""

import sqlite3

import ldap.dn
import pytest

from lab import PERSON


def query(kolabd, statement):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


def is_quiet(kolabd):
    return query(kolabd, "SELECT count(*) FROM change") == [(0,)]


def add_people(lab, kolabd, *names):
    """People with mailboxes, each with a mail of their own name. Gives their DNs."""
    people = {name: lab.add_person(name, givenName=name.title(), sn="Example", mail=f"{name}@{lab.domain}") for name in names}
    kolabd.run("--sync")
    for name in names:
        lab.imap.put_mail(f"{name}@{lab.domain}", name)
    return people


def check_people(lab, people, expected):
    """`expected`: who now has whose address."""
    for name, address in expected.items():
        assert lab.get_one(people[name], "mail") == f"{address}@{lab.domain}"
        assert lab.imap.mails(f"{address}@{lab.domain}") == [name]
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == sorted(f"user/{address}@{lab.domain}" for address in expected.values())
    addresses = [address for dn in people.values() for name in ("mail", "alias") for address in lab.get(dn).get(name, [])]
    assert len(addresses) == len(set(addresses)), addresses


EXCHANGES = {
    "swap": {"ann": "bob", "bob": "ann"},
    "chain": {"ann": "bob", "bob": "new"},
    "backward chain": {"bob": "new", "ann": "bob"},
    "long chain": {"ann": "bob", "bob": "cat", "cat": "dan", "dan": "new"},
    "ring of three": {"ann": "bob", "bob": "cat", "cat": "ann"},
    "two swaps": {"ann": "bob", "bob": "ann", "cat": "dan", "dan": "cat"},
}


@pytest.mark.parametrize("by", ["daemon", "sync"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_mailboxes_exchange_their_names_and_mails_stay_with_their_owners(lab, kolabd, wait_until, exchange, by):
    expected = EXCHANGES[exchange]
    people = add_people(lab, kolabd, *sorted(expected))
    if by == "daemon":
        kolabd.start().wait_for_log("0 to look at")
    for name, address in expected.items():
        lab.modify(people[name], mail=f"{address}@{lab.domain}")
    if by == "daemon":
        wait_until(lambda: is_quiet(kolabd) and dict(query(kolabd, "SELECT dn, mailbox FROM entry"))
                   == {people[name]: f"user/{address}@{lab.domain}" for name, address in expected.items()})
        kolabd.daemons[-1].stop()
    else:
        kolabd.run("--sync")
    check_people(lab, people, expected)
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


def test_an_address_of_somebody_who_stays_is_refused_and_given_once_it_is_free(lab, kolabd, wait_until):
    people = add_people(lab, kolabd, "ann", "bob")
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    lab.modify(people["bob"], mail=f"ann@{lab.domain}")
    message = daemon.wait_for_log(r"mailbox user/ann@.* belongs to .*").group()
    assert people["ann"] in message and "which keeps it" in message
    lab.modify(people["ann"], mail=f"new@{lab.domain}")
    wait_until(lambda: is_quiet(kolabd) and query(kolabd, f"SELECT 1 FROM entry WHERE mailbox = 'user/new@{lab.domain}'"))
    check_people(lab, people, {"ann": "new", "bob": "ann"})


def test_who_waits_for_somebody_that_cannot_leave_is_told_so(lab, kolabd):
    people = add_people(lab, kolabd, "ann", "bob", "cat")
    lab.modify(people["ann"], mail=f"bob@{lab.domain}")
    lab.modify(people["bob"], mail=f"cat@{lab.domain}")
    done = kolabd.run("--sync", check=3)
    assert f'user/bob@{lab.domain} belongs to "{people["bob"]}"' in done.stderr and "which should leave it but cannot" in done.stderr
    assert f'user/cat@{lab.domain} belongs to "{people["cat"]}"' in done.stderr and "which keeps it" in done.stderr
    assert kolabd.ctl("problems", check=3).stdout.count("belongs to") == 2
    lab.modify(people["cat"], mail=f"new@{lab.domain}")
    kolabd.run("--sync")
    check_people(lab, people, {"ann": "bob", "bob": "cat", "cat": "new"})


def test_a_dry_run_of_an_exchange_shows_every_rename_and_no_conflict(lab, kolabd):
    people = add_people(lab, kolabd, "ann", "bob", "cat", "dan")
    for name, address in {"ann": "bob", "bob": "ann", "cat": "dan", "dan": "new"}.items():
        lab.modify(people[name], mail=f"{address}@{lab.domain}")
    done = kolabd.run("--sync", "--dry-run", check=2)
    assert done.stdout.count("rename mailbox") == 4
    assert done.stderr.count("(set aside") == 0


@pytest.mark.parametrize("moved, recorded", [(False, False), (True, False), (True, True)])
def test_a_swap_goes_on_wherever_it_was_cut_off(lab, kolabd, moved, recorded):
    people = add_people(lab, kolabd, "ann", "bob")
    unique_id = lab.get_one(people["ann"], "nsUniqueId")
    aside = f"user/kolabd-moving-{unique_id}@{lab.domain}"
    with sqlite3.connect(kolabd.state) as state:
        state.execute("UPDATE entry SET mailbox = ?, renaming_to = ?, fingerprint = NULL WHERE unique_id = ?",
                      (aside, None, unique_id) if recorded else (f"user/ann@{lab.domain}", aside, unique_id))
    if moved:
        lab.imap.admin.command("RENAME", f'"user/ann@{lab.domain}"', f'"{aside}"')
    lab.modify(people["ann"], mail=f"bob@{lab.domain}")
    lab.modify(people["bob"], mail=f"ann@{lab.domain}")
    kolabd.run("--sync")
    check_people(lab, people, {"ann": "bob", "bob": "ann"})


def test_a_mailbox_left_aside_comes_home_when_the_swap_is_taken_back(lab, kolabd):
    people = add_people(lab, kolabd, "ann", "bob")
    unique_id = lab.get_one(people["ann"], "nsUniqueId")
    aside = f"user/kolabd-moving-{unique_id}@{lab.domain}"
    with sqlite3.connect(kolabd.state) as state:
        state.execute("UPDATE entry SET renaming_to = ?, fingerprint = NULL WHERE unique_id = ?", (aside, unique_id))
    lab.imap.admin.command("RENAME", f'"user/ann@{lab.domain}"', f'"{aside}"')
    kolabd.run("--sync")
    check_people(lab, people, {"ann": "ann", "bob": "bob"})


def test_a_daemon_killed_again_and_again_during_exchanges_ends_with_every_mail_at_its_owner(lab, kolabd, wait_until):
    names = ["ann", "bob", "cat", "dan"]
    people = add_people(lab, kolabd, *names)
    for turn in range(1, 5):
        daemon = kolabd.start()
        daemon.wait_ready()
        for number, name in enumerate(names):
            lab.modify(people[name], mail=f"{names[(number + turn) % 4]}@{lab.domain}")
        wait_until(lambda: daemon.log_text.count("exchange their names") > 0 or is_quiet(kolabd))
        daemon.kill()
    kolabd.run("--sync")
    check_people(lab, people, {name: name for name in names})


def test_addresses_that_are_kept_for_renaming_are_refused(lab, kolabd):
    lab.add_person("ann", givenName="Ann", sn="Example", mail=f"kolabd-moving-1@{lab.domain}")
    assert "kept for renaming" in kolabd.run("--sync", check=3).stderr


def test_an_alias_that_the_policy_gave_yields_to_somebody_elses_primary_address(lab, kolabd):
    dn = lab.add_person("ann", givenName="Ann", sn="Example", mail=f"ann@{lab.domain}")
    kolabd.run("--sync")
    lab.modify(dn, mail=f"new@{lab.domain}", alias=[f"hand@{lab.domain}"])
    kolabd.run("--sync")
    assert f"ann@{lab.domain}" in lab.get(dn)["alias"]
    bob = lab.add_person("bob", givenName="Bob", sn="Example", mail=f"ann@{lab.domain}")
    kolabd.run("--sync")
    assert lab.get_one(bob, "mail") == f"ann@{lab.domain}"
    assert f"ann@{lab.domain}" not in lab.get(dn)["alias"] and f"ann2@{lab.domain}" in lab.get(dn)["alias"]
    lab.modify(bob, mail=f"hand@{lab.domain}")
    kolabd.run("--sync")
    assert f"hand@{lab.domain}" in lab.get(dn)["alias"]  # a person's choice stays a person's affair


# --- one person's life

FOLDER_TYPE = "/private/vendor/kolab/folder-type"


@pytest.fixture
def jane(lab, kolabd):
    """A person in order, with a mail in the INBOX; gives the DN."""
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    lab.imap.put_mail(f"jane.example@{lab.domain}", "hers")
    return dn


def check_mailbox(lab, address, quota=1000, others=()):
    """The one mailbox of the domain but for `others`, with all that jane's had."""
    login = f"{address}@{lab.domain}"
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == sorted([f"user/{login}", *others])
    assert lab.imap.mails(login) == ["hers"]
    assert lab.imap.quota(f"user/{login}") == quota
    assert len(lab.imap.folders(login)) == 15 and len(lab.imap.subscriptions(login)) >= 14
    assert lab.imap.metadata(login, "Calendar")[FOLDER_TYPE] == "event.default"


def check_untouched(lab, mark):
    """Nothing was written to either side."""
    assert lab.ldap_operations(mark)
    assert lab.ldap_writes(mark) == []
    assert lab.imap_writes(mark) == []


def test_under_always_a_new_name_takes_the_whole_mailbox_along(lab, kolabd, jane, wait_until):
    kolabd.configure({"policy": {"mode": "always"}})
    daemon = kolabd.start()
    daemon.wait_for_log("entries read")
    lab.modify(jane, sn="Sample")
    wait_until(lambda: is_quiet(kolabd) and lab.get_one(jane, "mail") == f"jane.sample@{lab.domain}")
    check_mailbox(lab, "jane.sample")
    assert f"jane.example@{lab.domain}" in lab.get(jane)["alias"]
    lab.modify(jane, sn="Example")  # and back
    wait_until(lambda: is_quiet(kolabd) and lab.get_one(jane, "mail") == f"jane.example@{lab.domain}")
    check_mailbox(lab, "jane.example")


def test_a_result_attribute_set_by_hand_renames_the_mailbox(lab, kolabd, jane):
    lab.modify(jane, mail=f"other@{lab.domain}")
    kolabd.run("--sync")
    check_mailbox(lab, "other")
    assert lab.get_one(jane, "mail") == f"other@{lab.domain}"


def test_a_mailbox_can_be_named_by_another_attribute_which_an_rdn_may_hold(lab, kolabd):
    kolabd.configure({"attributes": {"result": "uid"}})
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    lab.imap.put_mail(f"jane@{lab.domain}", "hers")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"
    lab.rename(dn, "uid=doe")
    kolabd.run("--sync")
    check_mailbox(lab, "doe")


def test_a_new_rdn_changes_the_addresses_made_of_it_and_no_mailbox(lab, kolabd, jane):
    dn = lab.rename(jane, "uid=doe")
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"
    assert f"doe@{lab.domain}" in lab.get(dn)["alias"] and f"jane@{lab.domain}" in lab.get(dn)["alias"]
    assert lab.imap_writes(mark) == []
    assert query(kolabd, "SELECT dn FROM entry") == [(dn,)]


@pytest.mark.parametrize("by", ["daemon", "sync"])
def test_a_move_to_another_unit_changes_the_recorded_name_and_nothing_else(lab, kolabd, jane, wait_until, by):
    unit = lab.add(f"ou=Elsewhere,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    if by == "daemon":
        kolabd.start().wait_for_log("0 to look at")
    mark = lab.mark()
    dn = lab.rename(jane, new_parent=unit)
    if by == "sync":
        kolabd.run("--sync")
    wait_until(lambda: query(kolabd, "SELECT dn, status FROM entry") == [(dn, "ok")] and is_quiet(kolabd))
    check_untouched(lab, mark)
    check_mailbox(lab, "jane.example")


def test_a_unit_that_is_renamed_takes_its_people_along(lab, kolabd, wait_until):
    unit = lab.add(f"ou=Old,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    lab.add_person("jane", givenName="Jane", sn="Example", parent=unit)
    kolabd.start().wait_for_log("in order after")
    wait_until(lambda: is_quiet(kolabd))
    mark = lab.mark()
    lab.rename(unit, "ou=New")
    wait_until(lambda: query(kolabd, "SELECT dn, status FROM entry")
               == [(f"uid=jane,ou=New,{lab.base_dn}", "ok")] and is_quiet(kolabd))
    check_untouched(lab, mark)


def test_a_change_of_case_does_nothing_on_the_imap_server(lab, kolabd, jane):
    mark = lab.mark()
    lab.modify(jane, mail=f"Jane.EXAMPLE@{lab.domain}")
    dn = lab.rename(jane, "uid=JANE")
    kolabd.run("--sync")
    assert lab.imap_writes(mark) == []
    assert lab.get_one(dn, "mail") == f"Jane.EXAMPLE@{lab.domain}"
    check_mailbox(lab, "jane.example")
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


@pytest.mark.parametrize("rdn", ["jörg müller", "Анна+1", "a,b=c", "#x", "台北", 'say "hi"\\'])
def test_an_rdn_may_hold_what_it_likes(lab, kolabd, rdn):
    dn = lab.add(f"cn={ldap.dn.escape_dn_chars(rdn)},{lab.people_dn}", objectClass=PERSON, cn=rdn, sn="Example", givenName="Jane")
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"
    lab.imap.put_mail(f"jane.example@{lab.domain}", "hers")
    dn = lab.rename(dn, "cn=Jäne \\2b \\22Example\\22")
    lab.modify(dn, mail=f"new@{lab.domain}", mailQuota=1000)
    kolabd.run("--sync")
    check_mailbox(lab, "new")
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""


def test_a_mailbox_that_is_there_already_is_adopted_with_its_mail(lab, kolabd):
    login = f"jane.example@{lab.domain}"
    lab.imap.create(f"user/{login}")
    lab.imap.set_quota(f"user/{login}", 5)
    lab.imap.put_mail(login, "hers")
    lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    check_mailbox(lab, "jane.example")


def test_who_has_no_result_attribute_has_no_mailbox_until_there_is_one(lab, kolabd):
    kolabd.configure({"policy": {"mode": "never"}})
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    mark = lab.mark()
    kolabd.run("--sync")
    check_untouched(lab, mark)
    assert query(kolabd, "SELECT mailbox, status FROM entry") == [(None, "ok")]
    assert kolabd.ctl("problems").stdout == "no problems\n"
    lab.modify(dn, mail=f"jane@{lab.domain}")
    kolabd.run("--sync")
    lab.imap.put_mail(f"jane@{lab.domain}", "hers")
    check_mailbox(lab, "jane")
    lab.modify(dn, mail=None)
    kolabd.run("--sync")
    check_mailbox(lab, "jane")  # kept, and hers
    lab.modify(dn, mail=f"other@{lab.domain}")
    kolabd.run("--sync")
    check_mailbox(lab, "other")


@pytest.mark.parametrize("by", ["daemon", "sync"])
def test_who_opts_out_is_left_alone_and_may_come_back(lab, kolabd, jane, wait_until, by):
    kolabd.configure({"opt_out_filter": "(employeeType=no-mailbox)"})
    kolabd.run("--sync")
    lab.add_person("john", givenName="John", sn="Example", mail=f"john@{lab.domain}", employeeType="no-mailbox")
    other = lab.add_person("kim", givenName="Kim", sn="Example", mail=f"kim@{lab.domain}")
    others = [f"user/kim@{lab.domain}"]
    kolabd.run("--sync")
    if by == "daemon":
        kolabd.start().wait_for_log("to look at")
        wait_until(lambda: is_quiet(kolabd))
    mark = lab.mark()
    lab.modify(jane, employeeType="no-mailbox", mail=f"new@{lab.domain}")
    if by == "sync":
        kolabd.run("--sync")
    wait_until(lambda: query(kolabd, f"SELECT status FROM entry WHERE dn <> '{other}'") == [("departed",)] and is_quiet(kolabd))
    check_untouched(lab, mark)
    check_mailbox(lab, "jane.example", others=others)
    lab.modify(jane, employeeType=None)
    if by == "sync":
        kolabd.run("--sync")
    wait_until(lambda: query(kolabd, f"SELECT status FROM entry WHERE dn <> '{other}'") == [("ok",)] and is_quiet(kolabd))
    check_mailbox(lab, "new", others=others)


# --- quota

def test_a_quota_of_nothing_is_the_default_and_is_written_back(lab, kolabd, jane):
    kolabd.configure({"quota": {"default": "2MiB"}})
    for value in (0, None):
        lab.modify(jane, mailQuota=value)
        kolabd.run("--sync")
        assert lab.get_one(jane, "mailQuota") == "2048"
        check_mailbox(lab, "jane.example", quota=2048)
    lab.modify(jane, mailQuota=-1)
    kolabd.run("--sync")
    assert lab.get_one(jane, "mailQuota") == "-1"
    check_mailbox(lab, "jane.example", quota=None)


@pytest.mark.parametrize("value", [0, None])
def test_without_a_default_the_limit_that_was_set_is_lifted_and_nothing_written(lab, kolabd, jane, value):
    lab.modify(jane, mailQuota=value)
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.ldap_writes(mark) == []
    check_mailbox(lab, "jane.example", quota=None)


def test_without_any_opinion_a_limit_of_somebody_else_stays(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.imap.put_mail(f"jane.example@{lab.domain}", "hers")
    lab.imap.set_quota(f"user/jane.example@{lab.domain}", 777)
    kolabd.run("--sync", "--resync")
    check_mailbox(lab, "jane.example", quota=777)
    lab.modify(dn, mailQuota=-1)
    kolabd.run("--sync")
    check_mailbox(lab, "jane.example", quota=None)


def test_with_a_default_of_no_limit_that_of_somebody_else_is_lifted(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.imap.put_mail(f"jane.example@{lab.domain}", "hers")
    lab.imap.set_quota(f"user/jane.example@{lab.domain}", 777)
    kolabd.configure({"quota": {"default": "unlimited"}})
    kolabd.run("--sync")
    assert lab.get_one(dn, "mailQuota") == "-1"
    check_mailbox(lab, "jane.example", quota=None)


def test_a_quota_that_drifted_is_repaired(lab, kolabd, jane):
    lab.imap.set_quota(f"user/jane.example@{lab.domain}", 5)
    kolabd.run("--sync")
    check_mailbox(lab, "jane.example", quota=5)
    kolabd.run("--sync", "--resync")
    check_mailbox(lab, "jane.example")


@pytest.mark.parametrize("value", ["a lot", "-2", "2147483648", "99999999999999999999"])
def test_a_quota_that_is_none_is_parked_and_changes_nothing(lab, kolabd, jane, value):
    mark = lab.mark()
    lab.modify(jane, mailQuota=value)
    done = kolabd.run("--sync", check=3)
    assert f'"mailQuota" has the value "{value}"' in done.stderr
    check_untouched(lab, mark)
    check_mailbox(lab, "jane.example")
    lab.modify(jane, mailQuota=1001)
    kolabd.run("--sync")
    check_mailbox(lab, "jane.example", quota=1001)


# --- a directory that must not be written

@pytest.mark.alone  # a murder knows better than mailHost where the mailbox is: see test_murder_life
def test_a_read_only_directory_is_taken_as_it_is(lab, kolabd):
    kolabd.configure({"ldap": {"read_only": True}, "quota": {"default": 1000}, "policy": {"mode": "always"}})
    given = lab.add_person("jane", givenName="Other", sn="Name", mail=f"jane@{lab.domain}", mailHost="imap7.example.org",
                           alias=f"hand@{lab.domain}")
    empty = lab.add_person("john", givenName="John", sn="Example")
    before = [lab.get(dn) for dn in (given, empty)]
    mark = lab.mark()
    kolabd.run("--sync")
    assert lab.ldap_operations(mark)
    assert lab.ldap_writes(mark) == []
    assert [lab.get(dn) for dn in (given, empty)] == before
    lab.imap.put_mail(f"jane@{lab.domain}", "hers")
    check_mailbox(lab, "jane")
    assert query(kolabd, "SELECT mail_host FROM entry WHERE mailbox IS NOT NULL") == [("imap7.example.org",)]
    lab.modify(given, mail=f"new@{lab.domain}", mailQuota=7)
    kolabd.run("--sync")
    check_mailbox(lab, "new", quota=7)
    assert lab.ldap_writes(mark) == []
    assert kolabd.run("--sync", "--resync", "--dry-run").stdout == ""
