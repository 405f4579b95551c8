"""The camera's own motion, and ids under it: crops of one wide made video, whose places are known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bodyseg_ros.lab.moving_people import Moment, Scene, Walker, play
from bodyseg_ros.lab.tracking_scores import TrackedFrame, TrackingScores, score_tracking
from bodyseg_ros.tracking import Following, PeopleFollower
from bodyseg_ros.tracking.camera_motion import CameraMotion
from bodyseg_ros.tracking.kalman import KalmanSettings
from bodyseg_ros.tracking.sightings import NOBODY, Sightings, see
from bodyseg_ros.types import Frame

ALIKE = (110, 110, 110)
SCENE = Scene((
    Walker(lambda time_s: (0.38 + 0.05 * time_s, 0.95), ALIKE),
    Walker(lambda time_s: (0.62 - 0.05 * time_s, 0.9), ALIKE),
))  # fmt: skip
VIEW_PX = 400


def nobody(size: tuple[int, int]) -> Sightings:
    none = np.zeros((0, 17, 2), np.float32)
    labels = np.full((size[0] // 4, size[1] // 4), NOBODY, np.int16)
    return Sightings(none, none[..., 0] > 0, none[:, 0, 0], none[:, 0, 0] > 0, labels, 4, none[:, 0])


def texture(size: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(3).integers(0, 255, (*size, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.uint8)


@pytest.mark.parametrize(("turn", "zoom", "shift"), [(0, 1, (23, -9)), (4, 1, (0, 0)), (-2, 1.06, (-12, 5))])
def test_shift_turn_and_zoom_are_found(turn: float, zoom: float, shift: tuple[float, float]) -> None:
    size = (360, 480)
    true = cv2.getRotationMatrix2D((240, 180), turn, zoom)
    true[:, 2] += shift
    before = texture(size)
    after = cv2.warpAffine(before, true, size[::-1], borderMode=cv2.BORDER_REFLECT)
    camera = CameraMotion()
    assert camera.between(before, nobody(size)) is None
    found = camera.between(after, nobody(size))
    assert found is not None
    corners = np.array([(60, 60, 1), (420, 60, 1), (60, 300, 1), (420, 300, 1)], np.float64).T
    assert np.abs(found @ corners - true @ corners).max() < 1.5


def test_a_plain_wall_tells_nothing() -> None:
    camera, wall = CameraMotion(), np.full((240, 320, 3), 128, np.uint8)
    assert camera.between(wall, nobody((240, 320))) is None
    assert camera.between(wall, nobody((240, 320))) is None


def test_people_who_walk_do_not_move_the_camera() -> None:
    moments = list(play(SCENE, fps=10, size=(240, 640), missed=0))
    camera = CameraMotion()
    for moment in moments[:15]:
        found = camera.between(moment.frame.image, see(moment.frame, moment.seen))
        if found is not None:
            np.testing.assert_allclose(found, [[1, 0, 0], [0, 1, 0]], atol=0.3)


def seen_from(moment: Moment, left: int) -> Moment:
    """What a camera sees that looks at the columns from `left` on."""
    there = np.s_[:, left : left + VIEW_PX]
    frame = Frame(np.ascontiguousarray(moment.frame.image[there]), moment.frame.stamp_ns, index=moment.frame.index)
    poses, instances = moment.seen.poses, moment.seen.instances
    assert poses is not None and instances is not None
    shifted = replace(poses, keypoints=poses.keypoints - np.array([left, 0], np.float32))
    cut = np.ascontiguousarray(instances[there])
    seen = replace(moment.seen, size=frame.size, poses=shifted, instances=cut, person=(cut >= 0).view(np.uint8))
    return replace(moment, frame=frame, seen=seen)


def shaken(camera_motion: bool) -> TrackingScores:
    """A camera that jumps by up to 80 px, twice a person's width, from frame to frame."""
    random = np.random.default_rng(5)
    follower, frames = PeopleFollower(Following(trackers={"kalman": KalmanSettings(camera_motion=camera_motion)})), []
    for moment in play(SCENE, fps=10, size=(240, 640), missed=0):
        view = seen_from(moment, int(random.integers(80, 160)))
        result = follower.follow(view.frame, view.seen)
        assert result.tracks is not None
        same = np.equal.outer(view.truth, view.truth).astype(float)
        frames.append(TrackedFrame(view.truth, result.tracks.ids, same))
    return score_tracking(frames)


def test_people_keep_their_ids_under_a_shaking_camera() -> None:
    assert shaken(camera_motion=False).idf1 < 0.9  # the scene is hard enough
    scores = shaken(camera_motion=True)
    assert (scores.switches, scores.idf1) == (0, 1.0)
