"""Runs of --sync over people that are there: with nothing to do, verifying everything, after a few changes."""

import concurrent.futures
import time

import commands
import floor
import knobs
from growing import MAIN, memory_aim

MANY = 20000


def nothing_to_do(world, table, place, attributes):
    """Of few people most of the time is the start of the process: the aim is about many."""
    dumps, syncs = [], []
    aim = "<= 1.3" if place[1] >= MANY else ""
    for _ in range(knobs.PAIRS):
        dumps.append(world.dump(MAIN, attributes))
        syncs.append(world.sync(MAIN, 0, knobs.WORKERS))
    for case, what, case_aim in (("nothing to do", "seconds", aim), ("  processor time of the client", "cpu", "")):
        table.compare(place, case, "ms", *([1000 * run[what] for run in runs] for runs in (dumps, syncs)), case_aim)
    table.tell(place, "peak memory: nothing to do", "MiB", [run["rss_kib"] / 1024 for run in syncs], memory_aim(place[1]))


def verify_bare(world, word, attributes):
    """The directory's dump, and beside it what the IMAP server knows."""
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        dump = pool.submit(world.dump, word, attributes)
        floor.run(floor.verify_mailboxes, floor.Server(world.imap), world.users(word, world.counts[word]), knobs.WORKERS)
        dump.result()
    return time.monotonic() - begin


def verify(world, table, place, attributes):
    """Of a domain of its own where the people are too many."""
    word, people = MAIN, world.counts[MAIN]
    if people > knobs.VERIFY:
        word, people = "sample", knobs.VERIFY
        if word not in world.counts:
            world.add_people(word, people)
            world.sync(word, people, knobs.WORKERS)
    bare, kolabd = [], []
    for _ in range(knobs.PAIRS if people <= 500 else 3):
        bare.append(1000 * verify_bare(world, word, attributes) / people)
        kolabd.append(1000 * world.sync(word, 0, knobs.WORKERS, resync=True)["seconds"] / people)
    part = f", {people} of them" if word != MAIN else ""
    table.compare(place, f"verify everything{part}", "ms/user", bare, kolabd, "<= 1.3")


def change_some_bare(world, attributes, numbers, kib):
    """The dump, and then what has to be done for those that differ in it."""
    lines = [line for number in numbers for line in commands.set_quota(world.user(MAIN, number), kib)]
    begin = time.monotonic()
    world.dump(MAIN, attributes)
    floor.run(floor.run_admin, floor.Server(world.imap), lines, 1)
    return time.monotonic() - begin


def some_changed(world, table, place, attributes):
    """One in a hundred has another quota. The floor sets one that nobody asked for, so that both have something to set."""
    numbers = range(0, world.counts[MAIN], 100)
    bare, kolabd = [], []
    for _ in range(knobs.PAIRS):
        kib = world.new_kib()
        world.set_quotas(MAIN, numbers, kib)
        bare.append(1000 * change_some_bare(world, attributes, numbers, kib + 1))
        kolabd.append(1000 * world.sync(MAIN, len(numbers), knobs.WORKERS)["seconds"])
    table.compare(place, "1 % changed while kolabd was down", "ms", bare, kolabd)
