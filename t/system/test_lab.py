"""The fixtures against the real servers, without kolabd: what the other tests rely on."""

import os
import signal
import subprocess
import sys
import textwrap

import ldap
import pytest

import imap_client
from polling import wait_until

FOLDER_TYPE = "/private/vendor/kolab/folder-type"
SHARED_TYPE = "/shared/vendor/kolab/folder-type"


@pytest.fixture
def service(lab):
    connection = lab.connect(lab.ds.env["SERVICE_DN"])
    yield connection
    connection.unbind_s()


def kolabds_session(lab, as_user=""):
    """A session that looks like the daemon's: its administrator, no signature."""
    env = lab.cyrus.env
    return imap_client.Session(int(env["IMAPS_PORT"]), env["CA_FILE"], env["IMAP_ADMIN"], env["PASSWORD"], as_user, signed=False)


def test_the_service_account_reads_a_person_over_ldaps(lab, service):
    dn = lab.add_person("ada", givenName="Ada", sn="Example")
    found = service.search_s(dn, ldap.SCOPE_BASE, attrlist=["sn", "nsUniqueId"])
    assert found[0][1]["sn"] == [b"Example"]
    assert found[0][1]["nsUniqueId"]


def test_the_service_account_writes_the_four_attributes(lab, service):
    dn = lab.add_person("ada", givenName="Ada", sn="Example")
    service.modify_s(dn, [(ldap.MOD_REPLACE, "mail", [b"ada@example.org"]), (ldap.MOD_ADD, "alias", [b"a@example.org", b"b@example.org"]),
                          (ldap.MOD_REPLACE, "mailHost", [b"imap.example.org"]), (ldap.MOD_REPLACE, "mailQuota", [b"1024"])])
    person = lab.get(dn)
    assert (person["mail"], person["alias"]) == (["ada@example.org"], ["a@example.org", "b@example.org"])
    assert (person["mailHost"], person["mailQuota"]) == (["imap.example.org"], ["1024"])


@pytest.mark.parametrize("attribute", ["sn", "uid", "userPassword", "objectClass"])
def test_the_service_account_writes_nothing_else(lab, service, attribute):
    dn = lab.add_person("ada")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [b"top"])])


def test_the_service_account_adds_and_deletes_nobody(lab, service):
    dn = lab.add_person("ada")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.delete_s(dn)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.add_s(f"ou=x,{lab.base_dn}", [("objectClass", [b"top", b"organizationalUnit"])])


def test_the_blind_account_binds_and_reads_nothing(lab):
    lab.add_person("ada")
    blind = lab.connect("uid=blind-service,ou=Special Users,dc=example,dc=org")
    assert blind.search_s(lab.people_dn, ldap.SCOPE_SUBTREE) == []
    blind.unbind_s()


def test_people_are_changed_renamed_and_deleted(lab):
    dn = lab.add_person("ada", givenName="Ada", sn="Sample", mailQuota=1)
    lab.modify(dn, sn="Muster", mailQuota=None, alias=["a@x.org", "b@x.org"])
    renamed = lab.rename(dn, "uid=adab", lab.base_dn)
    assert lab.get(dn) is None
    person = lab.get(renamed)
    assert (person["sn"], person["alias"], person.get("mailQuota")) == (["Muster"], ["a@x.org", "b@x.org"], None)
    assert lab.get_one(renamed, "UID") == "adab"
    lab.delete(renamed)
    assert lab.get(renamed) is None


def test_a_person_may_lack_sn_and_given_name(lab):
    person = lab.get(lab.add_person("nobody", sn=None))
    assert "sn" not in person and "givenName" not in person and "kolabInetOrgPerson" in person["objectClass"]


def test_two_tests_do_not_see_each_other_first(lab):
    lab.add_person("same-uid")
    assert len(lab.ldap.search_s(lab.people_dn, ldap.SCOPE_ONELEVEL)) == 1


def test_two_tests_do_not_see_each_other_second(lab):
    lab.add_person("same-uid")
    assert len(lab.ldap.search_s(lab.people_dn, ldap.SCOPE_ONELEVEL)) == 1


def test_localhost_is_a_name_that_no_certificate_has(lab):
    connection = ldap.initialize(lab.ds.env["LDAPS_URI"].replace("127.0.0.1", "localhost"))
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, lab.ds.env["CA_FILE"])
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    with pytest.raises(ldap.SERVER_DOWN):
        connection.simple_bind_s(lab.ds.env["SERVICE_DN"], lab.ds.env["PASSWORD"])


def test_a_mailbox_made_by_hand_is_seen_by_its_user(lab, imap):
    user = f"ada@{lab.domain}"
    assert imap.folders(user) == []
    imap.create(f"user/ada@{lab.domain}")
    with imap.session(user) as session:
        session.create("Entwürfe & 台北")
        session.create("Calendar/O'Connor")
        session.subscribe("Entwürfe & 台北")
    assert imap.folders(user) == ["Calendar", "Calendar/O'Connor", "Entwürfe & 台北", "INBOX"]
    assert imap.subscriptions(user) == ["Entwürfe & 台北"]
    assert imap.exists(f"user/ada/Entwürfe & 台北@{lab.domain}")
    assert imap.mailboxes(f"user/%@{lab.domain}") == [f"user/ada@{lab.domain}"]


