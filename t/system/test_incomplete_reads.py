"""Reads that do not show all there is: nothing is concluded from them, nothing is deleted, and what is wrong is said, once."""

import collections
import contextlib
import os
import subprocess
import time

import ldap
import pytest
from ldap.controls.simple import ManageDSAITControl

from lab import ORGANIZATIONAL_UNIT, READ, WRITE
from polling import wait_until
from proxied import SECONDS, faults, outages, side_by_side, warnings

PAGED = b"1.2.840.113556.1.4.319"  # RFC 2696
NAMES = ["p0", "p1", "p2", "p3"]


# --- what the read lacks: each a context, in which it does

@contextlib.contextmanager
def limited(lab, **limits):
    lab.modify(lab.service, **dict.fromkeys(limits, None) | limits)
    yield
    lab.modify(lab.service, **dict.fromkeys(limits))


@contextlib.contextmanager
def short_of_time(lab):
    """389-ds hangs up when the time is over before the next page is asked for."""
    def wait(_):
        time.sleep(1.5)
        lab.proxies["ldap"].set_trap(faults.UP, wait, text=PAGED)
    lab.kolabd.configure({"ldap": {"page_size": 1, "timeout": "10s"}})
    with limited(lab, nsTimeLimit=1):
        lab.proxies["ldap"].set_trap(faults.UP, wait, text=PAGED)
        yield
        lab.proxies["ldap"].heal()


@contextlib.contextmanager
def referral(lab, dn):
    lab.ldap.add_ext_s(dn, [("objectClass", [b"top", b"referral", b"extensibleObject"]), ("ou", [b"Remote"]),
                            ("ref", [b"ldap://ldap.example.org/ou=Remote,dc=example,dc=org"])], serverctrls=[ManageDSAITControl()])
    yield
    lab.ldap.delete_ext_s(dn, serverctrls=[ManageDSAITControl()])


def referral_below(lab):
    return referral(lab, f"ou=Remote,{lab.base_dn}")


@contextlib.contextmanager
def other_base(lab, base_dn):
    settings = lab.kolabd.settings
    settings["domains"] = {lab.domain: {"base_dn": base_dn}}
    lab.kolabd.configure()
    yield
    settings["domains"] = {lab.domain: {"base_dn": lab.base_dn}}
    lab.kolabd.configure()
    lab.kolabd.daemons[-1].reload()


@contextlib.contextmanager
def base_elsewhere(lab):
    with referral(lab, f"ou=Remote,{lab.base_dn}"), other_base(lab, f"ou=Remote,{lab.base_dn}"):
        yield


@contextlib.contextmanager
def suffix_elsewhere(lab):
    lab.modify("cn=config", **{"nsslapd-referral": "ldap://ldap.example.org"})
    try:
        with other_base(lab, "o=elsewhere"):
            yield
    finally:
        lab.modify("cn=config", **{"nsslapd-referral": None})


def missing_base(lab):
    return other_base(lab, f"ou=gone,{lab.base_dn}")


@contextlib.contextmanager
def empty_base(lab):
    lab.add(f"ou=Nobody,{lab.base_dn}", objectClass=ORGANIZATIONAL_UNIT)
    with other_base(lab, f"ou=Nobody,{lab.base_dn}"):
        yield


def hidden_base(lab):
    return lab.hidden(lab.base_dn, who=lab.service)


def hidden_container(lab):
    """Somebody else can be seen."""
    lab.add_login("far", parent=lab.add(f"ou=Elsewhere,{lab.base_dn}", objectClass=ORGANIZATIONAL_UNIT), mailQuota=1000)
    return lab.hidden(lab.people_dn, who=lab.service)


def hidden_person(lab):
    return lab.hidden(f"uid=p1,{lab.people_dn}", who=lab.service)


def hidden_class(lab):
    return lab.hidden(lab.base_dn, "objectClass", who=lab.service)


