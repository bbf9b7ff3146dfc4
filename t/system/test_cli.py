"""The command line, the exit statuses, the state file and the progress line, as kolabd(8) has them."""

import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import threading

import pytest

from kolabd import BUILD, Kolabd, merged
from outputs import check_no_secret, check_printable
from polling import wait_until

MANUAL = pathlib.Path(__file__).parents[2] / "docs/kolabd.8"
PASSWORD = "Nobody-Knows-4711"
PROGRESS = r"\d+/\d+\+?  \d+/s(  \d+ s left)?  \d+ failed"
# Without it root, too, may write only where the permissions let it.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def run(*arguments, status):
    done = subprocess.run([BUILD / "kolabd", *arguments], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == status, done
    return done


@pytest.fixture(name="alone")
def make_alone(tmp_path):
    """A Kolabd whose servers refuse the connection."""
    kolabd = Kolabd(tmp_path, {
        "ldap": {"uri": "ldaps://127.0.0.1:1", "bind_dn": "uid=kolabd,dc=example,dc=org"},
        "imap": {"uri": "imaps://127.0.0.1:1", "admin_login": "cyrus-admin"},
        "domains": {"example.org": {}}}, PASSWORD)
    yield kolabd
    kolabd.close()
    check_no_secret(tmp_path)


def test_version_and_help_are_told_without_a_configuration():
    assert re.fullmatch(r"kolabd \S+\n", run("--version", status=0).stdout)
    assert run("--version", "--config", "/nonexistent", status=0).stderr == ""
    assert run("-h", status=0).stdout == run("--help", status=0).stdout


def test_the_manual_and_the_help_tell_the_same_options():
    told = set(re.findall(r"--[a-z-]+", run("--help", status=0).stdout)) - {"--dry-run"} | {"--dry-run"}
    described = re.findall(r"^\.It (?:Fl . , )?Fl Fl ([a-z-]+)|^\.It Fl . , Fl Fl ([a-z-]+)", MANUAL.read_text(), re.MULTILINE)
    assert told == {"--" + (one or other) for one, other in described}


@pytest.mark.parametrize("arguments, part", [
    (["--nothing"], "--nothing"),
    (["start"], "no arguments besides options"),
    (["--sync", "uid=jane,dc=example,dc=org"], "no arguments besides options"),
    (["--dry-run"], "need --sync"),
    (["-n"], "need --sync"),
    (["--resync"], "need --sync"),
    (["--domain", "example.org"], "need --sync"),
    (["--entry", "jane@example.org"], "need --sync"),
    (["--json"], "--json needs --sync --dry-run"),
    (["--sync", "--json"], "--json needs --sync --dry-run"),
    (["--config"], "--config"),
    (["--sync", "--entry"], "--entry"),
])
def test_a_wrong_command_line_says_what_is_wrong_and_touches_nothing(alone, arguments, part):
    done = run("--config", str(alone.config), *arguments, status=1)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("kolabd: ") and part in done.stderr and done.stderr.endswith("; see kolabd --help\n")
    assert not alone.state.exists()


def test_a_configuration_in_order_is_checked_without_the_servers(alone):
    done = alone.run("--check-config")
    assert done.stdout == f"{alone.config}: in order, 1 domain\n" and done.stderr == ""
    assert not alone.state.exists()


def test_all_mistakes_of_a_configuration_are_told_with_line_and_column_in_one_run(alone):
    alone.configure(text=f"""\
state_file: state.db
workes: 4
workers: 0
ldap:
  uri: http://ldap.example.org
  bind_dn: nobody
  bind_password_file: {alone.secret("open.secret", PASSWORD, mode=0o644)}
  ca_file: /nonexistent/ca.pem
  timeout: soon
imap:
  uri: imap://imap.example.org
  insecure: true
  admin_login: "a\\tb"
  admin_pasword_file: /nonexistent
domains:
  example.org:
    policy: {{primary: "%(sn[x])s@%(domain)s"}}
    quota: {{default: -5}}
""")
    expected = [("1:13", "state_file", "absolute path"), ("2:1", '"workes"', 'did you mean "workers"?'), ("3:10", "workers", "1 to 64"),
                ("5:8", "ldap.uri", "ldaps"), ("6:12", "ldap.bind_dn", "nobody"), ("7:23", "ldap.bind_password_file", "chmod o="),
                ("8:12", "ldap.ca_file", "/nonexistent/ca.pem"), ("9:12", "ldap.timeout", "soon"), ("12:13", "insecure", "loopback"),
                ("11:3", "imap.admin_password_file", "missing"), ("13:16", "control characters"),
                ("14:3", '"admin_pasword_file"', 'did you mean "admin_password_file"?'),
                ("17:23", "primary", "%(sn[x])s"), ("18:22", "quota", "-5")]
    for arguments, status in ((["--check-config"], 1), (["--sync"], 1), ([], 78)):
        done = alone.run(*arguments, check=status)
        lines = done.stderr.splitlines()
        for place, *parts in expected:
            found = [line for line in lines if line.startswith(f"{alone.config}:{place}: ")]
            assert found and all(part in found[0] for part in parts), (place, parts, done.stderr)
        assert done.stdout == "" and all(line.startswith(f"{alone.config}:") for line in lines)
        check_printable(done.stderr.encode())
    assert not alone.state.exists()


@pytest.mark.parametrize("arguments, status", [(["--check-config"], 1), (["--sync"], 1), ([], 78)])
def test_a_missing_or_unreadable_configuration_is_named(tmp_path, arguments, status):
    assert "/nonexistent/kolabd.yaml: " in run("--config", "/nonexistent/kolabd.yaml", *arguments, status=status).stderr
    assert f"{tmp_path}: " in run("--config", str(tmp_path), *arguments, status=status).stderr
    garbage = tmp_path / "garbage.yaml"
    garbage.write_bytes(bytes(range(256)) * 20)
    done = run("--config", str(garbage), *arguments, status=status)
    assert f"{garbage}:1:1: " in done.stderr
    check_printable(done.stderr.encode())


def test_a_domain_that_is_not_configured_is_an_error(alone):
    assert 'no domain "example.net"' in alone.run("--sync", "--domain", "example.net", check=1).stderr


def make_garbage(path):
    path.write_bytes(os.urandom(5000))


def make_newer(path):
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA application_id = 0x6b6c6264; PRAGMA user_version = 99; CREATE TABLE entry (later);")


def make_foreign(path):
    with sqlite3.connect(path) as connection:
        connection.executescript("CREATE TABLE cookies (host);")


def make_without_tables(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")


def make_cut(path):
    """Ours, but the end is missing."""
    Kolabd(path.parent, {"ldap": {"uri": "ldaps://127.0.0.1:1", "bind_dn": "uid=kolabd,dc=example,dc=org"},
                         "imap": {"uri": "imaps://127.0.0.1:1", "admin_login": "cyrus-admin"},
                         "domains": {"example.org": {}}}, PASSWORD).run("--sync", check=1)
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2 + 100])


