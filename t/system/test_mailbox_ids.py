"""A mailbox's directory is named by its id. Cyrus 3.6.1 gives the same ids in processes that choose a place for their first
mailbox in the same second; then people share a directory, and each reads the other's mail. Not with kolabd."""

import collections

import pytest

ID = "/shared/vendor/cmu/cyrus-imapd/uniqueid"
PEOPLE = 12


def add_people(lab, count=PEOPLE, name="p"):
    for number in range(count):
        lab.add_person(f"{name}{number}", givenName=f"{name}{number}", sn="Example", mail=f"{name}{number}@{lab.domain}")


def same_ids(admin):
    """[[mailbox]] of those that have one id."""
    found = collections.defaultdict(list)
    for name in admin.names("*"):
        found[admin.metadata(name, ID)[ID]].append(name)
    assert None not in found
    return [names for names in found.values() if len(names) > 1]


def check_mails(lab, count=PEOPLE, name="p"):
    """Who gets a mail is the only one who has it."""
    logins = [f"{name}{number}@{lab.domain}" for number in range(count)]
    for login in logins:
        lab.imap.put_mail(login, login)
    assert {login: lab.imap.mails(login) for login in logins} == {login: [login] for login in logins}


@pytest.fixture
def lab(open_server):
    """On a server that has no default partition."""
    return open_server(LAB_CHOOSES="1")


def test_people_who_come_at_the_same_time_have_mailboxes_of_their_own(lab, kolabd):
    add_people(lab)
    kolabd.run("--sync")
    assert same_ids(lab.imap.admin) == []
    check_mails(lab)


def test_so_have_those_who_come_with_one_process_after_the_other(lab, kolabd):
    for number in range(3):
        lab.add_person(f"a{number}", givenName="A", sn="Example", mail=f"a{number}@{lab.domain}")
        kolabd.run("--sync")
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    for number in range(3, 6):
        lab.add_person(f"a{number}", givenName="A", sn="Example", mail=f"a{number}@{lab.domain}")
        daemon.wait_for_log(f"in order after .* mailbox user/a{number}@")
        if number == 3:
            daemon.reload()
    daemon.kill()
    kolabd.start()
    lab.add_person("a6", givenName="A", sn="Example", mail=f"a6@{lab.domain}")
    kolabd.daemons[-1].wait_for_log("in order after .* mailbox user/a6@")
    assert same_ids(lab.imap.admin) == []
    check_mails(lab, 7, "a")


@pytest.mark.slow
def test_so_have_those_for_whom_a_frontend_chooses_the_backend(other_murder):
    lab = other_murder()
    add_people(lab)
    for name in ("Team", "Crew"):
        lab.add(f"cn={name},{lab.people_dn}", objectClass=["top", "mailRecipient", "kolabSharedFolder"], cn=name)
    lab.kolabd.run("--sync")
    assert [same_ids(backend.admin) for backend in lab.backends] == [[], []]
    check_mails(lab)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["round-robin", "least-used"])
def test_so_have_those_for_whom_the_backends_choose_the_partition(other_murder, policy):
    lab = other_murder(LAB_CHOOSES="1")
    lab.spread()
    lab.kolabd.configure({"placement": {"policy": policy}})
    mark = lab.mark()
    for run in ("p", "q"):
        add_people(lab, name=run)
        lab.kolabd.run("--sync")
    assert [same_ids(backend.admin) for backend in lab.backends] == [[], []]
    check_mails(lab)
    if policy == "least-used":  # a process that says how much room there is chooses, too
        asked = [sum("freespace" in command for _, command in lab.backend_commands(mark, number)) for number in (0, 1)]
        assert asked == [2, 2]
