"""mailHost on a murder: it says where a mailbox is, and with placement.move an administrator's change of it moves the mailbox."""

import subprocess

import pytest

from kolabd import merged
from test_murder_placement import Settings

FOLDER_TYPE = ("/private/vendor/kolab/folder-type", "/shared/vendor/kolab/folder-type")
MESSAGES, BIG = 80, 1000000  # so that a move takes long enough to break in


@pytest.fixture
def lab(murder_lab):
    return murder_lab


def moving(lab, **settings):
    return merged({"imap": {"timeout": "10s", "backends": {backend.name: backend.env["IMAPS_URI"] for backend in lab.backends}},
                   "placement": {"policy": "mailhost", "move": True}}, settings)


def add(lab, uid, backend):
    return lab.add_person(uid, givenName=uid.capitalize(), sn="Example", mailHost=backend.name)


def login(lab, uid):
    return f"{uid}.example@{lab.domain}"


def mailbox(lab, uid):
    return f"user/{login(lab, uid)}"


def journal(kolabd, step="move mailbox"):
    return kolabd.query(f"SELECT before, after, outcome FROM journal WHERE step = '{step}' ORDER BY id")


def append(session, folder, subject, flags="", size=0):
    text = f"Subject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n\r\n{'x' * size}\r\n"
    status, answer = session.imap.append(folder, flags, None, text.encode())
    assert status == "OK", answer


def append_many(session, folder, count, size):
    """All in one go, without waiting for each answer (RFC 7888)."""
    imap = session.imap
    for number in range(count):
        text = f"Subject: m{number}\r\nMessage-ID: <m{number}@example.org>\r\n\r\n{'x' * size}\r\n".encode()
        flags = r"(\Seen)" if number % 2 else "()"
        imap.send(b"x%d APPEND %s %s {%d+}\r\n%s\r\n" % (number, folder.encode(), flags.encode(), len(text), text))
    while not (line := imap.readline()).startswith(b"x%d " % (count - 1)):
        assert b" NO " not in line and b" BAD " not in line, line
    assert b" OK " in line, line


def messages(session, folder):
    """[flags and size of each message], and what makes a client read the folder anew."""
    status, answer = session.imap.select(folder, readonly=True)
    assert status == "OK", answer
    status, found = session.imap.fetch("1:*", "(UID FLAGS RFC822.SIZE)")
    return session.imap.response("UIDVALIDITY")[1], sorted(found, key=str)


def contents(lab, uid):
    """All that a move has to take along."""
    user = login(lab, uid)
    with lab.imap.session(user) as session:
        folders = {folder: messages(session, folder) for folder in ("INBOX", "Sent")}
    return {"folders": lab.imap.folders(user), "messages": folders, "subscriptions": lab.imap.subscriptions(user),
            "metadata": {folder: lab.imap.metadata(user, folder, *FOLDER_TYPE) for folder in ("Calendar", "Sent")},
            "quota": lab.imap.quota(mailbox(lab, uid)), "acl": lab.imap.acl(mailbox(lab, uid))}


def test_a_changed_mailhost_moves_the_mailbox_with_everything_in_it(lab, kolabd, wait_until):
    first, second = lab.backends
    kolabd.configure(moving(lab, quota={"default": "1GiB"}, placement={"partition": "archive"}))
    dn = add(lab, "jane", first)
    kolabd.run("--sync")
    with lab.imap.session(login(lab, "jane")) as session:
        append(session, "INBOX", "one", r"(\Seen \Flagged)")
        append(session, "Sent", "two")
    lab.imap.admin.set_acl(mailbox(lab, "jane"), "bob", "lrs")
    before = contents(lab, "jane")
    daemon = kolabd.start()
    lab.modify(dn, mailHost=second.name)
    wait_until(lambda: lab.imap.server(mailbox(lab, "jane")) == second.name)
    daemon.wait_for_log(f"{dn}: in order after")
    assert contents(lab, "jane") == before
    assert (first.mailboxes(f"user/*@{lab.domain}"), second.partition(mailbox(lab, "jane"))) == ([], "archive")
    assert lab.get_one(dn, "mailHost") == second.name
    assert journal(kolabd) == [(first.name, second.name, "begun"), (first.name, second.name, "ok")]
    daemon.stop()
    mark = lab.mark()
    kolabd.run("--sync", "--resync")
    assert lab.imap_writes(mark) == lab.ldap_writes(mark) == []


