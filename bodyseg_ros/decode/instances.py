"""Which person a pixel belongs to.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_masks_webgl.ts`` (body-pix 2.2.1), the version
browsers run: all 17 keypoints, bilinear sampling, poses compared by mean squared distance.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry
from ..kernels import library
from ..types import Poses
from . import compiled, plain

__all__ = ["instance_map"]

#: A pixel farther than this from every pose is nobody's, source px².
MAX_DISTANCE_PX2: Final = 1_000_000.0


def instance_map(
    long_offsets: NDArray[np.float32],
    person: NDArray[np.uint8],
    poses: Poses,
    geometry: Geometry,
    *,
    stride: int,
    refine_steps: int,
    min_keypoint_score: float,
) -> NDArray[np.int16]:
    """Give each person pixel to the pose its long offsets point at.

    long_offsets: (h, w, 34), y of keypoint k in channel k, x in k + 17. person: (H, W) uint8 0/1.
    poses: source px. Returns (H, W) int16, index into `poses`, −1 nobody's.

    As in the reference, offsets in network px are added to positions in source px: the refinement steps
    lead to the keypoint all the same. Where that leaves the picture at the top or left, the border is read.

    The corners of blocks as large as a cell of the grid are asked first. Where all four belong to one person, and the
    farthest of them is nearer to it than any is to another, so does the block; other blocks are cut up, down to single
    pixels, which are asked at once if the network sees more pixels than the picture has. A single person in a picture
    in which nothing is too far away gets every pixel unasked.
    """
    seen = poses.keypoint_scores > np.float32(min_keypoint_score)
    candidates = np.flatnonzero(seen.any(axis=1))
    if not len(candidates):
        return np.full(person.shape, -1, np.int16)
    if len(candidates) == 1 and math.hypot(*person.shape) ** 2 < MAX_DISTANCE_PX2:
        return person.astype(np.int16) * np.int16(candidates[0] + 1) - np.int16(1)
    way = compiled.instance_map if library.KERNELS else plain.instance_map
    return way(
        long_offsets, person, poses, seen, geometry,
        stride=stride, refine_steps=refine_steps, max_distance_px2=MAX_DISTANCE_PX2,
    )  # fmt: skip
