"""The results: a line for each case and size, with the floor and kolabd beside each other."""

import csv
import statistics

COLUMNS = ["store", "size", "case", "who", "median", "lowest", "highest", "unit", "ratio", "aim", "met"]


def share(values, part):
    """The value below which that part of them lies (0.99: the 99th percentile), by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, int(part * len(ordered) + 0.9999999) - 1))]


def is_met(value, aim):
    """Whether "<= 1.3", ">= 0.95" or "< 32" is true of the value; "" without an aim."""
    if not aim:
        return ""
    sign, limit = aim.split()
    return "yes" if {"<=": value <= float(limit), ">=": value >= float(limit), "<": value < float(limit)}[sign] else "no"


def show_number(value):
    """With three or four digits."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


class Row:
    """`ratios`: of kolabd to the floor beside it; an aim is about their median, or without a floor about kolabd's."""

    def __init__(self, place, case, unit, floor, kolabd, ratios, aim):
        self.store, self.size = place
        self.case = case
        self.unit = unit
        self.values = {"floor": floor, "kolabd": kolabd}
        self.ratios = ratios
        self.aim = aim

    def median(self, who):
        return statistics.median(self.values[who]) if self.values[who] else None

    @property
    def ratio(self):
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def met(self):
        return is_met(self.median("kolabd") if self.ratio is None else self.ratio, self.aim)


class Table:
    def __init__(self):
        self.rows = []
        self.about = []  # of (name, value)
        self.remarks = []

    def compare(self, place, case, unit, floor, kolabd, aim=""):
        """Values of runs that stood beside each other; `place`: (store, size)."""
        self.rows.append(Row(place, case, unit, floor, kolabd, [k / f for f, k in zip(floor, kolabd)], aim))

    def compare_medians(self, place, case, unit, floor, kolabd, aim=""):
        """Values of many small things, of which one says little."""
        self.rows.append(Row(place, case, unit, floor, kolabd, [statistics.median(kolabd) / statistics.median(floor)], aim))

    def tell(self, place, case, unit, kolabd, aim=""):
        """Where there is no floor, or its figure is only shown."""
        kolabd = kolabd if isinstance(kolabd, list) else [kolabd]
        self.rows.append(Row(place, case, unit, [], kolabd, [], aim))

    def find(self, place, case):
        return next((row for row in self.rows if (row.store, row.size) == place and row.case == case), None)

    def show(self):
        for name, value in self.about:
            print(f"{name}: {value}")
        print(f"\n{'store':7}{'people':>7}  {'case':58}{'floor':>8}{'kolabd':>8} {'unit':10}{'ratio':>6}  "
              f"{'(of the pairs)':16}{'aim':9}met")
        before = None
        for row in self.rows:
            if before not in (None, (row.store, row.size)):
                print()
            before = (row.store, row.size)
            print(self.line(row))
        for remark in self.remarks:
            print(remark)

    @staticmethod
    def line(row):
        floor, kolabd = (show_number(row.median(who)) for who in ("floor", "kolabd"))
        spread = f"({min(row.ratios):.2f} to {max(row.ratios):.2f})" if len(row.ratios) > 1 else ""
        return (f"{row.store:7}{row.size:>7}  {row.case:58}{floor:>8}{kolabd:>8} {row.unit:10}{show_number(row.ratio):>6}  "
                f"{spread:16}{row.aim:9}{row.met}").rstrip()

    def write(self, path):
        """Lines that begin with # tell of the machine."""
        with path.open("w", newline="", encoding="utf-8") as file:
            for name, value in self.about:
                file.write(f"# {name}: {value}\n")
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in self.rows:
                for who in ("floor", "kolabd"):
                    if row.values[who]:
                        numbers = row.median(who), min(row.values[who]), max(row.values[who])
                        writer.writerow([row.store, row.size, row.case, who, *(f"{number:.6g}" for number in numbers), row.unit,
                                         *self.verdict(row, who)])

    @staticmethod
    def verdict(row, who):
        if who == "floor":
            return "", "", ""
        return "" if row.ratio is None else f"{row.ratio:.4g}", row.aim, row.met
