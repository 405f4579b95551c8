"""People's poses in source px, from the heads that BodyPix and PoseNet share."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..decode import decode_poses, decode_single_pose, sigmoid
from ..decoder_inputs import PoseHeads, PoseLimits
from ..geometry import Geometry
from ..types import Outputs, Poses

__all__ = ["close_up_scores", "find_poses"]

CLOSE_UP_KEYPOINTS: Final = 5
"""Minimum number of visible keypoints of a close-up: those of a frontal face."""
CLOSE_UP_EXTENT: Final = 0.2
"""Their minimum extent, as a share of the image's shorter side."""


def find_poses(heads: Outputs, geometry: Geometry, limits: PoseLimits, *, single: bool) -> Poses:
    """Find all poses, best root first, with any score, in source px.

    single: one pose from the best cell of each keypoint; needs no displacements.
    """
    scores = sigmoid(heads["heatmaps"])
    if single:
        keypoints, poses = decode_single_pose(scores, heads["short_offsets"], stride=heads.stride)
    else:
        fwd, bwd = heads["displacement_fwd"], heads["displacement_bwd"]
        keypoints, poses = decode_poses(PoseHeads(scores, heads["short_offsets"], fwd, bwd, heads.stride), limits)
    return replace(poses, keypoints=geometry.to_source_px(keypoints).astype(np.float32))


def close_up_scores(poses: Poses, size: tuple[int, int], min_keypoint_score: float) -> NDArray[np.float64]:
    """Mean score of the visible keypoints of each pose that is a close-up in an image of size (H, W), else 0: (N,).

    The reference divides by all 17 keypoints, so a face that fills the image scores low. Keypoints that an earlier pose
    has too count as visible but add nothing, as in the reference's sum; a duplicate of a person thus stays low.
    """
    scores = poses.keypoint_scores.astype(np.float64)
    visible = scores >= min_keypoint_score
    count = visible.sum(axis=1)
    counted = poses.scores.astype(np.float64) * scores.shape[1] - np.where(visible, 0.0, scores).sum(axis=1)
    near = np.where(visible[..., None], poses.keypoints.astype(np.float64), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # for people without visible keypoints, whose extent is NaN
        extent = (np.nanmax(near, axis=1) - np.nanmin(near, axis=1)).max(axis=-1)
    large = extent >= CLOSE_UP_EXTENT * min(size)
    return np.where(large & (count >= CLOSE_UP_KEYPOINTS), counted / np.maximum(count, 1), 0.0)
