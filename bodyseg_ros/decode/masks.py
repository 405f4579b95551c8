"""Person logits to masks and part logits to part maps, as the reference computes them.

Source: tfjs-models ``body-pix/src/body_pix_model.ts`` and ``decode_part_map.ts`` (body-pix 2.2.1): logits are
resized to the network's input, squashed, and only then cropped and resized to the source.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART
from ..geometry import Geometry, to_source, upsample
from .cells import Cells, Indices, cells_of, sigmoid

__all__ = ["confidence_map", "part_map", "person_map", "person_mask"]

#: Scores of a cell's corners this near to the threshold settle nothing: more than float32 rounds.
_SCORE_MARGIN: Final = np.float32(1e-5)
#: Where one part's logit is more than this above another's at all corners, its score is larger in between.
_LOGIT_MARGIN: Final = np.float32(1e-2)
#: Logits beyond these differ too little as float32 scores to tell parts apart.
_TELLING: Final = (np.float32(-79), np.float32(9))
#: Cells whose parts are computed at a time: their arrays stay in the processor's cache.
_CHUNK: Final = 32


def confidence_map(segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Person logits (h, w, 1) at stride to person probability (H, W) float32, 0 to 1, source px."""
    return to_source(sigmoid(upsample(segments, geometry))[..., 0], geometry)


def person_mask(confidence: NDArray[np.float32], threshold: float) -> NDArray[np.uint8]:
    """(H, W) uint8, 1 where the probability is strictly above `threshold`, else 0."""
    return (confidence > np.float32(threshold)).view(np.uint8)


def person_map(segments: NDArray[np.float32], geometry: Geometry, threshold: float) -> NDArray[np.uint8]:
    """person_mask of confidence_map, computed only in the cells of the grid that the outline runs through."""
    cells = cells_of(segments, geometry)
    corners = cells.corners(segments)[..., 0]
    scores = sigmoid(corners)
    least, most = scores.min(axis=(2, 3)), scores.max(axis=(2, 3))
    inside = least > np.float32(threshold) + _SCORE_MARGIN
    person = cells.spread(inside.view(np.int8))
    rows, columns = np.nonzero(~inside & (most >= np.float32(threshold) - _SCORE_MARGIN))
    if len(rows):
        found = cells.scores(corners[rows, columns], rows, columns) > np.float32(threshold)
        cells.write(person, rows, columns, found.view(np.int8))
    return person.view(np.uint8)


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """Part logits (h, w, 24) at stride and a person mask (H, W) to (H, W) int8 part ids, −1 outside.

    The part with the largest score wins, the first of equal ones. In cells of the grid where one part leads at all
    four corners it leads everywhere; in the others only the parts are computed that no other one outdoes everywhere.
    """
    cells = cells_of(part_heatmaps, geometry)
    corners = cells.corners(part_heatmaps)
    rows, columns = np.nonzero(cells.inhabited(person))
    chances = _with_a_chance(corners[rows, columns])
    parts = np.full(corners.shape[:2], NO_PART, np.int8)
    parts[rows, columns] = chances.argmax(axis=1)
    picture = cells.spread(parts)
    contested = np.flatnonzero(chances.sum(axis=1) > 1)
    for start in range(0, len(contested), _CHUNK):
        some = contested[start : start + _CHUNK]
        best = _best_parts(cells, corners, rows[some], columns[some], chances[some])
        cells.write(picture, rows[some], columns[some], best)
    return np.asarray(cv2.copyTo(picture, person, np.full_like(picture, NO_PART)), np.int8)


def _with_a_chance(corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n, 24): which parts no corner's leading part outdoes at all four corners; corners (n, 2, 2, 24)."""
    logits = np.clip(corners.reshape(len(corners), 4, corners.shape[-1]), *_TELLING)
    chance = np.ones((len(logits), logits.shape[2]), np.bool_)
    for corner in range(4):
        leader = np.take_along_axis(logits, logits[:, corner].argmax(axis=1)[:, None, None], axis=2)
        chance &= ~(leader - logits > _LOGIT_MARGIN).all(axis=1)
    return chance


def _best_parts(
    cells: Cells, corners: NDArray[np.float32], rows: Indices, columns: Indices, chances: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """(n, height, width) the best part at each source pixel of n cells."""
    cell, part = np.nonzero(chances)
    scores = cells.scores(corners[rows[cell], columns[cell], :, :, part], rows[cell], columns[cell])
    first = np.searchsorted(cell, np.arange(len(rows)))
    best, parts = scores[first], np.empty((len(rows), *scores.shape[1:]), np.int8)
    parts[:] = part[first][:, None, None]
    rank = np.arange(len(cell)) - first[cell]  # a cell's parts are compared in order: the first of equals stays
    for turn in range(1, int(rank.max()) + 1):
        pair = np.flatnonzero(rank == turn)
        of, score = cell[pair], scores[pair]
        better = score > best[of]
        parts[of] = np.where(better, part[pair].astype(np.int8)[:, None, None], parts[of])
        best[of] = np.maximum(best[of], score)
    return parts
