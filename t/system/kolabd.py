"""Running kolabd and kolabctl: a configuration file, a state file and a log for each test."""

import contextlib
import copy
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import sqlite3
import subprocess

import pytest

from polling import wait_until

BUILD = pathlib.Path(os.environ.get("KOLABD_BUILD") or pathlib.Path(__file__).resolve().parents[2] / "build")
WRAPPER = shlex.split(os.environ.get("KOLABD_WRAPPER", ""))


def merged(base, overrides):
    """`base` with `overrides` laid over it, mapping by mapping; None takes a key away."""
    result = dict(base)
    for key, value in overrides.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


class Kolabd:
    """`directory`: for all files, of this test alone. `settings`: the complete base configuration."""

    def __init__(self, directory, settings, password):
        self.directory = directory
        self.settings = settings
        self.config = directory / "kolabd.yaml"
        self.state = directory / "state.db"
        self.log = directory / "kolabd.log"
        self.daemons = []
        settings["state_file"] = str(self.state)
        settings["ldap"]["bind_password_file"] = self.secret("ldap.secret", password)
        settings["imap"]["admin_password_file"] = self.secret("imap.secret", password)
        self.configure()

    def secret(self, name, text, mode=0o600):
        """Writes a secret file and gives its path."""
        path = self.directory / name
        path.write_text(text + "\n")
        path.chmod(mode)
        return str(path)

    def configure(self, overrides=None, text=None):
        """Writes the configuration: the base settings with `overrides` (a nested dict; None removes a key), or `text`."""
        if text is None:
            text = json.dumps(merged(self.settings, overrides or {}), indent=2, ensure_ascii=False) + "\n"  # JSON is YAML
        self.config.write_text(text)
        return self.config

    def run(self, *arguments, check=True, timeout=120):
        """kolabd --config FILE ARGUMENTS, to its end. `check`: True for exit status 0, a number for that status, False for any."""
        return self.complete("kolabd", arguments, check, timeout)

    def ctl(self, *arguments, check=True, timeout=60):
        """kolabctl --config FILE ARGUMENTS"""
        return self.complete("kolabctl", arguments, check, timeout)

    def query(self, statement):
        """Asks the state file; [] before there is one."""
        if not self.state.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    def start(self, *arguments, program="kolabd", environment=None):
        """Starts the daemon; gives a handle."""
        daemon = Daemon(self.command(program, arguments), self.log, self.directory, environment or {})
        self.daemons.append(daemon)
        return daemon

    def command(self, program, arguments):
        path = BUILD / program
        if not path.exists():
            pytest.fail(f"{path} does not exist: run `make all` first", pytrace=False)
        # A daemon must not outlive a pytest that was killed.
        return ["setpriv", "--pdeathsig", "KILL", *WRAPPER, str(path), "--config", str(self.config), *map(str, arguments)]

    def complete(self, program, arguments, check, timeout, environment=None):
        done = subprocess.run(self.command(program, arguments), capture_output=True, text=True, errors="replace",
                              timeout=timeout, stdin=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})))
        with self.log.open("a") as log:
            log.write(f"$ {program} {shlex.join(map(str, arguments))}\n{done.stdout}{done.stderr}[exit status {done.returncode}]\n")
        if check is not False:
            expected = 0 if check is True else check
            assert done.returncode == expected, \
                f"{program} {arguments} ended with {done.returncode}, not {expected}:\n{done.stdout}{done.stderr}"
        return done

    def close(self):
        """Stops what runs. A daemon that then ends badly (a sanitizer's finding, too) fails the test."""
        for daemon in self.daemons:
            daemon.close()


class Daemon:
    """A running kolabd. What it writes goes to the test's log file."""

    def __init__(self, command, log, directory, environment):
        self.log = log
        self.log_start = log.stat().st_size if log.exists() else 0
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = f"\0kolabd-test-{os.getpid()}-{id(self)}"  # abstract: the name of a file may be too long
        self.notices.bind(address)
        self.notices.setblocking(False)
        self.notified = ""
        with log.open("ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            cwd=directory,
                                            env=dict(os.environ, NOTIFY_SOCKET="@" + address[1:], **environment))

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    @property
    def log_text(self):
        return self.log.read_bytes()[self.log_start:].decode(errors="replace")

    @property
    def peak_memory_kib(self):
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", pathlib.Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)[1])

    def wait_for_log(self, pattern, deadline=20):
        """Waits for a line that the regular expression is found in; gives the match."""
        def found():
            return re.search(pattern, self.log_text, re.MULTILINE) or self.fail_when_ended()
        return wait_until(found, deadline, f"{pattern!r} in the log")

    def wait_ready(self, deadline=20):
        """Waits for READY=1, as systemd does."""
        wait_until(lambda: self.read_notices() or self.fail_when_ended(), deadline, "READY=1")

    def read_notices(self):
        while True:
            try:
                self.notified += self.notices.recv(4096).decode() + "\n"
            except BlockingIOError:
                return "READY=1" in self.notified

    def reload(self, deadline=20):
        """As `systemctl reload` does: SIGHUP, then RELOADING=1 and READY=1. Gives what the daemon wrote meanwhile."""
        self.read_notices()
        noticed, written = len(self.notified), len(self.log_text)
        self.process.send_signal(signal.SIGHUP)

        def done():
            self.read_notices()
            return re.search("^RELOADING=1$.*^READY=1$", self.notified[noticed:], re.MULTILINE | re.DOTALL) or self.fail_when_ended()
        wait_until(done, deadline, "RELOADING=1, READY=1")
        return self.log_text[written:]

    def fail_when_ended(self):
        assert self.running, f"kolabd ended with {self.process.returncode}:\n{self.log_text}"

    def stop(self, check=True, timeout=30, number=signal.SIGTERM):
        """Asks it to end, waits; gives the exit status."""
        if self.running:
            self.process.send_signal(number)
        status = self.process.wait(timeout)
        if check is not False:
            expected = 0 if check is True else check
            assert status == expected, f"kolabd ended with {status}, not {expected}:\n{self.log_text}"
        return status

    def kill(self):
        """As a power cut does."""
        self.process.kill()
        self.process.wait()

    def close(self):
        self.notices.close()
        if not self.running:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"kolabd did not end on SIGTERM:\n{self.log_text}", pytrace=False)
