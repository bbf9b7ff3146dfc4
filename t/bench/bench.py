#!/usr/bin/python3
"""bench.py: how fast kolabd is, beside the floor that its servers set, measured on the real servers of t/lab.

Prints one table and writes it to KOLABD_BUILD/bench.csv. Nothing here fails for being slow; it fails when kolabd does not
send exactly the floor's commands, or when a run did not do its work.
Environment: BENCH_N (people a round, 300), BENCH_ROUNDS (3), BENCH_RSS_N (people of the memory's measurement, 2000; 0: none),
BENCH_DOMAINS (domains in one process, 200; 0: none), BENCH_MURDER (0: no murder)."""

import collections
import csv
import os
import platform
import re
import statistics
import subprocess
import sys

import many
import world as worlds
from on_murder import MurderWorld

from murder import may_listen, open_murder  # of t/system, which world knows the way to

PEOPLE = int(os.environ.get("BENCH_N") or 300)
ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 3)
RSS_PEOPLE = int(os.environ.get("BENCH_RSS_N") or 2000)
DOMAINS = int(os.environ.get("BENCH_DOMAINS") or 200)
MURDER = int(os.environ.get("BENCH_MURDER") or 1)
WORKERS = 4
REPETITIONS = 9  # of what takes a fraction of a second


def say(text):
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


class Table:
    """Rows of several values each, of which the median counts."""

    def __init__(self):
        self.rows = []

    def add(self, measure, values, unit, aim=""):
        values = values if isinstance(values, list) else [values]
        self.rows.append((measure, statistics.median(values), min(values), max(values), unit, aim))

    def show(self):
        print(f"{'measure':58}{'median':>10}{'lowest':>10}{'highest':>10}  {'unit':10}aim")
        for measure, *numbers, unit, aim in self.rows:
            print(f"{measure:58}" + "".join(f"{number:10.2f}" for number in numbers) + f"  {unit:10}{aim}".rstrip())

    def write(self, path, about):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["measure", "median", "lowest", "highest", "unit", "aim"])
            writer.writerows(self.rows)
            writer.writerows(about)


# --- are the floor's commands kolabd's?

def recorded_commands(world, mark, word):
    """The commands of the administrator and of each user, in order, with the users' names made the same."""
    found = collections.defaultdict(list)
    for user, command in world.since(mark):
        found[user].append(re.sub(rf"given\d+\.name\d+@{word}\.", "USER@", command))
    return sorted((user.partition("@")[2] and "user", *commands) for user, commands in found.items())


def check_commands(world, where=""):
    """Two people each over one connection, recorded by the server."""
    recorded = []
    for word, run in ((f"check{where}kolabd", lambda word: world.sync(word, changed=2, workers=1)),
                      (f"check{where}floor", lambda word: world.run_floor(world.users(word, 2), 1))):
        world.add_people(word, 2)
        world.watch(world.users(word, 2))
        mark = world.mark()
        run(word)
        recorded.append(recorded_commands(world, mark, word))
    if recorded[0] != recorded[1] or not recorded[0]:
        lines = [line for kolabd, bare in zip(*recorded) for line in sorted(set(kolabd) ^ set(bare))]
        sys.exit(f"bench: kolabd's IMAP commands are not those of t/bench/{'on_murder' if where else 'floor'}.py (mend the list, or "
                 "kolabd):\n" + "\n".join(lines or map(str, recorded)))


# --- measurements

def provision_once(world, who, word):
    """One run over fresh people: its rate, and {whose processor time: seconds}. "others" have nothing to do with us."""
    world.add_people(word, PEOPLE)
    machine, ds, cyrus = worlds.machine_cpu(), *world.cpu()
    if who == "floor":
        seconds, client = world.run_floor(world.users(word, PEOPLE), WORKERS)
    else:
        measured = world.sync(word, PEOPLE, WORKERS)
        seconds, client = measured["seconds"], measured["cpu"]
    ds, cyrus, machine = world.cpu()[0] - ds, world.cpu()[1] - cyrus, worlds.machine_cpu() - machine
    others = max(0, machine - ds - cyrus - client) / seconds / os.cpu_count()
    return PEOPLE / seconds, {"itself": client, "389-ds": ds, "Cyrus": cyrus}, others


