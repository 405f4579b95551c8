"""What is covered of a live camera: boxes that move, frames in which they are not seen, few frames ahead."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from bodyseg_ros.privacy import RecordingSettings, Sightings, fill_over_time
from bodyseg_ros.privacy.live_filling import LiveFilling

from .test_filling import FRAME_NS, NOBODY, box, walk

MARGIN = 2


def covers_of(masks: list[np.ndarray], hold: int, delay: int, max_gap_s: float = 2.0) -> dict[int, np.ndarray]:
    """The cover of each frame that is decided on."""
    filling, covers = LiveFilling(hold, delay, max_gap_s, MARGIN), {}
    for index, mask in enumerate(masks):
        filling.add(index * FRAME_NS, mask, mask)
        if not filling.missing:
            covers[index - delay] = filling.cover()
    return covers


def test_who_is_not_seen_any_more_is_covered_as_if_they_went_on() -> None:
    """A person of 12 cells' width who walks 4 cells a frame, 10 frames/s, and is lost for 15 frames."""
    covers = covers_of([walk(index) if index < 8 else NOBODY for index in range(30)], hold=2, delay=0)
    for index in range(2, 23):
        assert covers[index][walk(index) == 1].all(), index
    assert covers_of([walk(index) if index < 8 else NOBODY for index in range(30)], 2, 0, 0.0)[11].sum() == 0


def test_after_max_gap_nobody_is_covered() -> None:
    covers = covers_of([box(60) if index < 5 else NOBODY for index in range(20)], hold=2, delay=0, max_gap_s=0.5)
    assert [index for index, cover in covers.items() if cover.any()] == list(range(2, 9))


def test_a_shape_grows_while_its_person_is_not_seen() -> None:
    """By a quarter of its height each second: 40 cells high, 10 cells after one second."""
    covers = covers_of([box(60) if index < 5 else NOBODY for index in range(16)], hold=2, delay=0)
    rows = [np.flatnonzero(covers[index].any(axis=1)).size for index in (4, 14)]
    assert rows == [40 + 2 * MARGIN, 40 + 2 * (MARGIN + 10)]


def test_with_a_delay_a_way_that_turns_is_covered_too() -> None:
    """Lost while walking to the right, found again at the left."""
    places = [60 + 4 * index if index < 6 else 80 - 6 * (index - 5) for index in range(20)]
    masks = [NOBODY if 6 <= index < 12 else box(place) for index, place in enumerate(places)]

    def uncovered(delay: int) -> list[int]:
        covers = covers_of(masks, hold=2, delay=delay)
        return [index for index in range(6, 12) if not covers[index][box(places[index]) == 1].all()]

    assert uncovered(delay=7) == []
    assert uncovered(delay=0), "or the test shows nothing"


def test_with_a_delay_a_place_is_covered_before_somebody_is_seen_there() -> None:
    covers = covers_of([box(60) if index >= 10 else NOBODY for index in range(20)], hold=2, delay=4)
    assert [index for index, cover in covers.items() if cover.any()] == list(range(6, 16))


@pytest.mark.parametrize("seed", range(10))
def test_with_a_delay_as_long_as_the_gaps_at_least_as_much_is_covered_as_of_a_recording(seed: int) -> None:
    random, reach = np.random.default_rng(seed), 6
    left, masks = 60, []
    for _ in range(40):
        left = int(np.clip(left + random.integers(-5, 6), 0, 140))
        masks.append(NOBODY if random.random() < 0.3 else box(left) | (box(20) if random.random() < 0.7 else NOBODY))
    covers = covers_of(masks, reach, reach, max_gap_s=reach * FRAME_NS / 1e9)
    settings = RecordingSettings(window_frames=reach, max_gap=reach * FRAME_NS / 1e9, margin_px=MARGIN)
    with closing(Sightings()) as seen:
        for index, mask in enumerate(masks):
            seen.add(index * FRAME_NS, 0, mask.shape, mask, mask)
        recorded = fill_over_time(seen, settings)
        with closing(recorded.masks):
            for index, cover in covers.items():
                assert cover[recorded.masks.read(index) == 1].all(), index
    assert len(covers) == 40 - 2 * reach


def test_what_surrounds_and_weak_signs_that_touch_are_covered() -> None:
    filling, head, far = LiveFilling(0, 0, 0.0, MARGIN), box(60, top=8, height=12), box(120)
    ring = box(60, width=20) & (1 - box(64, top=28, width=12, height=24))
    filling.add(0, ring, ring | head | far)
    cover = filling.cover()
    assert cover[head == 1].all() and cover[40, 70] == 1
    assert not cover[far == 1].any()
