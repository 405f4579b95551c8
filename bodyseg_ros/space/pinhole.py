"""Project points into a camera's image and back, by sensor_msgs/CameraInfo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError

__all__ = ["Pinhole"]

#: Distortion model → supported numbers of coefficients; none means no distortion.
_COEFFICIENTS: Final = {
    "": (0,),
    "none": (0,),
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 4, 5, 8, 12, 14),
    "equidistant": (0, 4),
}
#: Undoing the distortion: maximum number of steps, and the change at which it stops.
_UNTIL: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-7)
#: Minimum distance of visible points, m.
_NEAREST_M: Final = 0.01


@dataclass(frozen=True)
class Pinhole:
    """Projects (N, 3) points of its optical frame (x right, y down, z forward) into its image.

    size: (height, width) of the image, px. focal, center: (x, y), px. model, coefficients: of the distortion; '' and
    none for undistorted images. Formulas: OpenCV's documentation of camera calibration.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    model: str = ""
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (*self.focal, *self.center, *self.coefficients)
        if not (min(self.focal) > 0 and np.isfinite(numbers).all()):
            raise FrameError(
                f"A camera_info has the focal lengths {self.focal} px, so the camera is not calibrated; calibrate it."
            )
        if len(self.coefficients) not in _COEFFICIENTS.get(self.model, ()):
            raise FrameError(
                f"A camera_info has the distortion model {self.model[:64]!r} with {len(self.coefficients)} "
                f"coefficients; read are {', '.join(filter(None, _COEFFICIENTS))} with as many as they have."
            )
        if any(self.coefficients[12:]):
            raise FrameError("A camera_info describes a tilted sensor (coefficients 13 and 14), which is not read.")

    @classmethod
    def of_calibration(
        cls,
        size: tuple[int, int],
        matrix: Sequence[float],
        model: str = "",
        coefficients: Sequence[float] = (),
        binning: tuple[int, int] = (1, 1),
        region: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Pinhole:
        """Of a camera calibrated at `size` (height, width), whose picture is a binned region of that.

        matrix: K, 9 values, or the first columns of P. binning: (x, y), 0 counts as 1. region: x, y, width, height in
        px before binning; width and height 0: everything. Raises FrameError for a camera that is not calibrated.
        """
        x_binning, y_binning = (max(1, number) for number in binning)
        left, top, width, height = region
        if not (width and height):
            left, top, height, width = 0, 0, *size
        return cls(
            (height // y_binning, width // x_binning),
            (float(matrix[0]) / x_binning, float(matrix[4]) / y_binning),
            ((float(matrix[2]) - left) / x_binning, (float(matrix[5]) - top) / y_binning),
            model,
            tuple(float(number) for number in coefficients),
        )

    def project(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
        """Return (M,) x and y in px, float32, and the index of each of the M points in front of the camera.

        Points outside the image are included, points outside the lens' field of view are not.
        """
        z = points[:, 2]
        ahead = np.flatnonzero(z > _NEAREST_M)  # NaN is not
        x, y = points[ahead, 0] / z[ahead], points[ahead, 1] / z[ahead]
        if any(self.coefficients):
            seen = np.flatnonzero(x * x + y * y < self._widest)
            ahead, (x, y) = ahead[seen], self._distort(x[seen], y[seen])
        (fx, fy), (cx, cy) = self.focal, self.center
        return x * np.float32(fx) + np.float32(cx), y * np.float32(fy) + np.float32(cy), ahead

    def unproject(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each pixel's ray as x and y at z = 1 in the optical frame, (N, 2) float32; pixels: (N, 2) x, y."""
        (fx, fy), (cx, cy) = self.focal, self.center
        if not len(pixels) or not any(self.coefficients):
            return np.asarray((pixels - np.array([cx, cy])) / (fx, fy), np.float32)
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        distorted, coefficients = np.asarray(pixels, np.float64)[:, None], np.array(self.coefficients)
        if self.model == "equidistant":
            rays = cv2.fisheye.undistortPoints(distorted, matrix, coefficients)
        else:
            rays = cv2.undistortPointsIter(distorted, matrix, coefficients, np.eye(3), np.eye(3), _UNTIL)
        return np.asarray(rays[:, 0], np.float32)

    @cached_property
    def _widest(self) -> float:
        """Square of the tangent of the maximum angle at which the distortion is one to one.

        Beyond it the polynomial turns back and would project points from far outside into the image.
        """
        tangent = np.tan(np.linspace(0, np.deg2rad(89), 2000))
        out, _ = self._distort(tangent, np.zeros_like(tangent), radial=True)
        turns = np.flatnonzero(np.diff(out) <= 0)
        return float(tangent[turns[0]] if turns.size else tangent[-1]) ** 2

    def _distort(
        self, x: NDArray[np.floating], y: NDArray[np.floating], *, radial: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Apply the distortion. radial: only the radial part, for which x is the radius."""
        square = x * x + y * y
        if self.model == "equidistant":
            radius = np.sqrt(square)
            angle = np.arctan(radius)
            k1, k2, k3, k4 = self.coefficients
            turn = angle * angle
            bent = angle * (1 + turn * (k1 + turn * (k2 + turn * (k3 + turn * k4))))
            scale = bent / np.maximum(radius, 1e-9)
            return (x * scale).astype(np.float32), (y * scale).astype(np.float32)
        padded = (*self.coefficients, *(0.0,) * (14 - len(self.coefficients)))
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, *_ = padded
        scale = 1 + square * (k1 + square * (k2 + square * k3))
        if k4 or k5 or k6:
            scale = scale / (1 + square * (k4 + square * (k5 + square * k6)))
        if radial:
            return (x * scale).astype(np.float32), y.astype(np.float32)
        both = 2 * x * y
        across = x * scale + p1 * both + p2 * (square + 2 * x * x) + square * (s1 + s2 * square)
        down = y * scale + p1 * (square + 2 * y * y) + p2 * both + square * (s3 + s4 * square)
        return across.astype(np.float32), down.astype(np.float32)
