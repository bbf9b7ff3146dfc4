#!/usr/bin/python3
"""soak.py: one kolabd over many changes of every kind, while connections are lost now and then: does it keep what it should give
back? Descriptors, threads, memory, state file.

Prints a table and what in it is not flat; fails then. The second third of the run is compared with the last one, because in the
first one caches fill. SOAK_N: changes (10000)."""

import contextlib
import os
import pathlib
import random
import re
import signal
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parent / "lab")]

# pylint: disable=wrong-import-position
from burst import Burst  # noqa: E402
from lab import open_lab, open_witnesses  # noqa: E402
from polling import wait_until  # noqa: E402
from servers import Servers  # noqa: E402

CHANGES = int(os.environ.get("SOAK_N") or 10000)
SAMPLES = 10
LEAST = 1000  # a batch for each sample
BATCH = 100  # changes between two moments of rest, each of another entry
PEOPLE = 150
LAST = "p0"  # whose change comes last
SHARED_FOLDERS = 5
PATIENCE_S = 120
GROWTH = 1.03  # of memory, from the second third to the last one
LIVE_TABLES = ("entry", "change", "address", "identifier", "cleanup")  # the others are history, which is to grow
WAL_LIMIT_KIB = 8 * 1024  # SQLite begins it anew after 4 MiB, when nobody reads at that moment
COLUMNS = {"changes": "{:8}", "seconds": "{:8.1f}", "descriptors": "{:12}", "threads": "{:8}", "rss_kib": "{:9}", "state_kib": "{:10}",
           "live_kib": "{:9}", "wal_kib": "{:8}", "parked": "{:7}", "journal": "{:8}"}
ADDRESSES = ("jane", "june")
DIRECTORY_RESTARTS = (2.5, 7.5)  # in tenths of the run
CHANGES_LEFT = "SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'parked') FROM change"
UNSETTLED = "SELECT (SELECT count(*) FROM departure WHERE status IN ('waiting', 'approved')) + (SELECT count(*) FROM cleanup)"


