"""What Cyrus leaves when it dies in the middle of a RENAME or DELETE of many folders: kolabd brings it to its end."""

import itertools
import threading
import time

from polling import wait_until
from proxied import FOLDERS, SECONDS, faults, outages

COUNT = 60
MANY = [f"F{number:02}" for number in range(COUNT)]
OWNER = "lrswipkxtecdan"


def fill(lab, login):
    """Gives a user many folders, one in a folder, each subscribed to, with a mail in two of them."""
    with lab.imap.session(login) as session:
        for folder in [*MANY, "F00/below"]:
            session.create(folder)
            session.subscribe(folder)
        for folder in ("F00", MANY[-1]):
            session.imap.append(folder, None, None, f"Subject: {folder}\r\n\r\nx\r\n".encode())


def strike(lab, heard, gone):
    assert heard.wait(SECONDS)
    with lab.imap.session() as session:
        deadline = time.monotonic() + SECONDS
        while session.exists(gone) and time.monotonic() < deadline:
            pass
    lab.cyrus.kill()
    lab.proxies["imap"].slam()  # what is left is to be seen before kolabd sees it


def interrupt(lab, word, gone, act):
    """Kills Cyrus once kolabd has said `word`, because of what `act` does: as soon as the mailbox `gone` is not there any more, which
    goes before what is below it. Starts it again, and gives what is left of that; nothing: Cyrus was too quick."""
    heard = threading.Event()
    known = len(outages(lab.told)[0])
    lab.proxies["imap"].set_trap(faults.UP, lambda _: heard.set(), text=word)
    thread = threading.Thread(target=strike, args=(lab, heard, gone), daemon=True)
    thread.start()
    act()
    thread.join()
    wait_until(lambda: len(outages(lab.told)[0]) > known, SECONDS, "an outage")
    lab.cyrus.stop()
    lab.cyrus.start()
    left = lab.imap.tree(gone)
    assert gone not in left
    lab.proxies["imap"].heal()
    return left


def subjects(lab, login, folder):
    with lab.imap.session(login) as session:
        session.imap.select(folder, readonly=True)
        return session.imap.search(None, "SUBJECT", folder)[1]


def rows(lab, step):
    return lab.kolabd.query(f"SELECT before, after, outcome FROM journal WHERE step = '{step}' ORDER BY id")


def test_a_mailbox_that_was_renamed_in_part_is_put_together_and_renamed_anew(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    _, people = lab.begin("john")
    fill(lab, f"john@{lab.domain}")
    for old, new in itertools.pairwise(("john", "johnny", "jon", "jack", "joe")):
        old_mailbox, login = f"user/{old}@{lab.domain}", f"{new}@{lab.domain}"
        left = interrupt(lab, b"RENAME", old_mailbox, lambda: lab.modify(people["john"], mail=login))  # pylint: disable=cell-var-from-loop
        lab.wait_for({new: 1000})
        if left:
            break
    assert left
    mailboxes = lab.imap.tree(f"user/{login}")
    assert lab.imap.tree(old_mailbox) == []
    folders = sorted([*FOLDERS, *MANY, "F00/below"])
    assert lab.imap.folders(login) == sorted([*folders, "INBOX"])
    assert lab.imap.subscriptions(login) == folders
    assert lab.imap.mails(login) == ["john"]
    assert [subjects(lab, login, folder) for folder in ("F00", MANY[-1])] == [[b"1"], [b"1"]]
    assert {name: lab.imap.acl(name) for name in mailboxes} == dict.fromkeys(mailboxes, {login: OWNER})
    assert lab.imap.quota(old_mailbox) is None
    assert f"mailbox {old_mailbox} was renamed to user/{login} only in part" in lab.told
    renamed = [(before, after) for before, after, outcome in rows(lab, "rename mailbox") if outcome == "ok"]
    assert renamed[-2:] == [(f"user/{login}", old_mailbox), (old_mailbox, f"user/{login}")]


def test_a_shared_mailbox_that_was_renamed_in_part_takes_along_what_is_below_it(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    dn = lab.add(f"cn=Team,{lab.base_dn}", objectClass=["top", "mailRecipient", "kolabSharedFolder"], cn="Team")
    lab.begin("jane")
    wait_until(lambda: lab.imap.exists(f"shared/Team@{lab.domain}"), SECONDS, "the shared mailbox")
    for folder in MANY:
        lab.imap.create(f"shared/Team/{folder}@{lab.domain}")
    for old, new in itertools.pairwise(("Team", "Club", "Crew", "Gang", "Band")):
        old_mailbox, new_mailbox = f"shared/{old}@{lab.domain}", f"shared/{new}@{lab.domain}"
        left = interrupt(lab, b"RENAME", old_mailbox,
                         lambda: lab.modify(dn, kolabTargetFolder=new_mailbox))  # pylint: disable=cell-var-from-loop
        wait_until(lambda: len(lab.imap.tree(new_mailbox)) == COUNT + 1, SECONDS, "all of it")  # pylint: disable=cell-var-from-loop
        lab.wait_for({"jane": 1000})
        if left:
            break
    assert left
    assert lab.imap.tree(old_mailbox) == []


def test_a_mailbox_that_was_deleted_in_part_is_deleted_to_the_end(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    names = ("john", "jack", "joe")
    _, people = lab.begin("jane", *names)
    for number, name in enumerate(names):
        mailbox = f"user/{name}@{lab.domain}"
        fill(lab, f"{name}@{lab.domain}")
        left = interrupt(lab, b"DELETE", mailbox, lambda: lab.delete(people[name]))  # pylint: disable=cell-var-from-loop
        lab.wait_for(dict.fromkeys(["jane", *names[number + 1:]], 1000))
        wait_until(lambda: lab.kolabd.query("SELECT 1 FROM departure WHERE status != 'deleted'") == [], SECONDS, "the deletion")
        if left:
            break
    assert left
    assert lab.imap.tree(mailbox) == []
    assert lab.imap.quota(mailbox) is None
    assert len(lab.imap.mailboxes(f"DELETED/user/{name}/*@{lab.domain}")) == COUNT + len(FOLDERS) + 2
    lab.add_login(name)
    lab.wait_for({**dict.fromkeys(["jane", *names[number + 1:]], 1000), name: None})
    assert lab.imap.folders(f"{name}@{lab.domain}") == sorted([*FOLDERS, "INBOX"])
