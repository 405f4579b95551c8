"""Rigid transforms: a rotation, then a translation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError

__all__ = ["Rigid"]

#: Cosine of the half angle below which linear interpolation of two rotations is exact enough.
_CLOSE = 0.9995


@dataclass(frozen=True)
class Rigid:
    """Transforms points from one frame to another.

    quaternion: (4,) float64 x, y, z, w of length 1. translation: (3,) float64, m.
    """

    quaternion: NDArray[np.float64]
    translation: NDArray[np.float64]

    @classmethod
    def of(cls, quaternion: Sequence[float], translation: Sequence[float]) -> Rigid:
        """Make a transform from x, y, z, w of length about 1 and a translation, m. Raises FrameError if invalid."""
        turn, shift = np.asarray(quaternion, np.float64), np.asarray(translation, np.float64)
        length = float(np.linalg.norm(turn))
        if not (abs(length - 1) < 0.1 and np.isfinite(shift).all()):
            raise FrameError(
                f"A rotation has a quaternion of length {length:.3g} and a shift of {shift.tolist()}; the length must "
                "be 1, and the shift finite."
            )
        return cls(turn / length, shift)

    @classmethod
    def of_matrix(cls, rotation: NDArray[np.float64], translation: NDArray[np.float64]) -> Rigid:
        """From a (3, 3) rotation matrix and a shift, m."""
        vector = cv2.Rodrigues(rotation)[0][:, 0]
        angle = float(np.linalg.norm(vector))
        axis = vector / angle if angle else vector
        return cls(np.append(axis * math.sin(angle / 2), math.cos(angle / 2)), translation)

    @classmethod
    def still(cls) -> Rigid:
        """The identity."""
        return cls(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))

    @property
    def rotation(self) -> NDArray[np.float64]:
        """As a (3, 3) matrix."""
        x, y, z, w = self.quaternion
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )

    def __matmul__(self, first: Rigid) -> Rigid:
        """`first`, then this one."""
        (ax, ay, az, aw), (bx, by, bz, bw) = self.quaternion, first.quaternion
        product = np.array(
            [
                aw * bx + ax * bw + ay * bz - az * by,
                aw * by - ax * bz + ay * bw + az * bx,
                aw * bz + ax * by - ay * bx + az * bw,
                aw * bw - ax * bx - ay * by - az * bz,
            ]
        )
        return Rigid(product / np.linalg.norm(product), self.rotation @ first.translation + self.translation)

    def inverse(self) -> Rigid:
        """The way back."""
        back = Rigid(self.quaternion * (-1.0, -1.0, -1.0, 1.0), np.zeros(3))
        return Rigid(back.quaternion, -(back.rotation @ self.translation))

    def apply(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Transform (N, 3) points, m; float32, as sensors measure."""
        if not len(points):
            return points
        # No matrix multiplication: BLAS threads would cost more than such a small product.
        moved = cv2.transform(points[:, None], np.column_stack((self.rotation, self.translation)))
        return np.asarray(moved[:, 0], np.float32)

    def toward(self, other: Rigid, share: float) -> Rigid:
        """Interpolate between this (share 0) and `other` (share 1): linear translation, rotation at constant speed."""
        shift = self.translation + share * (other.translation - self.translation)
        cosine = float(self.quaternion @ other.quaternion)
        end = other.quaternion if cosine >= 0 else -other.quaternion
        cosine = abs(cosine)
        if cosine > _CLOSE:
            turn = self.quaternion + share * (end - self.quaternion)
        else:
            angle = math.acos(cosine)
            turn = (math.sin((1 - share) * angle) * self.quaternion + math.sin(share * angle) * end) / math.sin(angle)
        return Rigid(turn / np.linalg.norm(turn), shift)
