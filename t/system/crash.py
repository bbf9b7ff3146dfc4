"""What the stories of test_crash.py have in common: ways to kill kolabd in a phase of one, and everything that a phase leaves
behind, so that two runs can be compared."""

import contextlib
import imaplib
import json
import re

import ldap

from polling import wait_until

PROGRAM = "t/kolabd-crash"
PARTITION = "/shared/vendor/cmu/cyrus-imapd/partition"
SHARED_TYPE = "/shared/vendor/kolab/folder-type"
OWNERS_ENTRIES = ("/private/vendor/kolab/folder-type", SHARED_TYPE, "/private/specialuse")
SHARED_FOLDER = ["top", "mailRecipient", "kolabSharedFolder"]
# What is on record, without times and what is another one in each lab.
RECORDS = {
    "entry": "dn, kind, result_attribute, mailbox, renaming_to, mail_host, quota_kib, fingerprint IS NOT NULL, attributes, status,"
             " folders, acl, blocked",
    "address": "address, role, status, made, (SELECT dn FROM entry e WHERE e.unique_id = a.unique_id)",
    "identifier": "identifier, (SELECT dn FROM entry e WHERE e.unique_id = a.unique_id)",
    "change": "state, due, reason, dn, attempts, last_error, waits_for",
    "departure": "dn, kind, mailbox, reason, status, message",
    "cleanup": "identifier",
    "server": "problem",
    "outage": "message",
}


class Story:
    """A few days of some people, in phases. A phase changes the directory, and kolabd is to follow it."""

    PHASES = []  # in their order

    def __init__(self, lab, **settings):
        self.lab = lab
        self.kolabd = lab.kolabd
        self.domains = [lab.domain]
        # One worker does the same steps in the same order each time.
        self.settings = {"workers": 1, "deletion": {"delay": 0}, **settings}
        self.configure()

    def configure(self, **settings):
        self.kolabd.configure({**self.settings, **settings})

    def prepare(self, phase):
        """Before kolabd is started in the phase."""

    def address(self, name):
        return f"{name}@{self.lab.domain}"

    def add_shared(self, cn, **attributes):
        return self.lab.add(f"cn={cn},{self.lab.people_dn}", objectClass=SHARED_FOLDER, cn=cn, **attributes)

    def put_mail(self, name, *folders):
        with self.lab.imap.session(self.address(name)) as session:
            for folder in folders:
                session.imap.append(f'"{folder}"', None, None, f"Subject: {name}'s, in {folder}\r\n\r\nx\r\n".encode())

    # --- kolabd dies, and is started again; `after`: of which step, None: it does not. True when it did

    def sync_until(self, phase, after=None):
        self.prepare(phase)
        phase(self)
        return self.sync_again_until(after)

    def sync_again_until(self, after):
        status = self.kolabd.complete(PROGRAM, ["--sync"], False, 60, self.environment(after)).returncode
        assert status in (-9, 0), f"kolabd ended with {status}"
        return status == -9

    def daemon_until(self, phase, after, records):
        self.prepare(phase)
        daemon = self.kolabd.start(program=PROGRAM, environment=self.environment(after))
        wait_until(lambda: not daemon.running or daemon.read_notices(), 20, "READY=1")
        phase(self)
        wait_until(lambda: not daemon.running or self.records() == records, 20, "all on record")
        status = daemon.stop(check=False)
        assert status in (-9, 0), f"kolabd ended with {status}"
        return status == -9

    def sync(self):
        self.kolabd.run("--sync")

    def serve(self, records):
        daemon = self.kolabd.start()
        for domain in self.domains:
            daemon.wait_for_log(f"domain {re.escape(domain)}: .* to look at")
        wait_until(lambda: self.records() == records, 20, "all on record")
        daemon.stop()

    def remove_mailboxes(self):
        """As well as it goes: every clean-up of rights reads the server's list of all mailboxes."""
        for pattern in ("shared/*", "shared", "user/%", "DELETED/*"):
            for name in sorted(self.mailboxes(pattern), key=len, reverse=True):
                with contextlib.suppress(imaplib.IMAP4.error):
                    self.lab.imap.delete(name)

    def environment(self, after):
        environment = {"KOLABD_CRASH_STEPS": str(self.kolabd.directory / "steps")}
        return environment if after is None else {**environment, "KOLABD_CRASH_AT": str(after)}

    def steps(self):
        """What the last run did, in the words of crash_points.c."""
        return self.plain((self.kolabd.directory / "steps").read_text()).splitlines()

    # --- what there is

    def plain(self, text):
        """Without what is another one in each lab."""
        label = self.lab.domain.split(".", maxsplit=1)[0]
        return re.sub(r"/[0-9A-F]{8}@", "/WHEN@", re.sub(rf"\b{label}\b", "tN", text))

    def records(self):
        return {table: {self.plain(str(row)): "on record" for row in self.kolabd.query(f"SELECT {columns} FROM {table} a")}
                for table, columns in RECORDS.items()}

    def directory(self):
        return {dn: {name: sorted(value.decode() for value in values) for name, values in attributes.items()}
                for dn, attributes in self.lab.ldap.search_s(self.lab.base_dn, ldap.SCOPE_SUBTREE)}

    def mailboxes(self, pattern):
        return [name for domain in self.domains for name in self.lab.imap.mailboxes(f"{pattern}@{domain}")]

    def mailbox(self, name):
        admin = self.lab.imap.admin
        return {"quota": admin.quota(name), "acl": admin.acl(name), **admin.metadata(name, PARTITION, SHARED_TYPE)}

    def store(self):
        return {name: self.mailbox(name) for pattern in ("user/*", "shared", "shared/*", "DELETED/*")
                for name in self.mailboxes(pattern)}

    def person(self, login):
        with self.lab.imap.session(login) as session:
            return {"subscriptions": session.subscriptions(),
                    "folders": {folder: {**session.metadata(folder, *OWNERS_ENTRIES), "mails": subjects(session, folder)}
                                for folder in session.own_folders()}}

    def see(self):
        """Everything, as one can compare it: {what: {name: ...}}"""
        seen = {"directory": self.directory(), "store": self.store(),
                "people": {name: self.person(name.removeprefix("user/")) for name in self.mailboxes("user/%")}}
        return {"records": self.records(), **json.loads(self.plain(json.dumps(seen)))}


def subjects(session, folder):
    if session.command("STATUS", f'"{folder}"', "(MESSAGES)", answer="STATUS")[-1] == ["MESSAGES", "0"]:
        return []
    session.imap.select(f'"{folder}"', readonly=True)
    _, data = session.imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    session.imap.unselect()
    return [part[1].decode().strip().removeprefix("Subject: ") for part in data if isinstance(part, tuple)]


def differences(expected, seen, path=""):
    """[what differs], as text."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        return [line for name in sorted({*expected, *seen})
                for line in differences(expected.get(name), seen.get(name), f"{path}/{name}")]
    return [] if expected == seen else [f"{path}: {expected!r} expected, {seen!r} seen"]
