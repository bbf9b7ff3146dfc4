"""Anything, in any order: random operations on people while the daemon runs and is killed, against a model of what must come out.

KOLABD_SEED chooses another run (see seed.py), KOLABD_OPERATIONS makes it longer."""

import os
import random
import sqlite3

from lab import ORGANIZATIONAL_UNIT, PERSON
from seed import SEED

OPERATIONS = int(os.environ.get("KOLABD_OPERATIONS") or 300)
OTHER_CLASSES = [name for name in PERSON if name != "kolabInetOrgPerson"] + ["extensibleObject"]
GIVEN_NAMES = ["Ann", "Bob", "Cat"]
SURNAMES = ["Example", "Sample"]


class Person:
    def __init__(self, dn):
        self.dn = dn
        self.served = True
        self.mark = None  # subject of a message that must stay with this person


class Model:
    """Changes the directory, and remembers no more than a person could: everything else is in the directory."""

    def __init__(self, lab, kolabd, choose):
        self.lab = lab
        self.kolabd = kolabd
        self.choose = choose
        self.people = []
        self.serial = 0
        self.units = [lab.people_dn, lab.add(f"ou=Elsewhere,{lab.base_dn}", objectClass=ORGANIZATIONAL_UNIT)]
        self.daemon = None
        self.told = []

    def number(self):
        self.serial += 1
        return self.serial

    def tell(self, *words):
        self.told.append(" ".join(map(str, words)))

    def someone(self, count=1, served=None, marked=None):
        """So many different people, or None when there are not enough."""
        found = [person for person in self.people if (served is None or person.served == served)
                 and (marked is None or bool(person.mark) == marked)]
        return self.choose.sample(found, count) if len(found) >= count else None

    # --- operations

    def add(self):
        uid = f"p{self.number()}"
        mail = self.choose.choice([None, f"hand{self.number()}@{self.lab.domain}"])
        dn = self.lab.add_person(uid, givenName=self.choose.choice(GIVEN_NAMES), sn=self.choose.choice(SURNAMES), mail=mail,
                                 parent=self.choose.choice(self.units))
        self.people.append(Person(dn))
        self.tell("add", dn, mail)

    def modify(self, person, **attributes):
        self.lab.modify(person.dn, **attributes)
        self.tell("modify", person.dn, attributes)

    def change_name(self):
        for person in self.someone() or []:
            self.modify(person, givenName=self.choose.choice(GIVEN_NAMES), sn=self.choose.choice(SURNAMES))

    def change_mail(self):
        for person in self.someone() or []:
            self.modify(person, mail=f"hand{self.number()}@{self.lab.domain}")

    def change_alias(self):
        for person in self.someone() or []:
            self.modify(person, alias=self.choose.choice([None, f"alias{self.number()}@{self.lab.domain}"]))

    def change_quota(self):
        for person in self.someone() or []:
            self.modify(person, mailQuota=self.choose.choice([None, 0, -1, 1000, 2000]))

    def change_nothing(self):
        for person in self.someone() or []:
            self.modify(person, description=str(self.number()))

    def exchange(self):
        """A swap or a longer ring, of those who have an address."""
        people = self.someone(self.choose.choice([2, 2, 3]), served=True) or []
        mails = [self.lab.get_one(person.dn, "mail") for person in people]
        if None not in mails:
            for person, mail in zip(people, mails[1:] + mails[:1]):
                self.modify(person, mail=mail)

    def chain(self):
        """One takes the address that another one gives up."""
        people = self.someone(2, served=True) or []
        mails = [self.lab.get_one(person.dn, "mail") for person in people]
        if people and None not in mails:
            changes = [(people[0], mails[1]), (people[1], f"hand{self.number()}@{self.lab.domain}")]
            for person, mail in self.choose.sample(changes, 2):
                self.modify(person, mail=mail)

    def rename(self):
        for person in self.someone() or []:
            before = person.dn
            person.dn = self.lab.rename(before, f"uid=r{self.number()}")
            self.tell("rename", before, person.dn)

    def move(self):
        for person in self.someone() or []:
            before = person.dn
            other = self.units[0] if before.endswith(self.units[1]) else self.units[1]
            person.dn = self.lab.rename(before, new_parent=other)
            self.tell("move", before, person.dn)

    def lose_class(self):
        for person in self.someone(served=True) or []:
            self.modify(person, objectClass=OTHER_CLASSES)
            person.served = False

    def regain_class(self):
        for person in self.someone(served=False) or []:
            self.modify(person, objectClass=PERSON)
            person.served = True

    def delete(self):
        for person in self.someone(marked=False) or []:
            self.lab.delete(person.dn)
            self.people.remove(person)
            self.tell("delete", person.dn)

    def create_again(self):
        """Another person under the same DN."""
        for person in self.someone(marked=False) or []:
            entry = {name: values for name, values in self.lab.get(person.dn, "*").items() if name != "alias"}
            self.lab.delete(person.dn)
            self.lab.add(person.dn, **entry)
            self.tell("delete and add", person.dn, entry.get("mail"))

    def kill(self):
        self.daemon.kill()
        self.start()
        self.tell("kill")

    def start(self):
        self.daemon = self.kolabd.start()

    def operate(self):
        weights = {self.add: 6, self.change_name: 6, self.change_mail: 5, self.change_alias: 4, self.change_quota: 5,
                   self.change_nothing: 3, self.exchange: 8, self.chain: 6, self.rename: 4, self.move: 4, self.lose_class: 3,
                   self.regain_class: 4, self.delete: 3, self.create_again: 2, self.kill: 1}
        self.choose.choices(list(weights), list(weights.values()))[0]()

    # --- what must come out

    def expected(self):
        """{mailbox: quota}"""
        found = {}
        for person in self.people:
            entry = self.lab.get(person.dn)
            [mail] = entry["mail"]
            [quota] = entry.get("mailQuota", ["0"])
            found[f"user/{mail.lower()}"] = int(quota) if int(quota) > 0 else None
        assert len(found) == len(self.people)
        return found


