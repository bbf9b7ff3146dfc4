"""What happens in the directory while kolabd is killed: the stories of test_crash.py."""

from crash import Story
from lab import ORGANIZATIONAL_UNIT, PERSON

NO_PERSON = [name for name in PERSON if name != "kolabInetOrgPerson"] + ["extensibleObject"]
# One folder for each thing that a folder can have.
FOLDERS = {"Archive": {"partition": "archive", "quota": 0}, "Calendar": {"acl": {"anyone": "lr"}, "quota": 500},
           "Calendar/Deep": {"metadata": {"/shared/vendor/kolab/folder-type": "event"}},
           "Sent": {"metadata": {"/private/vendor/kolab/folder-type": "mail.sentitems"}, "partition": "archive"},
           "Drafts": {"metadata": {"/private/vendor/kolab/folder-type": "mail.drafts"}, "subscribe": False}}


class Life(Story):
    """From the creation of a person with all default folders to somebody's deletion."""

    def __init__(self, lab, **settings):
        super().__init__(lab, **settings)
        self.configure(policy={"mode": "always"})
        self.jane = self.team = self.plans = None
        self.john = lab.add_person("john", givenName="John", sn="Example")
        self.kim = lab.add_person("kim", givenName="Kim", sn="Sample")
        lab.add_person("pat", givenName="Pat", sn="Person", mailQuota=3000)
        lab.imap.create(f"user/{self.address('stranger')}")
        self.kolabd.run("--sync")
        for name in ("john.example", "kim.sample", "pat.person", "stranger"):
            self.put_mail(name, "INBOX")

    def prepare(self, phase):
        if phase is Life.exchange:
            self.configure()

    def create(self):
        self.jane = self.lab.add_person("jane", givenName="Jane", sn="Example", mailQuota=1000)

    def change_quota(self):
        self.put_mail("jane.example", "INBOX", "Sent", "Calendar/Personal Calendar")
        self.lab.modify(self.jane, mailQuota=2000)

    def rename(self):
        self.lab.modify(self.jane, sn="Sample")

    def share(self):
        self.team = self.add_shared("Team", mail=self.address("team"), kolabFolderType="mail",
                                    acl=f"{self.address('jane.sample')}, full")
        self.plans = self.add_shared("Plans", kolabTargetFolder=f"shared/Team/{self.address('Plans')}", kolabFolderType="event",
                                     acl="anyone, read-only")

    def rename_shared(self):
        """With what is below it, which is another entry's, and the limit that somebody gave it."""
        self.lab.imap.set_quota(f"shared/{self.address('Team')}", 700)
        self.lab.modify(self.team, kolabTargetFolder=f"shared/{self.address('Crew')}", mail=None,
                        acl=[f"{self.address('pat.person')}, read-only", "anyone, +i-s"])
        self.lab.modify(self.plans, kolabFolderType="task", acl=None)

    def exchange(self):
        self.lab.modify(self.jane, mail=self.address("john.example"))
        self.lab.modify(self.john, mail=self.address("jane.sample"))

    def delete(self):
        kim = self.address("kim.sample")
        with self.lab.imap.session(self.address("john.example")) as jane:
            jane.set_acl("Calendar", kim, "lrs")
            jane.set_acl("Sent", kim, "lrswi")
        self.lab.imap.admin.set_acl(f"shared/Team/{self.address('Plans')}", kim, "lrs")
        self.lab.delete(self.kim)

    PHASES = [create, change_quota, rename, share, rename_shared, exchange, delete]


class Turns(Story):
    """Rarer ways: adoption, rings, leaving and coming back, another domain, another person under the same name."""

    def __init__(self, lab, **settings):
        super().__init__(lab, folders={"create": FOLDERS}, **settings)
        self.domains.append(f"b.{lab.domain}")
        self.other_dn = lab.add(f"ou=Other,{lab.base_dn}", objectClass=ORGANIZATIONAL_UNIT)
        self.configure()
        self.dns = {}
        self.team = self.crew = None

    def configure(self, **settings):
        super().configure(domains={self.lab.domain: {"base_dn": self.lab.people_dn},
                                   f"b.{self.lab.domain}": {"base_dn": f"ou=Other,{self.lab.base_dn}"}}, **settings)

    def set_mails(self, **names):
        for who, name in names.items():
            self.lab.modify(self.dns[who], mail=self.address(name))

    def prepare(self, phase):
        if phase is not Turns.adopt:
            return
        # Nobody's alias is ever somebody's address: one that becomes free is taken only when its entry is looked at.
        self.dns = {name: self.lab.add_person(f"uid-{name}", givenName=name.capitalize(), sn="Example", mail=self.address(name))
                    for name in ("ann", "bob", "cat")}
        self.kolabd.run("--sync")
        for name in self.dns:
            self.put_mail(name, "INBOX", "Sent")

    def begin(self):
        """Without a state file, and without anybody."""

    def adopt(self):
        self.lab.imap.create(f"user/{self.address('dan')}")
        with self.lab.imap.session(self.address("dan")) as dan:
            dan.create("Sent")
            dan.create("Mine")
            dan.set_metadata("Mine", "/private/specialuse", "\\Drafts")
        self.put_mail("dan", "INBOX", "Sent", "Mine")
        self.dns["dan"] = self.lab.add_person("uid-dan", givenName="Dan", sn="Example", mail=self.address("dan"), mailQuota=100)

    def ring(self):
        self.set_mails(ann="bob", bob="cat", cat="ann")

    def chain(self):
        self.set_mails(ann="cat", bob="new")

    def leave(self):
        self.lab.modify(self.dns["dan"], objectClass=NO_PERSON)

    def come_back(self):
        self.lab.modify(self.dns["dan"], objectClass=PERSON, mail=self.address("daniel"), mailQuota=None)

    def move(self):
        """To another domain, whose base has another address for it."""
        self.lab.modify(self.dns["ann"], mail=f"ann@b.{self.lab.domain}")
        self.dns["ann"] = self.lab.rename(self.dns["ann"], new_parent=self.other_dn)

    def replace(self):
        """Another person, with the DN and the address of one who left."""
        with self.lab.imap.session(self.address("daniel")) as dan:
            dan.set_acl("Sent", self.address("new"), "lrs")
        self.lab.delete(self.dns["bob"])
        self.lab.add_person("uid-bob", givenName="Bob", sn="Other", mail=self.address("new"))

    def share(self):
        self.team = self.add_shared("Team", acl="anyone, lrs")
        self.crew = self.add_shared("Crew", acl="anyone, lr", kolabFolderType="task")

    def exchange_shared(self):
        self.lab.imap.set_quota(f"shared/{self.address('Team')}", 700)
        self.lab.imap.set_quota(f"shared/{self.address('Crew')}", 800)
        self.lab.imap.create(f"shared/Team/{self.address('Below')}")
        self.lab.modify(self.team, kolabTargetFolder=f"shared/{self.address('Crew')}")
        self.lab.modify(self.crew, kolabTargetFolder=f"shared/{self.address('Team')}")

    def delete_shared(self):
        self.lab.delete(self.crew)

    PHASES = [begin, adopt, ring, chain, leave, come_back, move, replace, share, exchange_shared, delete_shared]
