"""SIGHUP: a configuration that is right is taken over completely, one that is wrong changes nothing, whatever goes on meanwhile."""

import contextlib
import json
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess

import pytest

from kolabd import Kolabd
from outputs import check_printable

# No absolute promise, but the end of hanging for ever.
DEADLINE = 60


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture(name="jane")
def add_jane(lab):
    return lab.add_person("jane", givenName="Jane", sn="Example")


@pytest.fixture(name="daemon")
def start_daemon(lab, kolabd, jane):  # pylint: disable=unused-argument
    """One that has brought jane in order."""
    daemon = kolabd.start()
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    return daemon


def wait_for_question(server, wait_until):
    wait_until(lambda: any("GETQUOTA" in line for line in server.heard))


def test_a_changed_configuration_is_taken_over_completely(lab, kolabd, daemon, wait_until):
    pid = daemon.pid
    kolabd.configure({"log": {"level": "info"}, "workers": 2, "domains": {lab.domain: {"quota": {"default": 4000}}}})
    assert "kolabd.yaml is taken over" in daemon.reload()
    wait_until(lambda: lab.imap.quota(f"user/jane.example@{lab.domain}") == 4000)
    john = lab.add_person("john", givenName="John", sn="Example")
    daemon.wait_for_log(f"{john}: in order after.*user/john.example@{lab.domain}")
    assert lab.imap.quota(f"user/john.example@{lab.domain}") == 4000
    assert daemon.pid == pid and daemon.read_notices() and daemon.notified.count("READY=1") == 2
    assert "2 workers" in daemon.notified.rpartition("STATUS=")[2]
    assert "debug: " not in daemon.log_text.rpartition("is taken over")[2]
    assert json.loads(kolabd.ctl("--json", "status").stdout)["notes"]["reloaded"]


def test_domains_come_and_go_with_a_reload(lab, kolabd, daemon, wait_until):
    other = lab.add(f"ou=other,{lab.base_dn}", objectClass=["top", "organizationalUnit"])
    kolabd.configure({"domains": {lab.domain: None, f"other.{lab.domain}": {"base_dn": other}}})
    daemon.reload()
    daemon.wait_for_log("is not there any more")
    lab.add_person("john", givenName="John", sn="Example", parent=other)
    daemon.wait_for_log(f"in order after.*user/john.example@other.{lab.domain}")
    assert f"domain {lab.domain} is not there any more: its entries and mailboxes are left as they are" in daemon.log_text
    assert lab.imap.exists(f"user/jane.example@{lab.domain}")
    kolabd.configure()
    daemon.reload()
    lab.add_person("jack", givenName="Jack", sn="Example")
    daemon.wait_for_log(f"in order after.*user/jack.example@{lab.domain}")
    wait_until(lambda: query(kolabd, "SELECT name FROM domain WHERE status = 'served'") == [(lab.domain,)])


def test_a_wrong_configuration_is_refused_with_every_mistake_and_the_one_before_stays(lab, kolabd, daemon):
    kolabd.configure({"workers": 0, "log": {"level": "loud"}, "domains": {lab.domain: {"quota": {"default": -5}}}})
    told = daemon.reload()
    for part in ("workers", "log.level", "quota"):
        assert re.search(rf"^kolabd: error: {re.escape(str(kolabd.config))}:\d+:\d+: .*{part}", told, re.MULTILINE), told
    assert "the configuration from before stays in force" in told and "taken over;" in told
    check_printable(told.encode())
    problem, = json.loads(kolabd.ctl("--state", kolabd.state, "--json", "problems", check=3).stdout)
    assert problem["what"] == "configuration" and "workers" in problem["message"] and "quota" in problem["message"]
    assert "workers" in kolabd.ctl("--state", kolabd.state, "status").stdout
    lab.add_person("john", givenName="John", sn="Example")
    daemon.wait_for_log(f"in order after.*user/john.example@{lab.domain}")
    kolabd.configure()
    daemon.reload()
    assert kolabd.ctl("problems").stdout == "no problems\n"


@pytest.mark.parametrize("spoil, part", [
    (lambda kolabd: kolabd.config.unlink(), "cannot be read"),
    (lambda kolabd: kolabd.config.write_bytes(b"\x00\xff" * 100), ":1:1: "),
    (lambda kolabd: pathlib.Path(kolabd.settings["imap"]["admin_password_file"]).chmod(0o644), "chmod o="),
    (lambda kolabd: kolabd.configure({"state_file": str(kolabd.directory / "other.db")}), "needs a restart"),
], ids=["absent", "garbage", "open secret", "another state file"])
def test_what_cannot_be_taken_over_is_told_and_changes_nothing(lab, kolabd, daemon, spoil, part):
    spoil(kolabd)
    assert part in daemon.reload()
    lab.add_person("john", givenName="John", sn="Example")
    daemon.wait_for_log(f"in order after.*user/john.example@{lab.domain}")
    assert part in kolabd.ctl("--state", kolabd.state, "problems", check=3).stdout
    assert not (kolabd.directory / "other.db").exists()


