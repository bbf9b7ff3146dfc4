"""Labs whose kolabd reaches the servers through proxies (t/fake/proxy.py), and running tests of many such labs side by side: what
takes long only because it waits takes as long as one."""

import concurrent.futures
import pathlib
import sys

from lab import Lab
from polling import wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fake"))

import proxy as faults  # noqa: E402 pylint: disable=wrong-import-position

FOLDERS = ["Drafts", "Sent"]
SECONDS = 120  # for a daemon under a sanitizer, beside others, after its back-off


class ProxiedLab(Lab):
    """`proxies` is {"ldap": ..., "imap": ...}. `ends_tls`: they speak TLS themselves, and see what is said."""

    def __init__(self, servers, witnesses, number, directory, ends_tls=False):
        ports = {"ldap": servers.ds.env["LDAPS_PORT"], "imap": servers.imap.env["IMAPS_PORT"]}
        ca = servers.directory / "ca"
        self.told_before = 0
        self.certificate = (ca / "server.pem", ca / "server.key")
        self.proxies = {side: faults.Proxy(int(port), ca / "ca.pem", *(self.certificate if ends_tls else ())) for side, port in ports.items()}
        super().__init__(servers, witnesses, number, directory)

    def settings(self):
        settings = super().settings()
        for side, proxy in self.proxies.items():
            settings[side].update(uri=f"{side}s://127.0.0.1:{proxy.port}", timeout="4s")
        settings["imap"]["mail_host"] = "imap.example.org"
        settings["deletion"] = {"delay": "1s"}
        settings["folders"] = {"create": {folder: {} for folder in FOLDERS}}
        settings["workers"] = 2  # of many labs side by side: all connect at the same moment
        return settings

    def uri(self, side):
        return self.kolabd.settings[side]["uri"]

    def close(self):
        try:
            super().close()
        finally:
            for proxy in self.proxies.values():
                proxy.close()

    # --- people, and whether all is as the directory says

    def add_login(self, name, **attributes):
        return self.add_person(name, givenName=name.capitalize(), sn="Example", mail=f"{name}@{self.domain}", **attributes)

    def begin(self, *names):
        """Starts kolabd with these people, each with a mail of their own name. Gives (daemon, {name: DN})."""
        people = {name: self.add_login(name, mailQuota=1000) for name in names}
        daemon = self.kolabd.start()
        self.wait_for({name: 1000 for name in names})
        for name in names:
            self.imap.put_mail(f"{name}@{self.domain}", name)
        self.told_before = len(daemon.log_text)
        return daemon, people

    @property
    def told(self):
        """What the daemon wrote since begin()."""
        return self.kolabd.daemons[-1].log_text[self.told_before:]

    def quotas(self):
        """{login: KiB} of all mailboxes of the domain."""
        names = self.imap.mailboxes(f"user/%@{self.domain}")
        return {name.removeprefix("user/").partition("@")[0]: self.imap.quota(name) for name in names}

    def wait_for(self, quotas):
        """Until exactly these mailboxes are there, with these limits, and nothing is left to be done."""
        wait_until(lambda: self.quotas() == quotas, SECONDS, f"mailboxes {quotas} of {self.domain}")
        wait_until(lambda: self.kolabd.query("SELECT count(*) FROM change") == [(0,)], SECONDS, f"an empty queue of {self.domain}")

    def check_people(self, people):
        """`people`: {login: (DN, subjects of its mails)}."""
        addresses = []
        for login, (dn, mails) in people.items():
            entry = self.get(dn)
            assert entry["mail"] == [f"{login}@{self.domain}"], (login, entry["mail"])
            assert entry["mailHost"] == ["imap.example.org"], (login, entry["mailHost"])
            assert self.imap.mails(f"{login}@{self.domain}") == mails, login
            addresses += entry["mail"] + entry.get("alias", [])
            found = self.imap.folders(f"{login}@{self.domain}"), self.imap.subscriptions(f"{login}@{self.domain}")
            assert found == (sorted([*FOLDERS, "INBOX"]), FOLDERS), (login, found)
        assert len(addresses) == len(set(addresses)), addresses


def outages(log_text):
    """(those that began, those that ended) as the log tells."""
    lines = log_text.splitlines()
    return ([line for line in lines if "changes wait, trying again" in line],
            [line for line in lines if line.endswith("can be reached again")])


def warnings(log_text):
    return [line for line in log_text.splitlines() if line.startswith(("kolabd: warning:", "kolabd: error:"))]


def side_by_side(function, lanes):
    """Calls function(*arguments) for each of {name: arguments}, the first of which is a lab; all at the same time. Daemons die
    with the thread that started them, so they are stopped before."""
    def run(lab, *rest):
        try:
            function(lab, *rest)
        finally:
            lab.kolabd.close()
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        running = {name: pool.submit(run, *arguments) for name, arguments in lanes.items()}
    for name, future in running.items():
        if future.exception():
            log = lanes[name][0].kolabd.log
            raise AssertionError(f"{name}: {future.exception()}\n{log.read_text()[-8000:] if log.exists() else ''}") \
                from future.exception()
