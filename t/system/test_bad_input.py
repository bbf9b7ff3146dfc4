"""What bad input gets: the entry is set aside with a message that names attribute, value and rule; all others are served."""

import json
import re
import subprocess

import pytest

from outputs import check_printable

LONG_DOMAIN = ".".join(["d" * 60] * 4)

# name of the entry: (attributes that make it bad, what mends it, attribute in the message, value as shown, part of the rule).
# "@D" stands for "@" and the test's domain.
BAD = {
    "no-given-name": ({"givenName": None}, {"givenName": "Mended"}, "givenName", None, "absent"),
    "no-surname": ({"sn": None}, {"sn": "Mended"}, "sn", None, "absent"),
    "no-name": ({"givenName": None, "sn": None}, {"givenName": "Both", "sn": "Mended"}, "givenName", None, "absent"),
    "blank-name": ({"givenName": "   "}, {"givenName": "Blank"}, "givenName", "   ", "nothing of it can be part"),
    "brackets": ({"givenName": "()<>"}, {"givenName": "Bracket"}, "givenName", "()<>", "nothing of it can be part"),
    "name-nul": ({"givenName": "a\0b"}, {"givenName": "Nul"}, "givenName", r"a\x00b", "control characters"),
    "name-escape": ({"givenName": "\x1b[31mRed\x07"}, {"givenName": "Red"}, "givenName", r"\x1b[31mRed\x07", "control characters"),
    "name-300": ({"givenName": "N" * 300}, {"givenName": "N"}, "givenName", "N" * 80, "64 octets"),
    "name-300-wide": ({"sn": "é" * 300}, {"sn": "Wide"}, "sn", "é" * 40, "64 octets"),
    "two-mails": ({"mail": ["one@D", "two@D"]}, {"mail": "one@D"}, "mail", "two@D", "one"),
    "mail-crlf": ({"mail": "crlf@D\r\nX1 DELETE user/ok"}, {"mail": "crlf@D"}, "mail", r"crlf@D\x0d\x0aX1 DELETE user/ok",
                  "control characters"),
    "mail-nul": ({"mail": "nul@D\0.example.com"}, {"mail": "nul@D"}, "mail", r"nul@D\x00.example.com", "control characters"),
    "mail-two-at": ({"mail": "a@b@D"}, {"mail": "ab@D"}, "mail", "a@b@D", 'one "@"'),
    "mail-no-at": ({"mail": "nobody"}, {"mail": "nobody@D"}, "mail", "nobody", '"@"'),
    "mail-long-local": ({"mail": "l" * 65 + "@D"}, {"mail": "l" * 64 + "@D"}, "mail", "l" * 65, "64 octets"),
    "mail-long": ({"mail": "l" * 60 + "@" + LONG_DOMAIN}, {"mail": "long@D"}, "mail", "l" * 60, "254 octets"),
    "mail-wildcard": ({"mail": "a*b@D"}, {"mail": "star@D"}, "mail", "a*b@D", "mailbox's name"),
    "mail-separator": ({"mail": "a/b@D"}, {"mail": "slash@D"}, "mail", "a/b@D", "mailbox's name"),
    "mail-dots": ({"mail": "a..b@D"}, {"mail": "dots@D"}, "mail", "a..b@D", "dots"),
    "alias": ({"alias": "no address"}, {"alias": "address@D"}, "alias", "no address", '"@"'),
    "quota-abc": ({"mailQuota": "abc"}, {"mailQuota": "10"}, "mailQuota", "abc", "number of KiB"),
    "quota-minus-5": ({"mailQuota": "-5"}, {"mailQuota": "-1"}, "mailQuota", "-5", "-1"),
    "quota-2-tib": ({"mailQuota": "2147483648"}, {"mailQuota": "2147483647"}, "mailQuota", "2147483648", "2147483647"),
    "quota-huge": ({"mailQuota": "9" * 30}, {"mailQuota": "9"}, "mailQuota", "9" * 30, "number of KiB"),
    "mail-host": ({"mailHost": "a\r\nb"}, {"mailHost": None}, "mailHost", r"a\x0d\x0ab", "control characters"),
    "language": ({"preferredLanguage": "xx-klingon"}, {"preferredLanguage": "en"}, "preferredLanguage", "xx-klingon", "ICU"),
    "language-escape": ({"preferredLanguage": "\x1b[2J"}, {"preferredLanguage": "de"}, "preferredLanguage", r"\x1b[2J",
                        "control characters"),
}


