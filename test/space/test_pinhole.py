"""Projection against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.space import Pinhole

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
POINTS = np.random.default_rng(0).uniform([-1, -1, 1], [1, 1, 5], (500, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", ()),
        ("plumb_bob", (0.1, -0.05, 0.001, -0.002, 0.01)),
        ("rational_polynomial", (0.1, -0.05, 0.001, -0.002, 0.01, 0.02, 0.01, 0.003)),
        ("rational_polynomial", (0.1, -0.05, 0.001, -0.002, 0.01, 0.02, 0.01, 0.003, 0.001, 0.002, -0.001, 0.0005)),
    ],
)
def test_points_lie_where_opencv_has_them(model: str, coefficients: tuple[float, ...]) -> None:
    x, y, index = Pinhole.of_calibration((480, 640), K.ravel(), model, coefficients).project(POINTS)
    distortion = np.array(coefficients or (0.0,) * 4)
    want = cv2.projectPoints(POINTS.astype(float), np.zeros(3), np.zeros(3), K, distortion)[0][:, 0]
    assert len(index) == len(POINTS)
    np.testing.assert_allclose(np.column_stack((x, y)), want, atol=1e-3)


def test_a_fisheye_lens_too() -> None:
    coefficients = (0.01, 0.002, -0.001, 0.0003)
    x, y, _ = Pinhole.of_calibration((480, 640), K.ravel(), "equidistant", coefficients).project(POINTS)
    zero = np.zeros(3)
    want = cv2.fisheye.projectPoints(POINTS.astype(float)[:, None], zero, zero, K, np.array(coefficients))[0][:, 0]
    np.testing.assert_allclose(np.column_stack((x, y)), want, atol=1e-3)


def test_a_binned_region_of_the_sensor_is_the_picture() -> None:
    camera = Pinhole.of_calibration((480, 640), K.ravel(), binning=(2, 2), region=(100, 40, 400, 300))
    assert camera.size == (150, 200)
    x, y, _ = camera.project(np.array([[0, 0, 1], [0.1, 0.1, 1]], np.float32))
    np.testing.assert_allclose(x, [(320 - 100) / 2, (370 - 100) / 2], rtol=1e-6)
    np.testing.assert_allclose(y, [(240 - 40) / 2, (291 - 40) / 2], rtol=1e-6)


def test_what_the_lens_cannot_see_is_not_laid_on_the_picture() -> None:
    """1 − 0.3 r² turns back at r = 1/√0.9: beyond it a point would be drawn nearer to the middle again."""
    camera = Pinhole.of_calibration((480, 640), K.ravel(), "plumb_bob", (-0.3, 0, 0, 0, 0))
    points = np.array([[1.0, 0, 1], [1.1, 0, 1], [1.8, 0, 1]], np.float32)
    assert camera.project(points)[2].tolist() == [0]


@pytest.mark.parametrize(
    ("focal", "model", "coefficients", "reason"),
    [
        (0.0, "plumb_bob", (), "not calibrated"),
        (500.0, "omni", (1.0,), "distortion model 'omni' with 1"),
        (500.0, "plumb_bob", (0.1,) * 3, "'plumb_bob' with 3"),
        (500.0, "rational_polynomial", (0.1,) * 14, "tilted"),
        (500.0, "plumb_bob", (float("nan"),) * 5, "not calibrated"),
    ],
)
def test_other_lenses_are_refused(focal: float, model: str, coefficients: tuple[float, ...], reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        Pinhole((480, 640), (focal, focal), (320.0, 240.0), model, coefficients)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("", ()),
        ("plumb_bob", (0.1, -0.05, 0.001, -0.002, 0.01)),
        ("rational_polynomial", (0.1, -0.05, 0.001, -0.002, 0.01, 0.02, 0.01, 0.003)),
        ("equidistant", (0.01, 0.002, -0.001, 0.0003)),
    ],
)
def test_rays_are_the_way_back(model: str, coefficients: tuple[float, ...]) -> None:
    camera = Pinhole.of_calibration((480, 640), K.ravel(), model, coefficients, (2, 2), (64, 32, 512, 400))
    x, y, index = camera.project(POINTS)
    rays = camera.unproject(np.stack([x, y], axis=-1))
    np.testing.assert_allclose(rays, POINTS[index, :2] / POINTS[index, 2:], atol=1e-4)
