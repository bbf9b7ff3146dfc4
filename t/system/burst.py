"""Many changes at once, as an import or a script of the administrator makes them: over several connections, and each sends
ahead of the answers."""

import collections
import threading

import ldap

from lab import PERSON, as_values, connect_ldap

AHEAD = 50  # 389 closes a connection whose answers nobody reads


class Burst:
    """What is asked with the same `key` goes over one connection, and so happens in this order."""

    def __init__(self, env, connections=4):
        self.requests = [[] for _ in range(connections)]
        self.connections = [connect_ldap(env, env["ROOT_DN"]) for _ in range(connections)]
        self.threads = []
        self.problems = []

    def ask(self, key, method, *arguments):
        """`method` of a python-ldap connection, one that gives a message id."""
        self.requests[key % len(self.requests)].append((method, arguments))

    def modify(self, key, dn, **attributes):
        """Replaces; None removes."""
        self.ask(key, "modify", dn, [(ldap.MOD_REPLACE, name, as_values(value)) for name, value in attributes.items()])

    def add_person(self, key, uid, parent, **attributes):
        """Gives the DN. The surname is the user's own: or else the policy looks for ever more aliases of ever more namesakes."""
        attributes = {"objectClass": PERSON, "uid": uid, "cn": uid, "sn": uid, "givenName": "Jane", **attributes}
        self.ask(key, "add", f"uid={uid},{parent}", [(name, as_values(value)) for name, value in attributes.items()])
        return f"uid={uid},{parent}"

    def begin(self):
        self.threads = [threading.Thread(target=self.send, args=work) for work in zip(self.connections, self.requests)]
        for thread in self.threads:
            thread.start()

    def send(self, connection, requests):
        sent = collections.deque()
        try:
            for method, arguments in requests:
                if len(sent) == AHEAD:
                    connection.result(sent.popleft())
                sent.append(getattr(connection, method)(*arguments))
            while sent:
                connection.result(sent.popleft())
        except ldap.LDAPError as error:
            self.problems.append(error)

    def end(self):
        """Waits until all is done."""
        for thread in self.threads:
            thread.join()
        for connection in self.connections:
            connection.unbind_s()
        assert not self.problems, self.problems

    def run(self):
        self.begin()
        self.end()
