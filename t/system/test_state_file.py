"""The state file's own faults: a full disk, a lock that is held, a file that is removed, replaced, overwritten or not ours. While one
lasts kolabd says so once and waits; after it everybody is in order, and nothing was forgotten."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from polling import wait_until

# Without it root, too, may read and write only where the permissions let it.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
GARBAGE = b"This is no database. " * 500
BEGIN = r"state file .*; changes wait, trying again$"
WRITTEN_AGAIN = "was removed while kolabd works with it: it is written again"
END = r"state file .* can be reached again$"


def query(kolabd, statement):
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def back_up(kolabd):
    """A copy as docs/state.md says."""
    copy = kolabd.state.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(f"file:{kolabd.state}?mode=ro", uri=True)) as source, \
            contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def wait_for_quiet(kolabd):
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM change") == [(0,)])


def add_people(lab, *names):
    for name in names:
        lab.add_person(name, givenName=name.title(), sn="Example")


def has_mailboxes(lab, *names):
    return set(lab.imap.mailboxes(f"user/%@{lab.domain}")) == {f"user/{name}.example@{lab.domain}" for name in names}


def count(pattern, daemon):
    return len(re.findall(pattern, daemon.log_text, re.MULTILINE))


def check_told_once(daemon):
    daemon.wait_for_log(END)
    assert count(BEGIN, daemon) == 1 and count(END, daemon) == 1


def check_nothing_to_do(lab, mark, departed):
    """Since the mark: but for who left, whose mailbox a one-shot run deletes."""
    writes = lab.imap_writes(mark)
    assert writes and all(f"user/{departed}.example@{lab.domain}" in command for _, command in writes), writes
    assert lab.ldap_writes(mark) == []
    assert f"user/{departed}.example@{lab.domain}" not in lab.imap.mailboxes(f"user/%@{lab.domain}")


def remove(kolabd):
    """All of it; what is removed first may be there again before the last is."""
    for path in kolabd.directory.glob("state.db*"):
        path.unlink(missing_ok=True)


def remove_and_wait(kolabd, daemon):
    before = count(WRITTEN_AGAIN, daemon)
    files = [kolabd.state.with_name("state.db" + suffix) for suffix in ("", "-wal", "-shm", ".lock")]
    remove(kolabd)
    wait_until(lambda: count(WRITTEN_AGAIN, daemon) > before and all(file.exists() for file in files))


def start(lab, kolabd, *names):
    """A daemon that has brought these people in order, and recorded it."""
    add_people(lab, *names)
    daemon = kolabd.start()
    for name in names:
        daemon.wait_for_log(f"in order after.*user/{name}.example@{lab.domain}")
    wait_for_quiet(kolabd)
    return daemon


@pytest.fixture(name="disk")
def mount_disk(tmp_path):
    """A small file system."""
    path = tmp_path / "disk"
    path.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    done = subprocess.run([*as_root, "mount", "-t", "tmpfs", "-o", f"size=8m,uid={os.geteuid()},mode=755", "tmpfs", path],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    yield path
    subprocess.run([*as_root, "umount", "--lazy", path], check=True)


def fill(disk):
    """Leaves nothing."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@pytest.fixture(name="on_disk")
def use_disk(disk, lab, kolabd):
    """A kolabd whose state file is on the small file system."""
    kolabd.settings["state_file"] = str(disk / "state.db")
    kolabd.settings["domains"][lab.domain]["deletion"] = {"delay": "1h"}
    kolabd.state = disk / "state.db"
    kolabd.configure()
    return kolabd


def wait_for_tries(kolabd, number=3):
    """Each try reserves room by way of the lock's file."""
    lock = kolabd.state.with_name("state.db.lock")
    seen = set()
    wait_until(lambda: seen.add(lock.stat().st_mtime_ns) or len(seen) > number)


