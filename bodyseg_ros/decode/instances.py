"""Which person a pixel belongs to.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_masks_webgl.ts`` (body-pix 2.2.1), the version
browsers run: all 17 keypoints, bilinear sampling, poses compared by mean squared distance.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..decoder_inputs import LongOffsets
from ..kernels import compiled
from ..types import Poses

__all__ = ["instance_map"]

#: Indices of the cells before and after, and the share of the one after: (N,), (N,), (N, 1).
_Cells = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]

#: Maximum squared distance between a pixel's target and its pose, source px².
MAX_DISTANCE_PX2: Final = 1_000_000.0


def instance_map(
    field: LongOffsets, person: NDArray[np.uint8], poses: Poses, *, refine_steps: int, min_keypoint_score: float
) -> NDArray[np.int16]:
    """Assign each person pixel to the pose that its long offsets point to.

    person: (H, W) uint8, 0 or 1. poses: source px. Returns (H, W) int16, index into `poses`, −1 for none.

    As in the reference, offsets in network px are added to positions in source px; the refinement steps still converge
    to the keypoint. Positions are clamped to the image's last row and column only. Above and left of it the offsets of
    the padding are used, and outside the grid those at its border (undefined in the reference's textures).

    The kernel tests block corners first; blocks are as large as a grid cell. If all four corners belong to one person,
    and the farthest of them is nearer to that person than any is to another, so does the whole block. Other blocks are
    divided, down to single pixels. On photos almost no pixel differs from per-pixel tests; on random offsets, which no
    network produces, up to 1 % do. If the network input is larger than the image, every pixel is tested. With a single
    candidate, none is.
    """
    seen = poses.keypoint_scores > np.float32(min_keypoint_score)
    candidates = np.flatnonzero(seen.any(axis=1))
    if not len(candidates):
        return np.full(person.shape, -1, np.int16)
    if len(candidates) == 1 and math.hypot(*person.shape) ** 2 < MAX_DISTANCE_PX2:
        return person.astype(np.int16) * np.int16(candidates[0] + 1) - np.int16(1)
    search = compiled.instance_map if compiled.LIBRARY else _follow_every_pixel
    return search(field, person, poses, seen, steps=refine_steps + 1, max_distance_px2=MAX_DISTANCE_PX2)


def _follow_every_pixel(
    field: LongOffsets,
    person: NDArray[np.uint8],
    poses: Poses,
    seen: NDArray[np.bool_],
    *,
    steps: int,
    max_distance_px2: float,
) -> NDArray[np.int16]:
    """In NumPy: (H, W) index into `poses`. seen: (people, 17), the keypoints that count."""
    ys, xs = np.nonzero(person)
    distances = np.zeros((len(poses), len(ys)), np.float64)
    rows, columns = _Axis(field, 0), _Axis(field, 1)
    for joint in np.flatnonzero(seen.any(axis=0)).tolist():
        offsets = np.ascontiguousarray(field.offsets[..., [joint, joint + 17]])  # y before x
        y, x = ys.astype(np.float32), xs.astype(np.float32)
        for _ in range(steps):
            down, right = _sample(offsets, rows.find_cells(y), columns.find_cells(x)).T
            y, x = y + down, x + right
        keypoints = poses.keypoints[:, joint, :, None].astype(np.float64)
        squared = (x - keypoints[:, 0]) ** 2 + (y - keypoints[:, 1]) ** 2
        distances += np.where(seen[:, joint, None], squared, 0)
    counts = seen.sum(axis=1)[:, None]
    distances = np.where(counts, distances / np.maximum(counts, 1), np.inf)
    instances = np.full(person.shape, -1, np.int16)
    instances[ys, xs] = np.where(distances.min(axis=0) < max_distance_px2, distances.argmin(axis=0), -1)
    return instances


class _Axis:
    """Grid position of each source pixel of an axis (0: y, 1: x), padding included."""

    def __init__(self, field: LongOffsets, axis: int) -> None:
        geometry = field.geometry
        pad = (geometry.pad_top, geometry.pad_left)[axis]
        self._first, self._last = -math.ceil(pad) - 1, (geometry.height, geometry.width)[axis] - 1
        pixels = np.arange(self._first, self._last + 1)
        places = ((pixels + pad + 1) * geometry.scale_yx[axis] - 1) / field.stride
        places = np.clip(places, 0, field.offsets.shape[axis] - 1)
        self._before = places.astype(np.intp)
        self._after = np.minimum(self._before + 1, field.offsets.shape[axis] - 1)
        self._shares = (places - self._before).astype(np.float32)

    def find_cells(self, positions: NDArray[np.float32]) -> _Cells:
        """The cells on both sides of each position, and the share of the second."""
        index = (np.rint(np.clip(positions, self._first, self._last)) - self._first).astype(np.intp)
        return self._before[index], self._after[index], self._shares[index][:, None]


def _sample(offsets: NDArray[np.float32], rows: _Cells, columns: _Cells) -> NDArray[np.float32]:
    """Bilinear: offsets (h, w, 2) at N places between cells, (N, 2)."""
    (above, below, down), (left, right, across) = rows, columns
    width, flat = offsets.shape[1], offsets.reshape(-1, 2)
    above, below = above * width, below * width
    upper, lower = flat.take(above + left, axis=0), flat.take(below + left, axis=0)
    upper += (flat.take(above + right, axis=0) - upper) * across
    lower += (flat.take(below + right, axis=0) - lower) * across
    return np.asarray(upper + (lower - upper) * down, np.float32)