class Soak:
    """So many changes in all, and samples beside the first one."""

    def __init__(self, lab, changes, samples):
        self.lab = lab
        self.kolabd = lab.kolabd
        self.changes = changes
        self.sample_count = samples
        self.choose = random.Random(1)
        self.done = 0
        self.serial = 0
        self.quotas = {}  # of each person, KiB
        self.local_parts = {}  # of each person: which of ADDRESSES
        self.failing = []  # people whose quota is no number
        self.passing = []  # people who came with the last batch and go with the next
        self.samples = []
        self.daemon = None
        self.began = time.monotonic()

    # --- the directory

    def number(self):
        self.serial += 1
        return self.serial

    def dn(self, uid):
        return f"uid={uid},{self.lab.people_dn}"

    def address(self, uid):
        return f"{self.local_parts[uid]}.{uid}@{self.lab.domain}"

    def populate(self):
        burst = Burst(self.lab.ds.env)
        for number in range(PEOPLE):
            self.add_person(burst, f"p{number}")
        burst.run()
        for number in range(SHARED_FOLDERS):
            self.lab.add(self.folder_dn(number), objectClass=["top", "kolabSharedFolder", "mailRecipient"], cn=f"Team{number}",
                         mail=f"team{number}@{self.lab.domain}")

    def folder_dn(self, number):
        return f"cn=Team{number},{self.lab.base_dn}"

    def add_person(self, burst, uid):
        self.local_parts[uid] = ADDRESSES[0]
        self.quotas[uid] = 1000 + self.number()
        burst.add_person(self.number(), uid, self.lab.people_dn, mailQuota=self.quotas[uid], mail=self.address(uid))

    def change_quota(self, burst, uid):
        self.quotas[uid] = 1000 + self.number()
        burst.modify(self.number(), self.dn(uid), mailQuota=self.quotas[uid])

    def rename(self, burst, uid):
        self.local_parts[uid] = ADDRESSES[1 - ADDRESSES.index(self.local_parts[uid])]
        burst.modify(self.number(), self.dn(uid), mail=self.address(uid))

    def break_quota(self, burst, uid):
        self.failing.append(uid)
        burst.modify(self.number(), self.dn(uid), mailQuota="plenty")

    def change_rights(self, burst, number):
        who = self.choose.choice(list(self.quotas))
        burst.modify(self.number(), self.folder_dn(number), acl=f"{self.address(who)}, {self.choose.choice(['lrs', 'lrswi'])}")

    def change(self):
        """One batch."""
        burst = Burst(self.lab.ds.env)
        people = [f"p{number}" for number in range(PEOPLE) if f"p{number}" not in [LAST, *self.failing]]
        leaving, self.passing = self.passing, [f"t{self.number()}" for _ in range(8)]
        mended, self.failing = self.failing, []
        folders = self.choose.sample(range(SHARED_FOLDERS), 2)
        for uid in mended:
            self.change_quota(burst, uid)
        for uid in leaving:
            burst.ask(self.number(), "delete", self.dn(uid))
            del self.quotas[uid], self.local_parts[uid]
        for uid in self.passing:
            self.add_person(burst, uid)
        for number in folders:
            self.change_rights(burst, number)
        for uid in self.choose.sample(people, BATCH - 1 - len([*mended, *leaving, *self.passing, *folders])):
            self.choose.choices([self.change_quota, self.rename, self.break_quota], [80, 15, 5])[0](burst, uid)
        burst.begin()
        if self.passes(0.5):
            self.end_imap_sessions()
        burst.end()
        if any(self.passes(tenth) for tenth in DIRECTORY_RESTARTS):
            self.lab.ds.stop()
            self.lab.ds.start()
        self.done += BATCH

    def passes(self, tenth):
        """Whether this batch comes to that place in the run; less than 1: in any tenth of it."""
        before, after = 10 * self.done / self.changes, 10 * (self.done + BATCH) / self.changes
        return before <= (tenth if tenth >= 1 else int(before) + tenth) < after

    def end_imap_sessions(self):
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
                if name == "imapd" and fields.split()[3] == self.lab.cyrus.env["IMAP_PID"]:
                    os.kill(int(stat.parent.name), signal.SIGTERM)

    # --- kolabd

    def run(self):
        self.kolabd.configure({"log": {"level": "warning"}, "folders": {"create": {"Drafts": {}, "Calendar": {}}},
                               "deletion": {"delay": "0s", "limit": 1000000}})
        self.populate()
        self.daemon = self.kolabd.start()
        self.rest()
        self.sample()
        while self.done < self.changes:
            self.change()
            self.ask_control()
            self.rest()
            if self.done * self.sample_count // self.changes >= len(self.samples):
                self.sample()
        self.check_end()
        self.daemon.stop()

    def ask_control(self):
        for words in (["status"], ["problems"], ["show", self.address("p0")], ["retry", "--all"], ["--json", "status"]):
            self.kolabd.ctl(*words, check=False)

    def rest(self):
        """Until all is done: notices come in order, so that what was changed before the last one is in the queue when that is."""
        kib = self.quotas[LAST] = 1000 + self.number()
        self.lab.modify(self.dn(LAST), mailQuota=kib)
        wait_until(lambda: self.kolabd.query(f"SELECT 1 FROM entry WHERE dn LIKE 'uid={LAST},%' AND quota_kib = {kib}"), PATIENCE_S,
                   "the last change")
        try:
            wait_until(lambda: self.kolabd.query(CHANGES_LEFT) == [(0, len(self.failing))], PATIENCE_S, "only who fails is left")
        except AssertionError as error:
            raise AssertionError(f"{self.failing} should fail, and these do:\n{self.kolabd.ctl('problems', check=False).stdout}") from error

    def check_end(self):
        """All is as the directory says."""
        for uid, kib in self.quotas.items():
            if uid not in self.failing:
                assert self.lab.imap.quota(f"user/{self.address(uid)}") == kib, uid
        assert len(self.lab.imap.mailboxes(f"user/%@{self.lab.domain}")) == len(self.quotas)

    # --- what it takes

    def count_descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.pid}/fd"))

    def sample(self):
        wait_until(lambda: self.kolabd.query(UNSETTLED) == [(0,)], PATIENCE_S, "the end of all deletions")
        expected = self.samples[0]["descriptors"] if self.samples else self.count_descriptors()
        # Connections of a moment, as that of a clean-up, are closed a little later.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.count_descriptors() == expected, 5)
        status = pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text(encoding="ascii")
        live = self.kolabd.query("SELECT sum(pgsize - unused) / 1024 FROM dbstat"
                                 f" WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN {LIVE_TABLES})")
        self.samples.append({
            "changes": self.done,
            "seconds": time.monotonic() - self.began,
            "descriptors": self.count_descriptors(),
            "threads": int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)[1]),
            "rss_kib": int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]),
            "state_kib": self.kolabd.state.stat().st_size // 1024,
            "live_kib": live[0][0],
            "wal_kib": pathlib.Path(f"{self.kolabd.state}-wal").stat().st_size // 1024,
            "parked": len(self.failing),
            "journal": self.kolabd.query("SELECT count(*) FROM journal")[0][0],
        })

    def thirds(self, column):
        """The values of the second third of the run, and of the last one."""
        values = [sample[column] for sample in self.samples[1:]]
        third = len(values) // 3
        return values[third:-third], values[-third:]

    def changing(self):
        """What should be the same at each moment of rest."""
        values = {column: sorted({sample[column] for sample in self.samples}) for column in ("descriptors", "threads")}
        return [f"{column} at rest differ: {different}" for column, different in values.items() if len(different) > 1]

    def growing(self):
        """What should not be more in the last third of the run than in the second one."""
        means = {column: [statistics.mean(third) for third in self.thirds(column)] for column in ("rss_kib", "live_kib")}
        found = [f"{column} grew from {before:.0f} to {after:.0f}" for column, (before, after) in means.items() if after > before * GROWTH]
        longest = max(sample["wal_kib"] for sample in self.samples)
        return found + ([f"wal_kib was {longest}, over {WAL_LIMIT_KIB}"] if longest > WAL_LIMIT_KIB else [])

    def show(self):
        print(" ".join(name.rjust(int(re.search(r"\d+", form)[0])) for name, form in COLUMNS.items()))
        for sample in self.samples:
            print(" ".join(form.format(sample[name]) for name, form in COLUMNS.items()))


def main():
    if CHANGES < LEAST:
        sys.exit(f"soak: SOAK_N is at least {LEAST}")
    servers = Servers()
    try:
        servers.start()
        with tempfile.TemporaryDirectory(prefix="kolabd-soak-") as directory, \
                open_lab(servers, open_witnesses(servers), 1, pathlib.Path(directory)) as lab:
            soak = Soak(lab, CHANGES, SAMPLES)
            try:
                soak.run()
            finally:
                soak.show()
    finally:
        servers.close()
    found = soak.changing() + soak.growing()
    print("\n".join(found) or "flat")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