@pytest.mark.parametrize("value", ["event.default", 'a "quoted" \\ one', "NIL", "(x"])
def test_metadata_round_trips(lab, imap, value):
    user = f"ada@{lab.domain}"
    imap.create(f"user/{user}")
    imap.set_metadata(user, "INBOX", FOLDER_TYPE, value)
    assert imap.metadata(user, "INBOX") == {FOLDER_TYPE: value, SHARED_TYPE: None}


def test_quota_is_a_limit_in_kib_or_none(lab, imap):
    mailbox = f"user/ada@{lab.domain}"
    imap.create(mailbox)
    assert imap.quota(mailbox) is None
    imap.set_quota(mailbox, 1048576)
    assert imap.quota(mailbox) == 1048576


def test_a_mailbox_is_deleted(lab, imap):
    mailbox = f"user/ada@{lab.domain}"
    imap.create(mailbox)
    assert imap.exists(mailbox)
    imap.delete(mailbox)
    assert not imap.exists(mailbox)


def test_the_access_log_witnesses_the_service_accounts_operations_only(lab, service):
    dn = lab.add_person("ada")
    service.modify_s(dn, [(ldap.MOD_REPLACE, "mail", [b"before@example.org"])])
    mark = lab.mark()
    assert lab.ldap_operations(mark) == []
    lab.modify(dn, sn="Somebody")
    service.search_s(dn, ldap.SCOPE_BASE)
    assert lab.ldap_writes(mark) == []
    service.modify_s(dn, [(ldap.MOD_REPLACE, "mail", [b"after@example.org"])])
    assert lab.ldap_writes(mark) == [("MOD", dn)]
    assert lab.ldap_operations(mark) == [("SRCH", dn), ("MOD", dn)]


def test_telemetry_witnesses_the_daemons_commands_only(lab, imap):
    user = f"ada.king@{lab.domain}"
    admin = kolabds_session(lab)
    admin.create(f"user/{user}")
    mark = lab.mark()
    imap.folders(user)
    imap.set_quota(f"user/{user}", 7)
    assert lab.imap_commands(mark) == []
    assert admin.quota(f"user/{user}") == 7
    assert lab.imap_writes(mark) == []
    with kolabds_session(lab, user) as session:
        session.imap.send(b'x1 CREATE {8+}\r\nCalendar\r\nx2 SUBSCRIBE "Calendar"\r\nx3 NOOP\r\n')  # a literal, pipelined
        while not session.imap.readline().startswith(b"x3 OK"):
            pass
    admin.set_quota(f"user/{user}", 8)
    assert ("cyrus-admin", f'GETQUOTA "user/{user}"') in lab.imap_commands(mark) and (user, "NOOP") in lab.imap_commands(mark)
    assert lab.imap_writes(mark) == [(user, "CREATE {8+}\r\nCalendar"), (user, 'SUBSCRIBE "Calendar"'),
                                     ("cyrus-admin", f'SETQUOTA "user/{user}" (STORAGE 8)')]
    later = lab.mark()
    assert lab.imap_writes(later) == []
    admin.set_quota(f"user/{user}", 9)
    assert lab.imap_writes(later) == [("cyrus-admin", f'SETQUOTA "user/{user}" (STORAGE 9)')]
    admin.close()


def test_servers_come_back_with_their_data_on_the_same_ports(lab, imap):
    dn = lab.add_person("ada")
    imap.create(f"user/ada@{lab.domain}")
    before = (lab.ds.env["LDAPS_URI"], lab.cyrus.env["IMAPS_URI"])
    lab.ds.stop()
    lab.cyrus.stop()
    lab.ds.start()
    lab.cyrus.start()
    assert (lab.ds.env["LDAPS_URI"], lab.cyrus.env["IMAPS_URI"]) == before
    assert lab.get(dn) and imap.exists(f"user/ada@{lab.domain}")


def test_wait_until_tells_what_it_waited_for():
    with pytest.raises(AssertionError, match="rain; last answer: 0"):
        wait_until(lambda: 0, deadline=0, what="rain")


def pids_below(directory):
    found = []
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    if directory.encode() + b"/" in file.read():
                        found.append(int(process))
            except OSError:
                pass
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_session_leaves_nothing_behind(tmp_path, number):
    here = os.path.dirname(os.path.abspath(__file__))
    (tmp_path / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {here!r})\n" + open(f"{here}/conftest.py").read().replace(
        "pathlib.Path(__file__).resolve().parent.parent", f"pathlib.Path({here!r}).parent"))
    (tmp_path / "test_it.py").write_text(textwrap.dedent("""
        import time
        def test_it(servers):
            open("directory.new", "w").write(str(servers.directory))
            __import__("os").rename("directory.new", "directory")
            time.sleep(600)
    """))
    session = subprocess.Popen([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"], cwd=tmp_path,
                               stdout=subprocess.DEVNULL, start_new_session=True)
    directory = wait_until(lambda: (tmp_path / "directory").exists() and (tmp_path / "directory").read_text(), what="servers up")
    assert len(pids_below(directory)) >= 4
    os.killpg(session.pid, number)
    session.wait(30)
    wait_until(lambda: not os.path.exists(directory) and not pids_below(directory), what="nothing left")
