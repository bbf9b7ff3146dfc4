"""What `make check-valgrind` runs under valgrind: the ways through kolabd that touch the most memory, with few people.

The tests hold without valgrind as well; what they are for is the exit status, which KOLABD_WRAPPER turns bad on a finding."""


def test_valgrind_a_sync_of_new_renamed_and_refused_people(lab, kolabd):
    jane = lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)
    lab.add_person("john", givenName="John", sn="Example")
    lab.add_person("bad", givenName="Bad", sn="Example", mail="two@signs@example.org")
    kolabd.configure({"policy": {"mode": "when_empty"}})
    assert "user/jane.example@" in kolabd.run("--sync", "--dry-run", check=3).stdout
    kolabd.run("--sync", check=3)
    assert lab.imap.quota(f"user/jane.example@{lab.domain}") == 1000
    lab.modify(jane, mail=f"jane.sample@{lab.domain}")
    kolabd.run("--sync", "--resync", check=3)
    assert lab.imap.mailboxes(f"user/%@{lab.domain}") == [f"user/{name}@{lab.domain}" for name in ("jane.sample", "john.example")]
    kolabd.ctl("status")
    assert "two@signs" in kolabd.ctl("problems", check=3).stdout


def test_valgrind_a_daemon_that_serves_and_stops(lab, kolabd):
    daemon = kolabd.start()
    daemon.wait_ready(deadline=60)
    daemon.wait_for_log("0 to look at", deadline=60)
    lab.add_person("jane", givenName="Jane", sn="Example")
    daemon.wait_for_log(f"user/jane.example@{lab.domain}", deadline=60)
    daemon.stop()
