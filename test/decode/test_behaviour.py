"""What the decoders do at the edges of what they may meet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bodyseg_ros.decode import (
    decode_poses,
    decode_single_pose,
    instance_map,
    person_mask,
    sigmoid,
)
from bodyseg_ros.decoder_inputs import LongOffsets, PoseHeads, PoseLimits
from bodyseg_ros.errors import EngineError
from bodyseg_ros.geometry import padded_geometry
from bodyseg_ros.types import Poses


def poses_of(heatmaps: np.ndarray, **options: float) -> Poses:
    height, width, _ = heatmaps.shape
    zeros = np.zeros((height, width, 34), np.float32)
    limits = PoseLimits(**{"max_people": 10, "score_threshold": 0.5, "nms_radius": 20.0} | options)
    return decode_poses(PoseHeads(heatmaps, zeros, zeros[..., :32], zeros[..., :32], stride=16), limits)[1]


def test_sigmoid_of_extremes_is_finite() -> None:
    logits = np.array([[-1e30, -100, 0, 100, 1e30]], np.float32)
    np.testing.assert_allclose(sigmoid(logits), [[0, 0, 0.5, 1, 1]], atol=1e-6)


def test_zero_people() -> None:
    poses = poses_of(np.zeros((5, 6, 17), np.float32))
    assert len(poses) == 0
    assert poses.keypoints.shape == (0, 17, 2)


def test_thirty_people_and_the_limit() -> None:
    heatmaps = np.zeros((40, 60, 17), np.float32)
    for person in range(30):
        heatmaps[2 + person // 6 * 7, 3 + person % 6 * 9, 0] = 0.9 - 0.01 * person
    poses = poses_of(heatmaps, max_people=100)
    assert len(poses) == 30
    np.testing.assert_allclose(poses.keypoints[4, 0], [(3 + 4 * 9) * 16, 2 * 16])
    assert len(poses_of(heatmaps, max_people=7)) == 7


def test_threshold_is_inclusive_for_roots_and_strict_for_masks() -> None:
    heatmaps = np.zeros((3, 3, 17), np.float32)
    heatmaps[1, 1, 0] = 0.5
    assert len(poses_of(heatmaps, score_threshold=0.5)) == 1
    assert len(poses_of(heatmaps, score_threshold=0.50001)) == 0
    confidence = np.array([[0.7, np.nextafter(np.float32(0.7), np.float32(1))]], np.float32)
    np.testing.assert_array_equal(person_mask(confidence, 0.7), [[0, 1]])


@pytest.mark.parametrize("wrong", [3e38, -2e6, np.inf, np.nan])
@pytest.mark.parametrize("name", ["short_offsets", "displacement_fwd", "displacement_bwd", "long_offsets"])
def test_offsets_that_no_network_gives_are_refused(name: str, wrong: float) -> None:
    """Before any arithmetic, which would overflow, in C unnoticed."""
    channels = {"short_offsets": 34, "displacement_fwd": 32, "displacement_bwd": 32}
    heads = {head: np.zeros((3, 4, count), np.float32) for head, count in channels.items()}
    broken = np.zeros((3, 4, channels.get(name, 34)), np.float32)
    broken[2, 3, 5] = wrong
    scores = np.zeros((3, 4, 17), np.float32)
    kind, arguments = PoseHeads, (scores, *(heads | {name: broken}).values(), 16)
    if name == "long_offsets":
        kind, arguments = LongOffsets, (broken, 16, padded_geometry(33, 49, 33, 49))
    with pytest.raises(EngineError, match=name):
        kind(*arguments)
    if name == "short_offsets":
        with pytest.raises(EngineError, match=name):
            decode_single_pose(scores, broken, stride=16)


def test_heatmaps_with_nan_are_refused() -> None:
    with pytest.raises(EngineError, match="heatmaps"):
        poses_of(np.full((3, 4, 17), np.nan, np.float32))


def test_nms_radius_joins_near_roots() -> None:
    heatmaps = np.zeros((3, 8, 17), np.float32)
    heatmaps[1, 1, 0], heatmaps[1, 3, 0] = 0.9, 0.8  # 32 px apart
    assert len(poses_of(heatmaps, nms_radius=31.9)) == 2
    assert len(poses_of(heatmaps, nms_radius=32.0)) == 1


def test_single_pose_takes_each_joints_best_cell() -> None:
    heatmaps = np.zeros((4, 5, 17), np.float32)
    offsets = np.zeros((4, 5, 34), np.float32)
    for joint in range(17):
        heatmaps[joint % 4, joint % 5, joint] = 0.5
    offsets[3, 3, 3], offsets[3, 3, 20] = 1.5, -2.5  # joint 3: y, x
    keypoints, poses = decode_single_pose(heatmaps, offsets, stride=8)
    np.testing.assert_allclose(keypoints[0, 3], [3 * 8 - 2.5, 3 * 8 + 1.5])
    assert poses.scores[0] == pytest.approx(0.5)


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float32, (4, 5, 34), elements=st.floats(-1e6, 1e6, width=32)),
    st.integers(1, 20),
)
def test_wild_long_offsets_stay_inside(long_offsets: np.ndarray, refine_steps: int) -> None:
    geometry = padded_geometry(40, 60, 25, 33)
    poses = Poses(np.full((2, 17, 2), 20, np.float32), np.full((2, 17), 0.9, np.float32), np.full(2, 0.9, np.float32))
    person = np.ones((40, 60), np.uint8)
    field = LongOffsets(long_offsets, 8, geometry)
    instances = instance_map(field, person, poses, refine_steps=refine_steps, min_keypoint_score=0.3)
    assert set(np.unique(instances)) <= {-1, 0}  # two equal poses: the first wins, or nobody is near


def test_pixels_go_to_the_person_they_point_at() -> None:
    geometry = padded_geometry(33, 65, 33, 65)
    points = np.zeros((2, 17, 2), np.float32)
    points[0], points[1] = (10, 16), (50, 16)
    poses = Poses(points, np.full((2, 17), 0.9, np.float32), np.ones(2, np.float32))
    rows, columns = np.indices((5, 9))
    target_x = np.where(columns * 8 < 32, 10, 50)
    long_offsets = np.zeros((5, 9, 34), np.float32)
    long_offsets[..., :17] = (16 - rows * 8)[..., None]
    long_offsets[..., 17:] = (target_x - columns * 8)[..., None]
    person = np.ones((33, 65), np.uint8)
    person[0] = 0
    field = LongOffsets(long_offsets, 8, geometry)
    instances = instance_map(field, person, poses, refine_steps=5, min_keypoint_score=0.3)
    assert (instances[1:, :24] == 0).all()
    assert (instances[1:, 40:] == 1).all()
    assert (instances[0] == -1).all()


def test_no_keypoint_above_the_score_is_nobody() -> None:
    geometry = padded_geometry(17, 17, 17, 17)
    poses = Poses(np.zeros((1, 17, 2), np.float32), np.full((1, 17), 0.2, np.float32), np.ones(1, np.float32))
    field = LongOffsets(np.zeros((3, 3, 34), np.float32), 8, geometry)
    instances = instance_map(field, np.ones((17, 17), np.uint8), poses, refine_steps=1, min_keypoint_score=0.3)
    assert (instances == -1).all()


def test_a_keypoint_of_the_very_score_does_not_count() -> None:
    """As in the reference: `score > minKeypointScore`."""
    geometry = padded_geometry(17, 17, 17, 17)
    least = np.float32(0.3)
    for score, owner in ((least, -1), (np.nextafter(least, np.float32(1)), 0)):
        poses = Poses(np.zeros((1, 17, 2), np.float32), np.full((1, 17), score, np.float32), np.ones(1, np.float32))
        field = LongOffsets(np.zeros((3, 3, 34), np.float32), 8, geometry)
        instances = instance_map(field, np.ones((17, 17), np.uint8), poses, refine_steps=1, min_keypoint_score=0.3)
        assert (instances == owner).all()


def test_a_pixel_that_is_led_a_thousand_pixels_away_is_nobodys() -> None:
    """Mean squared distances of 999² and 1000² px² to the nearer of two people: the limit is 1,000,000 px²."""
    geometry = padded_geometry(17, 17, 17, 17)
    for away, owner in ((999, 0), (1000, -1)):
        points = np.zeros((2, 17, 2), np.float32)
        points[0], points[1] = (8 + away, 8), (8, 8 + 3000)
        poses = Poses(points, np.full((2, 17), 0.9, np.float32), np.ones(2, np.float32))
        person = np.zeros((17, 17), np.uint8)
        person[8, 8] = 1  # no offsets: it stays where it is
        field = LongOffsets(np.zeros((3, 3, 34), np.float32), 8, geometry)
        instances = instance_map(field, person, poses, refine_steps=1, min_keypoint_score=0.3)
        assert instances[8, 8] == owner


def test_a_person_alone_gets_every_pixel_of_the_mask() -> None:
    geometry = padded_geometry(40, 60, 25, 33)
    scores = np.array([[0.1] * 17, [0.9] * 17], np.float32)  # nothing of the first is seen
    poses = Poses(np.zeros((2, 17, 2), np.float32), scores, np.ones(2, np.float32))
    person = np.zeros((40, 60), np.uint8)
    person[10:20, 5:50] = 1
    field = LongOffsets(np.zeros((4, 5, 34), np.float32), 8, geometry)
    found = instance_map(field, person, poses, refine_steps=5, min_keypoint_score=0.3)
    np.testing.assert_array_equal(found, np.where(person == 1, 1, -1))


def test_a_very_long_side() -> None:
    geometry = padded_geometry(20, 40_000, 9, 17)
    poses = Poses(np.full((1, 17, 2), 9, np.float32), np.full((1, 17), 0.9, np.float32), np.ones(1, np.float32))
    person = np.zeros((20, 40_000), np.uint8)
    person[5:15, 100:900] = 1
    field = LongOffsets(np.zeros((2, 3, 34), np.float32), 8, geometry)
    found = instance_map(field, person, poses, refine_steps=1, min_keypoint_score=0.3)
    assert (found == 0).sum() == person.sum()
