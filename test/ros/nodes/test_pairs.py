from __future__ import annotations

import pytest

from bodyseg_ros.ros.nodes.pairs import Pairs


def test_exact_stamps_meet_whichever_comes_first() -> None:
    pairs = Pairs(3)
    assert pairs.add(0, 5, "a") is None
    assert pairs.add(1, 6, "x") is None
    assert pairs.add(1, 5, "y") == ("a", "y")
    assert pairs.add(0, 6, "b") == ("b", "x")


@pytest.mark.parametrize(
    ("first", "second", "meets"), [(100, 100, True), (100, 110, True), (100, 111, False), (100, 99, False)]
)
@pytest.mark.parametrize("order", [0, 1])
def test_the_second_may_be_younger_by_the_slop_and_never_older(
    first: int, second: int, meets: bool, order: int
) -> None:
    pairs = Pairs(3, slop_ns=10)
    given = [(0, first, "mask"), (1, second, "depth")]
    results = [pairs.add(*given[order]), pairs.add(*given[1 - order])]
    assert results == [None, ("mask", "depth") if meets else None]


def test_the_nearest_is_taken_and_what_came_before_goes() -> None:
    pairs = Pairs(9, slop_ns=10)
    for stamp in (90, 98, 104, 108):
        assert pairs.add(1, stamp, stamp) is None
    assert pairs.add(0, 99, "mask") == ("mask", 104)
    assert [sorted(waiting) for waiting in pairs.waiting] == [[], [108]]
