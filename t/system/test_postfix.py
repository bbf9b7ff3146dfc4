"""The contract with the mail exchangers: what Kolab's Postfix tables answer for what kolabd made of the directory. An address
that they name has a mailbox."""

import contextlib
import pathlib
import sys

import ldap
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fake"))

import imap_hostile  # noqa: E402 pylint: disable=wrong-import-position
from postfix import DOMAINS_DN, POSTMAP, Postfix

pytestmark = pytest.mark.skipif(not POSTMAP, reason="no postmap: Postfix is not installed")

DOMAIN_ENTRY = ["top", "domainRelatedObject", "inetDomain", "extensibleObject"]
GROUP = ["top", "groupOfUniqueNames", "kolabGroupOfUniqueNames", "mailRecipient"]
SHARED_FOLDER = ["top", "mailRecipient", "kolabSharedFolder"]


class Exchanger:
    """Postfix' view of the domain, which Postfix and kolabd both find by its entry. `other` is a second name of it."""

    def __init__(self, lab, directory):
        self.lab = lab
        self.postfix = Postfix(directory, lab.ds.env, lab.base_dn)
        self.other = f"other.{lab.domain}"
        self.domain_dn = lab.add(f"associatedDomain={lab.domain},{DOMAINS_DN}", objectClass=DOMAIN_ENTRY,
                                 associatedDomain=lab.domain, inetDomainBaseDN=lab.base_dn, inetDomainStatus="active")
        self.configure()

    def configure(self, **settings):
        self.lab.kolabd.settings.pop("domains", None)
        discovery = {"base_dn": DOMAINS_DN, "filter": f"(associatedDomain={self.lab.domain})"}
        self.lab.kolabd.configure({"domain_discovery": discovery, "deletion": {"delay": 0}, "folders": {"create": {}}, **settings})

    def address(self, local, domain=None):
        return f"{local}@{domain or self.lab.domain}"

    def ask(self, table, *locals_):
        """{local part: [value]} for addresses of the domain."""
        found = self.postfix.ask(table, *map(self.address, locals_))
        return {address.split("@")[0]: values for address, values in found.items()}

    def deliveries(self, *addresses):
        """{address: [mailbox]} of those that Postfix takes mail for. Proves that each of these mailboxes exists."""
        known = self.postfix.ask("local_recipient_maps", *addresses)
        found = {address: [] for address in known}
        for address, values in self.postfix.ask("virtual_alias_maps", *addresses).items():
            found[address] += [f"user/{value}" for value in values]
        for address, values in self.postfix.ask("virtual_alias_maps_sharedfolders", *addresses).items():
            found[address] += [value.strip('"').removeprefix("shared+") for value in values]
        named = {mailbox for mailboxes in found.values() for mailbox in mailboxes}
        assert all(map(self.lab.imap.exists, named)), (found, self.lab.imap.mailboxes(f"*@{self.lab.domain}"))
        return found

    def close(self):
        with contextlib.suppress(ldap.NO_SUCH_OBJECT):
            self.lab.delete(self.domain_dn)


@pytest.fixture
def exchanger(lab, tmp_path_factory):
    """With a person who stays: a directory that is empty is not believed."""
    opened = Exchanger(lab, tmp_path_factory.mktemp("postfix"))  # apart from the test's files, which have no secret in them
    try:
        lab.add_person("john", givenName="John", sn="Doe")
        yield opened
    finally:
        opened.close()


def add_jane(lab, **attributes):
    return lab.add_person("jane", givenName="Jane", sn="Example", **attributes)


def add_shared(lab, **attributes):
    return lab.add(f"cn=Team,{lab.people_dn}", objectClass=SHARED_FOLDER, cn="Team", kolabFolderType="mail",
                   mail=f"team@{lab.domain}", **attributes)


JANE = ("jane.example", "j.example", "jane")


# --- people

def test_a_person_is_known_by_all_addresses_once_there_is_a_mailbox(lab, kolabd, exchanger):
    add_jane(lab)
    assert exchanger.ask("local_recipient_maps", *JANE) == {}
    kolabd.run("--sync")
    primary, mailbox = exchanger.address("jane.example"), exchanger.address("user/jane.example")
    assert exchanger.ask("local_recipient_maps", *JANE, "nobody") == dict.fromkeys(JANE, [primary])
    assert exchanger.ask("virtual_alias_maps", *JANE, "nobody") == dict.fromkeys(JANE, [primary])
    assert exchanger.deliveries(*map(exchanger.address, JANE)) == {exchanger.address(local): [mailbox] for local in JANE}
    assert exchanger.deliveries(exchanger.address("jane", "t0.example.com"), "jane") == {}


