"""The decoders in NumPy, each pixel as the reference computes it: slow, and what the kernels in C must equal.

Sources: see masks.py and instances.py, which take these where no kernels were built.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART
from ..geometry import Geometry, to_source, upsample
from ..types import Poses

__all__ = ["confidence_map", "instance_map", "part_map", "sigmoid"]


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^−x), float32, without overflow warnings for any input."""
    exponential = cv2.exp(np.negative(np.maximum(logits, np.float32(-80))).reshape(len(logits), -1))
    return np.asarray(np.reciprocal(np.float32(1) + exponential), np.float32).reshape(logits.shape)


def confidence_map(logits: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Logits (h, w, 1) at stride to scores (H, W), 0 to 1, source px."""
    return to_source(sigmoid(upsample(logits, geometry))[..., 0], geometry)


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """(H, W) part ids: all score maps at full size, one after the other; the first of equal ones stays."""
    best = confidence_map(part_heatmaps[..., :1], geometry)
    parts = np.zeros(person.shape, np.int8)
    for part in range(1, part_heatmaps.shape[2]):
        scores = confidence_map(part_heatmaps[..., part : part + 1], geometry)
        parts[scores > best] = part
        np.maximum(best, scores, out=best)
    return np.where(person == 1, parts, np.int8(NO_PART))


def instance_map(
    long_offsets: NDArray[np.float32],
    person: NDArray[np.uint8],
    poses: Poses,
    seen: NDArray[np.bool_],
    geometry: Geometry,
    *,
    stride: int,
    refine_steps: int,
    max_distance_px2: float,
) -> NDArray[np.int16]:
    """(H, W) index into `poses`: every person pixel follows the offsets of every keypoint by itself."""
    ys, xs = np.nonzero(person)
    last_y, last_x = geometry.height - 1, geometry.width - 1
    distances = np.zeros((len(poses), len(ys)), np.float64)
    for joint in np.flatnonzero(seen.any(axis=0)).tolist():
        offsets = _at_source(long_offsets[..., [joint, joint + 17]], geometry, stride).reshape(-1, 2)
        y, x = ys.astype(np.float32), xs.astype(np.float32)
        for _ in range(refine_steps + 1):
            row, column = (np.rint(np.clip(place, 0, end)).astype(np.intp) for place, end in ((y, last_y), (x, last_x)))
            down, right = offsets.take(row * geometry.width + column, axis=0).T
            y, x = y + down, x + right
        keypoints = poses.keypoints[:, joint, :, None].astype(np.float64)
        away = (x - keypoints[:, 0]) ** 2 + (y - keypoints[:, 1]) ** 2
        distances += np.where(seen[:, joint, None], away, 0)
    counts = seen.sum(axis=1)[:, None]
    distances = np.where(counts, distances / np.maximum(counts, 1), np.inf)
    instances = np.full(person.shape, -1, np.int16)
    instances[ys, xs] = np.where(distances.min(axis=0) < max_distance_px2, distances.argmin(axis=0), -1)
    return instances


def _at_source(head: NDArray[np.float32], geometry: Geometry, stride: int) -> NDArray[np.float32]:
    """A head (h, w, C), read between its cells at every source pixel: (H, W, C)."""
    pads, lengths = (geometry.pad_top, geometry.pad_left), (geometry.height, geometry.width)
    for axis in (1, 0):
        last = head.shape[axis] - 1
        pixels = np.arange(lengths[axis]) + pads[axis] + 1
        places = np.clip((pixels * geometry.scale_yx[axis] - 1) / stride, 0, last)
        before = places.astype(np.intp)
        weights = np.expand_dims((places - before).astype(np.float32), (2, 1 - axis))
        head = head.take(before, axis) * (1 - weights) + head.take(np.minimum(before + 1, last), axis) * weights
    return head
