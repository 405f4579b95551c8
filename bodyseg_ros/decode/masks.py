"""Person logits to masks and part logits to part maps, as the reference computes them.

Source: tfjs-models ``body-pix/src/body_pix_model.ts`` and ``decode_part_map.ts`` (body-pix 2.2.1): logits are
resized to the network's input, squashed, and only then cropped and resized to the source.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART
from ..geometry import Geometry, Taps, source_taps, to_source, upsample

__all__ = ["confidence_map", "part_map", "person_mask", "sigmoid"]


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^−x), float32, without overflow warnings for any input."""
    exponential = cv2.exp(np.negative(np.maximum(logits, np.float32(-80))).reshape(len(logits), -1))
    return np.asarray(np.reciprocal(np.float32(1) + exponential), np.float32).reshape(logits.shape)


def confidence_map(segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Person logits (h, w, 1) at stride to person probability (H, W) float32, 0 to 1, source px."""
    return to_source(sigmoid(upsample(segments, geometry))[..., 0], geometry)


def person_mask(confidence: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """(H, W) uint8, 1 where the probability is strictly above `threshold`, else 0."""
    return (confidence > np.float32(threshold)).view(np.uint8)


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """Part logits (h, w, 24) at stride and a person mask (H, W) to (H, W) int8 part ids, −1 outside.

    A source pixel's scores are a mix of four network pixels' scores. Where the best part of all four is the
    same, it is the mix's best part too; only the pixels on borders between parts are mixed in full.
    """
    parts = np.full(person.shape, NO_PART, np.int8)
    ys, xs = np.nonzero(person)
    if not len(ys):
        return parts
    rows, columns = source_taps(geometry)
    scores = sigmoid(upsample(part_heatmaps, geometry))
    best = scores.argmax(axis=2).astype(np.int8)
    settled = _agree(best, rows, columns)
    parts[ys, xs] = best[rows.lower][:, columns.lower][ys, xs]
    unsettled = ~settled[ys, xs]
    ys, xs = ys[unsettled], xs[unsettled]
    parts[ys, xs] = _mixed(scores, rows, columns, ys, xs).argmax(axis=1)
    return parts


def _agree(best: NDArray[np.int8], rows: Taps, columns: Taps) -> NDArray[np.bool_]:
    """(H, W): whether the four network pixels under a source pixel have the same best part."""
    low, high = best[rows.lower], best[rows.upper]
    first = low[:, columns.lower]
    same = first == low[:, columns.upper]
    same &= first == high[:, columns.lower]
    same &= first == high[:, columns.upper]
    return np.asarray(same, np.bool_)


def _mixed(
    scores: NDArray[np.float32], rows: Taps, columns: Taps, ys: NDArray[np.intp], xs: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Bilinear scores (N, C) at N source pixels."""
    left, right = columns.lower_weight[xs, None], columns.upper_weight[xs, None]
    top = scores[rows.lower[ys], columns.lower[xs]] * left + scores[rows.lower[ys], columns.upper[xs]] * right
    bottom = scores[rows.upper[ys], columns.lower[xs]] * left + scores[rows.upper[ys], columns.upper[xs]] * right
    return np.asarray(top * rows.lower_weight[ys, None] + bottom * rows.upper_weight[ys, None], np.float32)
