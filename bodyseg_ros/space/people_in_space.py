"""Positions of the people of one frame, in meters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from .rigid import Rigid

__all__ = ["PeopleInSpace", "body_pose"]

#: Left and right shoulders and hips.
_SHOULDERS: Final = [KEYPOINT_NAMES.index(name) for name in ("left_shoulder", "right_shoulder")]
_HIPS: Final = [KEYPOINT_NAMES.index(name) for name in ("left_hip", "right_hip")]


@dataclass(frozen=True, eq=False)
class PeopleInSpace:
    """The N people of a result, in its order, in the target frame; float32, m, NaN where unknown.

    Points lie on the surface of the body that the camera sees, not inside it.

    ids: of tracking, None without it. keypoints: (N, 17, 3); keypoint_covariances: (N, 17, 3, 3), m². positions:
    (N, 3), the middle of the trunk; position_covariances: (N, 3, 3), m². velocities: (N, 3) m/s, known from the second
    frame with an id. box_centers, box_sizes: (N, 3), box of the visible surface along the axes of the frame.
    to_camera: takes points of the target frame to the color camera's.
    """

    ids: tuple[int | None, ...]
    keypoints: NDArray[np.float32]
    keypoint_covariances: NDArray[np.float32]
    positions: NDArray[np.float32]
    position_covariances: NDArray[np.float32]
    velocities: NDArray[np.float32]
    box_centers: NDArray[np.float32]
    box_sizes: NDArray[np.float32]
    to_camera: Rigid

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def distances(self) -> list[float]:
        """Distance of each position from the color camera, m; NaN where unknown."""
        away = self.to_camera.apply(self.positions)
        return [float(distance) for distance in np.linalg.norm(away, axis=1)]


def body_pose(keypoints: NDArray[np.float32], position: NDArray[np.float32]) -> Rigid:
    """Pose of a body by REP 155: between the hips, x ahead, y to the left, z to the head.

    keypoints: (17, 3) m. position: (3,) m, which is taken instead of unknown hips. Unless shoulders and hips are known,
    the body is turned like the frame that they are in.
    """
    shoulders, hips = keypoints[_SHOULDERS].astype(np.float64), keypoints[_HIPS].astype(np.float64)
    origin = hips.mean(axis=0) if np.isfinite(hips).all() else position.astype(np.float64)
    up, left = shoulders.mean(axis=0) - hips.mean(axis=0), hips[0] - hips[1] + shoulders[0] - shoulders[1]
    ahead = np.cross(left, up)
    if not np.linalg.norm(ahead) > 0:  # NaN is not
        return Rigid(Rigid.still().quaternion, origin)
    z, x = up / np.linalg.norm(up), ahead / np.linalg.norm(ahead)
    return Rigid.of_matrix(np.column_stack((x, np.cross(z, x), z)), origin)
