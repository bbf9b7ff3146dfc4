"""kolabd on a Cyrus murder is killed after any step of its work: each mailbox ends on one backend, the one that mailHost says, with
all that is in it. A sample; KOLABD_CRASH_EVERY=1 tries every step."""

import contextlib

import pytest

from crash import OWNERS_ENTRIES, Story, subjects
from murder import SERVER_ENTRY
from test_crash import AHEAD, ALONE, Plan, Reference, play, what_is_sent_again

pytestmark = pytest.mark.slow


class Moves(Story):
    """Mailboxes that are made on a backend and moved to the other one."""

    def __init__(self, lab, imap=None):
        backends = {backend.name: backend.env["IMAPS_URI"] for backend in lab.backends}
        super().__init__(lab, imap={"backends": backends, **(imap or {})}, placement={"policy": "mailhost", "move": True})
        self.hosts = list(backends)
        self.people = {}
        self.add("ann", 0)
        self.add("bob", 1)
        self.kolabd.run("--sync")
        for name in self.people:
            self.put_mail(name, "INBOX", "Sent")

    def add(self, name, host):
        # Nobody's alias is ever somebody's address: one that becomes free is taken only when its entry is looked at.
        self.people[name] = self.lab.add_person(f"uid-{name}", givenName=name.capitalize(), sn="Example", mail=self.address(name),
                                                mailHost=self.hosts[host], mailQuota=1000)

    def create(self):
        self.add("cat", 1)

    def move(self):
        self.put_mail("cat", "INBOX", "Sent")
        self.lab.modify(self.people["cat"], mailHost=self.hosts[0])

    def rename_and_move(self):
        self.lab.modify(self.people["cat"], mailHost=self.hosts[1], mail=self.address("cathy"), mailQuota=2000)

    def exchange(self):
        """Their names, not their backends."""
        self.lab.modify(self.people["ann"], mail=self.address("bob"))
        self.lab.modify(self.people["bob"], mail=self.address("ann"))

    def delete(self):
        self.lab.delete(self.people["ann"])

    PHASES = [create, move, rename_and_move, exchange, delete]

    def mailbox(self, name):
        admin = self.lab.imap.admin
        return {"quota": admin.quota(name), "acl": admin.acl(name), **admin.metadata(name, SERVER_ENTRY),
                "where it is": [backend.name for backend in self.lab.backends if backend.exists(name)]}

    def person(self, login):
        with self.lab.imap.backend(f"user/{login}").session(login) as session:
            return {"subscriptions": session.subscriptions(),
                    "folders": {folder: {**session.metadata(folder, *OWNERS_ENTRIES), "mails": subjects(session, folder)}
                                for folder in session.own_folders()}}


@pytest.fixture
def open_one(murder, open_murder_lab):
    return lambda: contextlib.nullcontext(open_murder_lab(murder))


@pytest.fixture
def references(open_one):
    found = {}
    with open_one() as lab:
        story = Moves(lab, **ALONE)
        for phase in Moves.PHASES:
            assert not story.sync_until(phase)
            found[phase] = Reference(story)
            assert not what_is_sent_again(story)
    return found


@pytest.mark.parametrize("settings", [ALONE, AHEAD], ids=["alone", "ahead"])
def test_on_a_murder_a_sync_that_was_killed_is_made_good_by_the_next(open_one, references, settings):
    play(open_one, Plan(Moves, references), settings, Story.sync_until, lambda story, _: story.sync())
