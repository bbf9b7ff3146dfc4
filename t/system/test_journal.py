"""kolabctl journal: what was done, to whom, by whose word, and what became of it; and how long that is kept."""

import contextlib
import json
import re
import sqlite3

import pytest


def journal(kolabd, *arguments):
    """The rows, as objects."""
    return [json.loads(line) for line in kolabd.ctl("--json", "journal", *arguments).stdout.splitlines()]


def steps(rows):
    return [(row["step"], row["target"]) for row in rows]


@contextlib.contextmanager
def database(kolabd):
    with contextlib.closing(sqlite3.connect(kolabd.state, timeout=10)) as connection, connection:
        yield connection


def add_old_rows(kolabd, days, count):
    with database(kolabd) as connection:
        connection.executemany("INSERT INTO journal (time, domain, unique_id, step, outcome)"
                               " VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?), 'example.org', 'id-old', 'step', 'ok')",
                               [(f"-{days} days",)] * count)


def count_old_rows(kolabd):
    with database(kolabd) as connection:
        return connection.execute("SELECT count(*) FROM journal WHERE unique_id = 'id-old'").fetchone()[0]


def test_a_mailbox_that_was_there_is_not_said_to_be_created_and_its_limit_is_told(lab, kolabd):
    for name, limit in (("jane", 5), ("max", None)):
        lab.imap.create(f"user/{name}.example@{lab.domain}")
        if limit is not None:
            lab.imap.set_quota(f"user/{name}.example@{lab.domain}", limit)
        lab.add_person(name, givenName=name.title(), sn="Example", mailQuota=1000)
    lab.add_person("new", givenName="New", sn="Example", mailQuota=1000)
    kolabd.run("--sync")
    for name, before, created in (("jane", "5 KiB", False), ("max", None, False), ("new", None, True)):
        rows = journal(kolabd, "--entry", f"{name}.example@{lab.domain}")
        assert ("create mailbox" in [row["step"] for row in rows]) is created
        assert [(row["before"], row["after"]) for row in rows if row["step"] == "set quota"] == [(before, "1000 KiB")]


