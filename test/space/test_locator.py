"""People in meters, against rendered scenes in which the truth of each pixel is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.mirror import mirror_result
from bodyseg_ros.space import DepthImage, PeopleInSpace, PeopleLocator, Pinhole, Rigid, to_meters
from bodyseg_ros.tracking import SmoothingSettings
from bodyseg_ros.types import Poses, Result
from people_scene import COLOR, JOINT, OTHERS, PeopleScene, background_hits, image_of, measure, random_scene, stand

#: The trunk's half thickness: the camera sees its surface.
TRUNK_M = 0.12
STILL = Rigid.still()
SIDE = Rigid.of((0.01, 0.02, 0.0, 1.0), (0.06, 0.01, 0.02))
#: Color camera, depth camera, and where it stands.
CAMERAS = {
    "aligned": (COLOR, COLOR, STILL),
    "half the size": (COLOR, Pinhole((240, 320), (262.5, 262.5), (159.5, 119.5)), STILL),
    "beside": (COLOR, Pinhole((480, 640), (570.0, 570.0), (319.5, 239.5)), SIDE),
    "distorted": (
        Pinhole((480, 640), (525.0, 525.0), (319.5, 239.5), "plumb_bob", (0.1, -0.2, 0.001, -0.001, 0.05)),
        Pinhole((400, 640), (450.0, 450.0), (319.5, 199.5), "equidistant", (0.01, -0.02, 0.005, 0.0)),
        SIDE,
    ),
    "region of binned pixels": (
        Pinhole.of_calibration((960, 1280), (1050, 0, 639.5, 0, 1050, 479.5), "", (), (2, 2), (160, 0, 960, 960)),
        COLOR,
        STILL,
    ),
    "large color": (
        Pinhole((960, 1280), (1050.0, 1050.0), (639.5, 479.5)),
        Pinhole((480, 640), (570.0, 570.0), (319.5, 239.5)),
        SIDE,
    ),
}


@pytest.mark.parametrize("millimeters", [True, False], ids=["16UC1", "32FC1"])
@pytest.mark.parametrize("name", CAMERAS)
def test_people_at_three_meters_are_found_within_two_centimeters(name: str, millimeters: bool) -> None:
    color, camera, pose = CAMERAS[name]
    scene = PeopleScene([stand(0, 3.0), stand(-0.9, 3.1)])
    result = scene.result(color)
    depth, _ = scene.render(camera, pose)
    seen = measure(depth, np.random.default_rng(0), holes=0.3, millimeters=millimeters)
    found = PeopleLocator().locate(result, image_of(seen, camera, pose), color)
    # Along the ray through the middle of the trunk, up to its surface.
    for person, middle in enumerate([(0, 3.0), (-0.9, 3.1)]):
        axis = np.array([middle[0], found.positions[person, 1], middle[1]])
        level = np.hypot(axis[0], axis[2])
        expected = axis - TRUNK_M * np.array([axis[0], 0, axis[2]]) / level
        assert np.linalg.norm(found.positions[person] - expected) < 0.02
        sigma = np.sqrt(np.linalg.eigvalsh(found.position_covariances[person]))
        assert 0.005 < sigma.max() < 0.05
    errors = np.linalg.norm(found.keypoints - scene.surfaces(result, color), axis=-1)
    assert np.isfinite(errors).mean() > 0.8
    assert np.nanpercentile(errors, 95) < 0.03


def test_no_keypoint_is_taken_from_the_wall_behind() -> None:
    """Masks 3 px too large, keypoints 1.5 px off, 30 % holes, blurred edges, a wall 15 cm and more behind."""
    keypoints = 0
    for seed in range(12):
        scene, result, depth = random_scene(np.random.default_rng(seed), grow_px=3, jitter_px=1.5)
        found = PeopleLocator().locate(result, depth, COLOR)
        assert background_hits(scene, result, found) == []
        keypoints += np.isfinite(found.keypoints[..., 0]).sum()
    assert keypoints > 150


def locate_standing(**more: object) -> tuple[PeopleInSpace, PeopleInSpace]:
    """The same person with and without a change to how they are looked up."""
    scene = PeopleScene([stand(0.2, 2.5)])
    depth, _ = scene.render(COLOR, STILL)
    image, result = DepthImage(depth, COLOR, STILL), scene.result()
    return PeopleLocator().locate(result, image, COLOR), PeopleLocator().locate(result, image, COLOR, **more)


def test_a_target_frame_turns_and_shifts_everything() -> None:
    """A robot's base: x ahead, y left, z up, the camera 1.1 m above it."""
    base = Rigid.of((-0.5, 0.5, -0.5, 0.5), (0.0, 0.0, 1.1))
    plain, moved = locate_standing(to_target=base)
    x, y, z = plain.positions[0]
    np.testing.assert_allclose(moved.positions[0], [z, -x, 1.1 - y], atol=1e-5)
    np.testing.assert_allclose(moved.box_sizes[0], plain.box_sizes[0][[2, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(moved.position_covariances[0][0, 0], plain.position_covariances[0][2, 2], rtol=1e-4)
    back = moved.to_camera.apply(moved.keypoints.reshape(-1, 3))
    np.testing.assert_allclose(back, plain.keypoints.reshape(-1, 3), atol=1e-5)


def test_the_box_encloses_what_is_seen_of_the_body() -> None:
    scene = PeopleScene([stand(0.2, 2.5)])
    depth, owner = scene.render(COLOR, STILL)
    found = PeopleLocator().locate(scene.result(), DepthImage(depth, COLOR, STILL), COLOR)
    row, column = np.nonzero(owner == 0)
    z = depth[row, column][:, None]
    points = np.column_stack((COLOR.unproject(np.stack([column, row], axis=-1).astype(np.float32)) * z, z))
    half = found.box_sizes[0] / 2
    np.testing.assert_allclose(found.box_centers[0] - half, points.min(axis=0), atol=0.06)
    np.testing.assert_allclose(found.box_centers[0] + half, points.max(axis=0), atol=0.06)
    assert np.ptp(points[:, 1]) > 1.6


def test_a_wall_close_behind_is_not_in_the_box() -> None:
    scene = PeopleScene([stand(0, 2.5)], (np.array([0, 0, 2.9]), np.array([0, 0, 1.0])))
    depth, _ = scene.render(COLOR, STILL)
    result = scene.result()
    wider = cv2.dilate((result.instances + 1).astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.int16) - 1
    found = PeopleLocator().locate(replace(result, instances=wider), DepthImage(depth, COLOR, STILL), COLOR)
    assert found.box_sizes[0, 2] < 0.2


def test_mirrored_results_lie_in_the_same_place() -> None:
    scene = PeopleScene([stand(0.4, 2.5)])
    depth, _ = scene.render(COLOR, STILL)
    image, result = DepthImage(depth, COLOR, STILL), scene.result()
    found = PeopleLocator().locate(result, image, COLOR)
    mirrored = PeopleLocator().locate(mirror_result(result), image, COLOR)
    np.testing.assert_allclose(mirrored.keypoints, found.keypoints, atol=2e-3)


def test_without_masks_the_limbs_are_guessed_from_the_keypoints() -> None:
    scene = PeopleScene([stand(0, 2.5), stand(-0.8, 3.2)])
    depth, _ = scene.render(COLOR, STILL)
    result = scene.result()
    bare = replace(result, instances=None)
    found = PeopleLocator().locate(bare, DepthImage(depth, COLOR, STILL), COLOR)
    errors = np.linalg.norm(found.keypoints - scene.surfaces(result), axis=-1)
    assert np.nanpercentile(errors, 90) < 0.03
    np.testing.assert_allclose(found.positions[:, 2], [2.5 - TRUNK_M, 3.2 - TRUNK_M], atol=0.02)


def test_what_depth_does_not_show_is_unknown() -> None:
    scene = PeopleScene([stand(0, 2.5), stand(-0.8, 3.2)])
    depth, owner = scene.render(COLOR, STILL)
    depth[owner == 1] = 0
    result = scene.result()
    x, y = np.rint(result.poses.keypoints[0, JOINT["left_wrist"]]).astype(int)
    depth[y - 15 : y + 15, x - 15 : x + 15][owner[y - 15 : y + 15, x - 15 : x + 15] == 0] = 0
    found = PeopleLocator().locate(result, DepthImage(depth, COLOR, STILL), COLOR)
    nothing = (found.keypoints[1], found.positions[1], found.position_covariances[1], found.box_sizes[1])
    assert all(np.isnan(one).all() for one in nothing)
    assert np.isnan(found.keypoint_covariances[1]).all()
    assert np.isnan(found.velocities).all()
    assert np.isnan(found.keypoints[0, JOINT["left_wrist"]]).all()
    assert np.isfinite(found.keypoints[0, JOINT["right_wrist"]]).all()


def test_keypoints_of_a_low_score_are_not_located() -> None:
    scene = PeopleScene([stand(0, 2.5)])
    depth, _ = scene.render(COLOR, STILL)
    result = scene.result()
    scores = result.poses.keypoint_scores.copy()
    scores[0, JOINT["nose"]] = 0.2
    result = replace(result, poses=replace(result.poses, keypoint_scores=scores))
    found = PeopleLocator().locate(result, DepthImage(depth, COLOR, STILL), COLOR)
    assert np.isnan(found.keypoints[0, JOINT["nose"]]).all()


def test_nobody_is_nowhere() -> None:
    scene = PeopleScene([])
    depth, _ = scene.render(COLOR, STILL)
    for camera in (COLOR, Pinhole((480, 640), (570.0, 570.0), (319.5, 239.5))):
        found = PeopleLocator().locate(scene.result(), DepthImage(depth, camera, STILL), COLOR)
        assert (len(found), found.keypoints.shape, found.box_sizes.shape) == (0, (0, 17, 3), (0, 3))


def test_velocity_of_somebody_who_walks_and_smoothing_in_space() -> None:
    """1.2 m/s to the right, 30 frames/s, with the noise of a depth camera."""
    random, locator, found, (camera, *_) = np.random.default_rng(3), PeopleLocator(), [], OTHERS[::-1]
    for frame in range(20):
        scene = PeopleScene([stand(-0.4 + 0.04 * frame, 3.0)])
        depth, _ = scene.render(camera, STILL)
        image = image_of(measure(depth, random), camera, STILL)
        found.append(locator.locate(scene.result(camera), image, camera, stamp_ns=frame * 33_333_333))
    assert np.isnan(found[0].velocities).all()
    np.testing.assert_allclose(found[-1].velocities[0], [1.2, 0, 0], atol=0.15)
    assert np.linalg.norm(found[-1].positions[0, [0, 2]] - (0.36, 3.0 - TRUNK_M)) < 0.03


def test_a_still_keypoint_trembles_less_when_smoothed() -> None:
    random, scene = np.random.default_rng(4), PeopleScene([stand(0, 3.0)])
    depth, _ = scene.render(COLOR, STILL)
    result, calm, raw = scene.result(), PeopleLocator(), PeopleLocator()
    off = SmoothingSettings(keypoints=False)
    both = [
        (
            calm.locate(result, image, COLOR, stamp_ns=frame * 33_333_333).keypoints[0],
            raw.locate(result, image, COLOR, stamp_ns=frame * 33_333_333, smoothing=off).keypoints[0],
        )
        for frame in range(16)
        for image in [image_of(measure(depth, random), COLOR, STILL)]
    ]
    sigmas = np.nanstd(np.array(both)[5:, :, :, 2], axis=0)
    assert np.nanmedian(sigmas[0]) < 0.6 * np.nanmedian(sigmas[1])


def test_cameras_of_another_size_are_refused() -> None:
    scene = PeopleScene([stand(0, 3.0)])
    depth, _ = scene.render(COLOR, STILL)
    small = Pinhole((240, 320), (262.5, 262.5), (159.5, 119.5))
    with pytest.raises(FrameError, match=r"\(240, 320\).*\(480, 640\)"):
        PeopleLocator().locate(scene.result(), DepthImage(depth, COLOR, STILL), small)
    with pytest.raises(FrameError, match=r"depth camera's is \(240, 320\)"):
        PeopleLocator().locate(scene.result(), DepthImage(depth, small, STILL), COLOR)


def test_both_encodings_are_meters_as_rep_118_has_them() -> None:
    nan, inf = np.nan, np.inf
    np.testing.assert_allclose(to_meters(np.array([[0, 1500]], np.uint16)), [[nan, 1.5]], rtol=1e-6)
    raw = np.array([[nan, inf, -inf, -1, 0, 1.5]], np.float32)
    np.testing.assert_array_equal(to_meters(raw), np.float32([[nan, inf, -inf, nan, nan, 1.5]]))


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, 0.0])
@pytest.mark.parametrize("to_color", [STILL, SIDE])
def test_pixels_without_a_distance_locate_nobody(nothing: float, to_color: Rigid) -> None:
    scene = PeopleScene([stand(0, 3.0)])
    depth, _ = scene.render(COLOR, to_color)
    image = DepthImage(to_meters(np.full_like(depth, nothing)), COLOR, to_color)
    assert np.isnan(PeopleLocator().locate(scene.result(), image, COLOR).keypoints).all()


@pytest.mark.parametrize("seed", range(40))
def test_any_depth_mask_and_keypoints_give_an_answer(seed: int) -> None:
    """Keypoints outside the picture and NaN, masks of specks, depth without sense: NaN or a point, never an error."""
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(2, 60, 2))
    people = int(random.integers(0, 4))
    keypoints = random.normal(30, 60, (people, 17, 2)).astype(np.float32)
    keypoints[random.uniform(size=keypoints.shape) < 0.1] = np.nan
    scores = random.uniform(0, 1, (people, 17)).astype(np.float32)
    poses = Poses(keypoints, scores, np.ones(people, np.float32))
    instances = random.integers(-1, max(people, 1), (height, width)).astype(np.int16) if seed % 3 else None
    result = Result((height, width), instances=instances, poses=poses)
    size = (height, width) if seed % 2 else (int(random.integers(1, 80)), int(random.integers(1, 80)))
    raw = np.exp(random.normal(0, 10, size)) * random.choice([1, 1, 1, -1, np.nan, np.inf, 0], size)
    depth = to_meters(raw.astype(np.float32))
    camera = Pinhole((height, width), (50.0, 50.0), (width / 2, height / 2))
    image = DepthImage(depth, Pinhole(size, (40.0, 45.0), (20.0, 20.0)), SIDE if seed % 4 else STILL)
    found = PeopleLocator().locate(result, image, camera)
    assert found.keypoints.shape == (people, 17, 3)
    known = np.isfinite(found.keypoints).all(axis=-1)
    assert (np.isfinite(found.keypoints).any(axis=-1) == known).all()
    assert np.isfinite(found.keypoint_covariances[known]).all()
