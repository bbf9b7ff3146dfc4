"""One measurement by itself, without the rest of the bench."""

import world as worlds

from table import Table


def run(measure):
    """`measure` gets (world, table), as from bench.py."""
    world, table = worlds.World(), Table()
    try:
        world.stop_watching()
        measure(world, table)
    finally:
        world.close()
    table.show()
