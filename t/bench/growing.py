"""First provisioning. At a small size each run makes the mailboxes of a domain of that size. At others a domain grows: before each size
the floor makes the mailboxes of some people of its own, and kolabd those of as many of its domain, in turn. These portions are short:
what disturbs a machine takes seconds, so the median of many short runs says more than that of few long ones."""

import collections
import os
import statistics
import time

import knobs
import world as worlds
from turns import in_turn

MAIN, FLOOR = "main", "floor"
WARM_UP = 200  # people: the first ones of a new store take the servers up to twice as long as those that follow
SMALL = 500  # at up to so many people each run has a domain of its own
SMALL_RUNS = 15
PORTION_LEAST, PORTION_MOST = 100, 200  # people: with fewer the start of a process counts, with more there are fewer portions
STARTS = 9
SECONDS = "seconds"
SERVERS = ("389-ds", "Cyrus")
WHOSE = ("itself", *SERVERS)


# `at_once` people come unmeasured, and those of `runs` measured runs, `people` each.
Portions = collections.namedtuple("Portions", "at_once people runs")


def plan(have, size, most):
    """The Portions on the way from one size to the next."""
    missing = size - have
    if size <= SMALL:
        return Portions(missing, size, min(most, SMALL_RUNS))
    runs = max(1, min(most, missing // PORTION_LEAST))
    people = min(PORTION_MOST, missing // runs)
    return Portions(missing - runs * people, people, runs)


def mailboxes(sizes, most):
    """How many there will be in the store that has grown through these sizes, the floor's with them."""
    have, beside = 0, WARM_UP
    for size in sizes:
        portions = plan(have, size, most)
        beside += portions.runs * portions.people * (2 if size <= SMALL else 1)
        have = size
    return have + beside


class Run:
    """One run over so many people. `cost`: seconds, and processor seconds by whose. `aside`: what of them is not to count."""

    def __init__(self, people, cost, others, rss_kib):
        self.people = people
        self.cost = cost
        self.aside = dict.fromkeys(cost, 0)
        self.others = others  # share of the machine that had nothing to do with us
        self.rss_kib = rss_kib

    def net(self, what):
        return self.cost[what] - self.aside[what]

    def ms(self, whose):
        return 1000 * self.net(whose) / self.people

    @property
    def rate(self):
        return self.people / self.net(SECONDS)

    @property
    def all_ms(self):
        return sum(map(self.ms, WHOSE))

    @property
    def own_share(self):
        return self.net("itself") / sum(map(self.net, SERVERS))


def observe(world, people, work):
    """`work` gives {seconds, cpu} and the like."""
    before = [*world.cpu(), worlds.machine_cpu()]
    measured = work()
    ds, cyrus, machine = (after - one for after, one in zip([*world.cpu(), worlds.machine_cpu()], before))
    others = max(0, machine - ds - cyrus - measured["cpu"]) / measured["seconds"] / os.cpu_count()
    cost = {SECONDS: measured["seconds"], "itself": measured["cpu"], "389-ds": ds, "Cyrus": cyrus}
    return Run(people, cost, others, measured.get("rss_kib"))


def observe_floor(world, word, begin, people):
    """After a rest, as kolabd has one."""
    time.sleep(worlds.REST_S)
    return observe(world, people, lambda: world.run_floor(world.users(word, people, begin), knobs.WORKERS))


def observe_kolabd(world, word, people):
    """Over people that have just come."""
    world.add_people(word, people)
    world.rest(word)
    return observe(world, people, lambda: world.sync(word, people, knobs.WORKERS))


def observe_nothing(world, word):
    return observe(world, world.counts[word], lambda: world.sync(word, 0, knobs.WORKERS))


class Growth:
    """One store's."""

    def __init__(self, world, table):
        self.world = world
        self.table = table
        self.floor_people = 0
        self.run_floor(WARM_UP)
        world.add_people(MAIN, 0)
        world.add_people("nobody", 0)
        starts = [observe_nothing(world, "nobody") for _ in range(STARTS)]
        self.start = {what: statistics.median(run.cost[what] for run in starts) for what in (SECONDS, *WHOSE)}

    def to(self, size):
        """Lets the domain have so many people. Of a large one its last people are measured, of a small one others like it."""
        portions = plan(self.world.counts[MAIN], size, knobs.PORTIONS)
        place = (self.world.kind, size)
        at_once = observe_kolabd(self.world, MAIN, portions.at_once) if portions.at_once > 0 else None
        measure = self.measure_small if size <= SMALL else self.measure_growing
        bare, kolabd = measure(portions)
        tell(self.table, place, bare, kolabd)
        if portions.at_once > portions.people:
            self.table.tell(place, f"  {at_once.people} at once before, in one run", "users/s", at_once.rate)
        self.table.tell(place, "peak memory: first provisioning", "MiB", [run.rss_kib / 1024 for run in kolabd], memory_aim(size))

    def measure_small(self, portions):
        return self.in_turn(portions, lambda number: observe_kolabd(self.world, f"{MAIN}{portions.people}x{number}", portions.people))

    def in_turn(self, portions, run_kolabd):
        """The runs of the floor, and of kolabd."""
        return in_turn(portions.runs, lambda _: self.run_floor(portions.people), run_kolabd)

    def measure_growing(self, portions):
        """What kolabd needs to look at those that are there already is put aside: by the head, since their number grows."""
        nothing = []

        def run_kolabd(_):
            nothing.append(observe_nothing(self.world, MAIN))
            return observe_kolabd(self.world, MAIN, portions.people)

        bare, kolabd = self.in_turn(portions, run_kolabd)
        look = {what: max(0, statistics.median((run.cost[what] - self.start[what]) / run.people for run in nothing)) for what in self.start}
        for run, before in zip(kolabd, nothing):
            run.aside = {what: cost * before.people for what, cost in look.items()}
        return bare, kolabd

    def run_floor(self, people):
        self.floor_people += people
        return observe_floor(self.world, FLOOR, self.floor_people - people, people)


def tell(table, place, bare, kolabd):
    def compare(case, unit, value, aim=""):
        table.compare(place, case, unit, list(map(value, bare)), list(map(value, kolabd)), aim)

    compare("first provisioning", "users/s", lambda run: run.rate, ">= 0.95")
    compare("  processor time, with the servers'", "ms/user", lambda run: run.all_ms)
    compare("  processor time: itself", "ms/user", lambda run: run.ms("itself"))
    compare("  processor time: Cyrus", "ms/user", lambda run: run.ms("Cyrus"))
    table.tell(place, "  processor time: 389-ds", "ms/user", [run.ms("389-ds") for run in kolabd])
    table.tell(place, "  own processor time, of the servers'", "%", [100 * run.own_share for run in kolabd], "< 10")
    table.tell(place, "  the machine's other work meanwhile", "%", [100 * run.others for run in bare + kolabd])


def memory_aim(people):
    return "< 32" if people <= 2000 else "< 64"


def tell_growth(table, store, sizes, cases):
    """The cost of a changed user at the largest size over that at the smallest one, beside the servers' own growth."""
    if len(sizes) < 2:
        return
    for case in cases:
        small, large = (table.find((store, size), case) for size in (sizes[0], sizes[-1]))
        if small and large:
            grown = [large.median(who) / small.median(who) for who in ("floor", "kolabd")]
            floor, kolabd = ([1 / growth if small.unit.endswith("/s") else growth] for growth in grown)
            table.compare((store, sizes[-1]), f"grown since {sizes[0]}: {case.strip()}", "times", floor, kolabd, "<= 1.15")
