#!/usr/bin/python3
"""plot.py CSV SVG: draws what a run of bench.py wrote, cost against size: a panel for each case, a line for each store, dashed
for the floor and whole for kolabd. Both axes are logarithmic. A rate is drawn as what one costs."""

import collections
import csv
import html
import math
import re
import sys

CASES = ["first provisioning", "nothing to do", "verify everything",
         "restart: all read, nothing to do", "1 % changed while kolabd was down", "many changed at once",
         "somebody is added and gets a mailbox", "somebody is renamed", "peak memory: first provisioning"]
COLOURS = {"tmpfs": "#1f5fa8", "disk": "#b3541e", "murder": "#3a7d34"}
COLUMNS, WIDTH, HEIGHT = 3, 300, 220  # panels in a row; of each, with its margins
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 34


def cost(value, unit):
    """Of "users/s": how many ms a user."""
    return (1000 / value, f"ms/{unit[:-3]}") if unit.endswith("s/s") else (value, unit)


def read(lines):
    """{case: {(store, who): [(size, cost, unit)]}} of the cases that are drawn."""
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        case = re.sub(r", \d+ of them$", "", row["case"])
        if case in CASES and row["store"] in COLOURS:
            found[case][row["store"], row["who"]].append((int(row["size"]), *cost(float(row["median"]), row["unit"])))
    return {case: {key: sorted(points) for key, points in found[case].items()} for case in CASES if case in found}


class Scale:
    """A logarithmic axis from pixel to pixel that has room for the values."""

    def __init__(self, values, begin, end):
        self.low, self.high = math.log10(min(values)) - 0.1, math.log10(max(values)) + 0.1
        self.begin, self.end = begin, end

    def at(self, value):
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def marks(self):
        """1, 2 and 5 of each power of ten; where these are many, only the powers."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        steps = (1, 2, 5) if self.high - self.low < 2 else (1,)
        marks = (step * 10.0 ** power for power in powers for step in steps)
        return [mark for mark in marks if self.low <= math.log10(mark) <= self.high]


def text(x, y, words, anchor="middle", style=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{html.escape(words)}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def panel(case, lines, x, y):
    points = [point for some in lines.values() for point in some]
    sizes, unit = sorted({size for size, _, _ in points}), points[0][2]
    across = Scale(sizes, x + LEFT, x + WIDTH - RIGHT)
    up = Scale([value for _, value, _ in points], y + HEIGHT - BOTTOM, y + TOP)
    yield text(x + LEFT, y + 18, f"{case}, {unit}", "start", ' font-weight="bold"')
    for mark in up.marks():
        yield line(across.begin, up.at(mark), across.end, up.at(mark), 'stroke="#ddd"')
        yield text(across.begin - 5, up.at(mark) + 4, f"{mark:g}", "end")
    yield line(across.begin, up.begin, across.end, up.begin, 'stroke="#888"')
    for size in sizes:
        yield text(across.at(size), up.begin + 15, f"{size:,}")
    for (store, who), some in sorted(lines.items()):
        dash = ' stroke-dasharray="5 3"' if who == "floor" else ""
        style = f'stroke="{COLOURS[store]}" fill="none" stroke-width="1.6"{dash}'
        places = [(across.at(size), up.at(value)) for size, value, _ in some]
        yield f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in places)}" {style}/>'
        for a, b in places:
            fill = "white" if who == "floor" else COLOURS[store]
            yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{fill}" stroke="{COLOURS[store]}"/>'


def legend(stores, y):
    x = LEFT
    for store in stores:
        for who, dash in (("kolabd", ""), ("floor", ' stroke-dasharray="5 3"')):
            yield line(x, y - 4, x + 28, y - 4, f'stroke="{COLOURS[store]}" stroke-width="1.6"{dash}')
            yield text(x + 34, y, f"{who}, {store}", "start")
            x += 130


def draw_text(cases):
    rows = -(-len(cases) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + 30
    stores = sorted({store for lines in cases.values() for store, _ in lines}, reverse=True)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for number, (case, lines) in enumerate(cases.items()):
        parts += panel(case, lines, number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT)
    return "\n".join([*parts, *legend(stores, height - 10), "</svg>", ""])


def draw(source, target):
    """Nothing where nothing can be drawn."""
    with open(source, encoding="utf-8") as file:
        cases = read(file)
    if cases:
        with open(target, "w", encoding="utf-8") as file:
            file.write(draw_text(cases))


if __name__ == "__main__":
    draw(*sys.argv[1:])
