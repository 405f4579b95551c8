"""What is covered when all frames are known: boxes that move, and frames in which they are not seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from bodyseg_ros.privacy import Covers, RecordingSettings, Sightings, fill_over_time, to_cells, to_pixels

SIZE = (80, 160)
FRAME_NS = 10**8
NOBODY = np.zeros(SIZE, np.uint8)


def box(left: int, top: int = 20, width: int = 12, height: int = 40) -> np.ndarray:
    mask = NOBODY.copy()
    mask[top : top + height, max(0, left) : left + width] = 1
    return mask


@contextmanager
def covers_of(
    masks: list[np.ndarray | str], weak: dict[int, np.ndarray] | None = None, **values: float
) -> Iterator[Covers]:
    """Masks as the network gave them, a reason where it could not."""
    settings = RecordingSettings.model_validate({"margin_px": 2, "window_frames": 0, **values})
    with closing(Sightings()) as seen:
        for index, mask in enumerate(masks):
            if isinstance(mask, str):
                seen.add_blind(index * FRAME_NS, 0, SIZE, mask)
            else:
                signs = mask | (weak or {}).get(index, np.zeros_like(mask))
                seen.add(index * FRAME_NS, 0, mask.shape, to_cells(mask), to_cells(signs))
        covers = fill_over_time(seen, settings)
        with closing(covers.masks):
            yield covers


def walk(index: int) -> np.ndarray:
    return box(10 + 4 * index)


@pytest.mark.parametrize("partial", [False, True])
def test_the_way_between_two_sightings_is_covered(partial: bool) -> None:
    legs = [box(10 + 4 * index, top=48, height=12) for index in range(20)]
    masks = [(legs[i] if partial else NOBODY) if 6 <= i < 14 else walk(i) for i in range(20)]
    with covers_of(masks) as covers:
        for index in range(20):
            assert covers.masks.read(index)[walk(index) == 1].all(), index
        assert [(gap.first, gap.last) for gap in covers.gaps] == [(6, 13)]
        assert covers.lost == covers.appeared == []
        assert covers.only_by_time == (0 if partial else 8)


def test_a_gap_longer_than_allowed_is_told_of() -> None:
    masks = [NOBODY if 6 <= i < 14 else walk(i) for i in range(20)]
    with covers_of(masks, max_gap=0.5) as covers:
        assert not covers.masks.read(10).any()
        assert (covers.gaps, covers.lost, covers.appeared) == ([], [5], [14])


def test_who_leaves_by_the_border_is_not_lost() -> None:
    with covers_of([box(-8 + 4 * max(0, 3 - i)) if i < 4 else NOBODY for i in range(8)]) as covers:
        assert covers.lost == []


def test_two_people_are_linked_each_to_themselves() -> None:
    masks = [NOBODY if 6 <= i < 10 else walk(i) | box(120) for i in range(16)]
    with covers_of(masks) as covers:
        between = covers.masks.read(8)
        assert between[walk(8) == 1].all() and between[box(120) == 1].all()
        assert not between[:, 80:110].any()


def test_a_place_is_covered_in_the_frames_around() -> None:
    with covers_of([box(60) if i == 5 else NOBODY for i in range(11)], window_frames=3) as covers:
        assert [bool(covers.masks.read(i).any()) for i in range(11)] == [2 <= i <= 8 for i in range(11)]


def test_weak_signs_count_where_they_touch_what_is_covered() -> None:
    head, far = box(60, top=8, height=12), box(120)
    with covers_of([box(60)] * 3, {1: head | far}) as covers:
        assert covers.masks.read(1)[head == 1].all() and not covers.masks.read(0)[10, 65]
        assert not covers.masks.read(1)[far == 1].any()
        assert covers.doubtful == [1]


def test_frames_without_judgement_are_covered_whole_and_bridged() -> None:
    with covers_of([walk(0), "no", NOBODY, walk(3)]) as covers:
        assert covers.shares[1] == 1.0
        assert covers.masks.read(2)[walk(2) == 1].all()


def test_another_size_begins_anew() -> None:
    small = np.zeros((40, 80), np.uint8)
    with covers_of([walk(0), NOBODY, small, NOBODY], window_frames=3) as covers:
        assert covers.masks.read(2).shape == (40, 80) and not covers.masks.read(2).any()


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (77, 1283), (100, 320)])
def test_masks_in_cells_hold_every_pixel(size: tuple[int, int]) -> None:
    mask = np.zeros(size, np.uint8)
    chance = np.random.default_rng(3)
    mask[chance.integers(0, size[0], 50), chance.integers(0, size[1], 50)] = 1
    back = to_pixels(to_cells(mask), size)
    assert back.shape == size and back[mask == 1].all()
    assert back.mean() < 50 * 36 / mask.size * 1.01 + 0.001
