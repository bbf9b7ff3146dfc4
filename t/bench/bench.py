#!/usr/bin/python3
"""bench.py: how fast kolabd is, beside the floor that its servers set, measured on the real servers of t/lab.

Prints one table, and writes it to KOLABD_BUILD/bench.csv and a picture of it to bench.svg. Nothing here fails for being slow;
it fails when kolabd does not send exactly the floor's commands, or when a run did not do its work. What the environment sets is
in knobs.py; docs/performance.md explains all of it."""

import contextlib
import os
import platform
import re
import subprocess
import sys
import time

import world as worlds  # first: it knows the way to t/system

import check
import growing
import knobs
import live
import many
import memory
import on_murder
import plot
import store
import sweeps
from murder import may_listen  # of t/system
from table import Table


GROWING = ["first provisioning", "  processor time, with the servers'", "many changed at once",
           "somebody is added and gets a mailbox"]


def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr)


@contextlib.contextmanager
def open_world(kind):
    world = worlds.World(kind)
    try:
        yield world
    finally:
        world.close()


def check_commands():
    """Before anything else, since what comes takes long. Gives what kolabd's complete read asks for."""
    with open_world(knobs.STORES[0]) as world:
        check.first_provisioning(world)
        check.change_quota(world)
        check.change_name(world)
        if knobs.MURDER and may_listen():
            on_murder.check_commands(world)
        return world.sweep_attributes("checkkolabd")


def measure_size(growth, size, attributes):
    world, table, place = growth.world, growth.table, (growth.world.kind, size)
    say(f"{world.kind}, {size} people: first provisioning")
    growth.to(size)
    for case, measure in (("nothing", sweeps.nothing_to_do), ("verify", sweeps.verify), ("restart", live.restart),
                          ("changed", sweeps.some_changed)):
        if knobs.wanted(case):
            say(f"{world.kind}, {size} people: {case}")
            measure(world, table, place, attributes)
    say(f"{world.kind}, {size} people: a daemon")
    live.measure(world, table, place)


def sizes_with_room(table, kind):
    sizes = knobs.sizes(kind)
    while sizes:
        others = knobs.VERIFY + len(sizes) * 2 * knobs.ADDS
        missing = store.lacks_room(kind, growing.mailboxes(sizes, knobs.PORTIONS) + others)
        if not missing:
            break
        table.remarks.append(f"{kind}, {sizes[-1]} people: not measured, since {missing}")
        sizes = sizes[:-1]
    return sizes


def measure_store(table, kind, attributes):
    sizes = sizes_with_room(table, kind)
    if not sizes:
        return
    with open_world(kind) as world:
        world.stop_watching()
        growth = growing.Growth(world, table)
        for size in sizes:
            measure_size(growth, size, attributes)
        growing.tell_growth(table, kind, sizes, GROWING)


def measure_memory(table, attributes):
    missing = store.lacks_room("tmpfs", knobs.RSS, store.WITHOUT_FOLDERS)
    if missing and knobs.RSS:
        table.remarks.append(f"{knobs.RSS} people without folders: not measured, since {missing}")
    elif knobs.RSS:
        say(f"tmpfs, {knobs.RSS} people without folders")
        with open_world("tmpfs") as world:
            world.stop_watching()
            memory.measure(world, table, knobs.RSS, attributes)


def measure_others(table):
    if not knobs.MURDER and not knobs.DOMAINS:
        return
    kind = "tmpfs" if "tmpfs" in knobs.STORES else knobs.STORES[0]
    missing = store.lacks_room(kind, 2 * knobs.PAIRS * knobs.MURDER)
    if missing:
        table.remarks.append(f"murder and domains: not measured, since {missing}")
        return
    with open_world(kind) as world:
        world.stop_watching()
        if knobs.MURDER and not may_listen():
            table.remarks.append("murder: not measured, since that needs the ports 143 and 993")
        elif knobs.MURDER:
            say(f"a murder, {knobs.MURDER} people a run")
            on_murder.measure(world, table, knobs.MURDER, knobs.PAIRS)
        if knobs.DOMAINS:
            say(f"{knobs.DOMAINS} domains")
            many.measure(world, table, knobs.DOMAINS, knobs.WORKERS)


def describe():
    """The machine, and what else it does."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = re.findall(r"^model name\s*:\s*(.*)", file.read(), re.MULTILINE)
    version = subprocess.run([worlds.BUILD / "kolabd", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    places = [f"{kind}: {store.PARENTS[kind]} ({store.file_system(store.PARENTS[kind])})" for kind in knobs.STORES]
    return [("version", version), ("processor", f"{os.cpu_count()} x {names[0] if names else platform.machine()}"),
            ("memory", f"{store.memory_kib('MemTotal') // 1024} MiB"), ("kernel", platform.release()), ("stores", ", ".join(places)),
            ("load before", f"{os.getloadavg()[0]:.2f}"), ("workers", knobs.WORKERS)]


def main():
    for kind in knobs.STORES:
        store.check(kind)
    table, begin = Table(), time.monotonic()
    table.about = describe()
    try:
        attributes = check_commands()
        for kind in knobs.STORES:
            measure_store(table, kind, attributes)
        measure_memory(table, attributes)
        measure_others(table)
        table.about.append(("minutes", f"{(time.monotonic() - begin) / 60:.1f}"))
    finally:
        if table.rows:
            table.show()
            table.write(worlds.BUILD / "bench.csv")
            plot.draw(worlds.BUILD / "bench.csv", worlds.BUILD / "bench.svg")


main()