def test_who_deleted_what_is_found_by_all_names_of_a_user_who_is_gone(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example")
    lab.add_person("max", givenName="Max", sn="Other")  # wants none of her addresses
    kolabd.run("--sync")
    unique_id = lab.get_one(dn, "nsUniqueId")
    new_dn = lab.rename(dn, "uid=janet")
    lab.modify(new_dn, givenName="Janet", mail=f"janet@{lab.domain}")
    kolabd.run("--sync")
    kolabd.configure({"deletion": {"limit": 0, "limit_percent": 0}})
    lab.delete(new_dn)
    kolabd.run("--sync", check=3)
    kolabd.ctl("approve", lab.domain)
    kolabd.run("--sync")
    rows = journal(kolabd, "--entry", unique_id)
    first, last = f"user/jane.example@{lab.domain}", f"user/janet@{lab.domain}"
    assert [(row["step"], row["before"], row["after"]) for row in rows if row["target"] in (first, last)] == [
        ("create mailbox", None, first), ("rename mailbox", first, last), ("approve deletion", "held", "approved"),
        ("delete mailbox", last, None)]
    assert {row["outcome"] for row in rows} == {"ok"} and {row["unique_id"] for row in rows} == {unique_id.lower()}
    assert [row["dn"] for row in rows if row["step"] in ("create mailbox", "delete mailbox")] == [dn, new_dn]
    assert [row["step"] for row in rows if row["operator"]] == ["approve deletion"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    for name in (dn, new_dn.upper(), first, last, f"jane.example@{lab.domain}", f"J.Example@{lab.domain}", f"janet@{lab.domain}"):
        assert journal(kolabd, "--entry", name) == rows, name
    text = kolabd.ctl("journal", "--entry", f"janet@{lab.domain}").stdout
    assert re.search(rf"^20\S+Z  ok      delete mailbox    {re.escape(last)}  \({re.escape(new_dn)}\)$", text, re.M)
    assert re.search(r"  ok      approve deletion .* by \S", text)
    assert len(text.splitlines()) == len(rows) < len(journal(kolabd))
    assert "knows" in kolabd.ctl("journal", "--entry", f"nobody@{lab.domain}", check=1).stderr


def test_a_step_that_the_server_refuses_is_in_the_journal_with_its_answer(lab, kolabd):
    dn = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    kolabd.configure({"ldap": {"bind_dn": f"uid=reader,{lab.base_dn}"}})
    lab.add(f"uid=reader,{lab.base_dn}", objectClass=["top", "account", "simpleSecurityObject"], uid="reader",
            userPassword=lab.ds.env["PASSWORD"])
    lab.modify(lab.base_dn, aci='(targetattr = "*") (version 3.0; acl "reader"; allow (read, search, compare)'
                                f' userdn = "ldap:///uid=reader,{lab.base_dn}";)')
    for _ in range(3):
        kolabd.run("--sync", check=3)
    failed = [row for row in journal(kolabd, "--entry", dn) if row["outcome"] != "ok"]
    assert sorted(row["target"] for row in failed) == ["alias", "mail", "mailHost"]
    for row in failed:
        assert row["step"] == "write attribute" and "Insufficient access" in row["outcome"]
        assert lab.ds.env["LDAPS_URI"] in row["outcome"]
    assert [row["after"] for row in failed if row["target"] == "mail"] == [f"jane.example@{lab.domain}"]
    assert re.search(r"  failed  write attribute   mail .*: .*Insufficient access", kolabd.ctl("journal").stdout)
    kolabd.ctl("retry", dn)
    kolabd.run("--sync", check=3)
    again = journal(kolabd, "--entry", dn)[-4:]
    assert steps(again)[0] == ("retry", "change") and again[0]["operator"] and sorted(row["target"] for row in again[1:]) == [
        "alias", "mail", "mailHost"]


def test_the_journal_begins_at_the_time_that_is_asked_for(lab, kolabd):
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.run("--sync")
    rows = journal(kolabd)
    with database(kolabd) as connection:
        connection.execute("UPDATE journal SET time = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-2 days')"
                           " WHERE id <= (SELECT min(id) + 2 FROM journal)")
    for since in ("1d", "1440m", "24h", rows[3]["time"]):
        assert steps(journal(kolabd, "--since", since)) == steps(rows[3:]), since
    for since in ("3d", "2020-01-01", "2020-01-01T00:00:00Z"):
        assert steps(journal(kolabd, "--since", since, "--entry", f"jane.example@{lab.domain}")) == steps(rows), since
    for wrong in ("yesterday", "12", "", "2020-13-01"):
        done = kolabd.ctl("journal", "--since", wrong, check=1)
        assert done.stdout == "" and "--since: want a time such as" in done.stderr and f'got "{wrong}"' in done.stderr
    for misuse in (["status", "--since", "1d"], ["show", "jane", "--entry", "jane"], ["journal", "jane"]):
        assert "say one of" in kolabd.ctl(*misuse, check=1).stderr


@pytest.mark.parametrize("days, left", [(30, 0), (400, 1234), (0, 1234)])
def test_a_sync_forgets_what_is_older_than_the_setting_says(lab, kolabd, days, left):
    lab.add_person("jane", givenName="Jane", sn="Example")
    kolabd.configure({"journal_days": days})
    kolabd.run("--sync")
    young = journal(kolabd)
    add_old_rows(kolabd, 31, 1234)
    kolabd.run("--sync", "--dry-run")
    assert count_old_rows(kolabd) == 1234
    kolabd.run("--sync")
    assert count_old_rows(kolabd) == left
    assert journal(kolabd)[left:] == young


def test_the_daemon_forgets_old_rows_at_its_start_while_it_works(lab, kolabd, wait_until):
    kolabd.run("--sync")
    add_old_rows(kolabd, 401, 5000)
    add_old_rows(kolabd, 399, 10)
    daemon = kolabd.start()
    lab.add_person("jane", givenName="Jane", sn="Example")
    daemon.wait_for_log(f"in order after.*user/jane.example@{lab.domain}")
    wait_until(lambda: count_old_rows(kolabd) == 10)
    assert ("create mailbox", f"user/jane.example@{lab.domain}") in steps(journal(kolabd))
