from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.person import Person, box_of_keypoints, box_of_mask


def person(instances: np.ndarray) -> Person:
    joints = np.zeros(17, np.float32)
    return Person(0, 0.9, np.zeros((17, 2), np.float32), joints, instances.shape, instances)


def test_a_box_is_where_the_person_is() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[4:20, 6:11] = 1
    left, top, right, bottom = box_of_mask(mask)
    assert (left, top, right, bottom) == (6, 4, 11, 20)
    assert mask[top:bottom, left:right].all()
    assert mask[top:bottom, left:right].sum() == mask.sum()


@pytest.mark.parametrize(("speck_px", "right"), [(4, 20), (5, 39)])
def test_pieces_of_a_twentieth_count_and_smaller_ones_do_not(speck_px: int, right: int) -> None:
    instances = np.full((30, 40), -1, np.int16)
    instances[10:20, 10:20] = 0  # 100 px
    instances[:speck_px, 38] = 0
    seen = person(instances)
    assert seen.box == (10, 10 if right == 20 else 0, right, 20)
    assert seen.mask.sum() == 100 + speck_px
    outlines = np.concatenate(seen.polygon)
    assert (outlines.max(axis=0) <= (right - 1, 19)).all()


def test_the_size_of_a_piece_is_counted_with_its_holes_filled() -> None:
    instances = np.full((40, 60), -1, np.int16)
    instances[10:30, 10:30] = 0
    instances[12:28, 12:28] = -1  # a ring of 144 px around 256
    instances[0, 40:59] = 0  # 19 px: less than a twentieth of 400, more than one of 144
    assert person(instances).box == (10, 10, 30, 30)
    instances[0, 59] = 0
    assert person(instances).box == (10, 0, 60, 30)


def test_what_a_person_prints() -> None:
    assert repr(person(np.zeros((30, 40), np.int16))) == "Person 0: score 0.90, box (0, 0, 40, 30)"


def test_the_largest_outline_comes_first_and_runs_along_the_edge() -> None:
    instances = np.full((30, 40), -1, np.int16)
    instances[2:6, 2:6] = 0
    instances[10:20, 10:20] = 0
    first, second = person(instances).polygon
    assert sorted(first.tolist()) == [[10, 10], [10, 19], [19, 10], [19, 19]]
    assert sorted(second.tolist()) == [[2, 2], [2, 5], [5, 2], [5, 5]]
    assert first.dtype == np.int32


def test_without_a_mask_the_box_is_around_visible_keypoints() -> None:
    points = np.full((17, 2), 500, np.float32)
    scores = np.zeros(17, np.float32)
    assert box_of_mask(np.zeros((30, 40), np.uint8)) is None
    assert box_of_keypoints(points, scores, (30, 40), 0.3) == (0, 0, 0, 0)
    points[0], points[1], scores[:2] = (2.5, 3.0), (7.2, 50.0), 0.3
    assert box_of_keypoints(points, scores, (30, 40), 0.3) == (2, 3, 9, 30)
    empty = Person(0, 0.9, points, scores, (30, 40), np.full((30, 40), -1, np.int16))
    assert empty.box == (2, 3, 9, 30)
    assert empty.polygon == []