def test_on_a_full_disk_changes_wait_and_are_made_once_there_is_room(disk, lab, on_disk):
    daemon = start(lab, on_disk, "ann", "bob")
    filler = fill(disk)
    add_people(lab, "cat", "dan")
    lab.delete(f"uid=ann,{lab.people_dn}")
    daemon.wait_for_log(BEGIN)
    add_people(lab, "eve")
    told = on_disk.ctl("status").stdout
    assert re.search(r"out of reach since \S+ +state file .* left on its file system", told), told
    assert "free space there" in on_disk.ctl("problems", check=3).stdout
    wait_until(lambda: daemon.read_notices() and "left on its file system" in daemon.notified.rpartition("STATUS=")[2])
    wait_for_tries(on_disk)
    filler.unlink()
    wait_until(lambda: has_mailboxes(lab, "ann", "bob", "cat", "dan", "eve"), 60)
    wait_until(lambda: query(on_disk, "SELECT status FROM departure WHERE reason = 'gone'") == [("waiting",)])
    wait_for_quiet(on_disk)
    check_told_once(daemon)
    assert "out of reach" not in on_disk.ctl("status").stdout
    wait_until(lambda: daemon.read_notices() and "1 domain(s)" in daemon.notified.rpartition("STATUS=")[2])
    assert query(on_disk, "SELECT count(DISTINCT unique_id) FROM journal WHERE step = 'create mailbox'") == [(5,)]
    daemon.stop()
    mark = lab.mark()
    on_disk.run("--sync", "--resync")
    check_nothing_to_do(lab, mark, "ann")


def test_what_a_worker_did_when_the_disk_became_full_is_in_the_journal(disk, lab, on_disk):
    add_people(lab, *(f"p{number}" for number in range(8)))
    daemon = on_disk.start()
    daemon.wait_for_log("in order after")
    filler = fill(disk)
    daemon.wait_for_log(BEGIN)
    filler.unlink()
    wait_until(lambda: has_mailboxes(lab, *(f"p{number}" for number in range(8))), 60)
    wait_for_quiet(on_disk)
    assert query(on_disk, "SELECT count(DISTINCT unique_id) FROM journal WHERE step = 'create mailbox'") == [(8,)]


def test_a_full_disk_is_told_at_the_start(disk, on_disk):
    filler = fill(disk)
    for arguments, status in ((["--sync"], 1), ([], 78)):
        done = on_disk.run(*arguments, check=status)
        assert str(disk) in done.stderr and "free space" in done.stderr, done.stderr
    filler.unlink()
    on_disk.run("--sync")
    fill(disk)
    for arguments, status in ((["--sync"], 1), ([], 78)):
        done = on_disk.run(*arguments, check=status)
        assert f"state file {on_disk.state}: " in done.stderr and "free space" in done.stderr, done.stderr


