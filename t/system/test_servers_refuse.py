"""What servers that refuse get: a clear error, a retry or an end, and nothing is written or concluded."""

import concurrent.futures
import contextlib
import json
import re
import shutil
import socket
import sqlite3
import subprocess

import pytest

from kolabd import Kolabd
from lab import READ
from servers import LAB

WRONG = "Not-the-Password-4711"


@pytest.fixture(name="other_ca")
def make_other_ca(tmp_path):
    """The file of an authority that signed nothing here."""
    subprocess.run([LAB / "ca.sh", tmp_path / "other-ca"], check=True)
    return str(tmp_path / "other-ca/ca.pem")


@pytest.fixture(name="closed_port")
def hold_closed_port():
    """A port that refuses connections, and that nobody else can take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def another_kolabd(lab, name):
    """With files of its own, and what lab.kolabd knows."""
    directory = lab.kolabd.directory / name
    directory.mkdir()
    if lab.kolabd.state.exists():
        shutil.copy(lab.kolabd.state, directory / "state.db")
    return Kolabd(directory, lab.settings(), lab.ds.env["PASSWORD"])


def run_together(runs):
    """[completed process] of [(Kolabd, arguments)], all at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda run: run[0].run(*run[1], check=False), runs))


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


READ_CONTAINERS = ('(targetattr != "userPassword")(targetfilter = "(objectClass=organizationalUnit)")', "read, compare, search")


def test_a_sync_with_a_server_that_refuses_ends_with_1_names_server_and_reason_and_writes_nothing(lab, other_ca, closed_port, tmp_path):
    no_ca = tmp_path / "no-ca.pem"
    no_ca.write_text("this is no certificate\n")
    served = lab.add_person("jane", givenName="Jane", sn="Example")
    lab.kolabd.run("--sync")
    new = lab.add_person("john", givenName="John", sn="Example")
    ldap, imap = lab.ds.env["LDAPS_PORT"], lab.cyrus.env["IMAPS_PORT"]
    blind = f"uid=blind-service,ou=Special Users,{lab.ds.env['BASE_DN']}"
    limited = lab.add_service("limited", READ, nsSizeLimit=1)
    nobody = lab.add_service("no-people", READ_CONTAINERS)
    # name: (settings, what the error says beside the server's URI)
    cases = {
        "ldap-password": ({"ldap": {"bind_password_file": WRONG}},
                          ["ldap.bind_password_file", lab.ds.env["SERVICE_DN"], "Invalid credentials"]),
        "ldap-identity": ({"ldap": {"bind_dn": "uid=nobody,dc=example,dc=org"}}, ["uid=nobody,dc=example,dc=org", "ldap.bind_dn"]),
        "ldap-authority": ({"ldap": {"ca_file": other_ca}}, ["ldap.ca_file", "ertificate"]),
        "ldap-starttls-authority": ({"ldap": {"uri": lab.ds.env["LDAP_URI"], "ca_file": other_ca}}, ["StartTLS", "ertificate"]),
        "ldap-ca-file": ({"ldap": {"ca_file": str(no_ca)}}, ["ldap.ca_file"]),
        "ldap-host": ({"ldap": {"uri": f"ldaps://localhost:{ldap}"}}, ["ldap.uri", "its certificate fit"]),
        "ldap-refused": ({"ldap": {"uri": f"ldaps://127.0.0.1:{closed_port}"}}, ["is the server up", "Can't contact LDAP server"]),
        "ldap-blind": ({"ldap": {"bind_dn": blind}}, [lab.base_dn, "check", "access control"]),
        "ldap-no-people": ({"ldap": {"bind_dn": nobody}}, ["shows no entry", lab.base_dn, "but 1 are known", "access control"]),
        "ldap-base": ({"domains": {lab.domain: {"base_dn": f"ou=gone,{lab.base_dn}"}}}, [f"ou=gone,{lab.base_dn}", "check base_dn"]),
        "ldap-filter": ({"user_filter": "(objectClass=nothing)"}, ["shows no entry", lab.base_dn, "but 1 are known", "filters"]),
        "ldap-limit": ({"ldap": {"bind_dn": limited}}, ["incomplete", "nsSizeLimit"]),
        "imap-password": ({"imap": {"admin_password_file": WRONG}}, ["refuses the administrator's login as cyrus-admin", "password"]),
        "imap-authority": ({"imap": {"ca_file": other_ca}}, ["certificate", "CA file"]),
        "imap-starttls-authority": ({"imap": {"uri": lab.cyrus.env["IMAP_URI"], "ca_file": other_ca}}, ["certificate", "CA file"]),
        "imap-ca-file": ({"imap": {"ca_file": str(no_ca)}}, ["check the CA file"]),
        "imap-host": ({"imap": {"uri": f"imaps://localhost:{imap}"}}, ["certificate", "host name"]),
        "imap-refused": ({"imap": {"uri": f"imaps://127.0.0.1:{closed_port}"}}, ["cannot connect", "check that the server runs"]),
        "imap-no-imap": ({"imap": {"uri": f"imaps://127.0.0.1:{ldap}", "timeout": "1s"}}, ["cannot connect"]),
        "imap-no-tls": ({"imap": {"uri": f"imaps://127.0.0.1:{lab.cyrus.env['IMAP_PORT']}"}}, ["cannot connect", "TLS"]),
    }
    kolabds = [another_kolabd(lab, name) for name in cases]
    for kolabd, (settings, _) in zip(kolabds, cases.values()):
        secrets = {side: {key: kolabd.secret("wrong.secret", WRONG) for key, value in values.items() if value == WRONG}
                   for side, values in settings.items() if side in ("ldap", "imap")}
        kolabd.configure({side: {**values, **secrets.get(side, {})} if isinstance(values, dict) else values
                          for side, values in settings.items()})
    mark = lab.mark()
    for (name, (settings, parts)), kolabd, done in zip(cases.items(), kolabds, run_together([(k, ["--sync"]) for k in kolabds])):
        last = [line for line in done.stderr.splitlines() if line.startswith("kolabd: error: ")]
        side = name.partition("-")[0]
        uri = settings.get(side, {}).get("uri") or {"ldap": lab.ds.env["LDAPS_URI"], "imap": lab.cyrus.env["IMAPS_URI"]}[side]
        assert done.returncode == 1 and len(last) == 1, (name, done)
        assert uri in last[0] or "the directory shows no entry" in last[0], (name, last)
        assert all(part in last[0] for part in parts), (name, last)
        assert query(kolabd, "SELECT dn, status FROM entry") == [(served, "ok")], name
        assert query(kolabd, "SELECT count(*) FROM change WHERE fault IS NOT NULL") == [(0,)], name
    assert lab.ldap_writes(mark) == [] and lab.imap_writes(mark) == []
    assert lab.get_one(new, "mail") is None
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/jane.example@{lab.domain}"]


