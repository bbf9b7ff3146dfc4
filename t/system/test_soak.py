"""A short one of `make soak`: what is opened is closed again."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "soak"))

from soak import Soak  # noqa: E402 pylint: disable=wrong-import-position


def test_after_changes_of_every_kind_and_lost_connections_no_descriptor_and_no_thread_is_left_over(lab):
    soak = Soak(lab, changes=500, samples=2)
    soak.run()
    assert [sample["changes"] for sample in soak.samples] == [0, 300, 500]
    assert soak.changing() == []