def at_domain(lab, value):
    """Puts the test's domain in."""
    if isinstance(value, dict):
        return {name: at_domain(lab, one) for name, one in value.items()}
    if isinstance(value, list):
        return [at_domain(lab, one) for one in value]
    return value.replace("@D", f"@{lab.domain}") if isinstance(value, str) else value


@pytest.fixture(name="bad")
def add_bad(lab):
    """{name in BAD: DN}"""
    people = {}
    for name, (attributes, *_) in BAD.items():
        attributes = {"givenName": "Jane", "cn": name} | at_domain(lab, attributes)
        people[name] = lab.add_person(name, **attributes)
    return people


def check_message(lab, name, message):
    _, _, attribute, value, rule = BAD[name]
    assert re.search(f'(?i:attribute "{attribute}")', message), (name, message)
    if value is not None:
        assert '"' + at_domain(lab, value) in message, (name, message)
    assert rule in message, (name, message)


def test_bad_entries_are_set_aside_with_attribute_value_and_rule_and_all_others_are_served(lab, kolabd, bad):
    good = [lab.add_person(f"good{number}", givenName=f"Good{number}", sn="Example") for number in range(3)]
    before = {dn: lab.get(dn) for dn in bad.values()}
    done = kolabd.run("--sync", check=3)
    for name, dn in bad.items():
        line, = [line for line in done.stderr.splitlines() if line.startswith(f"kolabd: warning: {dn}: ")]
        check_message(lab, name, line)
    assert {dn: lab.get(dn) for dn in bad.values()} == before
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/good{number}.example@{lab.domain}" for number in range(3)]
    assert [lab.get_one(dn, "mail") for dn in good] == [f"good{number}.example@{lab.domain}" for number in range(3)]
    assert f"{len(bad) + 3} entries looked at, 3 changed, {len(bad)} failed" in done.stderr


def test_problems_shows_every_bad_entry_with_its_message_until_it_is_mended(lab, kolabd, bad):
    kolabd.run("--sync", check=3)
    text = kolabd.ctl("problems", check=3).stdout
    problems = {problem["dn"]: problem for problem in json.loads(kolabd.ctl("problems", "--json", check=3).stdout)}
    assert set(problems) == set(bad.values())
    for name, dn in bad.items():
        check_message(lab, name, problems[dn]["message"])
        assert problems[dn]["fault"] == "park" and dn in text
        check_message(lab, name, kolabd.ctl("show", dn).stdout)
    for name, dn in bad.items():
        lab.modify(dn, **at_domain(lab, BAD[name][1]))
    kolabd.run("--sync")
    assert kolabd.ctl("problems").stdout == "no problems\n"
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == len(bad)
    assert lab.imap.quota(f"user/{lab.get_one(bad['quota-2-tib'], 'mail')}") == 2147483647


def test_the_daemon_serves_a_mended_entry_by_its_notice(lab, kolabd, bad, wait_until):
    daemon = kolabd.start()
    for name, dn in bad.items():
        check_message(lab, name, daemon.wait_for_log(f"^kolabd: warning: {re.escape(dn)}: .*")[0])
    sweeps = daemon.log_text.count("entries read")
    for name, dn in bad.items():
        lab.modify(dn, **at_domain(lab, BAD[name][1]))
    wait_until(lambda: kolabd.ctl("problems", check=False).returncode == 0)
    assert len(lab.imap.mailboxes(f"user/%@{lab.domain}")) == len(bad)
    assert daemon.log_text.count("entries read") == sweeps


