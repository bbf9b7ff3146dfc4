"""What fails is set aside, and nobody else has to wait for it: an entry, a domain."""

import json

import pytest

from burst import Burst

PEOPLE = 1000  # who all get a mailbox, but for two
SECONDS = 120
REFUSED, UNREADABLE = "p100", "p900"
FOLDERS = {"folders": {"create": {"Drafts": {}}}}


def problems(kolabd):
    return json.loads(kolabd.ctl("--json", "problems", check=False).stdout)


@pytest.fixture(name="limited")
def limit_folders(lab):
    """A person's mailbox where the server refuses every folder; free() ends that."""
    mailbox = f"user/jane.{REFUSED}@{lab.domain}"
    lab.imap.create(mailbox)
    lab.imap.admin.command("SETQUOTA", f'"{mailbox}"', "(X-NUM-FOLDERS 1)")
    return lambda: lab.imap.admin.command("SETQUOTA", f'"{mailbox}"', "()")


def test_of_a_thousand_entries_two_fail_and_wait_for_their_end_and_all_others_are_served(lab, kolabd, limited, wait_until):
    burst = Burst(lab.ds.env)
    for number in range(PEOPLE):
        quota = {"mailQuota": "plenty"} if f"p{number}" == UNREADABLE else {}
        burst.add_person(number, f"p{number}", lab.people_dn, **quota)
    burst.run()
    kolabd.configure(FOLDERS)
    daemon = kolabd.start()
    wait_until(lambda: kolabd.query("SELECT count(*) FROM entry WHERE provisioned_at IS NOT NULL") == [(PEOPLE - 2,)], SECONDS,
               "all others are in order")
    wait_until(lambda: kolabd.query("SELECT count(*), min(state), max(state) FROM change") == [(2, "parked", "parked")], SECONDS)
    names = lab.imap.mailboxes(f"user/%@{lab.domain}")
    assert len(names) == PEOPLE - 1 and f"user/jane.{UNREADABLE}@{lab.domain}" not in names
    messages = {problem["dn"].partition(",")[0]: problem["message"] for problem in problems(kolabd)}
    assert "Over quota" in messages[f"uid={REFUSED}"] and '"plenty"' in messages[f"uid={UNREADABLE}"]

    # One is tried again when its entry changes, the other not before an operator says so.
    limited()
    lab.modify(f"uid={UNREADABLE},{lab.people_dn}", mailQuota=4711)
    wait_until(lambda: lab.imap.quota(f"user/jane.{UNREADABLE}@{lab.domain}") == 4711)
    wait_until(lambda: len(problems(kolabd)) == 1)
    attempts = problems(kolabd)[0]["attempts"]
    lab.modify(f"uid=p0,{lab.people_dn}", mailQuota=4711)
    wait_until(lambda: lab.imap.quota(f"user/jane.p0@{lab.domain}") == 4711)
    assert problems(kolabd)[0]["attempts"] == attempts
    assert "1 made due" in kolabd.ctl("retry", f"jane.{REFUSED}@{lab.domain}").stdout
    daemon.wait_for_log(f"uid={REFUSED},.*: in order after")
    wait_until(lambda: problems(kolabd) == [])
    assert lab.imap.folders(f"jane.{REFUSED}@{lab.domain}") == ["Drafts", "INBOX"]