def test_no_address_is_known_while_the_mailbox_cannot_be_made_ready(lab, kolabd, exchanger):
    """The fake has every mailbox, and refuses the first command of the plan."""
    add_jane(lab)
    with contextlib.closing(imap_hostile.Server(imap_hostile.parse_options(["refuse", "--at", "SETQUOTA"])).listen()) as server:
        exchanger.configure(imap={"uri": f"imap://127.0.0.1:{server.getsockname()[1]}", "insecure": True}, quota={"default": "1GiB"})
        assert "Refused by command" in kolabd.run("--sync", check=3).stderr
    assert exchanger.ask("local_recipient_maps", *JANE, "john.doe") == {}


def test_no_address_moves_on_while_the_mailbox_cannot(lab, kolabd, exchanger):
    exchanger.configure(policy={"mode": "always"})
    dn = add_jane(lab)
    kolabd.run("--sync")
    lab.imap.create(exchanger.address("user/jane.sample"))
    lab.modify(dn, sn="Sample")
    assert "both exist" in kolabd.run("--sync", check=3).stderr
    found = exchanger.deliveries(*map(exchanger.address, ("jane.sample", *JANE)))
    assert found == {exchanger.address(local): [exchanger.address("user/jane.example")] for local in JANE}


def test_after_a_change_of_name_the_old_addresses_lead_to_the_new_mailbox(lab, kolabd, exchanger):
    exchanger.configure(policy={"mode": "always"})
    dn = add_jane(lab)
    kolabd.run("--sync")
    assert exchanger.ask("virtual_alias_maps", "jane.example") == {"jane.example": [exchanger.address("jane.example")]}
    lab.modify(dn, sn="Sample")
    kolabd.run("--sync")
    names = ("jane.example", "jane.sample", "j.sample", "jane")
    assert exchanger.ask("virtual_alias_maps", *names) == dict.fromkeys(names, [exchanger.address("jane.sample")])
    mailbox = exchanger.address("user/jane.sample")
    assert exchanger.deliveries(*map(exchanger.address, names)) == {exchanger.address(name): [mailbox] for name in names}
    assert not lab.imap.exists(exchanger.address("user/jane.example"))


def test_while_the_directory_refuses_the_new_address_the_old_ones_lead_to_the_mailbox(lab, kolabd, exchanger):
    exchanger.configure(policy={"mode": "always"})
    dn = add_jane(lab)
    kolabd.run("--sync")
    names = [*map(exchanger.address, ("jane.sample", *JANE))]
    with lab.hidden(lab.base_dn, "mail", "write"):
        lab.modify(dn, sn="Sample")
        kolabd.run("--sync", check=3)
        assert exchanger.deliveries(*names) == {name: [exchanger.address("user/jane.example")] for name in names[1:]}


def test_after_a_new_mail_by_hand_the_aliases_lead_to_the_renamed_mailbox(lab, kolabd, exchanger):
    dn = add_jane(lab, mail=exchanger.address("old"))
    kolabd.run("--sync")
    lab.modify(dn, mail=exchanger.address("new"))
    kolabd.run("--sync")
    found = exchanger.deliveries(*map(exchanger.address, ("old", "new", *JANE)))
    assert found == {exchanger.address(local): [exchanger.address("user/new")] for local in ("new", *JANE)}


def test_two_people_who_exchange_addresses_get_their_mail_in_their_own_mailbox(lab, kolabd, exchanger):
    a = lab.add_person("a", givenName="A", sn="One", mail=exchanger.address("a"))
    b = lab.add_person("b", givenName="B", sn="Two", mail=exchanger.address("b"))
    kolabd.run("--sync")
    with lab.imap.session(exchanger.address("a")) as session:
        session.create("Of the first")
    lab.modify(a, mail=exchanger.address("b"))
    lab.modify(b, mail=exchanger.address("a"))
    kolabd.run("--sync")
    found = exchanger.deliveries(*map(exchanger.address, ("a.one", "b.two")))
    assert found == {exchanger.address("a.one"): [exchanger.address("user/b")],
                     exchanger.address("b.two"): [exchanger.address("user/a")]}
    assert "Of the first" in lab.imap.folders(exchanger.address("b"))


@pytest.mark.parametrize("leave", ["deleted", "of another class"])
def test_nobody_who_left_is_known(lab, kolabd, exchanger, leave):
    dn = add_jane(lab)
    kolabd.run("--sync")
    assert len(exchanger.ask("local_recipient_maps", *JANE)) == len(JANE)
    if leave == "deleted":
        lab.delete(dn)
    else:
        lab.modify(dn, objectClass=["top", "person", "organizationalPerson", "inetOrgPerson", "mailRecipient", "extensibleObject"])
    kolabd.run("--sync")
    assert lab.imap.exists(exchanger.address("user/jane.example")) == (leave != "deleted")
    for table in ("local_recipient_maps", "virtual_alias_maps", "transport_maps"):
        assert list(exchanger.ask(table, *JANE, "john.doe")) == ["john.doe"], table


# --- the server that has the mailbox

