"""Which mask belongs to what a sensor sends."""

from __future__ import annotations

import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.nodes.nearest import Nearest

MS = 1_000_000


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def nearest(clock: Clock) -> Nearest:
    return Nearest(("mask", "cloud"), 50 * MS, 0.5, clock)


def test_an_item_waits_until_no_nearer_mask_can_come(nearest: Nearest) -> None:
    nearest.add_mask(1000 * MS, "early")
    nearest.add_item(1030 * MS, "cloud")
    assert nearest.settled() == []
    nearest.add_mask(1033 * MS, "near")
    assert nearest.settled() == [("cloud", "near")]
    assert nearest.settled() == []


def test_a_close_mask_is_not_waited_for(clock: Clock) -> None:
    nearest = Nearest(("mask", "cloud"), 50 * MS, 0.5, clock, close_ns=10 * MS)
    nearest.add_mask(1000 * MS, "mask")
    nearest.add_item(1011 * MS, "far")
    nearest.add_item(1010 * MS, "close")
    assert nearest.settled() == [("close", "mask")]


def test_the_nearer_one_is_taken_whether_older_or_younger(nearest: Nearest) -> None:
    nearest.add_mask(1000 * MS, "old")
    nearest.add_mask(1033 * MS, "young")
    nearest.add_item(1010 * MS, "a")
    nearest.add_item(1020 * MS, "b")
    assert nearest.settled() == [("a", "old"), ("b", "young")]


def test_a_mask_serves_several(nearest: Nearest) -> None:
    for stamp in (990, 1000, 1010):
        nearest.add_item(stamp * MS, stamp)
    nearest.add_mask(1010 * MS, "mask")
    assert nearest.settled() == [(990, "mask"), (1000, "mask"), (1010, "mask")]


def test_a_mask_beyond_the_slop_is_none(nearest: Nearest) -> None:
    nearest.add_item(1000 * MS, "cloud")
    nearest.add_mask(1051 * MS, "late")
    assert nearest.settled() == [("cloud", None)]


def test_after_its_patience_an_item_takes_what_is_there(nearest: Nearest, clock: Clock) -> None:
    nearest.add_mask(1000 * MS, "old")
    nearest.add_item(1040 * MS, "a")
    nearest.add_item(1060 * MS, "b")
    clock.now = 0.4
    assert nearest.settled() == []
    clock.now = 0.6
    assert nearest.settled() == [("a", "old"), ("b", None)]


@pytest.mark.parametrize("stamp", [0, -5])
def test_without_a_stamp_nothing_belongs_together(nearest: Nearest, stamp: int) -> None:
    with pytest.raises(FrameError, match="The mask .*stamp of zero"):
        nearest.add_mask(stamp, "mask")
    with pytest.raises(FrameError, match="The cloud .*stamp of zero"):
        nearest.add_item(stamp, "cloud")
    assert nearest.settled() == []


def test_repeated_stamps_match_nothing(nearest: Nearest) -> None:
    nearest.add_item(1000 * MS, "first")
    with pytest.raises(FrameError, match="The cloud repeats .*stamp"):
        nearest.add_item(1000 * MS, "second")
    assert nearest.settled() == [("first", None)]
    nearest.add_mask(2000 * MS, "mask")
    with pytest.raises(FrameError, match="The mask repeats .*stamp"):
        nearest.add_mask(2000 * MS, "other")
    nearest.add_item(2000 * MS, "cloud")
    nearest.add_mask(2100 * MS, "next")
    assert nearest.settled() == [("cloud", None)]


def test_after_a_jump_back_only_the_new_time_is_matched(nearest: Nearest) -> None:
    nearest.add_mask(9000 * MS, "old")
    nearest.add_item(9010 * MS, "waits")
    with pytest.raises(FrameError, match="jumped back in time"):
        nearest.add_item(1000 * MS, "alone")
    assert nearest.settled() == [("waits", None)]
    nearest.add_mask(1000 * MS, "new")
    nearest.add_item(1001 * MS, "cloud")
    nearest.add_mask(1033 * MS, "newer")
    assert nearest.settled() == [("cloud", "new")]


def test_no_more_than_a_few_wait(nearest: Nearest) -> None:
    for stamp in range(1, 101):
        nearest.add_item(stamp * MS, stamp)
    assert nearest.settled() == [(stamp, None) for stamp in range(1, 71)]