def provision(world, table, where=""):
    """The floor and kolabd in turn, each of them first in every other round."""
    rates, others, costs = collections.defaultdict(list), collections.defaultdict(list), collections.defaultdict(list)
    for number in range(ROUNDS):
        for who in ("floor", "kolabd") if number % 2 == 0 else ("kolabd", "floor"):
            rate, cpu, foreign = provision_once(world, who, f"{where}{who}{number}")
            rates[who].append(rate)
            others[who].append(100 * foreign)
            for whose, seconds in cpu.items():
                costs[who, whose].append(1000 * seconds / PEOPLE)
            say(f"{where} round {number + 1}: {who} {rate:.1f} users/s")
    heading = f"{where}, " if where else ""
    table.add(f"{heading}floor: the same IMAP commands, no directory", rates["floor"], "users/s")
    table.add(f"{heading}kolabd --sync, {PEOPLE} fresh people", rates["kolabd"], "users/s")
    table.add("  ratio to the floor of its round", [k / f for k, f in zip(rates["kolabd"], rates["floor"])], "", ">= 0.8")
    # Other work on the machine disturbs the rates more than this.
    floor_needs, kolabd_needs = ([sum(parts) for parts in zip(*(costs[who, whose] for whose in ("itself", "389-ds", "Cyrus")))]
                                 for who in ("floor", "kolabd"))
    table.add("  processor time, floor to kolabd, with the servers'", [f / k for f, k in zip(floor_needs, kolabd_needs)], "")
    for (who, whose), values in sorted(costs.items()):
        table.add(f"  processor time in the run of {who}: {whose}", values, "ms/user")
    for who, values in sorted(others.items()):
        table.add(f"  the machine's other work in the run of {who}", values, "%", "0")


def nothing_to_do(world, table, word, count, attributes, aim=""):
    syncs, dumps = [], []
    for _ in range(REPETITIONS):
        dumps.append(world.dump(word, attributes, count))
        syncs.append(world.sync(word, 0, WORKERS))
    table.add(f"ldapsearch of {count} people, the same attributes", [1000 * run["seconds"] for run in dumps], "ms")
    table.add(f"kolabd --sync, {count} people, nothing to do", [1000 * run["seconds"] for run in syncs], "ms")
    table.add("  ratio to the ldapsearch beside it", [s["seconds"] / d["seconds"] for s, d in zip(syncs, dumps)], "", aim)
    table.add("  processor time of kolabd itself", [1000 * run["cpu"] for run in syncs], "ms")
    table.add("  processor time of ldapsearch itself", [1000 * run["cpu"] for run in dumps], "ms")
    return syncs


def start_up(world, table):
    world.add_people("nobody", 0)
    table.add("kolabd --sync of nobody: start, connections, end",
              [1000 * world.sync("nobody", 0, WORKERS)["seconds"] for _ in range(REPETITIONS)], "ms")


def memory(world, table, attributes):
    word = "memory"
    world.add_people(word, RSS_PEOPLE)
    first = world.sync(word, RSS_PEOPLE, WORKERS)
    say(f"{RSS_PEOPLE} people: {RSS_PEOPLE / first['seconds']:.1f} users/s")
    table.add(f"kolabd --sync, {RSS_PEOPLE} fresh people", RSS_PEOPLE / first["seconds"], "users/s")
    again = nothing_to_do(world, table, word, RSS_PEOPLE, attributes)
    table.add(f"peak memory of kolabd, {RSS_PEOPLE} fresh people", first["rss_kib"] / 1024, "MiB", "< 40")
    table.add(f"peak memory of kolabd, {RSS_PEOPLE} people, nothing to do", [run["rss_kib"] / 1024 for run in again], "MiB",
              "< 40")


def on_murder(world, table):
    """A frontend and two backends."""
    if not may_listen():
        say("no murder: that needs the ports 143 and 993")
        return
    with open_murder(world.directory / "murder", world.directory / "ca") as murder:
        there = MurderWorld(world, murder)
        check_commands(there, "murder")
        there.stop_watching()
        provision(there, table, "murder")


def describe():
    """The machine, and what else it does."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = re.findall(r"^model name\s*:\s*(.*)", file.read(), re.MULTILINE)
    version = subprocess.run([worlds.BUILD / "kolabd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return [("version", version), ("processor", f"{os.cpu_count()} x {names[0] if names else platform.machine()}"),
            ("load before", f"{os.getloadavg()[0]:.2f}"), ("people", PEOPLE), ("rounds", ROUNDS), ("workers", WORKERS)]


def main():
    about, table = describe(), Table()
    world = worlds.World()
    try:
        check_commands(world)
        attributes = world.sweep_attributes("checkkolabd")
        world.stop_watching()
        provision(world, table)
        start_up(world, table)
        nothing_to_do(world, table, "kolabd0", PEOPLE, attributes, "<= 2")
        if RSS_PEOPLE:
            memory(world, table, attributes)
        if MURDER:
            on_murder(world, table)
        if DOMAINS:
            many.measure(world, table, DOMAINS, WORKERS)
    finally:
        world.close()
    print(", ".join(f"{name} {value}" for name, value in about))
    table.show()
    table.write(worlds.BUILD / "bench.csv", about)


main()
