"""Person logits to masks and part logits to part maps, as the reference computes them.

Source: tfjs-models ``body-pix/src/body_pix_model.ts`` and ``decode_part_map.ts`` (body-pix 2.2.1): logits are
resized to the network's input, squashed, and only then cropped and resized to the source.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry
from . import compiled, plain

__all__ = ["confidence_map", "part_map", "person_map", "person_mask"]


def confidence_map(segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Person logits (h, w, 1) at stride to person probability (H, W) float32, 0 to 1, source px."""
    grid = compiled.grid_of(segments, geometry)
    if grid is None:
        return plain.confidence_map(segments, geometry)
    return compiled.confidence_map(grid, segments, geometry)


def person_mask(confidence: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """(H, W) uint8, 1 where the probability is strictly above `threshold`, else 0."""
    return (confidence > np.float32(threshold)).view(np.uint8)


def person_map(segments: NDArray[np.float32], geometry: Geometry, threshold: float) -> NDArray[np.uint8]:
    """person_mask of confidence_map, computed only in the cells of the grid that the outline runs through."""
    grid = compiled.grid_of(segments, geometry)
    if grid is None:
        return person_mask(plain.confidence_map(segments, geometry), threshold)
    return compiled.person_map(grid, segments, geometry, threshold)


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """Part logits (h, w, 24) at stride and a person mask (H, W) to (H, W) int8 part ids, −1 outside.

    The part with the largest score wins, the first of equal ones. In cells of the grid where one part leads at all
    four corners it leads everywhere; in the others only the parts are computed that no other one outdoes everywhere.
    """
    grid = compiled.grid_of(part_heatmaps, geometry)
    if grid is None:
        return plain.part_map(part_heatmaps, person, geometry)
    return compiled.part_map(grid, part_heatmaps, person)