def test_without_placement_move_and_for_unknown_servers_mailhost_is_corrected_and_the_log_says_why(lab, kolabd):
    first, second = lab.backends
    kolabd.configure(moving(lab))
    people = {uid: add(lab, uid, first) for uid in ("localhost", "empty", "known", "unknown")}
    kolabd.run("--sync")
    lab.modify(people["localhost"], mailHost="localhost")
    lab.modify(people["empty"], mailHost=None)
    lab.modify(people["unknown"], mailHost="gone.example.org")
    done = kolabd.run("--sync")
    assert 'mailHost says "gone.example.org", which is not known as a server of the murder' in done.stderr
    kolabd.configure(moving(lab, placement={"move": False}))
    lab.modify(people["known"], mailHost=second.name)
    done = kolabd.run("--sync")
    assert f'mailHost says "{second.name}", the mailbox is on {first.name}: corrected; with placement.move it would be moved' \
        in done.stderr
    for uid, dn in people.items():
        assert lab.get_one(dn, "mailHost") == lab.imap.server(mailbox(lab, uid)) == first.name, uid
    assert journal(kolabd) == []


@pytest.mark.slow
def test_a_directory_that_is_not_written_keeps_its_mailhost_and_it_decides_where_a_mailbox_is_made(lab, kolabd):
    first, second = lab.backends
    kolabd.configure(moving(lab, ldap={"read_only": True}, placement={"policy": "server", "move": False}))
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mail=login(lab, "jane"), mailHost=second.name)
    kolabd.run("--sync")
    assert lab.imap.server(mailbox(lab, "jane")) == second.name
    mark = lab.mark()
    lab.modify(dn, mailHost=first.name)
    kolabd.run("--sync")
    assert lab.ldap_writes(mark) == []
    assert (lab.get_one(dn, "mailHost"), lab.imap.server(mailbox(lab, "jane"))) == (first.name, second.name)


def test_a_move_to_a_backend_that_is_down_waits_for_it_and_the_user_works_on(lab, kolabd, wait_until):
    first, second = lab.backends
    kolabd.configure(moving(lab))
    dn = add(lab, "jane", first)
    kolabd.run("--sync")
    kolabd.start().wait_ready()
    second.part.stop()
    lab.modify(dn, mailHost=second.name)
    wait_until(lambda: kolabd.query("SELECT server FROM outage") == [(second.name,)])
    with lab.imap.session(login(lab, "jane")) as session:
        append(session, "INBOX", "one")
    assert kolabd.query("SELECT sum(attempts) FROM change") == [(0,)]
    assert (lab.get_one(dn, "mailHost"), lab.imap.server(mailbox(lab, "jane"))) == (second.name, first.name)
    second.part.start()
    wait_until(lambda: lab.imap.server(mailbox(lab, "jane")) == second.name, 40)
    with lab.imap.session(login(lab, "jane")) as session:
        assert len(messages(session, "INBOX")[1]) == 1


def test_a_backend_under_another_name_than_its_own_gets_nothing(lab, kolabd, wait_until):
    """Cyrus would take it for another server, and lock the mailbox for ever."""
    first, second = lab.backends
    alias = f"{lab.murder.network}.19"
    kolabd.configure(moving(lab))
    dn = add(lab, "jane", second)
    kolabd.run("--sync")
    kolabd.configure(moving(lab, imap={"backends": {second.name: None, alias: second.env["IMAPS_URI"]}}))
    lab.modify(dn, mailHost=alias)
    daemon = kolabd.start()
    daemon.wait_for_log(f"backend {alias}: {second.env['IMAPS_URI']}: the server there calls itself {second.name}: "
                        "imap.backends must name each server as its servername does")
    assert journal(kolabd)[-1][2] != "ok"
    assert second.quota(mailbox(lab, "jane")) is None and lab.imap.server(mailbox(lab, "jane")) == second.name
    other = lab.add_person("john", givenName="John", sn="Example", mailHost=alias)
    wait_until(lambda: kolabd.query("SELECT count(*) FROM change") == [(2,)])
    assert not lab.imap.exists(mailbox(lab, "john"))
    kolabd.configure(moving(lab))
    daemon.reload()
    wait_until(lambda: lab.get_one(dn, "mailHost") == second.name)
    wait_until(lambda: lab.get_one(other, "mailHost") == lab.imap.server(mailbox(lab, "john")) is not None)


