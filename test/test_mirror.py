"""Results as a mirror shows them."""

from __future__ import annotations

import numpy as np

from bodyseg_ros.mirror import mirror_result, move_result
from bodyseg_ros.types import Poses, Result


def result() -> Result:
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 9] = (1, 2)  # the left wrist
    poses = Poses(points, np.full((1, 17), 0.5, np.float32), np.ones(1, np.float32))
    row = np.arange(5)
    return Result(
        (3, 5),
        person=np.tile(row > 2, (3, 1)).astype(np.uint8),
        confidence=np.tile(row / 10, (3, 1)).astype(np.float32),
        parts=np.tile(row, (3, 1)).astype(np.int8),
        instances=np.tile(row, (3, 1)).astype(np.int16),
        poses=poses,
        classes=np.tile(row, (3, 1)).astype(np.uint8),
        alpha=np.tile(row, (3, 1)).astype(np.uint8),
        class_names=("a", "b"),
    )


def test_every_map_and_every_keypoint_is_mirrored() -> None:
    mirrored = mirror_result(result())
    np.testing.assert_array_equal(mirrored.person[1], [1, 1, 0, 0, 0])
    np.testing.assert_allclose(mirrored.confidence[1], [0.4, 0.3, 0.2, 0.1, 0])
    for name in ("parts", "instances", "classes", "alpha"):
        np.testing.assert_array_equal(getattr(mirrored, name)[1], [4, 3, 2, 1, 0], name)
    np.testing.assert_array_equal(mirrored.poses.keypoints[0, 9], (3, 2))  # 5 − 1 − 1; it stays the left wrist
    assert mirrored.mirrored
    assert mirrored.class_names == ("a", "b")
    assert all(array.flags.c_contiguous for array in (mirrored.person, mirrored.confidence, mirrored.parts))


def test_twice_mirrored_is_as_before() -> None:
    assert mirror_result(mirror_result(result())) == result()
    assert not mirror_result(mirror_result(result())).mirrored


def test_what_is_moved_may_change_its_size() -> None:
    moved = move_result(result(), (3, 2), lambda values: values[:, 3:], lambda points: points - (3, 0))
    assert moved.size == (3, 2)
    np.testing.assert_array_equal(moved.parts[0], [3, 4])
    np.testing.assert_array_equal(moved.poses.keypoints[0, 9], (-2, 2))
    assert not moved.mirrored
