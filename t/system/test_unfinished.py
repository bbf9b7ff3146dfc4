"""What Cyrus leaves when it dies in the middle of a RENAME or DELETE of many folders: kolabd brings it to its end."""

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


def kill_in_the_middle(lab, word, gone):
    """Once kolabd has said `word`: as soon as the mailbox `gone` is not there any more, which Cyrus takes first. Gives the thread."""
    heard = threading.Event()
    lab.proxies["imap"].set_trap(faults.UP, lambda _: heard.set(), text=word)

    def strike():
        assert heard.wait(SECONDS), word
        with lab.imap.session() as session:
            deadline = time.monotonic() + SECONDS
            while session.exists(gone) and time.monotonic() < deadline:
                pass
        lab.cyrus.kill()
        lab.proxies["imap"].cut()
    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    return thread


def start_again(lab, thread):
    thread.join()
    wait_until(lambda: outages(lab.told)[0], SECONDS, "an outage")
    lab.proxies["imap"].slam()  # to look at what is left before kolabd does
    lab.cyrus.stop()
    lab.cyrus.start()


def names_of(lab, name, kind="user"):
    return lab.imap.mailboxes(f"{kind}/{name}@{lab.domain}") + lab.imap.mailboxes(f"{kind}/{name}/*@{lab.domain}")


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
    killed = kill_in_the_middle(lab, b"RENAME", f"user/john@{lab.domain}")
    lab.modify(people["john"], mail=f"johnny@{lab.domain}")
    start_again(lab, killed)
    left = names_of(lab, "john")
    assert left and f"user/john@{lab.domain}" not in left, left
    lab.proxies["imap"].heal()
    lab.wait_for({"johnny": 1000})
    assert names_of(lab, "john") == []
    login = f"johnny@{lab.domain}"
    folders = sorted([*FOLDERS, *MANY, "F00/below"])
    assert lab.imap.folders(login) == sorted([*folders, "INBOX"])
    assert lab.imap.subscriptions(login) == folders
    assert lab.imap.mails(login) == ["john"]
    assert [subjects(lab, login, folder) for folder in ("F00", MANY[-1])] == [[b"1"], [b"1"]]
    assert {name: lab.imap.acl(name)[login] for name in names_of(lab, "johnny")} == dict.fromkeys(names_of(lab, "johnny"), OWNER)
    assert f"john@{lab.domain}" not in lab.imap.acl(f"user/johnny/{MANY[-1]}@{lab.domain}")
    assert lab.imap.quota(f"user/john@{lab.domain}") is None
    assert lab.told.count("was renamed") == 1 and f"mailbox user/john@{lab.domain} was renamed to user/{login} only in part" in lab.told
    old, new = f"user/john@{lab.domain}", f"user/{login}"
    assert [(before, after) for before, after, outcome in rows(lab, "rename mailbox") if outcome == "ok"] == [(new, old), (old, new)]


def test_a_shared_mailbox_that_was_renamed_in_part_takes_along_what_is_below_it(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    dn = lab.add(f"cn=Team,{lab.base_dn}", objectClass=["top", "mailRecipient", "kolabSharedFolder"], cn="Team")
    lab.begin("jane")
    before = f"shared/Team@{lab.domain}"
    wait_until(lambda: lab.imap.exists(before), SECONDS, before)
    for folder in MANY:
        lab.imap.create(f"shared/Team/{folder}@{lab.domain}")
    killed = kill_in_the_middle(lab, b"RENAME", before)
    lab.rename(dn, "cn=Club")
    start_again(lab, killed)
    left = names_of(lab, "Team", "shared")
    assert left and before not in left, left
    lab.proxies["imap"].heal()
    wait_until(lambda: len(names_of(lab, "Club", "shared")) == COUNT + 1, SECONDS, "the whole mailbox under its new name")
    lab.wait_for({"jane": 1000})
    assert names_of(lab, "Team", "shared") == []


def test_a_mailbox_that_was_deleted_in_part_is_deleted_to_the_end(proxied_lab):
    lab = proxied_lab(ends_tls=True)
    _, people = lab.begin("john", "jane")
    fill(lab, f"john@{lab.domain}")
    killed = kill_in_the_middle(lab, b"DELETE", f"user/john@{lab.domain}")
    lab.delete(people["john"])
    start_again(lab, killed)
    left = names_of(lab, "john")
    assert left and f"user/john@{lab.domain}" not in left, left
    lab.proxies["imap"].heal()
    lab.wait_for({"jane": 1000})
    wait_until(lambda: lab.kolabd.query("SELECT status FROM departure") == [("deleted",)], SECONDS, "the deletion")
    assert names_of(lab, "john") == []
    assert lab.imap.quota(f"user/john@{lab.domain}") is None
    assert len(lab.imap.mailboxes(f"DELETED/user/john/*@{lab.domain}")) == COUNT + len(FOLDERS) + 2
    lab.add_login("john")
    lab.wait_for({"jane": 1000, "john": None})
    assert lab.imap.folders(f"john@{lab.domain}") == sorted([*FOLDERS, "INBOX"])
