"""The parts of the bench that touch nothing outside. `make bench` runs them before it begins."""

import unittest
import xml.etree.ElementTree

import world  # noqa: F401  it knows the way to t/system  # pylint: disable=unused-import

import growing
import plot
from table import Row, is_met, share


class Parts(unittest.TestCase):
    def test_a_percentile_is_the_nearest_rank(self):
        self.assertEqual(share(range(1, 201), 0.99), 198)
        self.assertEqual(share(range(1, 201), 0.5), 100)
        self.assertEqual(share([3], 0.99), 3)

    def test_an_aim_is_compared_as_it_is_written(self):
        self.assertEqual(is_met(1.3, "<= 1.3"), "yes")
        self.assertEqual(is_met(0.94, ">= 0.95"), "no")
        self.assertEqual(is_met(32, "< 32"), "no")
        self.assertEqual(is_met(1, ""), "")

    def test_an_aim_is_about_the_ratio_where_there_is_a_floor(self):
        self.assertEqual(Row(("tmpfs", 1), "x", "ms", [10], [20], [2.0], "<= 1.3").met, "no")
        self.assertEqual(Row(("tmpfs", 1), "x", "MiB", [], [20], [], "< 32").met, "yes")

    def test_growth_ends_at_each_size(self):
        for sizes in ([300, 2000, 20000], [5], [50, 57], [600, 601], [2000], [100000]):
            have = 0
            for size in sizes:
                at_once, people, runs = growing.plan(have, size, 40)
                self.assertGreaterEqual(min(people, runs), 1)
                self.assertGreaterEqual(at_once, 0)
                self.assertEqual(at_once + (runs * people if size > growing.SMALL else 0), size - have)
                have = size

    def test_more_people_are_measured_in_more_portions_and_not_in_long_ones(self):
        for have, size, runs, people in ((300, 2000, 17, 100), (2000, 20000, 40, 200), (0, 300, 15, 300), (600, 650, 1, 50)):
            self.assertEqual(growing.plan(have, size, 40)[1:], (people, runs))

    def test_a_store_of_the_default_sizes_has_room_for_the_floors_too(self):
        self.assertEqual(growing.mailboxes([300, 2000, 20000], 40), 20000 + 200 + 2 * 15 * 300 + 1700 + 8000)

    def test_a_picture_is_well_formed_and_leaves_out_what_it_does_not_know(self):
        lines = ["# processor: 2 x <any>", "store,size,case,who,median,lowest,highest,unit,ratio,aim,met",
                 *(f"tmpfs,{size},first provisioning,{who},{rate},1,2,users/s,,," for size, rate in ((300, 70), (20000, 60))
                   for who in ("floor", "kolabd")),
                 "tmpfs,300,\"verify everything, 200 of them\",kolabd,5,4,6,ms/user,,,",
                 "tmpfs,300,unheard of,kolabd,5,4,6,ms,,,"]
        cases = plot.read(lines)
        self.assertEqual(list(cases), ["first provisioning", "verify everything"])
        self.assertEqual(cases["first provisioning"]["tmpfs", "kolabd"][0][2], "ms/user")
        root = xml.etree.ElementTree.fromstring(plot.draw_text(cases))
        self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}polyline")), 3)


if __name__ == "__main__":
    unittest.main()
