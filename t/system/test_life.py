"""The life of a user, from transition to transition: what each makes of addresses and mailbox, and whose mail is where."""

import sqlite3

import pytest


def put_mail(lab, login, subject):
    """Leaves a message in the INBOX."""
    with lab.imap.session(login) as session:
        session.imap.append("INBOX", None, None, f"Subject: {subject}\r\n\r\nx\r\n".encode())


def mails(lab, login):
    """The subjects in the INBOX."""
    with lab.imap.session(login) as session:
        session.imap.select("INBOX", readonly=True)
        _, data = session.imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        session.imap.close()
    return [part[1].decode().strip().removeprefix("Subject: ") for part in data if isinstance(part, tuple)]


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
        put_mail(lab, f"{name}@{lab.domain}", name)
    return people


def check_people(lab, people, expected):
    """`expected`: who now has whose address."""
    for name, address in expected.items():
        assert lab.get_one(people[name], "mail") == f"{address}@{lab.domain}"
        assert mails(lab, f"{address}@{lab.domain}") == [name]
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
