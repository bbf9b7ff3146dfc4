"""kolabctl against state files made here: what it prints, its exit status, and that it changes nothing."""

import json
import os
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest

KOLABCTL = Path(os.environ["KOLABD_BUILD"]) / "kolabctl"
SCHEMA = Path(__file__).parents[2] / "src/state/schema.c"
SCHEMA_HEADER = Path(__file__).parents[2] / "include/state/schema.h"
EXAMPLE = Path(__file__).parents[2] / "etc/kolabd.yaml"
JANE = "uid=jane,ou=People,dc=example,dc=org"


def schema():
    """The SQL of schema.c: the C string literals of its tables and views."""
    source = SCHEMA.read_text().split("static const char TABLES_1[]")[1].split("/* MIGRATIONS")[0]
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', source))


def version():
    return re.search(r"#define SCHEMA_VERSION (\d+)", SCHEMA_HEADER.read_text())[1]


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(schema())
    db.executescript(f"PRAGMA application_id = 0x6b6c6264; PRAGMA user_version = {version()}; PRAGMA journal_mode = WAL;")
    yield path, db
    db.close()


@pytest.fixture
def jane(state):
    path, db = state
    db.execute(
        "INSERT INTO entry (domain, unique_id, kind, dn, modifytimestamp, result_attribute, mailbox, mail_host, quota_kib,"
        " fingerprint, status, folders, first_seen, provisioned_at) VALUES ('example.org', 'id-jane', 'user', ?, '20261121080527Z', 'jane@example.org',"
        " 'user/jane@example.org', 'imap1.example.org', 1048576, 'f1', 'ok', '[\"Calendar\",\"Entwürfe\"]',"
        " '2026-11-21T08:05:27.123Z', '2026-11-21T08:05:28.456Z')", [JANE])
    for address, role in ("jane@example.org", "primary"), ("jane.doe@example.org", "alias"):
        db.execute("INSERT INTO address (domain, address, unique_id, role, status, since)"
                   " VALUES ('example.org', ?, 'id-jane', ?, 'held', '2026-11-21T08:05:28.456Z')",
                   [address, role])
    for number in range(30):
        db.execute("INSERT INTO journal (time, domain, unique_id, mailbox, step, target, after, outcome)"
                   " VALUES ('2026-11-21T08:05:28.000Z', 'example.org', 'id-jane', 'user/jane@example.org',"
                   " 'create folder', ?, ?, 'ok')", [f"F{number}", f"F{number}"])
    return path, db


def park(db, unique_id, message, dn=None):
    db.execute("INSERT INTO change (domain, unique_id, reason, state, due, queued_at, attempts, fault, last_error,"
               " last_try, dn) VALUES ('example.org', ?, 'notice', 'parked', '2026-11-21T09:00:00.000Z',"
               " '2026-11-21T08:59:00.000Z', 1, 'park', ?, '2026-11-21T09:00:00.000Z', ?)", [unique_id, message, dn])


def kolabctl(path, *words, status=0):
    done = subprocess.run([KOLABCTL, "--state", path, *words], capture_output=True, timeout=30, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


def test_status_counts_what_the_state_holds(jane):
    path, db = jane
    park(db, "id-2", "quota \"abc\" is no number")
    db.execute("INSERT INTO note VALUES ('imap', 'imaps://imap1.example.org', '2026-11-21T08:05:28.000Z')")
    text, _ = kolabctl(path, "status")
    rows = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in text.splitlines())
    assert rows["daemon"] == "not running"
    assert rows["entries"] == "1"
    assert rows["mailboxes"] == "1"
    assert rows["changes parked"] == "1"
    assert rows["problems"] == "1"
    assert rows["imap"] == "imaps://imap1.example.org"
    assert not [name for name in rows if "slow" in name]
    db.execute("INSERT INTO change (domain, unique_id, reason, state, due, queued_at, server)"
               " SELECT 'example.org', value, 'notice', 'queued', '2026', '2026', 'imap1' FROM json_each('[1, 2]')")
    assert re.search(r"^changes waiting for imap1, which is slow +2$", kolabctl(path, "status")[0], re.MULTILINE)
    assert json.loads(kolabctl(path, "status", "--json")[0])["slow_servers"] == [{"server": "imap1", "changes": 2}]


def test_status_as_json_is_one_line_with_numbers(jane):
    path, db = jane
    db.execute("INSERT INTO domain (name, base_dn, last_sweep, last_sweep_complete, entries) VALUES ('example.org',"
               " 'dc=example,dc=org', '2026-11-21T08:00:00.000Z', '2026-11-21T08:00:00.000Z', 1)")
    text, _ = kolabctl(path, "status", "--json")
    assert text.count("\n") == 1
    status = json.loads(text)
    assert status["entries"] == 1
    assert status["changes"] == {"due": 0, "retry": 0, "parked": 0, "oldest_due": None}
    assert status["domains"][0]["base_dn"] == "dc=example,dc=org"
    assert status["state_file"] == str(path)


