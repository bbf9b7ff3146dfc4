"""What is measured: the real servers of t/lab, people, runs of kolabd, and the processor time of each."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import ldap

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "system"), str(HERE.parent / "lab")]

# pylint: disable=wrong-import-position
from servers import DIE_WITH_US  # noqa: E402
from witness import Telemetry  # noqa: E402

import commands  # noqa: E402
import floor  # noqa: E402
import store  # noqa: E402

BUILD = pathlib.Path(os.environ.get("KOLABD_BUILD") or HERE.parents[1] / "build")
UNIT = [("objectClass", [b"top", b"organizationalUnit"])]
PERSON = [b"top", b"person", b"organizationalPerson", b"inetOrgPerson", b"mailRecipient", b"kolabInetOrgPerson"]
DOMAIN = [b"top", b"domainRelatedObject", b"inetDomain", b"extensibleObject"]
USER_FILTER = "(objectClass=kolabInetOrgPerson)"
AHEAD = 50  # 389 closes a connection whose answers nobody reads
TICKS = os.sysconf("SC_CLK_TCK")
REST_S = 1.2


def person(number):
    given, name = f"Given{number}", f"Name{number}"
    attributes = {"uid": f"u{number}", "givenName": given, "sn": name, "cn": f"{given} {name}"}
    return [("objectClass", PERSON), *((name, value.encode()) for name, value in attributes.items())]


def session_cpu(leader):
    """Processor seconds of a server: of all processes in its session, and of their children that have ended."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile; its parent has counted it
        if int(fields[3]) == leader:
            ticks += sum(map(int, fields[11:15]))  # utime stime cutime cstime
    return ticks / TICKS


