"""The decoders without a short cut, each pixel as the reference computes it: what the quick ones must equal."""

from __future__ import annotations

import numpy as np

from bodyseg_ros.decode import confidence_map, person_mask
from bodyseg_ros.geometry import Geometry
from bodyseg_ros.types import Poses

#: Beyond it a pixel is nobody's, source px².
FARTHEST = 1e6


def plain_person_map(segments: np.ndarray, geometry: Geometry, threshold: float) -> np.ndarray:
    return person_mask(confidence_map(segments, geometry), threshold)


def plain_part_map(heatmaps: np.ndarray, person: np.ndarray, geometry: Geometry) -> np.ndarray:
    """All 24 score maps brought to full size, then the best of each pixel."""
    scores = np.stack([confidence_map(heatmaps[..., [part]], geometry) for part in range(24)], axis=2)
    return np.where(person == 1, scores.argmax(axis=2), -1)


def plain_instance_map(
    long_offsets: np.ndarray,
    person: np.ndarray,
    poses: Poses,
    geometry: Geometry,
    *,
    stride: int,
    refine_steps: int,
    min_keypoint_score: float,
) -> np.ndarray:
    """Every pixel follows the offsets of every keypoint by itself."""
    ys, xs = np.nonzero(person)
    seen = poses.keypoint_scores > min_keypoint_score
    distances = np.zeros((len(poses), len(ys)))
    for joint in range(17):
        x, y = xs.astype(np.float32), ys.astype(np.float32)
        for _ in range(refine_steps + 1):
            row = np.clip(np.rint(y), 0, geometry.height - 1)
            column = np.clip(np.rint(x), 0, geometry.width - 1)
            y = y + sampled(long_offsets[..., joint], row, column, geometry, stride)
            x = x + sampled(long_offsets[..., joint + 17], row, column, geometry, stride)
        away = (x - poses.keypoints[:, [joint], 0]) ** 2 + (y - poses.keypoints[:, [joint], 1]) ** 2
        distances += np.where(seen[:, [joint]], away, 0)
    instances = np.full(person.shape, -1, np.int16)
    if not len(poses):
        return instances
    counts = seen.sum(axis=1)[:, None]
    distances = np.where(counts, distances / np.maximum(counts, 1), np.inf)
    instances[ys, xs] = np.where(distances.min(axis=0) < FARTHEST, distances.argmin(axis=0), -1)
    return instances


def sampled(head: np.ndarray, row: np.ndarray, column: np.ndarray, geometry: Geometry, stride: int) -> np.ndarray:
    """A head (h, w) read between its cells, at source pixels."""
    scale_y, scale_x = geometry.scale_yx
    y = np.clip(((row + geometry.pad_top + 1) * scale_y - 1) / stride, 0, head.shape[0] - 1)
    x = np.clip(((column + geometry.pad_left + 1) * scale_x - 1) / stride, 0, head.shape[1] - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom, right = np.minimum(top + 1, head.shape[0] - 1), np.minimum(left + 1, head.shape[1] - 1)
    down, across = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = head[top, left] * (1 - across) + head[top, right] * across
    lower = head[bottom, left] * (1 - across) + head[bottom, right] * across
    return upper * (1 - down) + lower * down
