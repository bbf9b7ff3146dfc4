"""kolabd is killed after every single step of its work, and started again: what comes out is what comes out of a quiet run.

The program that dies is kolabd with crash_points.c around it. `make check-crash` tries every step; without it a sample is tried,
which KOLABD_SEED chooses (see seed.py)."""

import itertools
import os
import random

import pytest

from crash import PROGRAM, Story, differences
from crash_stories import Life, Turns
from kolabd import BUILD
from seed import SEED

EVERY = bool(os.environ.get("KOLABD_CRASH_EVERY"))
# Where each command waits for its answer, a kill leaves exactly what was done before; what was sent ahead goes on without us.
ALONE = {"imap": {"window": 1}}
AHEAD = {}
# How far into its work the run after a kill may be killed again.
SECOND_KILL = 30
# A daemon has not always the same number of steps.
ENOUGH_MISSES = 2
# Steps that did harm once, by their first words: the sample begins with them.
HARMED = {Life.create: "modify ", Turns.come_back: "commit entry"}


class Reference:
    """What a phase does and leaves behind without a kill."""

    def __init__(self, story):
        self.steps = story.steps()
        self.seen = story.see()

    def find(self, words):
        return next(number for number, step in enumerate(self.steps, 1) if step.startswith(words))

    def any_step(self, choose):
        """What only asks leaves everything as it was."""
        return choose([number for number, step in enumerate(self.steps, 1) if not step.startswith("asked ")])


class Plan:
    """After which step of each phase to die, in one round after the other."""

    def __init__(self, tell, references, every=EVERY, rounds=1):
        self.tell = tell
        self.references = references  # {phase: Reference}
        self.every = every
        self.rounds = itertools.count(1) if every else range(1, rounds + 1)
        self.random = random.Random(SEED)
        self.kills = {phase: 0 for phase in tell.PHASES}
        self.misses = {phase: 0 for phase in tell.PHASES}  # rounds, since it last died, in which there was no such step

    def __iter__(self):
        """[(phase, step)] for each round, which is over with the last phase of interest."""
        for number in self.rounds:
            left = [count for count, phase in enumerate(self.tell.PHASES, 1) if self.misses[phase] < ENOUGH_MISSES]
            if not left:
                return
            yield [(phase, number if self.every else self.choose(phase, number)) for phase in self.tell.PHASES[:left[-1]]]

    def choose(self, phase, number):
        reference = self.references[phase]
        return reference.find(HARMED[phase]) if phase in HARMED and number == 1 else reference.any_step(self.random.choice)

    def note(self, phase, died):
        self.kills[phase] += died
        self.misses[phase] = 0 if died or not self.every else self.misses[phase] + 1


def what_is_sent_again(story):
    """By a run that looks at everything."""
    mark = story.lab.mark()
    story.kolabd.run("--sync", "--resync")
    return story.lab.ldap_writes(mark) + story.lab.imap_writes(mark)


def check(story, reference):
    differing = differences(reference.seen, story.see())
    assert not differing, "\n".join(differing)
    assert not what_is_sent_again(story)


def play_round(story, numbers, plan, kill, recover):
    for phase, step in numbers:
        place = f"{phase.__name__}, killed after step {step}"
        try:
            died = kill(story, phase, step)
            plan.note(phase, died)
            if died:
                place += f": {story.steps()[-1]}"
                recover(story, phase)
                check(story, plan.references[phase])
        except AssertionError as problem:
            raise AssertionError(f"{place}: {problem}") from problem


def play(open_fixed, plan, settings, kill, recover):
    """`kill`: of (story, phase, step); `recover`: of (story, phase)."""
    problems = []
    for numbers in plan:
        with open_fixed() as lab:
            story = plan.tell(lab, **settings)
            try:
                play_round(story, numbers, plan, kill, recover)
            except AssertionError as problem:
                problems.append(str(problem))
            story.remove_mailboxes()
    print(f"KOLABD_SEED={SEED}", *(f"{phase.__name__}: killed {count} times" for phase, count in plan.kills.items()), sep="\n")
    assert not problems, "\n".join(problems)
    assert all(plan.kills.values()) or not plan.every


@pytest.fixture(scope="session")
def all_references():
    return {}


@pytest.fixture
def references(all_references, open_fixed, tell):
    """{phase: Reference}, made once a session."""
    if tell not in all_references:
        found = {}
        with open_fixed() as lab:
            story = tell(lab, **ALONE)
            for phase in tell.PHASES:
                assert not story.sync_until(phase)
                found[phase] = Reference(story)
                assert not what_is_sent_again(story)
        all_references[tell] = found
    return all_references[tell]


def test_kolabd_itself_holds_nothing_of_what_kills_it():
    for program, holds in ((PROGRAM, True), ("kolabd", False), ("kolabctl", False)):
        assert (b"KOLABD_CRASH" in (BUILD / program).read_bytes()) == holds, program


@pytest.mark.parametrize("tell", [Life])
def test_steps_of_every_kind_are_counted(references):
    kinds = {step.split()[0] for reference in references.values() for step in reference.steps}
    assert kinds == {"commit", "modify", "asked", "sent", "done"}


@pytest.mark.parametrize("tell", [Life, Turns])
def test_a_sync_that_was_killed_is_made_good_by_the_next(open_fixed, tell, references):
    play(open_fixed, Plan(tell, references), ALONE, Story.sync_until, lambda story, _: story.sync())


@pytest.mark.parametrize("tell", [Life, Turns])
def test_a_sync_that_was_killed_twice_is_made_good_by_the_next(open_fixed, tell, references):
    plan = Plan(tell, references, every=False, rounds=10 if EVERY else 1)

    def recover(story, _):
        second = plan.random.randint(1, SECOND_KILL)
        try:
            story.sync_again_until(second)
            story.sync()
        except AssertionError as problem:
            raise AssertionError(f"and again after step {second}: {story.steps()[-1]}: {problem}") from problem
    play(open_fixed, plan, AHEAD, Story.sync_until, recover)


@pytest.mark.parametrize("tell", [Life, Turns] if EVERY else [Life])
def test_a_daemon_that_was_killed_makes_it_good_when_it_is_started_again(open_fixed, tell, references):
    def kill(story, phase, step):
        return story.daemon_until(phase, step, references[phase].seen["records"])

    def recover(story, phase):
        story.serve(references[phase].seen["records"])
    play(open_fixed, Plan(tell, references), AHEAD, kill, recover)
