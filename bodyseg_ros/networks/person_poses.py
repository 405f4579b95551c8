"""People's poses in source px, from the heads that BodyPix and PoseNet share; results as a mirror shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..decode import decode_poses, decode_single_pose, sigmoid
from ..decoder_inputs import PoseHeads, PoseLimits
from ..geometry import Geometry
from ..settings import Settings, live
from ..types import Outputs, Poses, Result

__all__ = ["MirrorSettings", "find_poses", "mirrored"]


class MirrorSettings(Settings):
    """What every network here can be told: to see people as a mirror shows them."""

    flip_horizontal: bool = live(False, "Mirror the result, for a camera that shows people as a mirror does.")


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


def _mirrored_poses(poses: Poses, width: int) -> Poses:
    """The poses as a mirror shows them, x → width − 1 − x; left stays left by name."""
    keypoints = poses.keypoints.copy()
    keypoints[..., 0] = width - 1 - keypoints[..., 0]
    return replace(poses, keypoints=keypoints)


def mirrored(result: Result) -> Result:
    """The result as a mirror shows it: x → W − 1 − x; left stays left by name."""

    def mirror(picture: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if picture is None else np.ascontiguousarray(picture[:, ::-1])

    return Result(
        result.size,
        mirror(result.person),
        mirror(result.confidence),
        mirror(result.parts),
        mirror(result.instances),
        None if result.poses is None else _mirrored_poses(result.poses, result.size[1]),
        mirror(result.classes),
        mirrored=True,
        class_names=result.class_names,
    )
