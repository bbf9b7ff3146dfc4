"""The murder of the lab, without kolabd: what the other tests rely on."""

import imaplib
import threading

import imap_client
import pytest

from polling import wait_until

EVENT = ("/shared/vendor/kolab/folder-type", "/private/vendor/kolab/folder-type")


@pytest.fixture
def lab(murder_lab):
    return murder_lab


@pytest.fixture
def ada(lab):
    """The name of a user; his mailbox is on the first backend."""
    user = f"ada@{lab.domain}"
    lab.imap.create(f"user/{user}", lab.backends[0])
    return user


def test_a_mailbox_is_made_on_the_chosen_backend_and_partition(lab, imap):
    first, second = lab.backends
    mailbox = f"user/ada@{lab.domain}"
    imap.create(mailbox, second, "archive")
    assert imap.server(mailbox) == second.name
    assert (second.exists(mailbox), first.exists(mailbox)) == (True, False)
    assert second.partition(mailbox) == "archive"


def test_a_mailbox_made_on_a_backend_shows_at_the_frontend(lab, imap):
    mailbox = f"user/ada@{lab.domain}"
    lab.backends[1].create(mailbox)
    wait_until(lambda: imap.server(mailbox) == lab.backends[1].name)


def test_quota_and_rights_go_through_the_frontend(lab, imap, ada):
    imap.set_quota(f"user/{ada}", 100)
    imap.admin.set_acl(f"user/{ada}", "bob", "lrs")
    assert lab.backends[0].quota(f"user/{ada}") == 100
    assert lab.backends[0].acl(f"user/{ada}")["bob"] == "lrs"


def test_a_move_takes_everything_along(lab, imap, ada):
    first, second = lab.backends
    with imap.session(ada) as session:
        session.create("Calendar")
        session.subscribe("Calendar")
    imap.set_quota(f"user/{ada}", 100)
    imap.set_metadata(ada, "Calendar", EVENT[0], "event")
    imap.set_metadata(ada, "Calendar", EVENT[1], "event.default")
    imap.move(f"user/{ada}", second, "fast")
    assert imap.server(f"user/{ada}") == second.name
    assert (first.mailboxes(f"user/ada*@{lab.domain}"), second.partition(f"user/ada/Calendar@{lab.domain}")) == ([], "fast")
    assert (second.quota(f"user/{ada}"), imap.subscriptions(ada)) == (100, ["Calendar"])
    assert imap.metadata(ada, "Calendar", *EVENT) == dict(zip(EVENT, ("event", "event.default")))


def test_metadata_set_at_the_frontend_is_lost(lab, imap, ada):
    """When this fails, the frontend is no 3.6.1 any more, and kolabd could do without sessions to the backend."""
    with imap.session(ada) as session:
        session.set_metadata("INBOX", EVENT[0], "mail")
    assert lab.backends[0].metadata(ada, "INBOX", EVENT[0]) == {EVENT[0]: None}


def test_a_backend_stops_and_comes_back(lab, imap, ada):
    lab.backends[0].part.stop()
    with pytest.raises(imaplib.IMAP4.error, match="unavailable"):
        imap.set_quota(f"user/{ada}", 100)
    assert imap.server(f"user/{ada}") == lab.backends[0].name
    lab.backends[0].part.start()
    imap.set_quota(f"user/{ada}", 100)


def test_a_backend_hangs_and_goes_on(lab, imap, ada):
    lab.backends[0].part.hang()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(lab.backends[0].quota(f"user/{ada}")))
    asking.start()
    assert imap.server(f"user/{ada}") == lab.backends[0].name
    assert not answers
    lab.backends[0].part.resume()
    asking.join(20)
    assert answers == [None]


def test_without_the_master_nothing_is_made_and_everything_works(lab, imap, ada):
    lab.murder.mupdate.stop()
    imap.set_quota(f"user/{ada}", 100)
    with pytest.raises(imaplib.IMAP4.error, match="no connection to server"):
        imap.create(f"user/bob@{lab.domain}", lab.backends[0])
    lab.murder.mupdate.start()
    imap.create(f"user/bob@{lab.domain}", lab.backends[0])
    wait_until(lambda: imap.server(f"user/bob@{lab.domain}"))


def test_telemetry_tells_whom_a_backend_was_told_by(lab, imap, ada):
    mark = lab.mark()
    env = lab.backends[0].env
    with imap_client.Session(993, env["CA_FILE"], env["IMAP_ADMIN"], env["PASSWORD"], ada, env["IMAP_HOST"],
                             signed=False) as session:
        session.create("Direct")
    with imap.session(ada) as session:
        session.create("Relayed")
    assert lab.backend_writes(mark, 0) == lab.imap_writes(mark) == [(ada, 'CREATE "Direct"')]
    assert lab.backend_writes(mark, 1) == []


def test_a_second_frontend_learns_of_a_mailbox_when_it_is_asked_for_its_rights(other_murder):
    lab = other_murder(MURDER_FRONTENDS=2)
    mailbox = f"user/ada@{lab.domain}"
    lab.imap.create(mailbox, lab.backends[0])
    env = lab.murder.frontends[1].env
    with imap_client.Session(993, env["CA_FILE"], env["IMAP_LAB_ADMIN"], env["PASSWORD"], host=env["IMAP_HOST"]) as session:
        session.acl(mailbox)
        assert session.exists(mailbox)


def test_servers_may_have_names(other_murder):
    lab = other_murder(MURDER_NAMES=1)
    mailbox = f"user/ada@{lab.domain}"
    lab.imap.admin.command("CREATE", mailbox, "(SERVER BACKEND2.Example.ORG)")
    assert lab.imap.server(mailbox) == "backend2.example.org"