def test_the_daemon_tries_again_what_an_operator_retries_once_the_imap_server_is_mended(lab, kolabd, wait_until):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    other = f"user/other@{lab.domain}"
    lab.imap.create(other)
    daemon = kolabd.start()
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    lab.modify(dn, mail=f"other@{lab.domain}")
    unique_id = lab.get_one(dn, "nsUniqueId").lower()
    daemon.wait_for_log(f"both exist.*kolabctl retry {unique_id}")
    wait_until(lambda: "kolabctl retry" in kolabd.ctl("problems", check=False).stdout)
    assert "1 made due" in kolabd.ctl("retry", unique_id).stdout
    wait_until(lambda: [problem["attempts"] for problem in json.loads(kolabd.ctl("--json", "problems", check=False).stdout)] == [2])
    lab.imap.delete(other)
    assert json.loads(kolabd.ctl("--json", "retry", f"jane.example@{lab.domain}").stdout) == {"retried": 1}
    daemon.wait_for_log(f"in order after.*{other}", deadline=10)
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [other]
    wait_until(lambda: kolabd.ctl("problems", check=False).stdout == "no problems\n")
    assert "nothing of that has failed" in kolabd.ctl("retry", dn, check=1).stderr


def test_a_value_that_turns_bad_leaves_the_mailbox_as_it_was(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    daemon = kolabd.start()
    daemon.wait_for_log(f"user/jane.example@{lab.domain}")
    mark = lab.mark()
    lab.modify(dn, mail=[f"one@{lab.domain}", f"two@{lab.domain}"])
    daemon.wait_for_log('attribute "mail" has 2 values')
    lab.modify(dn, mail=f"jane.example@{lab.domain}", mailQuota="abc")
    daemon.wait_for_log('"mailQuota" has the value "abc"')
    assert lab.imap_writes(mark) == [] and lab.ldap_writes(mark) == []
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 1000
    lab.modify(dn, mailQuota=2000)
    daemon.wait_for_log("in order after 1 step")
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 2000


def test_no_output_has_a_raw_control_character(lab, kolabd, bad):
    evil = "\x1b[2J\x07\n\u009b31m\u202eevil\x7f"
    shown = r"\x1b[2J\x07\x0a\xc2\x9b31m\xe2\x80\xaeevil\x7f"
    parent = lab.add(f"ou={evil},{lab.people_dn}", objectClass=["top", "organizationalUnit"])
    set_aside = lab.add_person("aside", givenName=evil, sn="Example", parent=parent)
    served = lab.add_person("served", givenName="Served", sn="Example", parent=parent)

    def run(program, *arguments, status):
        done = subprocess.run(kolabd.command(program, arguments), capture_output=True, timeout=60, check=False)
        assert done.returncode == status, done
        check_printable(done.stdout)
        check_printable(done.stderr)
        return done.stdout.decode() + done.stderr.decode()

    assert f'"uid=served,ou={shown},' in run("kolabd", "--sync", "--dry-run", status=3)
    plan, = [line for line in run("kolabd", "--sync", "--dry-run", "--json", status=3).splitlines() if line.startswith("{")]
    assert json.loads(plan)["dn"] == served
    log = run("kolabd", "--sync", status=3)
    assert f"kolabd: uid=served,ou={shown},{lab.people_dn}: in order" in log
    assert f"kolabd: warning: uid=aside,ou={shown},{lab.people_dn}: attribute" in log
    assert f"uid=aside,ou={shown}," in run("kolabctl", "problems", status=3)
    run("kolabctl", "problems", "--json", status=3)
    run("kolabctl", "status", status=0)
    for dn in (set_aside, served, bad["mail-crlf"]):
        run("kolabctl", "show", dn, status=0)
        run("kolabctl", "--json", "show", dn, status=0)
    daemon = kolabd.start()
    daemon.wait_for_log("to look at")
    lab.modify(served, mail=f"renamed@{lab.domain}")
    daemon.wait_for_log(f"in order after.*renamed@{lab.domain}")
    daemon.stop()
    check_printable(daemon.log.read_bytes())