@pytest.mark.parametrize("make, part", [(make_garbage, "damaged"), (make_newer, "newer"), (make_foreign, "not"),
                                        (pathlib.Path.touch, "is empty"), (make_without_tables, "has no schema"),
                                        (make_cut, "damaged"), (pathlib.Path.mkdir, "")])
def test_an_unusable_state_file_is_named_and_left_as_it_is(alone, make, part):
    make(alone.state)
    assert alone.state.exists()
    before = alone.state.read_bytes() if alone.state.is_file() else None
    for arguments, status in ((["--sync"], 1), ([], 78)):
        done = alone.run(*arguments, check=status)
        assert done.stderr.startswith("kolabd: error: ") and done.stderr.count("\n") == 1
        assert str(alone.state) in done.stderr and part in done.stderr
    assert (alone.state.read_bytes() if alone.state.is_file() else None) == before


def test_a_state_directory_that_is_absent_or_may_not_be_written_is_named(alone, tmp_path):
    alone.configure({"state_file": str(tmp_path / "absent/state.db")})
    assert f"state directory {tmp_path}/absent does not exist" in alone.run("--sync", check=1).stderr
    alone.run(check=78)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    alone.configure({"state_file": str(closed / "state.db")})
    wrapper = WITHOUT_PRIVILEGE if os.geteuid() == 0 else []
    for arguments, status in ((["--sync"], 1), ([], 78)):
        done = subprocess.run(wrapper + alone.command("kolabd", arguments), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, done
        assert f"state directory {closed}: cannot write" in done.stderr and "Permission denied" in done.stderr


def test_a_second_kolabd_says_who_holds_the_state_file_and_a_killed_one_holds_nothing(alone):
    daemon = alone.start()
    daemon.wait_ready()
    assert f"state file {alone.state} is in use by another kolabd, process {daemon.pid}" in alone.run(check=78).stderr
    assert "running" in alone.ctl("status").stdout
    daemon.kill()
    assert "not running" in alone.ctl("status").stdout
    other = alone.start()
    other.wait_ready()
    other.stop()


# A name server that never answers: nothing interrupts that call within libldap.
DEAF = """
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    close(open(getenv("KOLABD_TEST_DEAF"), O_CREAT | O_WRONLY, 0600));
    for (;;)
        pause();
}
"""


@pytest.fixture(name="deaf")
def make_deaf(tmp_path, monkeypatch):
    """A file: it is there once kolabd asks for an address, and then it hangs."""
    source, library, asked = tmp_path / "deaf.c", tmp_path / "deaf.so", tmp_path / "asked"
    source.write_text(DEAF)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    monkeypatch.setenv("KOLABD_TEST_DEAF", str(asked))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return asked


@pytest.mark.parametrize("arguments, status", [(["--sync"], 1), ([], 0)])
def test_who_is_stopped_while_a_library_hangs_leaves_it_behind_and_a_sync_is_not_all_in_order(alone, deaf, arguments, status):
    process = alone.start(*arguments)
    wait_until(deaf.exists)
    assert process.stop(check=False) == status
    assert "stopping although a server hangs" in process.log_text


def test_a_dry_run_works_beside_a_daemon(lab, kolabd):
    daemon = kolabd.start()
    daemon.wait_for_log("0 to look at")
    daemon.process.send_signal(signal.SIGSTOP)  # so that it cannot be faster
    lab.add_person("jane", givenName="Jane", sn="Example")
    try:
        assert "create mailbox" in kolabd.run("--sync", "--dry-run", check=2).stdout
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")


def run_on_terminal(command, until=None):
    """(exit status, what a terminal got) with the terminal as standard error. `until`: ends it once this was shown."""
    master, slave = pty.openpty()
    output = bytearray()

    def read():
        try:
            while data := os.read(master, 65536):
                output.extend(data)
        except OSError:  # the other side is closed
            pass
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave) as process:
        os.close(slave)
        reader = threading.Thread(target=read)
        reader.start()
        if until:
            wait_until(lambda: until in output, what=until)
            process.terminate()
        process.wait(60)
        reader.join()
    os.close(master)
    return process.returncode, output.decode()


