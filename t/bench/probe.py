#!/usr/bin/python3
"""probe.py: what the IMAP server's other clients notice of a first provisioning.

A client of somebody who has nothing to do with it is logged in and asks for little, again and again: NOOP, SELECT, FETCH, APPEND.
How long each answer takes is compared: with nobody else there, while the floor makes mailboxes on as many connections, while kolabd
does, and while kolabd does with the fewest sessions that imap.max_sessions takes.
Alone: probe.py (make bench-probe). Environment: BENCH_PROBE_N (people a run, 300), BENCH_WORKERS (4), BENCH_PAIRS (rounds, 3)."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time

import world as worlds  # first: it knows the way to t/system

import alone
import floor
from table import share

from servers import DIE_WITH_US

PEOPLE = int(os.environ.get("BENCH_PROBE_N") or 300)
WORKERS = int(os.environ.get("BENCH_WORKERS") or 4)
ROUNDS = int(os.environ.get("BENCH_PAIRS") or 3)
APART = 3  # sessions as administrator, beside one for each worker
REST_S = 5
THINK_S = 0.005  # between two commands: it is to feel the load, and be none
MAIL = "Subject: probe\r\n\r\nHow long does it take?\r\n"
COMMANDS = ["NOOP", 'SELECT "INBOX"', "FETCH * (FLAGS BODY.PEEK[HEADER])", f'APPEND "INBOX" {{{len(MAIL)}+}}\r\n{MAIL}']


def ask_until_told(env, user):
    """The client, in a process of its own: prints the seconds of each answer when its standard input ends."""
    session = floor.Server(env).open_user(user)
    session.run([COMMANDS[3], COMMANDS[1]])
    print("ready", flush=True)
    taken = []
    while not select.select([sys.stdin], [], [], 0)[0]:
        for command in COMMANDS:
            begin = time.monotonic()
            session.run([command])
            taken.append(time.monotonic() - begin)
            time.sleep(THINK_S)
    print(json.dumps(taken))


@contextlib.contextmanager
def probing(world, user, taken):
    """Adds to `taken` how many ms each answer took meanwhile."""
    command = [*DIE_WITH_US, "/usr/bin/python3", __file__, json.dumps(world.imap), user]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if client.stdout.readline() != "ready\n":
        raise RuntimeError("the probing client cannot work")
    try:
        yield
    finally:
        taken += [1000 * seconds for seconds in json.loads(client.communicate()[0])]


def sync_spared(world, word):
    """With one session as a user at a time."""
    def configure(word, workers):
        file = world.configure(word, workers)
        settings = json.loads(file.read_text())
        settings["imap"]["max_sessions"] = workers + APART + 1
        file.write_text(json.dumps(settings))
        return file
    return world.sync(word, PEOPLE, WORKERS, configure)


# Who else works meanwhile; each gives the people a second.
WHO = {
    "nobody": lambda world, word: time.sleep(REST_S) or 0,
    "the floor": lambda world, word: PEOPLE / world.run_floor(world.users(word, PEOPLE), WORKERS)["seconds"],
    "kolabd": lambda world, word: PEOPLE / world.sync(word, PEOPLE, WORKERS)["seconds"],
    "kolabd, imap.max_sessions at its least": lambda world, word: PEOPLE / sync_spared(world, word)["seconds"],
}


def measure(world, table):
    place = (world.kind, PEOPLE)
    user = "probing.client@probe.example.org"
    world.run_floor([user], 1)
    taken, rates = {who: [] for who in WHO}, {who: [] for who in WHO}
    for number in range(ROUNDS):
        for who, work in WHO.items() if number % 2 == 0 else reversed(WHO.items()):
            word = f"probe{list(WHO).index(who)}x{number}"
            world.add_people(word, PEOPLE)
            with probing(world, user, taken[who]):
                rates[who].append(work(world, word))
    for who, rate in rates.items():
        if any(rate):
            table.tell(place, f"beside the probing client: {who}", "users/s", rate)
    for part in (0.5, 0.99):
        for who, values in taken.items():
            table.tell(place, f"probing client, p{100 * part:.0f}, at work: {who}", "ms", share(values, part))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        ask_until_told(json.loads(sys.argv[1]), sys.argv[2])
    else:
        alone.run(measure)