def test_the_status_view_says_the_same_in_the_sqlite_shell(jane):
    rows = dict(jane[1].execute("SELECT name, value FROM status"))
    assert rows["entries"] == 1 and rows["changes parked"] == 0
    assert jane[1].execute("SELECT mailbox, address, quota_kib FROM mailboxes").fetchall() == [
        ("user/jane@example.org", "jane@example.org", 1048576)]


def test_no_problems_is_success(jane):
    assert kolabctl(jane[0], "problems") == ("no problems\n", "")
    assert kolabctl(jane[0], "problems", "--json") == ("[]\n", "")


def test_problems_name_the_entry_the_message_and_the_next_try(jane):
    path, db = jane
    park(db, "id-jane", "quota \"abc\" is no number")
    db.execute("INSERT INTO change (domain, unique_id, reason, state, due, queued_at, attempts, fault, last_error, dn)"
               " VALUES ('example.org', 'id-3', 'sweep', 'queued', '2099-01-01T00:00:00.000Z',"
               " '2026-11-21T08:59:01.000Z', 4, 'retry', 'connection refused', 'uid=joe,dc=example,dc=org')")
    db.execute("INSERT INTO domain (name, last_sweep, problem, problem_since) VALUES ('example.net',"
               " '2026-11-21T09:00:00.000Z', 'size limit exceeded', '2026-11-21T09:00:00.000Z')")
    text, _ = kolabctl(path, "problems", status=3)
    parked, retrying, domain = text.split("\n\n")
    assert JANE in parked and "jane@example.org" in parked and 'quota "abc" is no number' in parked
    assert "parked" in parked
    assert "uid=joe" in retrying and "next try 2099-01-01" in retrying and "connection refused" in retrying
    assert "example.net" in domain and "size limit exceeded" in domain
    text, _ = kolabctl(path, "problems", "--json", status=3)
    rows = json.loads(text)
    assert [row["what"] for row in rows] == ["entry", "entry", "domain"]
    assert rows[1]["attempts"] == 4 and rows[1]["next_try"] == "2099-01-01T00:00:00.000Z"


@pytest.mark.parametrize("what", ["id-jane", "ID-Jane", JANE, JANE.upper(), "jane@example.org", "Jane.Doe@Example.ORG",
                                  "user/jane@example.org"])
def test_show_finds_an_entry_by_unique_id_dn_address_and_mailbox(jane, what):
    text, _ = kolabctl(jane[0], "show", what)
    for part in JANE, "user/jane@example.org", "jane.doe@example.org", "1048576 KiB", "Calendar, Entwürfe":
        assert part in text
    assert re.search(r"^status\s+in order$", text, re.M)
    assert re.search(r"^pending change\s+none$", text, re.M)


def test_show_prints_the_newest_journal_rows_in_their_order(jane):
    text, _ = kolabctl(jane[0], "show", "id-jane")
    assert re.findall(r"create folder\s+(F\d+)", text) == [f"F{number}" for number in range(10, 30)]
    entry, = json.loads(kolabctl(jane[0], "show", "id-jane", "--json")[0])
    assert [row["target"] for row in entry["journal"]] == [f"F{number}" for number in range(10, 30)]


def test_show_as_json_has_the_whole_entry(jane):
    park(jane[1], "id-jane", "it did not work")
    entry, = json.loads(kolabctl(jane[0], "show", "id-jane", "--json")[0])
    assert entry["dn"] == JANE and entry["quota_kib"] == 1048576 and entry["folders"] == ["Calendar", "Entwürfe"]
    assert {row["address"]: row["role"] for row in entry["addresses"]} == {
        "jane@example.org": "primary", "jane.doe@example.org": "alias"}
    assert entry["change"]["state"] == "parked" and entry["change"]["last_error"] == "it did not work"


def test_show_finds_an_entry_that_was_never_brought_in_order(jane):
    park(jane[1], "id-new", "attribute sn is absent", "uid=new,dc=example,dc=org")
    text, _ = kolabctl(jane[0], "show", "uid=new,dc=example,dc=org")
    assert re.search(r"^status\s+failed$", text, re.M) and "attribute sn is absent" in text
    entry, = json.loads(kolabctl(jane[0], "show", "id-new", "--json")[0])
    assert entry["mailbox"] is None and entry["folders"] is None and entry["journal"] == []