def test_an_entry_that_the_service_account_may_not_write_is_set_aside_until_it_may(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    lab.add_person("john", givenName="John", sn="Example", mail=f"john@{lab.domain}", mailHost="127.0.0.1",
                   alias=[f"john.example@{lab.domain}", f"j.example@{lab.domain}"])
    before = lab.get(dn)
    kolabd.configure({"ldap": {"bind_dn": lab.add_service("reader", READ)}})
    done = kolabd.run("--sync", check=3)
    assert f'{dn}: {lab.ds.env["LDAPS_URI"]}: modify "{dn}": Insufficient access' in done.stderr
    assert "1 failed" in done.stderr
    assert lab.get(dn) == before
    assert len(lab.imap.folders(f"john@{lab.domain}")) > 1
    lab.allow(f"uid=reader,{lab.base_dn}", ('(targetattr = "mail || alias || mailHost")', "write"))
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/{name}@{lab.domain}" for name in ("jane.example", "john")]


@pytest.mark.parametrize("cut_off", [False, True])
def test_a_mailbox_keeps_the_name_that_the_directory_says_while_it_refuses_another(lab, kolabd, cut_off):
    """Also when an attempt before was killed behind the RENAME."""
    kolabd.configure({"policy": {"mode": "always"}})
    old, new = (f"jane.{name}@{lab.domain}" for name in ("example", "sample"))
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    lab.imap.put_mail(old, "hers")
    lab.modify(dn, sn="Sample")
    if cut_off:
        with contextlib.closing(sqlite3.connect(kolabd.state)) as state, state:
            state.execute("UPDATE entry SET renaming_to = ?, fingerprint = NULL", (f"user/{new}",))
        lab.imap.admin.command("RENAME", f'"user/{old}"', f'"user/{new}"')
    before = lab.get(dn)
    with lab.hidden(lab.base_dn, "mail", "write"):
        done = kolabd.run("--sync", check=3)
        assert f'modify "{dn}": Insufficient access' in done.stderr
        assert f"mailbox user/{new} is called user/{old} again" in done.stderr
        assert lab.get(dn) == before
        assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/{old}"] and lab.imap.mails(old) == ["hers"]
        assert query(kolabd, "SELECT mailbox, renaming_to FROM entry") == [(f"user/{old}", None)]
        forth, back = (f"user/{old}", f"user/{new}", "ok"), (f"user/{new}", f"user/{old}", "ok")
        renames = query(kolabd, "SELECT before, after, outcome FROM journal WHERE step = 'rename mailbox' ORDER BY id")
        assert renames == ([back] if cut_off else [forth, back])
        assert len(json.loads(kolabd.ctl("--json", "problems", check=3).stdout)) == 1
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == new and old in lab.get(dn)["alias"]
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/{new}"] and lab.imap.mails(new) == ["hers"]


def test_a_mailbox_has_the_name_that_was_set_by_hand_also_when_the_rest_is_refused(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mail=f"old@{lab.domain}")
    kolabd.run("--sync")
    with lab.hidden(lab.base_dn, "alias", "write"):
        lab.modify(dn, mail=f"new@{lab.domain}", sn="Sample")
        assert f'modify "{dn}": Insufficient access' in kolabd.run("--sync", check=3).stderr
        assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/new@{lab.domain}"]
    kolabd.run("--sync")
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/new@{lab.domain}"]


def test_an_address_that_is_the_entrys_name_is_set_aside_until_the_entry_is_renamed(lab, kolabd):
    dn = lab.rename(lab.add_person("jane", givenName="Jane", sn="Example", mail=f"other@{lab.domain}"), f"mail=other@{lab.domain}")
    kolabd.configure({"policy": {"mode": "always"}})
    done = kolabd.run("--sync", check=3)
    assert "rename the entry" in done.stderr and "1 failed" in done.stderr
    assert lab.get_one(dn, "mail") == f"other@{lab.domain}"
    dn = lab.rename(dn, "cn=Jane Example")
    kolabd.run("--sync")
    assert lab.get_one(dn, "mail") == f"jane.example@{lab.domain}"


def test_the_daemon_serves_at_once_what_is_retried_after_the_service_account_got_its_right(lab, kolabd, wait_until):
    people = [lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example") for number in range(3)]
    kolabd.configure({"ldap": {"bind_dn": lab.add_service("reader", READ)}})
    daemon = kolabd.start()
    for dn in people:
        daemon.wait_for_log(f"{dn}: .*Insufficient access.*kolabctl retry")
    wait_until(lambda: len(json.loads(kolabd.ctl("--json", "problems", check=False).stdout)) == 3)
    lab.allow(f"uid=reader,{lab.base_dn}", ('(targetattr = "mail || alias || mailHost")', "write"))
    assert "1 made due" in kolabd.ctl("retry", people[0]).stdout
    daemon.wait_for_log(f"in order after.*user/p0.example@{lab.domain}", deadline=10)
    assert "2 made due" in kolabd.ctl("retry", "--all").stdout
    for number in (1, 2):
        daemon.wait_for_log(f"in order after.*user/p{number}.example@{lab.domain}", deadline=10)
    wait_until(lambda: kolabd.ctl("problems", check=False).stdout == "no problems\n")


def test_a_daemon_with_a_wrong_password_ends_with_78(lab):
    daemons = []
    for side, key in (("ldap", "bind_password_file"), ("imap", "admin_password_file")):
        kolabd = another_kolabd(lab, side)
        kolabd.configure({side: {key: kolabd.secret("wrong.secret", WRONG)}})
        daemons.append((kolabd.start(), side))
    for daemon, side in daemons:
        assert daemon.process.wait(30) == 78, daemon.log_text
        assert lab.settings()[side]["uri"] in daemon.log_text.splitlines()[-1]
        assert "password" in daemon.log_text.splitlines()[-1]
        daemon.close()


def test_a_daemon_waits_for_servers_that_are_not_up_yet_and_says_once_which_are_missing(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    lab.ds.stop()
    lab.cyrus.stop()
    daemon = kolabd.start()
    daemon.wait_for_log("Can't contact LDAP server.*changes wait, trying again")
    status = kolabd.ctl("status").stdout
    assert re.search(f"out of reach since .*{re.escape(kolabd.settings['ldap']['uri'])}", status), status
    lab.ds.start()
    daemon.wait_for_log("cannot connect.*changes wait, trying again")
    [problem] = json.loads(kolabd.ctl("--json", "problems", check=3).stdout)
    assert problem["what"] == "outage" and kolabd.settings["imap"]["uri"] in problem["message"]
    lab.cyrus.start()
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    assert daemon.log_text.count("changes wait, trying again") == 2
    assert json.loads(kolabd.ctl("--json", "status").stdout)["outages"] == []
    assert daemon.log_text.count(f"{kolabd.settings['ldap']['uri']} can be reached again") == 1
    assert daemon.log_text.count(f"{kolabd.settings['imap']['uri']} can be reached again") == 1


def test_a_daemon_goes_on_once_the_authority_and_the_access_control_are_mended(lab, kolabd, other_ca, tmp_path, wait_until):
    lab.add_person("jane", givenName="Jane", sn="Example")
    service = lab.add_service("service")
    ca_file = tmp_path / "ca.pem"
    shutil.copy(other_ca, ca_file)
    kolabd.configure({"ldap": {"ca_file": str(ca_file), "bind_dn": service}, "imap": {"ca_file": str(ca_file)}})
    daemon = kolabd.start()
    daemon.wait_for_log("ertificate.*changes wait, trying again")
    shutil.copy(lab.ds.env["CA_FILE"], ca_file)
    wait_until(lambda: "access control" in kolabd.ctl("problems", check=False).stdout)
    lab.allow(service, READ, ('(targetattr = "mail || alias || mailHost")', "write"))
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    wait_until(lambda: kolabd.ctl("problems", check=False).stdout == "no problems\n")
