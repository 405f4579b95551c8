"""Where the people of one frame are, in metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rigid import Rigid

__all__ = ["PeopleInSpace"]


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
