#!/usr/bin/python3
"""profile.py: where kolabd's own processor time goes in each case, counted by callgrind in instructions, which no other work on the
machine disturbs. What the kernel does for kolabd is not in it; `perf` shows that (docs/performance.md).

Environment: PROFILE_N (people, 100)."""

import collections
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import many
import world as worlds
from growing import MAIN

PEOPLE = int(os.environ.get("PROFILE_N") or 100)
WORKERS = 4
DOMAINS = 200
TOP = 12
LINE = re.compile(r"^\s*([\d,]+) +\([^)]*\) +(.*?)(?: \[(.*)\])?$")
# Functions that only hand on what their callers ask for say nothing beside these.
OURS = re.compile(r"^(?:.*/)?src/([a-z]+/[a-z_]+)\.c:([a-z_0-9]+)$")
BELOW_VALGRIND_S = 300


def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr)


def annotate(file, inclusive):
    """(instructions, file:function, object) of each function."""
    command = ["callgrind_annotate", "--auto=no", "--threshold=100", f"--inclusive={'yes' if inclusive else 'no'}", file]
    for line in subprocess.check_output(command, text=True).splitlines():
        match = LINE.match(line)
        if match and match[2] != "PROGRAM TOTALS":
            yield int(match[1].replace(",", "")), match[2], match[3] or ""


def show(name, file, people):
    """One case: so many instructions a person, whose they are, and in which of our functions."""
    libraries, functions = collections.Counter(), {}
    for count, _, where in annotate(file, False):
        libraries[pathlib.Path(where).name.split(".so")[0] or "?"] += count
    for count, what, _ in annotate(file, True):
        match = OURS.match(what)
        if match:
            place = f"{match[1]}: {match[2].removesuffix('.part')}"
            functions[place] = max(count, functions.get(place, 0))
    total = sum(libraries.values())
    print(f"\n{name}: {total / people / 1e6:.2f} million instructions for each of {people}")
    print("  of which in " + ", ".join(f"{library} {100 * count / total:.0f} %" for library, count in libraries.most_common(8)))
    for place, count in sorted(functions.items(), key=lambda item: -item[1])[:TOP]:
        print(f"  {100 * count / total:5.1f} %  {place}")


class Profile:
    """Runs of kolabd below callgrind."""

    def __init__(self, world):
        self.world = world
        self.number = 0
        self.file = None
        self.word = MAIN  # whose domains

    def command(self, *arguments):
        self.number += 1
        self.file = self.world.directory / f"callgrind.{self.number}"
        return ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.file}", worlds.BUILD / "kolabd",
                "--config", self.world.configure(self.word, WORKERS), *arguments]

    def sync(self, name, people, *arguments):
        say(name)
        subprocess.run(self.command("--sync", *arguments), check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        show(name, self.file, people)

    def daemon(self, name, people, work, last):
        """From its start, with `work` once everything is read, until it says `last` so often."""
        say(name)
        with subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + BELOW_VALGRIND_S
            left, started = people, False
            for line in process.stderr:
                if not started and "entries read" in line:
                    started = True
                    work()
                left -= last in line
                if left <= 0 or time.monotonic() > deadline:
                    break
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
        if left > 0:
            sys.exit(f"profile: {name}: kolabd did not say {last!r} often enough")
        show(name, self.file, people)


def main():
    world = worlds.World()
    try:
        world.stop_watching()
        profile = Profile(world)
        world.add_people(MAIN, PEOPLE)
        profile.sync("first provisioning", PEOPLE)
        profile.sync("nothing to do", PEOPLE)
        profile.sync("verify everything", PEOPLE, "--resync")
        world.set_quotas(MAIN, range(0, PEOPLE, 100), world.new_kib())
        profile.sync("1 % changed", PEOPLE)
        profile.daemon("restart, nothing to do", 1, lambda: None, "entries read")
        profile.daemon("added one after the other", PEOPLE // 4, lambda: world.add_people(MAIN, PEOPLE // 4), "in order after")
        profile.daemon("many changed at once", PEOPLE, lambda: world.set_quotas(MAIN, range(PEOPLE), world.new_kib()),
                       "in order after")
        others = {number: f"other{number}@{MAIN}.example.org" for number in range(PEOPLE // 4)}
        profile.daemon("renamed one after the other", PEOPLE // 4, lambda: world.set_mail(MAIN, others), "in order after")
        world.add_domains(many.WORD, DOMAINS, many.PEOPLE)
        world.sync(many.WORD, DOMAINS * many.PEOPLE, WORKERS)
        profile.word = many.WORD
        profile.sync(f"nothing to do in {DOMAINS} domains", DOMAINS * many.PEOPLE)
    finally:
        world.close()


if __name__ == "__main__":
    if not pathlib.Path(worlds.BUILD / "kolabd").exists():
        sys.exit("profile: run `make all` first")
    main()
