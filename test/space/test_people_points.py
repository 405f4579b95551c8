"""Whose a point is, in a room where that is known of every point."""

from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.refine import shift_edge
from bodyseg_ros.space import PeopleView, Pinhole, Rigid, people_pixels
from scene import DEPTH_AT, LIDAR_AT, SCANNER_AT, Scene, Seen, lidar_rays, pixel_rays, scan_rays


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="module")
def mask(scene: Scene) -> np.ndarray:
    return scene.mask()


@pytest.fixture(scope="module")
def measured(scene: Scene) -> dict[str, tuple[Rigid, Seen]]:
    sensors = {
        "lidar of 64 rings": (LIDAR_AT, lidar_rays()),
        "lidar of 16 rings": (LIDAR_AT, lidar_rays(16, 1800, -15, 15)),
        "depth camera": (DEPTH_AT, pixel_rays(scene.camera)),
        "scanner": (SCANNER_AT, scan_rays()),
    }
    return {name: (pose, scene.cast(pose, rays)) for name, (pose, rays) in sensors.items()}


def shares(scene: Scene, view: PeopleView, pose: Rigid, seen: Seen, *, flat: bool) -> tuple[float, float]:
    """Of people's points in the picture those that are found; of all others those that are lost."""
    points = (scene.camera_at.inverse() @ pose).apply(seen.points)
    found = view.find(points, flat=flat)
    person = seen.person & scene.in_picture(points)
    assert person.sum() > 30
    return found[person].mean(), found[~seen.person].mean()


@pytest.mark.parametrize("sensor", ["lidar of 64 rings", "lidar of 16 rings", "depth camera", "scanner"])
@pytest.mark.parametrize(("grown_px", "most_lost"), [(-3, 0.01), (0, 0.01), (3, 0.015)])
def test_people_go_and_the_room_stays(
    scene: Scene, mask: np.ndarray, measured: dict, sensor: str, grown_px: int, most_lost: float
) -> None:
    """The mask of a network is not exact: it is a little too small, or too large."""
    view = PeopleView(scene.camera, shift_edge(mask, grown_px), 8, 0.5)
    found, lost = shares(scene, view, *measured[sensor], flat=sensor == "scanner")
    assert found >= 0.99
    assert lost <= most_lost


def wall(distance: float, width: float = 4.0) -> np.ndarray:
    """Points of a wall straight ahead, 1 cm apart."""
    y, x = np.mgrid[-0.6:0.6:0.02, -width / 2 : width / 2 : 0.02]
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, distance)], -1).astype(np.float32)


@pytest.fixture
def camera() -> Pinhole:
    return Pinhole((120, 160), (100.0, 100.0), (80.0, 60.0))


def left_half(camera: Pinhole) -> np.ndarray:
    mask = np.zeros(camera.size, np.uint8)
    mask[:, :80] = 1
    return mask


def test_what_lies_behind_a_person_by_more_than_the_depth_stays(camera: Pinhole) -> None:
    view = PeopleView(camera, left_half(camera), 0, 0.5)
    near, close, far = wall(2.0, 6), wall(2.4, 6), wall(3.0, 6)
    found = view.find(np.concatenate((near, close, far)))
    inside = (near[:, 0] < -0.02) & (near[:, 0] > -1.59)
    assert found[: len(near)][inside].all()
    assert found[len(near) : 2 * len(near)][inside].all()
    assert not found[2 * len(near) :].any()
    assert not found[: len(near)][near[:, 0] > 0].any()


def test_without_anything_in_front_the_surface_in_the_mask_is_the_persons(camera: Pinhole) -> None:
    far = wall(3.0, 2)
    found = PeopleView(camera, left_half(camera), 0, 0.5).find(far)
    np.testing.assert_array_equal(found, np.rint(far[:, 0] / 3 * 100 + 80) < 80)


def test_what_is_not_measured_or_behind_the_camera_is_nobodys(camera: Pinhole) -> None:
    points = np.array([[np.nan] * 3, [-0.1, 0, -2], [-0.1, 0, 0], [np.inf, 0, 2], [-0.1, 0, np.inf]], np.float32)
    view = PeopleView(camera, np.ones(camera.size, np.uint8), 8, 0.5)
    assert not view.find(points).any()
    assert not view.find(np.zeros((0, 3), np.float32)).any()


def test_a_scan_below_the_picture_is_judged_by_its_lowest_row(camera: Pinhole) -> None:
    scan = np.array([[-0.5, 1.0, 1.5], [0.5, 1.0, 1.5]], np.float32)  # rows 127 of 120
    view = PeopleView(camera, left_half(camera), 0, 0.5)
    assert view.find(scan, flat=True).tolist() == [True, False]
    assert view.find(scan).tolist() == [False, False]


@pytest.mark.parametrize("grown_px", [-3, 0])
def test_a_depth_image_keeps_what_lies_behind_people_in_their_margin(
    scene: Scene, mask: np.ndarray, grown_px: int
) -> None:
    seen = scene.cast(scene.camera_at, pixel_rays(scene.camera))
    depth, person = seen.points[:, 2].reshape(mask.shape), seen.person.reshape(mask.shape)
    rough = shift_edge(mask, grown_px)
    near = shift_edge(rough, 8)
    found = people_pixels(depth, rough, near, 8, 0.5)
    assert found[rough > 0].all()
    assert found[person].mean() >= 0.99
    assert found[~person].mean() <= 0.01 < near[~person].mean()


def test_where_nothing_was_measured_the_whole_margin_goes(mask: np.ndarray) -> None:
    near = shift_edge(mask, 8)
    for nothing in (np.nan, 0.0, -np.inf):
        depth = np.full(mask.shape, nothing, np.float32)
        np.testing.assert_array_equal(people_pixels(depth, mask, near, 8, 0.5), near > 0)


def test_what_is_too_far_to_measure_is_behind_people_and_stays() -> None:
    """REP 118: infinity is beyond the range. Also inside a mask that is too large, it is not the person's surface."""
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 20:40] = 1
    near = shift_edge(mask, 8)
    depth = np.full(mask.shape, np.inf, np.float32)
    depth[:, 22:36] = 2.0
    np.testing.assert_array_equal(people_pixels(depth, mask, near, 8, 0.5), mask > 0)