# name: (context, part of what kolabd says)
CASES = {
    "size limit": (lambda lab: limited(lab, nsSizeLimit=2), "Size limit exceeded"),
    "paged size limit": (lambda lab: limited(lab, nsPagedSizeLimit=2), "Size limit exceeded"),
    "look-through limit": (lambda lab: limited(lab, nsLookThroughLimit=2), "Administrative limit exceeded"),
    "time limit": (short_of_time, "nsTimeLimit"),
    "referral below the base": (referral_below, "is on another server"),
    "base elsewhere": (base_elsewhere, "is on another server"),
    "suffix elsewhere": (suffix_elsewhere, "is on another server"),
    "missing base": (missing_base, "the base does not exist"),
    "empty base": (empty_base, "shows no entry of any kind we serve"),
    "hidden base": (hidden_base, "access control"),
    "hidden classes": (hidden_class, "access control"),
    "hidden container": (hidden_container, "may not read what has, or contains, the name"),
    "hidden person": (hidden_person, "may not read what has, or contains, the name"),
}


# Who else has a mailbox in the end.
EXTRA = {referral_below: {"new.example": None}, hidden_container: {"far": 1000}}


def tries(lab):
    """How often kolabd has tried to read, as a number that grows."""
    return lab.kolabd.query("SELECT (SELECT count(*) FROM problems), (SELECT max(last_sweep) FROM domain),"
                            " (SELECT sum(attempts) FROM change)")


def begin(lab):
    """People with mailboxes, and a service account that is of this lab alone."""
    lab.service = lab.add_service("service", READ, WRITE)
    lab.kolabd.settings["ldap"]["bind_dn"] = lab.service
    lab.kolabd.configure()
    return lab.begin(*NAMES)[1]


def check_nothing_is_repeated(lab):
    repeated = [line for line, count in collections.Counter(warnings(lab.told)).items() if count > 1]
    assert repeated == [], repeated


def read_incompletely(lab, lacking, word):
    """p0 leaves while no kolabd runs: that only a complete read tells."""
    people = begin(lab)
    lab.kolabd.daemons[-1].stop()
    lab.told_before = 0
    with lacking(lab):
        lab.delete(people["p0"])
        lab.kolabd.start()
        wait_until(lambda: word in str(lab.kolabd.query("SELECT message FROM problems")), SECONDS, word)
        before = tries(lab)
        wait_until(lambda: tries(lab) != before, SECONDS, "another try")
        if lacking is hidden_person:  # then p0 is gone for sure
            wait_until(lambda: lab.quotas() == dict.fromkeys(NAMES[1:], 1000), SECONDS, "p0's mailbox is deleted")
        else:
            assert lab.kolabd.query("SELECT unique_id FROM departure") == []
            assert lab.quotas().items() >= dict.fromkeys(NAMES, 1000).items()
        if lacking is referral_below:
            believe_no_notice(lab, people)
        assert word in lab.kolabd.ctl("problems", check=3).stdout
        check_nothing_is_repeated(lab)
    names = NAMES[2:] if lacking is referral_below else NAMES[1:]
    lab.wait_for(dict.fromkeys(names, 1000) | EXTRA.get(lacking, {}))
    wait_until(lambda: lab.kolabd.query("SELECT * FROM problems") == [], SECONDS, "no problems")
    lab.check_people({name: (people[name], [name]) for name in names})


def believe_no_notice(lab, people):
    """Who is gone here may be there, and so may the address that somebody new would get."""
    lab.delete(people["p1"])
    new = lab.add_person("new", givenName="New", sn="Example")
    wait_until(lambda: lab.kolabd.query("SELECT count(*) FROM change WHERE attempts > 0") == [(2,)], SECONDS, "two who cannot be settled")
    assert lab.kolabd.query("SELECT unique_id FROM departure") == []
    assert lab.quotas() == dict.fromkeys(NAMES, 1000)
    assert lab.get_one(new, "mail") is None


def test_from_a_read_that_does_not_show_all_nothing_is_concluded(proxied_lab):
    side_by_side(read_incompletely, {name: (proxied_lab(ends_tls=name == "time limit"), *case) for name, case in CASES.items()})


# --- an attribute