def test_a_lock_that_is_held_for_long_is_an_outage_and_no_end(lab, kolabd):
    daemon = start(lab, kolabd, "ann")
    with contextlib.closing(sqlite3.connect(kolabd.state, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        add_people(lab, "bob")
        daemon.wait_for_log("another program holds a lock on it.*; changes wait", 60)
        assert "another program holds a lock on it" in kolabd.ctl("problems", check=3).stdout
        shell.execute("ROLLBACK")
    wait_until(lambda: has_mailboxes(lab, "ann", "bob"), 60)
    check_told_once(daemon)


def test_what_is_removed_is_written_again_and_no_departure_is_forgotten(lab, kolabd):
    kolabd.configure({"domains": {lab.domain: {"deletion": {"delay": "1h"}}}})
    daemon = start(lab, kolabd, "ann", "bob")
    remove_and_wait(kolabd, daemon)
    lab.delete(f"uid=ann,{lab.people_dn}")
    everything = "SELECT * FROM journal", "SELECT * FROM entry ORDER BY dn", "SELECT * FROM departure", "SELECT * FROM address"
    wait_until(lambda: query(kolabd, "SELECT status FROM departure") == [("waiting",)])
    before = [query(kolabd, statement) for statement in everything]
    remove_and_wait(kolabd, daemon)
    assert [query(kolabd, statement) for statement in everything] == before
    assert f"is in use by another kolabd, process {daemon.pid}" in kolabd.run(check=78).stderr
    wait_until(kolabd.state.with_name("state.db.socket").exists)
    assert "0 failed" in kolabd.run("--sync", "--domain", lab.domain).stderr
    remove(kolabd)
    add_people(lab, "cat")
    wait_until(lambda: has_mailboxes(lab, "ann", "bob", "cat"))
    assert count(BEGIN, daemon) == 0
    wait_for_quiet(kolabd)
    daemon.kill()
    mark = lab.mark()
    kolabd.run("--sync", "--resync")
    check_nothing_to_do(lab, mark, "ann")


def overwrite(kolabd, content):
    kolabd.state.write_bytes(content)


def replace(kolabd, content):
    other = kolabd.state.with_name("other")
    other.write_bytes(content)
    other.rename(kolabd.state)


@pytest.mark.parametrize("put, content, part", [(replace, GARBAGE, "not a database"), (overwrite, GARBAGE, "not a database"),
                                                (overwrite, b"", "is empty")])
def test_what_lies_there_instead_is_left_alone_and_a_backup_that_is_put_there_is_used(lab, kolabd, put, content, part):
    daemon = start(lab, kolabd, "ann")
    backup = back_up(kolabd)
    add_people(lab, "bob")
    daemon.wait_for_log(f"in order after.*user/bob.example@{lab.domain}")
    put(kolabd, content)
    add_people(lab, "cat")
    daemon.wait_for_log(BEGIN)
    done = kolabd.ctl("status", check=1)
    assert str(kolabd.state) in done.stderr and "kolabd, which runs, tells since" in done.stderr and part in done.stderr
    assert kolabd.state.read_bytes() == content and not kolabd.state.with_name("state.db-wal").exists()
    assert f"user/cat.example@{lab.domain}" not in lab.imap.mailboxes(f"user/%@{lab.domain}")
    put(kolabd, backup.read_bytes())
    daemon.wait_for_log("what lies there now is used from here on", 60)
    wait_until(lambda: has_mailboxes(lab, "ann", "bob", "cat"))
    # What the backup does not know is found again.
    wait_until(lambda: query(kolabd, "SELECT count(*) FROM entry WHERE status = 'ok' AND mailbox IS NOT NULL") == [(3,)])
    check_told_once(daemon)
    assert count("^kolabd: error", daemon) == 0 and daemon.running
    daemon.stop()
    assert query(kolabd, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("stopped", [False, True])
def test_the_old_file_is_used_on_when_it_is_put_back(lab, kolabd, stopped):
    daemon = start(lab, kolabd, "ann")
    moved = kolabd.state.with_name("moved")
    os.link(kolabd.state, moved)
    replace(kolabd, GARBAGE)
    daemon.wait_for_log(BEGIN)
    add_people(lab, "bob")
    if stopped:
        daemon.stop()
        assert kolabd.state.read_bytes() == GARBAGE
    moved.rename(kolabd.state)
    if stopped:
        daemon = kolabd.start()
    wait_until(lambda: has_mailboxes(lab, "ann", "bob"), 60)
    wait_until(lambda: query(kolabd, "SELECT count(DISTINCT unique_id) FROM journal WHERE step = 'create mailbox'") == [(2,)])


def test_owner_and_permissions_matter_at_the_next_start_only(lab, kolabd):
    daemon = start(lab, kolabd, "ann")
    kolabd.state.chmod(0)
    if os.geteuid() == 0:
        os.chown(kolabd.state, 65534, 65534)
    add_people(lab, "bob")
    daemon.wait_for_log(f"in order after.*user/bob.example@{lab.domain}")
    daemon.stop()
    wrapper = WITHOUT_PRIVILEGE if os.geteuid() == 0 else []
    for mode, part in (0o000, "cannot be read: Permission denied"), (0o444, "is read-only for this user"):
        kolabd.state.chmod(mode)
        for arguments, status in ((["--sync"], 1), ([], 78)):
            done = subprocess.run(wrapper + kolabd.command("kolabd", arguments), capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == status and f"state file {kolabd.state} {part}" in done.stderr, done
    kolabd.state.chmod(0o640)
    assert has_mailboxes(lab, "ann", "bob")


def start_sync(lab, kolabd):
    """A one-shot run that has work for a while, and has begun with it."""
    add_people(lab, *(f"p{number}" for number in range(20)))
    kolabd.configure({"workers": 1})
    sync = kolabd.start("--sync")
    sync.wait_for_log("in order after")
    return sync


def test_a_sync_whose_state_file_is_removed_writes_it_again_and_goes_on(lab, kolabd):
    sync = start_sync(lab, kolabd)
    remove(kolabd)
    assert sync.process.wait(60) == 0, sync.log_text
    assert "it is written again" in sync.log_text
    assert query(kolabd, "SELECT count(*) FROM entry WHERE mailbox IS NOT NULL") == [(20,)]
    assert kolabd.run("--sync").stderr.endswith("0 entries looked at, 0 changed, 0 failed\n")


def test_a_sync_whose_state_file_is_overwritten_ends_with_1_and_the_next_one_does_the_rest(lab, kolabd):
    sync = start_sync(lab, kolabd)
    backup = back_up(kolabd)
    overwrite(kolabd, GARBAGE)
    assert sync.process.wait(60) == 1, sync.log_text
    assert re.search(f"error: state file {kolabd.state}: .*not a database.*wrote over it", sync.log_text), sync.log_text
    shutil.copy(backup, kolabd.state)
    kolabd.run("--sync")
    assert has_mailboxes(lab, *(f"p{number}" for number in range(20)))
