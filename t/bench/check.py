"""Are the floors' commands kolabd's? Two people of each over one connection, recorded by the server."""

import collections
import re
import sys

import commands
import floor

OF_A_SESSION = ("NAMESPACE", "ID", "CAPABILITY", "LOGOUT")


def record(world, mark, word):
    """(what the administrator's sessions sent, of which kolabd has several, in any order; what each user's sent, in order). The
    users' names are made the same; how a session begins and ends does not count."""
    found = collections.defaultdict(list)
    for user, command in world.since(mark):
        if command.split(" ")[0] not in OF_A_SESSION:
            found[user].append(re.sub(rf"given\d+\.name\d+@{word}\.", "USER@", command))
    return (sorted(command for user, lines in found.items() if "@" not in user for command in lines),
            sorted(tuple(lines) for user, lines in found.items() if "@" in user))


def compare(world, word, kolabd, bare, people, place):
    """Ends the program when the two send different commands. `kolabd`, `bare`: functions of a word; `people`: of a word, what
    has to be there before."""
    recorded = []
    for name, run in ((f"{word}kolabd", kolabd), (f"{word}floor", bare)):
        people(name)
        world.watch(world.users(name, 2))
        mark = world.mark()
        run(name)
        recorded.append(record(world, mark, name))
    if recorded[0] == recorded[1] and recorded[0][0]:
        return
    seen = [[*administrators, *(line for user in users for line in user)] for administrators, users in recorded]
    lines = [f"  only {who}: {line}" for who, mine, others in (("kolabd", *seen), ("the floor", *reversed(seen)))
             for line in sorted((collections.Counter(mine) - collections.Counter(others)).elements())]
    sys.exit(f"bench: kolabd's IMAP commands are not those of t/bench/{place} (mend the list, or kolabd):\n"
             + "\n".join(lines or ["  the same in another order:", *map(str, recorded)]))


def first_provisioning(world, where=""):
    compare(world, f"check{where}", lambda word: world.sync(word, 2, 1), lambda word: world.run_floor(world.users(word, 2), 1),
            lambda word: world.add_people(word, 2), "on_murder.py" if where else "commands.py, create")


def as_admin(world, lines):
    floor.run(floor.run_admin, floor.Server(world.imap, as_users=False), lines, 1)


def make_known(world, word):
    world.add_people(word, 2)
    world.sync(word, 2, 1)


def change_quota(world):
    def by_kolabd(word):
        world.set_quotas(word, range(2), commands.QUOTA_KIB + 1)
        world.sync(word, 2, 1)

    def bare(word):
        as_admin(world, [line for user in world.users(word, 2) for line in commands.set_quota(user, commands.QUOTA_KIB + 1)])
    compare(world, "checkquota", by_kolabd, bare, lambda word: make_known(world, word), "commands.py, set_quota")


def change_name(world):
    def by_kolabd(word):
        world.set_mail(word, {number: f"moved.{world.user(word, number)}" for number in range(2)})
        world.sync(word, 2, 1)

    def bare(word):
        as_admin(world, [line for user in world.users(word, 2) for line in commands.rename(user, f"moved.{user}")])
    compare(world, "checkname", by_kolabd, bare, lambda word: make_known(world, word), "commands.py, rename")
