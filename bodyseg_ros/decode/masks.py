"""Person logits to masks, and part logits to part maps, as the reference computes them.

Source: tfjs-models ``body-pix/src/body_pix_model.ts`` and ``decode_part_map.ts`` (body-pix 2.2.1): logits are
resized to the network's input, squashed, and only then cropped and resized to the source.

Each function calls the kernel in ``kernels/maps.c`` if it was built and supports the head; otherwise NumPy.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART
from ..geometry import Geometry, to_source, upsample
from ..kernels import compiled

__all__ = ["confidence_map", "part_map", "person_map", "person_mask", "sigmoid"]


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^−x), float32, without overflow warnings for any input."""
    exponential = cv2.exp(np.negative(np.maximum(logits, np.float32(-80))).reshape(len(logits), -1))
    return np.asarray(np.reciprocal(np.float32(1) + exponential), np.float32).reshape(logits.shape)


def confidence_map(segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Person logits (h, w, 1) at stride to person probability (H, W) float32, 0 to 1, source px."""
    if compiled.can_read(segments, geometry):
        return compiled.confidence_map(segments, geometry)
    return to_source(sigmoid(upsample(segments, geometry))[..., 0], geometry)


def person_mask(confidence: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """(H, W) uint8, 1 where the probability is strictly above `threshold`, else 0."""
    return (confidence > np.float32(threshold)).view(np.uint8)


def person_map(segments: NDArray[np.float32], geometry: Geometry, threshold: float) -> NDArray[np.uint8]:
    """person_mask of confidence_map. The kernel computes only the cells of the grid that the outline runs through."""
    if compiled.can_read(segments, geometry):
        return compiled.person_map(segments, geometry, threshold)
    return person_mask(confidence_map(segments, geometry), threshold)


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """Part logits (h, w, 24) at stride and a person mask (H, W) to (H, W) int8 part ids, −1 outside the mask.

    The part with the highest score wins; on ties, the first. In each grid cell the kernel computes only the parts that
    can win there, and none if one part leads at all four corners. Raises ValueError for a mask of
    another size than the geometry's.
    """
    if compiled.can_read(part_heatmaps, geometry):
        return compiled.part_map(part_heatmaps, person, geometry)
    best = confidence_map(part_heatmaps[..., :1], geometry)
    parts = np.zeros(person.shape, np.int8)
    for part in range(1, part_heatmaps.shape[2]):
        scores = confidence_map(part_heatmaps[..., part : part + 1], geometry)
        parts[scores > best] = part
        np.maximum(best, scores, out=best)
    return np.where(person == 1, parts, np.int8(NO_PART))