def test_show_of_nobody_fails_with_a_message(jane):
    out, message = kolabctl(jane[0], "show", "nobody@example.org", status=1)
    assert out == "" and "no entry" in message
    assert kolabctl(jane[0], "show", "nobody@example.org", "--json", status=1)[0] == "[]\n"


def test_values_from_outside_cannot_steer_the_terminal(jane):
    path, db = jane
    evil = "\x1b[2Jquota\r\n\x07 \u202e \u009b31m ünï"
    park(db, "id-evil", evil, "uid=\x1b]0;x\x07,dc=example,dc=org")
    for words in ("problems",), ("show", "id-evil"):
        text, _ = kolabctl(path, *words, status=3 if words[0] == "problems" else 0)
        assert not set("\x1b\r\x07\u202e\u009b") & set(text)
        assert "\\x1b[2Jquota\\x0d\\x0a\\x07 \\xe2\\x80\\xae \\xc2\\x9b31m ünï" in text
        text, _ = kolabctl(path, *words, "--json", status=3 if words[0] == "problems" else 0)
        assert not set("\x1b\r\x07\u202e\u009b") & set(text)
        assert evil in (row.get("message") or row["change"]["last_error"] for row in json.loads(text))


@pytest.mark.parametrize("what, expected", [("id-jane", 1), (JANE.upper(), 1), ("Jane.Doe@example.org", 1), ("user/jane@example.org", 1),
                                            ("uid=new,dc=example,dc=org", 1), ("--all", 3)])
def test_retry_makes_due_what_failed(jane, what, expected):
    path, db = jane
    park(db, "id-jane", "it did not work")
    park(db, "id-new", "attribute sn is absent", "uid=new,dc=example,dc=org")
    db.execute("INSERT INTO change (domain, unique_id, reason, state, due, queued_at, attempts, fault, last_error)"
               " VALUES ('example.org', 'id-3', 'sweep', 'queued', '2099-01-01T00:00:00.000Z',"
               " '2026-11-21T08:59:01.000Z', 4, 'retry', 'connection refused')")
    assert f"{expected} made due" in kolabctl(path, "retry", what)[0]
    assert db.execute("SELECT count(*) FROM change WHERE state = 'queued' AND due < '2099'").fetchone() == (expected,)
    assert json.loads(kolabctl(path, "--json", "retry", what)[0]) == {"retried": expected}


def test_retry_of_what_did_not_fail_says_so_and_changes_nothing(jane):
    path, db = jane
    park(db, "id-2", "it did not work")
    for what in "id-jane", "jane@example.org", "nobody@example.org", "example.org":
        out, message = kolabctl(path, "retry", what, status=1)
        assert out == "" and "nothing of that has failed" in message
    assert db.execute("SELECT state FROM change").fetchall() == [("parked",)]
    db.execute("DELETE FROM change")
    assert "nothing of that has failed" in kolabctl(path, "retry", "--all", status=1)[1]


def test_reading_changes_no_file(jane):
    path, db = jane

    def files():
        return {file.name: file.read_bytes() for file in path.parent.iterdir()}

    before = files()
    kolabctl(path, "status")
    assert files() == before  # a writer has it open
    db.close()
    before = files()
    assert list(before) == ["state.db"]
    kolabctl(path, "show", "id-jane")
    assert files() == before


def test_an_absent_file_is_named_and_not_made(tmp_path):
    path = tmp_path / "state.db"
    _, message = kolabctl(path, "status", status=1)
    assert str(path) in message and "does not exist" in message
    assert not path.exists()


@pytest.mark.parametrize("words", [[], ["frob"], ["show"], ["status", "more"], ["retry"], ["retry", "--all", "id-jane"], ["--frob"]])
def test_a_wrong_command_line_says_what_is_right(jane, words):
    _, message = kolabctl(jane[0], *words, status=1)
    assert message.startswith("kolabctl: ")


def test_the_configuration_names_the_state_file_and_its_secrets_are_not_read(jane, tmp_path):
    config = tmp_path / "kolabd.yaml"
    config.write_text(f"{EXAMPLE.read_text()}\nstate_file: {jane[0]}\n")  # its password files do not exist here
    done = subprocess.run([KOLABCTL, "--config", config, "status"], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert str(jane[0]) in done.stdout


def test_an_absent_configuration_is_named_with_the_way_around_it(tmp_path):
    done = subprocess.run([KOLABCTL, "--config", tmp_path / "absent.yaml", "status"], capture_output=True, text=True,
                          timeout=30, check=False)
    assert done.returncode == 1
    assert "absent.yaml" in done.stderr and "--state" in done.stderr


def test_help_and_version_need_no_state():
    for option, part in ("--help", "problems"), ("--version", "kolabctl "):
        done = subprocess.run([KOLABCTL, option], capture_output=True, text=True, timeout=30, check=True)
        assert part in done.stdout
