"""A photo's training labels: all heads packed into one array, and their geometric transforms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..body import POSE_TREE
from ..networks.heads import HEAD_CHANNELS

Array = npt.NDArray[np.float32]

LABEL_HEADS = (
    "segments",
    "part_heatmaps",
    "heatmaps",
    "short_offsets",
    "displacement_fwd",
    "displacement_bwd",
    "long_offsets",
)
"""Packed order; part_offsets has no labels, since no decoder reads it."""
_ends = np.cumsum([HEAD_CHANNELS[head] for head in LABEL_HEADS]).tolist()
LABEL_SLICES = {head: slice(end - HEAD_CHANNELS[head], end) for head, end in zip(LABEL_HEADS, _ends, strict=True)}
LABEL_CHANNELS: int = _ends[-1]
_first = LABEL_SLICES["heatmaps"].start
START_SLICES = {
    head: slice(LABEL_SLICES[head].start - _first, LABEL_SLICES[head].stop - _first) for head in LABEL_HEADS[2:6]
}
"""The pose heads packed alone, PoseNet's outputs."""
START_CHANNELS: int = START_SLICES["displacement_bwd"].stop
BODY = slice(0, LABEL_SLICES["part_heatmaps"].stop)
"""Person and part channels."""
MIDPOINTS = 3
"""Midpoints to the next position: right, below, and diagonal."""
MIDPOINT_CHANNELS: int = MIDPOINTS * BODY.stop
SCORES = slice(0, LABEL_SLICES["heatmaps"].stop)
"""Person, part and keypoint channels are probabilities. Later channels are offsets: y's, then x's, of each head."""

PARENTS = [parent for parent, _ in POSE_TREE]
CHILDREN = [child for _, child in POSE_TREE]

MIRRORED_KEYPOINTS = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
MIRRORED_PARTS = [1, 0, 4, 5, 2, 3, 8, 9, 6, 7, 11, 10, 12, 13, 16, 17, 14, 15, 20, 21, 18, 19, 23, 22]
MIRRORED_EDGES = [
    POSE_TREE.index((MIRRORED_KEYPOINTS[parent], MIRRORED_KEYPOINTS[child])) for parent, child in POSE_TREE
]


def _mirror_order() -> npt.NDArray[np.intp]:
    order = {
        "segments": [0],
        "part_heatmaps": MIRRORED_PARTS,
        "heatmaps": MIRRORED_KEYPOINTS,
        "short_offsets": MIRRORED_KEYPOINTS,
        "displacement_fwd": MIRRORED_EDGES,
        "displacement_bwd": MIRRORED_EDGES,
        "long_offsets": MIRRORED_KEYPOINTS,
    }
    packed: list[int] = []
    for head in LABEL_HEADS:
        n = len(order[head])
        for first in range(0, HEAD_CHANNELS[head], n):
            packed += [LABEL_SLICES[head].start + first + i for i in order[head]]
    return np.array(packed)


MIRROR_ORDER = _mirror_order()


def transform_offsets(labels: Array, matrix: Array) -> None:
    """Apply a 2×2 matrix (acting on x, y) to every offset of (..., 174) labels, in place."""
    for head in LABEL_HEADS:
        if head in ("segments", "part_heatmaps", "heatmaps"):
            continue
        start, n = LABEL_SLICES[head].start, HEAD_CHANNELS[head] // 2
        y, x = labels[..., start : start + n], labels[..., start + n : start + 2 * n]
        moved_x = matrix[0, 0] * x + matrix[0, 1] * y
        labels[..., start : start + n] = matrix[1, 0] * x + matrix[1, 1] * y
        labels[..., start + n : start + 2 * n] = moved_x


def sample_field(field: npt.NDArray[np.floating], y: Array, x: Array) -> Array:
    """Read an (h, w, c) field between its positions: bilinear at y, x of shape (...), clamped → (..., c) float32."""
    h, w = field.shape[:2]
    y, x = np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)
    top, left = np.minimum(y.astype(np.intp), max(h - 2, 0)), np.minimum(x.astype(np.intp), max(w - 2, 0))
    bottom, right = np.minimum(top + 1, h - 1), np.minimum(left + 1, w - 1)
    fy, fx = (y - top)[..., None].astype(np.float32), (x - left)[..., None].astype(np.float32)
    above = field[top, left] * (1 - fx) + field[top, right] * fx
    below = field[bottom, left] * (1 - fx) + field[bottom, right] * fx
    return np.asarray(above * (1 - fy) + below * fy, np.float32)


def with_midpoints(fine: Array) -> Array:
    """Return labels at every second position, and person and parts at the midpoints: (n, 2g − 1, 2g − 1, 174) → (n, g,
    g, 249).

    Midpoints beyond the last row and column are zero.
    """
    padded = np.pad(fine[..., BODY], ((0, 0), (0, 1), (0, 1), (0, 0)))
    between = [padded[:, ::2, 1::2], padded[:, 1::2, ::2], padded[:, 1::2, 1::2]]
    return np.concatenate([fine[:, ::2, ::2], *between], axis=-1)


def sample_grid(field: npt.NDArray[np.floating], h: int, w: int) -> Array:
    """Resize an (H, W, c) field to (h, w, c): bilinear, corners aligned."""
    y = np.linspace(0, field.shape[0] - 1, h, dtype=np.float32)
    x = np.linspace(0, field.shape[1] - 1, w, dtype=np.float32)
    return sample_field(field, *np.meshgrid(y, x, indexing="ij"))