@pytest.mark.alone  # a murder knows better than imap.mail_host: see test_murder_postfix
def test_the_transport_goes_to_the_mail_host_once_there_is_a_mailbox(lab, kolabd, exchanger):
    """Also for an address that was written by hand: mailHost comes after the mailbox."""
    exchanger.configure(policy={"mode": "always"}, imap={"mail_host": "imap1.example.org"})
    dn = add_jane(lab, mail=exchanger.address("jane.example"))
    names = ("jane.example", "jane.sample", "jane")
    assert exchanger.ask("transport_maps", *names) == {}
    kolabd.run("--sync")
    transport = ["lmtp:inet:imap1.example.org:24"]
    assert exchanger.ask("transport_maps", *names) == dict.fromkeys(("jane.example", "jane"), transport)
    lab.modify(dn, sn="Sample")
    kolabd.run("--sync")
    assert exchanger.ask("transport_maps", *names) == dict.fromkeys(names, transport)
    lab.delete(dn)
    kolabd.run("--sync")
    assert exchanger.ask("transport_maps", *names) == {}


# --- domains

def test_an_address_in_another_name_of_the_domain_leads_to_the_primary_one(lab, kolabd, exchanger):
    exchanger.configure(policy={"mode": "always"})
    dn = add_jane(lab)
    kolabd.run("--sync")
    other = [exchanger.address(local, exchanger.other) for local in JANE]
    assert exchanger.postfix.ask("mydestination", exchanger.other) == {}
    assert exchanger.deliveries(*other) == {}
    lab.modify(exchanger.domain_dn, associatedDomain=[lab.domain, exchanger.other])
    kolabd.run("--sync")
    assert exchanger.other in exchanger.postfix.ask("mydestination", exchanger.other)[exchanger.other]
    assert exchanger.deliveries(*other) == dict.fromkeys(other, [exchanger.address("user/jane.example")])
    lab.modify(dn, sn="Sample")
    kolabd.run("--sync")
    known = exchanger.deliveries(*other, exchanger.address("jane.sample", exchanger.other))
    assert known and set(sum(known.values(), [])) == {exchanger.address("user/jane.sample")}
    assert exchanger.address("jane.sample", exchanger.other) in known
    lab.delete(dn)
    kolabd.run("--sync")
    assert exchanger.deliveries(*other, *known) == {}


# --- shared folders

def test_mail_to_a_shared_folder_follows_its_target_folder(lab, kolabd, exchanger):
    dn = add_shared(lab, kolabTargetFolder=exchanger.address("shared/Our Team"), alias=exchanger.address("crew"))
    kolabd.run("--sync")
    both = [exchanger.address("team"), exchanger.address("crew")]
    assert exchanger.ask("virtual_alias_maps_sharedfolders", "team", "crew", "nobody") == dict.fromkeys(
        ("team", "crew"), [f'"shared+{exchanger.address("shared/Our Team")}"'])
    assert exchanger.deliveries(*both) == dict.fromkeys(both, [exchanger.address("shared/Our Team")])
    assert "p" in lab.imap.acl(exchanger.address("shared/Our Team"))["anyone"]
    lab.modify(dn, kolabTargetFolder=exchanger.address("shared/Far/Away"))
    kolabd.run("--sync")
    assert exchanger.deliveries(*both) == dict.fromkeys(both, [exchanger.address("shared/Far/Away")])
    assert "p" in lab.imap.acl(exchanger.address("shared/Far/Away"))["anyone"]
    lab.delete(dn)
    kolabd.run("--sync")
    assert exchanger.deliveries(*both) == {}
    assert not lab.imap.exists(exchanger.address("shared/Far/Away"))


def test_a_new_rdn_does_not_part_a_shared_folder_from_its_address(lab, kolabd, exchanger):
    dn = add_shared(lab, kolabTargetFolder=exchanger.address("shared/Team"))
    kolabd.run("--sync")
    lab.rename(dn, "cn=Crew")
    kolabd.run("--sync")
    team = exchanger.address("team")
    assert exchanger.deliveries(team) == {team: [exchanger.address("shared/Team")]}


# --- distribution lists

def test_a_distribution_list_names_the_members_present_addresses(lab, kolabd, exchanger):
    exchanger.configure(policy={"mode": "always"})
    jane = add_jane(lab)
    kolabd.run("--sync")
    lab.add(f"cn=Friends,{lab.base_dn}", objectClass=GROUP, cn="Friends", mail=exchanger.address("friends"),
            uniqueMember=[jane, f"uid=john,{lab.people_dn}"])
    kolabd.run("--sync")
    john = exchanger.address("john.doe")

    def members():
        found = exchanger.ask("mailenabled_distgroups", "friends")["friends"]
        assert len(exchanger.deliveries(*found)) == len(found)
        return found

    assert members() == [exchanger.address("jane.example"), john]
    lab.modify(jane, sn="Sample")
    kolabd.run("--sync")
    assert members() == [exchanger.address("jane.sample"), john]
    lab.delete(jane)
    kolabd.run("--sync")
    assert members() == [john]
