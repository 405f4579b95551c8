"""Which frames follow on one another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodyseg_ros.frame_sequence import FrameSequence
from bodyseg_ros.types import Frame

SECOND_NS = 10**9


def frame(stamp_s: float, gray: int = 100, size: tuple[int, int] = (40, 60), frame_id: str = "left") -> Frame:
    return Frame(np.full((*size, 3), gray, np.uint8), round(stamp_s * SECOND_NS), frame_id)


def follows(later: Frame, **limits: float) -> bool:
    frames = FrameSequence()
    frames.follows(frame(5.0), **limits)
    return frames.follows(later, **limits)


def test_the_first_frame_follows_nothing() -> None:
    assert not FrameSequence().follows(frame(0))
    assert not FrameSequence().follows(frame(0), max_gap_s=1.0, cut=0.5)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (frame(5.0), True),
        (frame(900.0), True),
        (frame(4.99), False),
        (frame(5.1, size=(60, 40)), False),
        (frame(5.1, frame_id="right"), False),
        (frame(5.1, gray=255), True),
    ],
)
def test_without_limits(later: Frame, expected: bool) -> None:
    assert follows(later) is expected


@pytest.mark.parametrize(("stamp_s", "expected"), [(5.0, False), (5.001, True), (5.5, True), (5.501, False)])
def test_with_a_largest_gap_it_must_be_later_and_soon(stamp_s: float, expected: bool) -> None:
    assert follows(frame(stamp_s), max_gap_s=0.5) is expected


@pytest.mark.parametrize(("index", "expected"), [(6, False), (7, False), (8, True), (9, False)])
def test_without_a_new_stamp_the_next_index_follows(index: int, expected: bool) -> None:
    frames = FrameSequence()
    frames.follows(replace(frame(0), index=7), max_gap_s=0.5)
    assert frames.follows(replace(frame(0), index=index), max_gap_s=0.5) is expected


@pytest.mark.parametrize(("gray", "expected"), [(124, True), (127, False), (76, True), (73, False)])
def test_a_cut_is_a_mean_change_of_brightness(gray: int, expected: bool) -> None:
    """0.1 of 255 gray levels are 25.5."""
    assert follows(frame(5.1, gray), cut=0.1) is expected


def test_each_frame_is_compared_with_the_last() -> None:
    frames = FrameSequence()
    answers = [frames.follows(frame(stamp, gray), max_gap_s=1, cut=0.1) for stamp, gray in ((1, 0), (2, 20), (3, 40))]
    assert answers == [False, True, True]
    assert not frames.follows(frame(2.5, 40), max_gap_s=1, cut=0.1)
    assert frames.follows(frame(3.5, 40), max_gap_s=1, cut=0.1)
