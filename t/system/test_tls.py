"""TLS with Cyrus: sessions as users are resumed where the server does it, and everybody is served where it does not."""

import collections
import pathlib
import re

import pytest

PEOPLE = 8
TRIES = 22  # the first one, and those after which none is offered any more
HANDSHAKE = re.compile(r"starttls: (TLSv1\.\d) with .* bits (new|reused)\)")


def provision(lab, people=PEOPLE, **imap):
    """People come, with one worker. Gives how often Cyrus logged each (version, "new" or "reused")."""
    log = pathlib.Path(lab.cyrus.env["IMAP_SYSLOG"])
    begin = log.stat().st_size
    for number in range(people):
        lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
    lab.kolabd.configure({"workers": 1, "imap": imap})
    lab.kolabd.run("--sync")
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == people
    assert "Calendar" in lab.imap.folders(f"p0.example@{lab.domain}")
    return collections.Counter(HANDSHAKE.findall(log.read_bytes()[begin:].decode(errors="replace")))


@pytest.mark.alone
def test_sessions_as_users_are_resumed_and_the_administrators_have_the_newest_tls(open_server):
    handshakes = provision(open_server())
    assert handshakes["TLSv1.2", "new"] == 1
    assert handshakes["TLSv1.2", "reused"] == PEOPLE - 1
    assert handshakes["TLSv1.3", "new"] >= 1


@pytest.mark.alone
def test_so_they_are_with_starttls(open_server):
    lab = open_server()
    handshakes = provision(lab, uri=lab.cyrus.env["IMAP_URI"])
    assert handshakes["TLSv1.2", "reused"] == PEOPLE - 1


@pytest.mark.alone
@pytest.mark.parametrize("lines, settings", [([], {"tls_resumption": False}), (["tls_versions: tls1_3"], {})], ids=["unwanted", "TLS 1.3 only"])
def test_where_that_is_not_wanted_or_possible_everybody_has_the_newest_tls(open_server, lines, settings):
    handshakes = provision(open_server(*lines), **settings)
    assert handshakes.keys() == {("TLSv1.3", "new")}
    assert handshakes["TLSv1.3", "new"] > PEOPLE


@pytest.mark.alone
def test_a_server_that_never_resumes_has_the_newest_tls_after_some_tries(open_server):
    """Cyrus tells each session an id also when it keeps none."""
    people = TRIES + 3
    handshakes = provision(open_server("tls_session_timeout: 0"), people)
    assert handshakes["TLSv1.2", "new"] == TRIES
    assert handshakes["TLSv1.2", "reused"] == 0
    assert handshakes["TLSv1.3", "new"] >= people - TRIES
