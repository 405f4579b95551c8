"""Heatmaps, offsets and displacements to people's poses.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_poses.ts``, ``decode_pose.ts``,
``build_part_with_score_queue.ts``, ``max_heap.ts`` and ``single_person/decode_single_pose.ts`` (body-pix 2.2.1,
the same in posenet 2.2.2), after PersonLab (arXiv:1803.08225). Arithmetic is in doubles, as there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from ..kernels import library
from ..types import Poses
from . import compiled, plain_poses

__all__ = ["decode_poses", "decode_single_pose"]

_JOINTS: Final = len(KEYPOINT_NAMES)


def decode_poses(
    heatmaps: NDArray[np.float32],
    short_offsets: NDArray[np.float32],
    displacement_fwd: NDArray[np.float32],
    displacement_bwd: NDArray[np.float32],
    *,
    stride: int,
    max_detections: int,
    score_threshold: float,
    nms_radius: float,
) -> tuple[NDArray[np.float64], Poses]:
    """Every person of a frame, best root first, in network px.

    heatmaps: (h, w, 17) scores 0 to 1 (after the sigmoid). short_offsets: (h, w, 34), displacement_*: (h, w, 32),
    network px. nms_radius: network px. Returns the keypoints (N, 17, 2) as doubles beside the Poses.
    """
    way = compiled.decode_poses if library.KERNELS else plain_poses.decode_poses
    keypoints, joint_scores, scores = way(
        heatmaps, short_offsets, displacement_fwd, displacement_bwd,
        stride=stride, max_detections=max_detections, score_threshold=score_threshold, nms_radius=nms_radius,
    )  # fmt: skip
    poses = Poses(keypoints.astype(np.float32), joint_scores.astype(np.float32), scores.astype(np.float32))
    return keypoints, poses


def decode_single_pose(
    heatmaps: NDArray[np.float32], short_offsets: NDArray[np.float32], *, stride: int
) -> tuple[NDArray[np.float64], Poses]:
    """The one pose made of each keypoint's best cell, whoever it belongs to; shapes and units as decode_poses."""
    height, width, _ = heatmaps.shape
    cells = heatmaps.reshape(height * width, _JOINTS)
    best = cells.argmax(axis=0)
    joints = np.arange(_JOINTS)
    offsets = short_offsets.reshape(height * width, 2 * _JOINTS)[best].astype(np.float64)
    x = best % width * stride + offsets[joints, joints + _JOINTS]
    y = best // width * stride + offsets[joints, joints]
    joint_scores = cells[best, joints]
    keypoints = np.stack([x, y], axis=1)[None]
    score = np.array([joint_scores.astype(np.float64).mean()], np.float32)
    return keypoints, Poses(keypoints.astype(np.float32), joint_scores[None].astype(np.float32), score)


def argmax2d(scores: NDArray[np.float32]) -> tuple[int, int]:
    """(row, column) of the largest value of (h, w); the first one wins."""
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    return row, column