def state(kolabd, statement):
    with sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


def leave_mark(lab, login, subject):
    with lab.imap.session(login) as session:
        session.imap.append("INBOX", None, None, f"Subject: {subject}\r\n\r\nx\r\n".encode())


def marks(lab, login):
    with lab.imap.session(login) as session:
        session.imap.select("INBOX", readonly=True)
        _, data = session.imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [part[1].decode().strip().removeprefix("Subject: ") for part in data if isinstance(part, tuple)]


def what_is_left(model, kolabd):
    """What waits or is set aside, what is on record and should not be (-), and what should be (+)."""
    recorded = set(state(kolabd, "SELECT dn, mailbox, status FROM entry"))
    wanted = {(person.dn, f"user/{model.lab.get_one(person.dn, 'mail')}".lower(), "ok") for person in model.people}
    return (state(kolabd, "SELECT dn, state, due, waits_for, last_error FROM change")
            + [("-", *row) for row in recorded - wanted] + [("+", *row) for row in wanted - recorded])


def check(model, lab, kolabd):
    expected = model.expected()
    assert {name: lab.imap.quota(name) for name in lab.imap.mailboxes(f"user/%@{lab.domain}")} == expected
    for person in model.people:
        if person.mark:
            assert marks(lab, lab.get_one(person.dn, "mail").lower()) == [person.mark], person.dn
    addresses = [address.lower() for person in model.people for name in ("mail", "alias")
                 for address in lab.get(person.dn).get(name, [])]
    twice = {address for address in addresses if addresses.count(address) > 1}
    for address in twice:
        print(address, *state(kolabd, f"SELECT a.*, e.dn FROM address a JOIN entry e USING (domain, unique_id) WHERE address = '{address}'"),
              *state(kolabd, f"SELECT j.time, e.dn, target, before, after FROM journal j JOIN entry e USING (domain, unique_id) WHERE"
                             f" before LIKE '%{address}%' OR after LIKE '%{address}%'"), sep="\n")
    assert not twice
    kolabd.daemons[-1].stop()
    assert kolabd.run("--sync", "--dry-run", "--resync").stdout == ""


def test_whatever_happens_the_store_ends_as_the_directory_says(lab, kolabd, wait_until):
    print(f"KOLABD_SEED={SEED} KOLABD_OPERATIONS={OPERATIONS}")
    kolabd.configure({"deletion": {"delay": 0, "limit": 100000}, "folders": {"create": {"Calendar": {"quota": 0}}}})
    model = Model(lab, kolabd, random.Random(SEED))
    for _ in range(6):
        model.add()
    kolabd.run("--sync")
    for person in model.people:
        person.mark = person.dn
        leave_mark(lab, lab.get_one(person.dn, "mail").lower(), person.mark)
    model.start()
    try:
        for _ in range(OPERATIONS):
            model.operate()
        while model.someone(served=False):
            model.regain_class()
        wait_until(lambda: not what_is_left(model, kolabd), 30, "all in order")
        check(model, lab, kolabd)
    except BaseException:
        print("\n".join(model.told), "left:", *what_is_left(model, kolabd), sep="\n")
        raise