def lose_attribute(lab, attribute):
    """Another attribute changes; what cannot be seen stays as it is, also on the IMAP side, and of somebody who is new."""
    people = begin(lab)
    before = {name: lab.get(dn) for name, dn in people.items()}
    word = f'"{attribute}" of'
    with lab.hidden(lab.base_dn, attribute, "read, search, compare", who=lab.service):
        lab.modify(people["p0"], sn="Changed")
        people["new"] = lab.add_login("new", mailQuota=3000, mailHost="imap.example.org", alias=f"another@{lab.domain}")
        wait_until(lambda: lab.kolabd.query("SELECT 1 FROM change WHERE attempts >= 2"), SECONDS, "some tries")
        assert lab.quotas().items() >= dict.fromkeys(NAMES, 1000).items()
        for name in NAMES:
            assert {key: values for key, values in lab.get(people[name]).items() if key in ("mail", "alias", "mailQuota", "mailHost")} \
                == {key: values for key, values in before[name].items() if key in ("mail", "alias", "mailQuota", "mailHost")}, name
        assert lab.get_one(people["new"], "mail") == f"new@{lab.domain}" and lab.get_one(people["new"], "mailQuota") == "3000"
        assert word in lab.kolabd.ctl("problems", check=3).stdout
        check_nothing_is_repeated(lab)
    lab.modify(people["new"], sn="Known")
    lab.wait_for(dict.fromkeys(NAMES, 1000) | {"new": 3000})
    wait_until(lambda: lab.kolabd.query("SELECT * FROM problems") == [], SECONDS, "no problems")
    lab.check_people({name: (people[name], [name]) for name in NAMES} | {"new": (people["new"], [])})


def test_an_attribute_that_may_not_be_read_any_more_is_not_taken_for_absent(proxied_lab):
    side_by_side(lose_attribute, {name: (proxied_lab(), name) for name in ("mail", "mailQuota", "mailHost", "alias")})


# --- nobody

ANONYMOUS_BIND = """
#include <dlfcn.h>
#include <ldap.h>
#include <stdlib.h>
#include <unistd.h>

int ldap_sasl_bind(LDAP *ld, const char *dn, const char *mechanism, struct berval *password, LDAPControl **server,
                   LDAPControl **client, int *id)
{
    int (*real)(LDAP *, const char *, const char *, struct berval *, LDAPControl **, LDAPControl **, int *)
        = dlsym(RTLD_NEXT, "ldap_sasl_bind");
    struct berval nothing = {0, ""};

    if (access(getenv("KOLABD_TEST_ANONYMOUS"), F_OK) != 0)
        return real(ld, dn, mechanism, password, server, client, id);
    return real(ld, "", mechanism, &nothing, server, client, id);
}
"""


@pytest.fixture(name="anonymous")
def make_anonymous(tmp_path, monkeypatch):
    """A file: while it is there, new sessions of kolabd are nobody's, as before a frontend that has forgotten who binds."""
    source, library, switch = tmp_path / "anonymous.c", tmp_path / "anonymous.so", tmp_path / "switch"
    source.write_text(ANONYMOUS_BIND)
    subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    monkeypatch.setenv("KOLABD_TEST_ANONYMOUS", str(switch))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return switch


def test_a_session_that_is_nobodys_after_a_reconnect_concludes_nothing_even_of_what_is_gone(proxied_lab, anonymous):
    """Nobody may read the base and the people, but neither their addresses nor their quota."""
    lab = proxied_lab()
    _, people = lab.begin(*NAMES)
    aci = '(targetattr = "objectClass || nsUniqueId || uid || cn || sn")(version 3.0; acl "anyone"; allow (read, search) ' \
          'userdn = "ldap:///anyone";)'
    lab.modify(lab.base_dn, aci=aci)
    lab.modify("cn=config", **{"nsslapd-allow-anonymous-access": "on"})
    try:
        anonymous.touch()
        lab.proxies["ldap"].cut()
        lab.delete(people["p0"])
        lab.modify(people["p1"], mailQuota=2000)
        wait_until(lambda: "takes us for nobody" in lab.told, SECONDS, "an outage")
        assert "takes us for nobody" in lab.kolabd.ctl("status").stdout
        seen = lab.proxies["ldap"].accepted
        wait_until(lambda: lab.proxies["ldap"].accepted >= seen + 2, SECONDS, "more attempts")
        assert lab.quotas() == dict.fromkeys(NAMES, 1000)
        assert lab.kolabd.query("SELECT unique_id FROM departure") == []
        anonymous.unlink()
        lab.wait_for({"p1": 2000, "p2": 1000, "p3": 1000})
    finally:
        lab.modify("cn=config", **{"nsslapd-allow-anonymous-access": "off"})
    assert [len(lines) for lines in outages(lab.told)] == [1, 1]
    check_nothing_is_repeated(lab)
