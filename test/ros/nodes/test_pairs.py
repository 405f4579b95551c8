from __future__ import annotations

import random
from collections import deque
from contextlib import suppress

import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.nodes.pairs import Pairs

NAMES = ("image", "mask")
S = 1_000_000_000


def test_exact_stamps_meet_whichever_comes_first() -> None:
    pairs = Pairs(3, NAMES)
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
    pairs = Pairs(3, NAMES, slop_ns=10)
    given = [(0, first, "mask"), (1, second, "depth")]
    results = [pairs.add(*given[order]), pairs.add(*given[1 - order])]
    assert results == [None, ("mask", "depth") if meets else None]


def test_the_nearest_is_taken_and_what_came_before_goes() -> None:
    pairs = Pairs(9, NAMES, slop_ns=10)
    for stamp in (90, 98, 104, 108):
        assert pairs.add(1, stamp, stamp) is None
    assert pairs.add(0, 99, "mask") == ("mask", 104)
    assert [sorted(waiting) for waiting in pairs.waiting] == [[], [108]]


@pytest.mark.parametrize("side", [0, 1])
def test_without_a_stamp_nothing_is_paired(side: int) -> None:
    pairs = Pairs(3, NAMES)
    for _ in range(3):
        with pytest.raises(FrameError, match=f"The {NAMES[side]} .*stamp of zero"):
            pairs.add(side, 0, "item")
    assert pairs.waiting == ({}, {})


def test_a_stamp_that_comes_again_belongs_to_no_pair() -> None:
    pairs = Pairs(3, NAMES)
    assert pairs.add(0, 5, "first") is None
    for _ in range(2):
        with pytest.raises(FrameError, match="The image repeats .*stamp"):
            pairs.add(0, 5, "second")
    assert pairs.add(1, 5, "whose?") is None
    assert pairs.add(0, 6, "next") is None
    assert pairs.add(1, 6, "mask") == ("next", "mask")
    with pytest.raises(FrameError, match="The mask repeats .*stamp"):
        pairs.add(1, 6, "again")


def test_a_recording_that_starts_again_pairs_nothing_until_both_have() -> None:
    """Masks of the first round, still on their way, must not be laid on the second round's pictures."""
    pairs = Pairs(30, NAMES)
    for second in range(1, 6):
        assert pairs.add(0, second * S, f"image {second}") is None
    for second in range(1, 4):
        assert pairs.add(1, second * S, f"mask {second}") == (f"image {second}", f"mask {second}")
    for second in range(1, 6):
        with pytest.raises(FrameError, match="jumped back in time"):
            pairs.add(0, second * S, "second round")
    for second in (4, 5):  # late, of the first round
        with pytest.raises(FrameError, match="jumped back in time"):
            pairs.add(1, second * S, "first round")
    assert pairs.add(1, 1 * S, "second round") is None
    assert pairs.add(0, 6 * S, "image") is None
    assert pairs.add(1, 6 * S, "mask") == ("image", "mask")


def test_one_stamp_from_the_future_does_not_end_the_pairing() -> None:
    pairs = Pairs(30, NAMES)
    pairs.add(0, 10 * S, "image")
    pairs.add(0, 10**6 * S, "from the future")
    paired = 0
    for second in range(11, 60):
        for side in (0, 1):  # the network never saw the one from the future
            with suppress(FrameError):
                paired += pairs.add(side, second * S, second) is not None
    assert paired >= 10


# Where one of two equal stamps is lost on the way, nobody can know that there were two.
@pytest.mark.parametrize(
    ("kind", "lost"),
    [
        *(
            (kind, lost)
            for kind in ("zero", "constant", "two by turns", "loop", "jumps", "fine")
            for lost in (0.0, 0.1)
        ),
        ("repeated now and then", 0.0),
    ],
)
@pytest.mark.parametrize("lag", [0, 1, 5])
def test_whatever_the_stamps_no_mask_is_laid_on_another_picture(kind: str, lag: int, lost: float) -> None:
    """A network `lag` pictures behind, some messages lost: every pair is of one and the same moment."""
    chance, pairs, underway, right = random.Random(f"{kind}{lag}{lost}"), Pairs(30, NAMES), deque[tuple[int, int]](), 0
    time_ns = 1000 * S
    for moment in range(2000):
        time_ns += S // 30
        stamps = {
            "zero": 0,
            "constant": 7,
            "two by turns": (moment % 2 + 1) * S,
            "repeated now and then": time_ns - (S // 30) * (chance.random() < 0.1),
            "loop": (moment % 300 + 1) * S // 30,
            "jumps": time_ns + chance.randrange(-100, 100) * S * (moment % 50 == 0),
            "fine": time_ns,
        }
        stamp = stamps[kind]
        arrivals = [(0, moment, stamp)] if chance.random() >= lost else []
        underway.append((moment, stamp))
        if len(underway) > lag:
            mask = (1, *underway.popleft())
            arrivals += [mask] if chance.random() >= lost else []
        for side, of, stamp_ns in arrivals:
            pair = None
            with suppress(FrameError):
                pair = pairs.add(side, stamp_ns, of)
            if pair:
                assert pair[0] == pair[1], f"the mask of {pair[1]} on the picture of {pair[0]}"
                right += 1
    assert right >= {"fine": 1500, "jumps": 300, "loop": 900, "repeated now and then": 900}.get(kind, 0)
