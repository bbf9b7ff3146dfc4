"""What a mail exchanger in front of a murder is told, and one on each backend, which takes mail for the people who are there."""

import contextlib

import pytest

from postfix import POSTMAP, Postfix
from test_life import check_people
from test_postfix import Exchanger

pytestmark = pytest.mark.skipif(not POSTMAP, reason="no postmap: Postfix is not installed")


@pytest.fixture
def lab(murder_lab):
    murder_lab.spread()
    return murder_lab


class Exchangers(Exchanger):
    """The exchanger in front, and `behind` it one on each backend."""

    def __init__(self, lab, make_directory):
        super().__init__(lab, make_directory())
        self.behind = [Postfix(make_directory(), lab.ds.env, lab.base_dn, mail_host=backend.name) for backend in lab.backends]
        self.configure(placement={"policy": "mailhost"})

    def ways(self, *locals_):
        """{local part: number of the backend} of those that mail is taken for. Proves that the transport goes to the only backend
        that takes it, and that this one has the mailbox."""
        transports = self.ask("transport_maps", *locals_)
        names = [backend.name for backend in self.lab.backends]
        ways = {local: names.index(value.removeprefix("lmtp:inet:").removesuffix(":24")) for local, [value] in transports.items()}
        for number, postfix in enumerate(self.behind):
            taken = postfix.ask("local_recipient_maps", *map(self.address, locals_))
            assert set(taken) == {self.address(local) for local, way in ways.items() if way == number}
            assert all(self.lab.backends[number].exists(f"user/{mail}") for [mail] in taken.values()), taken
        return ways


@pytest.fixture
def exchangers(lab, tmp_path_factory):
    opened = Exchangers(lab, lambda: tmp_path_factory.mktemp("postfix"))  # apart from the test's files, which have no secret in them
    with contextlib.closing(opened):
        yield opened


def add_both(lab, **attributes):
    """Ann, to be on the first backend, and Bob, to be on the second one. Gives their DNs."""
    return [lab.add_person(name, givenName=name.title(), sn="Example", mail=f"{name}@{lab.domain}", alias=f"{name[0]}@{lab.domain}",
                           mailHost=backend.name, **attributes) for name, backend in zip(("ann", "bob"), lab.backends)]


def test_mail_goes_to_the_backend_that_has_the_mailbox_before_and_after_a_move(lab, kolabd, exchangers):
    exchangers.configure(placement={"policy": "mailhost", "move": True})
    people = add_both(lab)
    kolabd.run("--sync")
    for name in ("ann", "bob"):
        lab.imap.put_mail(f"{name}@{lab.domain}", name)
    names = ("ann", "ann.example", "a", "bob", "bob.example", "b")
    assert exchangers.ways(*names) == {"ann": 0, "ann.example": 0, "a": 0, "bob": 1, "bob.example": 1, "b": 1}
    lab.modify(people[0], mailHost=lab.backends[1].name)
    kolabd.run("--sync")
    assert exchangers.ways(*names) == dict.fromkeys(names, 1)
    lab.modify(people[0], mailHost=lab.backends[0].name)
    lab.modify(people[1], mailHost=lab.backends[0].name)
    kolabd.run("--sync")
    assert exchangers.ways(*names, "nobody") == dict.fromkeys(names, 0)
    check_people(lab, dict(zip(("ann", "bob"), people)), {"ann": "ann", "bob": "bob"})


@pytest.mark.slow
def test_a_mail_host_that_is_wrong_is_not_believed_for_long(lab, kolabd, exchangers):
    """Without placement.move; and a person whose mailbox has been there before."""
    lab.imap.create(exchangers.address("user/ann"), lab.backends[1])
    ann, bob = add_both(lab)
    kolabd.run("--sync")
    assert exchangers.ways("ann", "a", "bob") == {"ann": 1, "a": 1, "bob": 1}
    lab.modify(ann, mailHost=lab.backends[0].name)
    lab.modify(bob, mailHost=None)
    kolabd.run("--sync")
    assert exchangers.ways("ann", "a", "bob") == {"ann": 1, "a": 1, "bob": 1}


@pytest.mark.slow
def test_nobody_is_taken_mail_for_anywhere_before_there_is_a_mailbox(lab, kolabd, exchangers):
    exchangers.configure(placement={"policy": "round-robin"})
    for name in ("ann", "bob"):
        lab.add_person(name, givenName=name.title(), sn="Example")
    names = ("ann", "ann.example", "bob", "bob.example")
    assert exchangers.ways(*names) == {}
    kolabd.run("--sync")
    found = exchangers.ways(*names)
    assert set(found) == set(names) and set(found.values()) == {0, 1}


@pytest.mark.slow
def test_an_address_that_changes_hands_leads_to_the_other_backend(lab, kolabd, exchangers):
    ann, bob = add_both(lab)
    kolabd.run("--sync")
    lab.modify(ann, mail=exchangers.address("bob"))
    lab.modify(bob, mail=exchangers.address("ann"))
    kolabd.run("--sync")
    assert exchangers.ways("ann", "ann.example", "bob", "bob.example") == {"ann": 1, "ann.example": 0, "bob": 0, "bob.example": 1}
    lab.delete(ann)
    kolabd.run("--sync")
    assert exchangers.ways("ann", "bob.example", "bob", "ann.example", "a") == {"ann": 1, "bob.example": 1}