def test_an_unchanged_configuration_is_harmless(lab, kolabd, daemon, wait_until):
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM change") == [(0,)])
    mark = lab.mark()
    for number in range(3):
        daemon.reload()
        wait_until(lambda number=number: daemon.log_text.count("entries read") == number + 2)
    lab.add_person("john", givenName="John", sn="Example")
    daemon.wait_for_log(f"in order after.*user/john.example@{lab.domain}")
    assert [dn for _, dn in lab.ldap_writes(mark) if "jane" in dn] == []
    assert [command for _, command in lab.imap_writes(mark) if "jane" in command] == []


def test_reloads_in_the_middle_of_work_lose_nothing_and_fail_nobody(lab, kolabd, wait_until):
    people = [lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example") for number in range(60)]
    kolabd.configure({"workers": 2})
    daemon = kolabd.start()
    daemon.wait_for_log("in order after")
    while len(lab.imap.mailboxes(f"user/%@{lab.domain}")) < len(people):
        daemon.process.send_signal(signal.SIGHUP)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.reload()
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM change") == [(0,)])
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM entry WHERE fingerprint IS NOT NULL") == [(len(people),)])
    assert "warning: " not in daemon.log_text and "error: " not in daemon.log_text
    assert daemon.stop(timeout=DEADLINE) == 0


def test_a_reload_leaves_a_server_that_hangs_and_its_changes_go_on_at_the_new_one(lab, kolabd, jane, silent, wait_until):
    good = dict(lab.settings()["imap"])
    kolabd.configure({"imap": silent.settings})
    daemon = kolabd.start()
    wait_for_question(silent, wait_until)
    kolabd.configure({"imap": good})
    daemon.reload()
    daemon.wait_for_log(f"{jane}: in order after")
    assert lab.imap.exists(f"user/jane.example@{lab.domain}")
    assert "will be tried again" not in daemon.log_text


@pytest.mark.usefixtures("jane")
def test_a_stop_during_a_reload_ends_the_daemon_with_its_changes_queued(kolabd, silent, wait_until):
    kolabd.configure({"imap": silent.settings})
    for signals in ([signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]):
        daemon = kolabd.start()
        silent.heard.clear()
        wait_for_question(silent, wait_until)
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda daemon=daemon: daemon.read_notices() and "RELOADING=1" in daemon.notified)
        for number in signals:
            daemon.process.send_signal(number)
        assert daemon.process.wait(DEADLINE) == 0, daemon.log_text
        assert "is taken over" not in daemon.log_text
        assert query(kolabd, "SELECT state, attempts FROM change") == [("queued", 0)]


def test_a_password_that_is_wrong_after_a_reload_is_an_outage_and_ends_with_the_next(lab, kolabd, daemon, wait_until):
    for section, key in (("imap", "admin_password_file"), ("ldap", "bind_password_file")):
        wrong = kolabd.secret(f"wrong-{section}.secret", "Wrong-Horse-4711")
        kolabd.configure({section: {key: wrong}})
        daemon.reload()
        lab.add_person(f"john-{section}", givenName="John", sn=section.capitalize())
        wait_until(lambda: kolabd.ctl("problems", check=False).returncode == 3)
        kolabd.configure()
        daemon.reload()
        daemon.wait_for_log(f"in order after.*user/john.{section}@{lab.domain}")
        wait_until(lambda: kolabd.ctl("problems", check=False).returncode == 0)


def test_a_hangup_ends_a_sync_and_its_change_waits(lab, kolabd, jane, silent, wait_until):
    kolabd.configure({"imap": silent.settings})
    sync = kolabd.start("--sync")
    wait_for_question(silent, wait_until)
    assert sync.stop(check=1, timeout=DEADLINE, number=signal.SIGHUP) == 1
    assert query(kolabd, "SELECT state FROM change") == [("queued",)]
    kolabd.configure()
    assert f"{jane}: in order after" in kolabd.run("--sync").stderr
    assert lab.imap.exists(f"user/jane.example@{lab.domain}")


@pytest.mark.usefixtures("jane")
def test_a_sync_under_nohup_outlives_its_terminal(lab, kolabd, silent, wait_until):
    directory = kolabd.directory / "nohup"
    directory.mkdir()
    alone = Kolabd(directory, lab.settings(), lab.ds.env["PASSWORD"])
    alone.configure({"imap": silent.settings})
    with subprocess.Popen(["nohup", *alone.command("kolabd", ["--sync"])], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as sync:
        wait_for_question(silent, wait_until)
        sync.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            sync.wait(1)
        sync.terminate()
        assert sync.wait(DEADLINE) == 1


def test_a_reload_leaves_a_directory_that_hangs(lab, kolabd, jane):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        kolabd.configure({"ldap": {"uri": f"ldaps://127.0.0.1:{hole.getsockname()[1]}", "timeout": "1h"}})
        daemon = kolabd.start()
        daemon.wait_ready()
        hole.accept()
        kolabd.configure()
        daemon.reload()
    daemon.wait_for_log(f"{jane}: in order after.*user/jane.example@{lab.domain}")