@pytest.mark.slow
def test_names_are_compared_without_case(other_murder):
    lab = other_murder(MURDER_NAMES=1)
    first, second = lab.backends
    lab.kolabd.configure(moving(lab, imap={"backends": {first.name: None, first.name.upper(): first.env["IMAPS_URI"]}}))
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailHost="Backend1.EXAMPLE.org")
    lab.kolabd.run("--sync")
    assert lab.imap.server(mailbox(lab, "jane")) == first.name
    before = lab.get_one(dn, "mailHost")
    assert before.lower() == first.name
    lab.modify(dn, mailHost="BACKEND1.example.ORG")
    mark = lab.mark()
    lab.kolabd.run("--sync")
    assert (lab.imap_writes(mark), lab.get_one(dn, "mailHost")) == ([], "BACKEND1.example.ORG")
    lab.modify(dn, mailHost="BACKEND2.Example.Org")
    lab.kolabd.run("--sync")
    assert lab.imap.server(mailbox(lab, "jane")) == second.name
    assert journal(lab.kolabd)[-1][2] == "ok"


@pytest.fixture(name="frontend")
def give_settings(lab):
    settings = Settings(lab.murder.frontend)
    yield settings
    settings.put_back()


@pytest.mark.slow
@pytest.mark.parametrize("recorded", [False, True])
def test_a_mailbox_that_was_moved_behind_the_frontend_s_back_is_waited_for_and_not_set_aside(lab, kolabd, wait_until, frontend, recorded):
    first, second = lab.backends
    kolabd.configure(moving(lab, placement={"move": False}, imap={"timeout": "30s"}))
    dn = add(lab, "jane", first)
    kolabd.run("--sync")
    frontend.change("mupdate_password", "wrong")
    first.admin.command("XFER", mailbox(lab, "jane"), second.name)
    assert (first.exists(mailbox(lab, "jane")), second.exists(mailbox(lab, "jane"))) == (False, True)
    daemon = kolabd.start()
    lab.modify(dn, mailQuota="2048", **({} if recorded else {"mailHost": second.name}))
    daemon.wait_for_log(f"the mailbox is not on {first.name}, where the frontend says that it is .will be tried again")
    assert kolabd.query("SELECT state FROM change") == [("queued",)]
    frontend.put_back()
    wait_until(lambda: second.quota(mailbox(lab, "jane")) == 2048, 60)
    wait_until(lambda: kolabd.query("SELECT 1 FROM change") == [])
    assert lab.get_one(dn, "mailHost") == lab.imap.server(mailbox(lab, "jane")) == second.name


def stored(backend):
    """How many messages a backend has."""
    found = subprocess.run(["find", backend.part.base / "spool", "-name", "[0-9]*."], check=False, stdout=subprocess.PIPE).stdout
    return found.count(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["kolabd", "source", "target", "frontend", "mupdate"])
def test_a_move_that_is_cut_off_in_the_middle_comes_to_its_end_and_nothing_is_lost(lab, kolabd, wait_until, victim):
    source, target = lab.backends
    kolabd.configure(moving(lab, quota={"default": "1GiB"}))
    dn = add(lab, "jane", source)
    kolabd.run("--sync")
    with lab.imap.session(login(lab, "jane")) as session:
        append_many(session, "INBOX", MESSAGES, BIG)
    before = contents(lab, "jane")
    daemon, there = kolabd.start(), stored(target)
    lab.modify(dn, mailHost=target.name)
    wait_until(lambda: stored(target) > there + MESSAGES / 20)
    if victim == "kolabd":
        daemon.kill()
        kolabd.start()
    else:
        part = {"source": source.part, "target": target.part, "frontend": lab.murder.frontend, "mupdate": lab.murder.mupdate}[victim]
        part.kill()
        part.start()
    wait_until(lambda: lab.imap.server(mailbox(lab, "jane")) == target.name, 90)
    wait_until(lambda: kolabd.query("SELECT 1 FROM change") == [], 90)
    assert contents(lab, "jane") == before
    assert lab.get_one(dn, "mailHost") == target.name
    assert journal(kolabd)[0] == (source.name, target.name, "begun")
    wait_until(lambda: source.mailboxes(f"user/*@{lab.domain}") == [])
