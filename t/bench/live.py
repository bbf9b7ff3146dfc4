"""What a running daemon does: start, one newcomer after the other, renames, and many changes at once."""

import contextlib
import statistics
import time

import bursting
import knobs
from bare import Bare
from growing import MAIN, memory_aim
from running import Running
from table import share
from turns import in_turn

IDLE_S = 0.03  # until what one of them still does is done


def read_all(world, word, more=""):
    return f"domain {word}.example.org: {world.counts[word]} entries read, {more}"


def restart(world, table, place, attributes):
    ready = []

    def start_daemon(_):
        with Running(world.configure(MAIN, knobs.WORKERS)) as daemon:
            ready.append(1000 * (daemon.wait_ready() - daemon.began))
            return 1000 * (daemon.wait_for(read_all(world, MAIN, "0 to look at")) - daemon.began)

    dumps, swept = in_turn(knobs.PAIRS, lambda _: 1000 * world.dump(MAIN, attributes)["seconds"], start_daemon)
    table.tell(place, "restart: ready", "ms", ready)
    table.compare(place, "restart: all read, nothing to do", "ms", dumps, swept)


class Live:
    """An idle daemon for the main domain and one more, whose people come and are renamed; the floor has its own of these."""

    def __init__(self, world, size):
        self.world = world
        self.word, self.bare_word = f"live{size}", f"bare{size}"
        for word in (self.word, self.bare_word):
            world.add_people(word, 0)
        self.bare = Bare(world, self.bare_word)
        self.daemon = Running(world.configure(MAIN, knobs.WORKERS, self.word))
        self.daemon.wait_for(read_all(world, MAIN))

    def close(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.daemon.close)
            stack.callback(self.bare.close)

    # --- one at a time; in milliseconds, from the directory's answer to whoever changed it

    def newcomer(self, number):
        self.world.add_people(self.word, 1)
        begin = time.monotonic()
        return 1000 * (self.daemon.wait_for(f"mailbox user/{self.world.user(self.word, number)}") - begin)

    def bare_newcomer(self, number):
        self.world.add_people(self.bare_word, 1)
        begin = time.monotonic()
        return 1000 * (self.bare.finish_newcomer(number) - begin)

    def new_name(self, word, number):
        old = self.world.user(word, number)
        self.world.set_mail(word, {number: f"moved.{old}"})
        return old, f"moved.{old}", time.monotonic()

    def renamed(self, number):
        _, new, begin = self.new_name(self.word, number)
        return 1000 * (self.daemon.wait_for(f"mailbox user/{new}") - begin)

    def bare_renamed(self, number):
        old, new, begin = self.new_name(self.bare_word, number)
        return 1000 * (self.bare.finish_renamed(old, new) - begin)


def rested(one):
    def run(number):
        value = one(number)
        time.sleep(IDLE_S)
        return value
    return run


def one_by_one(count, bare, kolabd):
    """The first one of each is not counted: after its start kolabd makes no mailbox for a second (docs/behaviour.md)."""
    return (values[1:] for values in in_turn(count + 1, rested(bare), rested(kolabd)))


def one_at_a_time(live, table, place):
    bare, kolabd = one_by_one(knobs.ADDS, live.bare_newcomer, live.newcomer)
    table.compare_medians(place, "somebody is added and gets a mailbox", "ms", bare, kolabd, "<= 1.3")
    table.compare_medians(place, "  99th percentile", "ms", [share(bare, 0.99)], [share(kolabd, 0.99)], "<= 2")


def renames(live, table, place):
    bare, kolabd = one_by_one(min(knobs.RENAMES, knobs.ADDS), live.bare_renamed, live.renamed)
    table.compare_medians(place, "somebody is renamed", "ms", bare, kolabd)


@contextlib.contextmanager
def open_live(world, size):
    live = Live(world, size)
    try:
        yield live
    finally:
        live.close()


def measure(world, table, place):
    with open_live(world, place[1]) as live:
        if knobs.wanted("burst"):
            bursting.measure(world, table, place, live.daemon)
        if knobs.wanted("add"):
            one_at_a_time(live, table, place)
        if knobs.wanted("add") and knobs.wanted("rename"):
            renames(live, table, place)
        table.tell(place, "peak memory: daemon", "MiB", live.daemon.peak_memory_kib / 1024, memory_aim(place[1]))