def machine_cpu():
    """Processor seconds so far that anything used, and that a hypervisor took."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def remove_telemetry(env):
    for place in pathlib.Path(env["IMAP_TELEMETRY"]).iterdir():
        shutil.rmtree(place)


class World:
    """Each measurement has a domain of its own, or several, named by a word."""

    def __init__(self, kind="tmpfs"):
        self.kind = kind
        self.servers = store.Store(kind)
        self.places = {}  # word -> DN below which its domain entries are
        self.counts = collections.Counter()  # word -> people
        self.last_kib = commands.QUOTA_KIB
        self.settings = {}  # more for all configurations
        try:
            self.servers.start()
            self.ds, self.imap = self.servers.ds.env, self.servers.imap.env
            self.directory = self.servers.directory
            self.ldap = ldap.initialize(self.ds["LDAPI_URI"])
            self.ldap.simple_bind_s(self.ds["ROOT_DN"], self.ds["PASSWORD"])
            self.telemetry = Telemetry(self.imap["IMAP_TELEMETRY"])
            self.secret = self.directory / "secret"
            self.secret.touch(0o600)
            self.secret.write_text(self.ds["PASSWORD"])  # no line feed: ldapsearch -y takes it as part
        except BaseException:
            self.close()
            raise

    def close(self):
        self.servers.close()

    def stop_watching(self):
        """The servers as they ship: no telemetry, an access log that is written in blocks."""
        remove_telemetry(self.imap)
        self.ldap.modify_s("cn=config", [(ldap.MOD_REPLACE, "nsslapd-accesslog-logbuffering", b"on")])

    def cpu(self):
        """Processor seconds so far of the (directory server, IMAP server)."""
        return session_cpu(int(self.ds["LDAP_PID"])), session_cpu(int(self.imap["IMAP_PID"]))

    def run_floor(self, users, connections):
        return floor.run(floor.make_mailboxes, floor.Server(self.imap), users, connections)

    # --- the IMAP server as a witness

    def watch(self, users):
        self.telemetry.watch(*users)

    def mark(self):
        return self.telemetry.mark()

    def since(self, mark):
        """[(user, command)]"""
        return self.telemetry.since(mark)

    # --- people

    def base_dn(self, word):
        return f"ou={word},{self.ds['BASE_DN']}"

    def user(self, word, number):
        """The login that kolabd gives to a person."""
        return f"given{number}.name{number}@{word}.example.org"

    def users(self, word, count, begin=0):
        return [self.user(word, number) for number in range(begin, begin + count)]

    def person_dn(self, word, number):
        return f"uid=u{number},ou=People,{self.base_dn(word)}"

    def add_person(self, word, number):
        self.ldap.add_s(self.person_dn(word, number), person(number))

    def add_people(self, word, count):
        """So many more people without mail, numbered from those that are there."""
        begin = self.counts[word]
        if word not in self.counts:
            self.ldap.add_s(self.base_dn(word), UNIT)
            self.ldap.add_s("ou=People," + self.base_dn(word), UNIT)
        self.counts[word] = begin + count
        numbers = range(begin, begin + count)
        self.ask_ahead(self.ldap.add, ((self.person_dn(word, number), person(number)) for number in numbers))

    def set_quotas(self, word, numbers, kib):
        self.ask_ahead(self.ldap.modify, ((self.person_dn(word, number), [(ldap.MOD_REPLACE, "mailQuota", str(kib).encode())])
                                          for number in numbers))

    def new_kib(self):
        """A quota that nobody has."""
        self.last_kib += 1
        return self.last_kib

    def set_mail(self, word, addresses):
        """{number: address}"""
        self.ask_ahead(self.ldap.modify, ((self.person_dn(word, number), [(ldap.MOD_REPLACE, "mail", address.encode())])
                                          for number, address in addresses.items()))

    def ask_ahead(self, method, requests):
        """Sends requests ahead of their answers."""
        sent = collections.deque()
        for request in requests:
            if len(sent) == AHEAD:
                self.ldap.result(sent.popleft())
            sent.append(method(*request))
        while sent:
            self.ldap.result(sent.popleft())

    # --- domains

    def add_domains(self, word, count, people):
        """WORD0.example.org and so on, with so many people each: of one measurement, named by the word."""
        self.places[word] = f"cn={word},cn=kolab,cn=config"
        self.ldap.add_s(self.places[word], [("objectClass", [b"top", b"extensibleObject"])])
        for label in (f"{word}{number}" for number in range(count)):
            self.add_people(label, people)
            self.ldap.add_s(f"associatedDomain={label}.example.org,{self.places[word]}",
                            [("objectClass", DOMAIN), ("inetDomainBaseDN", self.base_dn(label).encode())])

    # --- programs

    def state_file(self, word):
        return self.directory / f"{word}.db"

    def configure(self, word, workers, *more):
        """`more`: words whose domains the same kolabd serves."""
        settings = {
            "state_file": str(self.state_file(word)),
            "workers": workers,
            "ldap": {"uri": self.ds["LDAPS_URI"], "bind_dn": self.ds["SERVICE_DN"], "bind_password_file": str(self.secret),
                     "ca_file": self.ds["CA_FILE"]},
            "imap": {"uri": self.imap["IMAPS_URI"], "admin_login": self.imap["IMAP_ADMIN"],
                     "admin_password_file": str(self.secret), "ca_file": self.imap["CA_FILE"]},
            "quota": {"default": commands.QUOTA_KIB},
            **self.settings,
        }
        if word in self.places:
            settings["domain_discovery"] = {"base_dn": self.places[word]}
        else:
            settings["domains"] = {f"{name}.example.org": {"base_dn": self.base_dn(name)} for name in (word, *more)}
        file = self.directory / f"{word}.yaml"
        file.write_text(json.dumps(settings, indent=1))  # JSON is YAML
        return file

    def measure(self, command, environment=None):
        """Runs a command: {seconds, cpu, rss_kib}, and what it wrote."""
        result, output = self.directory / "measured", self.directory / "output"
        with output.open("wb") as file:
            subprocess.run([*DIE_WITH_US, "/usr/bin/python3", "-ISs", HERE / "measure.py", result, *command], check=True,
                           stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(os.environ, **(environment or {})))
        measured, text = json.loads(result.read_text()), output.read_text(errors="replace")
        if measured["status"] != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {measured['status']}:\n{text[-3000:]}")
        return measured, text

    def sync(self, word, changed, workers=4, configure=None, resync=False):
        """kolabd --sync, which must have changed so many entries, and looked at all of them with `resync`."""
        file = (configure or self.configure)(word, workers)
        measured, text = self.measure([BUILD / "kolabd", "--config", file, "--sync", *(["--resync"] if resync else [])])
        looked = self.counts[word] if resync else r"\d+"
        if not re.search(rf"\b{looked} entries looked at, {changed} changed, 0 failed", text):
            raise RuntimeError(f"kolabd --sync did not change {changed} entries:\n{text[-3000:]}")
        return measured

    def rest(self, word):
        """Since kolabd makes no mailbox in the second after its last run wrote the state (docs/behaviour.md, A server that
        gives two mailboxes one id), which no first run has to wait for."""
        written = max((path.stat().st_mtime for path in self.directory.glob(f"{word}.db*")), default=0)
        time.sleep(max(0, written + REST_S - time.time()))

    def sweep_attributes(self, word):
        """What kolabd's complete read of a domain asks for, in the directory server's own words: it is a search that names
        no entry, and wants the time of the last change."""
        search = re.compile(rf'SRCH base="{re.escape(self.base_dn(word))}" scope=2 filter="([^"]*)" attrs="([^"]*)"', re.I)
        log = pathlib.Path(self.ds["ACCESS_LOG"]).read_text(errors="replace")
        found = [attributes for filter_text, attributes in search.findall(log)
                 if "nsuniqueid=" not in filter_text.lower() and "modifytimestamp" in attributes.lower()]
        if not found:
            raise RuntimeError(f"no complete read of {word} in {self.ds['ACCESS_LOG']}")
        return found[0].split()

    def dump(self, word, attributes):
        """One paged ldapsearch, which must have found everybody."""
        command = ["ldapsearch", "-LLL", "-x", "-H", self.ds["LDAPS_URI"], "-D", self.ds["SERVICE_DN"], "-y", self.secret,
                   "-E", "pr=500/noprompt", "-b", self.base_dn(word), USER_FILTER, *attributes]
        measured, text = self.measure(command, {"LDAPTLS_CACERT": self.ds["CA_FILE"], "LDAPTLS_REQCERT": "demand"})
        if len(re.findall("^dn:", text, re.MULTILINE)) != self.counts[word]:
            raise RuntimeError(f"ldapsearch did not find {self.counts[word]} entries:\n{text[-3000:]}")
        return measured
