"""People's poses in source px, from the heads that BodyPix and PoseNet share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..decode import decode_poses, decode_single_pose, sigmoid
from ..decoder_inputs import PoseHeads, PoseLimits
from ..geometry import Geometry
from ..types import Outputs, Poses

__all__ = ["find_poses"]


def find_poses(heads: Outputs, geometry: Geometry, limits: PoseLimits, *, single: bool) -> Poses:
    """Every pose found, best root first, whatever its score, in source px.

    single: only one pose, made of each keypoint's best cell, whoever it belongs to; it needs no displacements.
    """
    scores = sigmoid(heads["heatmaps"])
    if single:
        keypoints, poses = decode_single_pose(scores, heads["short_offsets"], stride=heads.stride)
    else:
        fwd, bwd = heads["displacement_fwd"], heads["displacement_bwd"]
        keypoints, poses = decode_poses(PoseHeads(scores, heads["short_offsets"], fwd, bwd, heads.stride), limits)
    return replace(poses, keypoints=geometry.to_source_px(keypoints).astype(np.float32))