def test_a_terminal_shows_the_progress_in_one_line_and_a_pipe_has_plain_lines(lab, kolabd):
    lab.add_person("bad", givenName="Bad", sn="Example", mailQuota="abc")
    for number in range(40):
        lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
    settings = merged(lab.settings(), {"workers": 1})
    beside = kolabd.directory / "beside"
    beside.mkdir()
    piped = Kolabd(beside, settings, lab.ds.env["PASSWORD"])

    kolabd.configure({"workers": 1})
    status, shown = run_on_terminal(kolabd.command("kolabd", ["--sync"]))
    assert status == 3
    drawn = re.findall(rf"\r\x1b\[K({PROGRESS.replace('(', '(?:')})", shown)
    assert drawn and all(int(re.match(r"\d+", line)[0]) <= 41 for line in drawn)
    assert any(re.match(r"\d+/41  \d+/s  \d+ s left  1 failed", line) for line in drawn), drawn
    # What stays on the screen are whole log lines: nothing follows a progress line, or is left of one.
    screen = [line.rpartition("\r\x1b[K")[2] for line in shown.replace("\r\n", "\n").split("\n")]
    assert screen.pop() == ""
    assert all(re.match("kolabd: ", line) and not re.search(PROGRESS, line) for line in screen), screen
    assert "41 entries looked at, 40 changed, 1 failed" in screen[-1]

    done = subprocess.run(piped.command("kolabd", ["--sync", "--resync"]), capture_output=True, timeout=60, check=False)
    assert done.returncode == 3 and done.stdout == b""
    check_printable(done.stderr)
    assert not re.search(PROGRESS, done.stderr.decode())
    assert all(line.startswith("kolabd: ") for line in done.stderr.decode().splitlines())


def test_a_daemon_draws_no_progress_line_on_a_terminal(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    status, shown = run_on_terminal(kolabd.command("kolabd", []), until=b"in order after")
    assert status == 0
    assert not re.search(PROGRESS, shown)


@pytest.mark.skipif("TSAN_OPTIONS" in os.environ, reason="the _exit of ThreadSanitizer waits for the output, too")
def test_a_run_whose_output_nobody_reads_ends_when_it_is_told_to(lab, kolabd):
    for number in range(50):
        lab.add_person(f"p{number}", givenName=f"P{number}", sn="Example")
    unread, output = os.pipe()
    with subprocess.Popen(kolabd.command("kolabd", ["--sync", "--dry-run"]), stdin=subprocess.DEVNULL, stdout=output,
                          stderr=subprocess.DEVNULL) as process:
        os.close(output)
        room = fcntl.fcntl(unread, fcntl.F_GETPIPE_SZ)
        wait_until(lambda: int.from_bytes(fcntl.ioctl(unread, termios.FIONREAD, bytes(4)), sys.byteorder) > room - 4096, 60, "a full pipe")
        process.terminate()
        try:
            assert process.wait(60) == 1
        finally:
            process.kill()
            os.close(unread)
