"""The cells of a head's grid, and what a picture's pixels in them read.

Between four neighbours of the grid a head's logits are a mix of theirs, so they stay between the least and the
largest of the four, there and, after the sigmoid, at every source pixel in between. What the corners agree on
needs no arithmetic per pixel; the other cells are computed as the reference does, in batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry, Taps, source_taps

__all__ = ["Cells", "cells_of", "sigmoid"]

Indices = NDArray[np.intp]


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^−x), float32, without overflow warnings for any input."""
    exponential = cv2.exp(np.negative(np.maximum(logits, np.float32(-80))).reshape(len(logits), -1))
    return np.asarray(np.reciprocal(np.float32(1) + exponential), np.float32).reshape(logits.shape)


@dataclass(frozen=True)
class Axis:
    """The cells of one axis that hold source pixels, first to last.

    cells: (n,) their numbers. starts, counts: (n,) first source pixel and how many. upper: (n,) grid index of the far
    corner. nodes: (s + 1,) place of each network pixel between the corners, 0 to 1. mix: (n, longest count, s + 1)
    float32, each source pixel's weights of the network pixels from one corner to the other.
    """

    cells: Indices
    upper: Indices
    starts: Indices
    counts: Indices
    nodes: NDArray[np.float32]
    mix: NDArray[np.float32]


@dataclass(frozen=True)
class Cells:
    """All cells of a grid that hold source pixels: rows and columns of them."""

    rows: Axis
    columns: Axis

    def corners(self, head: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, columns, 2, 2, channels) of (h, w, channels): what lies at the corners of each cell."""
        low, high = head[self.rows.cells], head[self.rows.upper]
        across = [side[:, at] for side in (low, high) for at in (self.columns.cells, self.columns.upper)]
        return np.stack(across, axis=2).reshape(*across[0].shape[:2], 2, 2, -1)

    def inhabited(self, person: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """(rows, columns): whether a cell holds a pixel of the mask (H, W)."""
        bands = zip(self.rows.starts.tolist(), self.rows.counts.tolist(), strict=True)
        rows = np.stack([person[start : start + count].max(axis=0) for start, count in bands])
        return np.asarray(np.maximum.reduceat(rows, self.columns.starts, axis=1).view(np.bool_), np.bool_)

    def spread(self, values: NDArray[np.int8]) -> NDArray[np.int8]:
        """A value per cell (rows, columns) to all its source pixels (H, W)."""
        return values.repeat(self.columns.counts, axis=1).repeat(self.rows.counts, axis=0)

    def write(self, picture: NDArray[np.int8], rows: Indices, columns: Indices, blocks: NDArray[np.int8]) -> None:
        """Put each block (n, height, width) into its cell's pixels."""
        tops, heights = self.rows.starts[rows].tolist(), self.rows.counts[rows].tolist()
        lefts, widths = self.columns.starts[columns].tolist(), self.columns.counts[columns].tolist()
        for block, top, height, left, width in zip(blocks, tops, heights, lefts, widths, strict=True):
            picture[top : top + height, left : left + width] = block[:height, :width]

    def scores(self, corners: NDArray[np.float32], rows: Indices, columns: Indices) -> NDArray[np.float32]:
        """Scores 0 to 1 at the source pixels of cells, (n, height, width), of the logits at their corners (n, 2, 2).

        Logits go to network pixels, become scores there, and go on to source pixels. Beyond a cell's count
        of rows or columns stand zeros.
        """
        across, down = self.columns.nodes, self.rows.nodes[:, None]
        edges = corners[..., :1] * (1 - across) + corners[..., 1:] * across  # (n, 2, s + 1)
        scores = sigmoid(np.asarray(edges[:, :1] * (1 - down) + edges[:, 1:] * down, np.float32))
        scores = np.matmul(self.rows.mix[rows], scores)
        return np.asarray(np.matmul(scores, self.columns.mix[columns].swapaxes(1, 2)), np.float32)


def cells_of(head: NDArray[np.float32], geometry: Geometry) -> Cells:
    """The cells of a head (h, w, channels) whose corner pixels are the network input's."""
    return _cells(head.shape[0], head.shape[1], geometry)


@lru_cache(maxsize=16)
def _cells(height: int, width: int, geometry: Geometry) -> Cells:
    rows, columns = source_taps(geometry)
    return Cells(_axis(rows, height, geometry.input_height), _axis(columns, width, geometry.input_width))


def _axis(taps: Taps, length: int, network_px: int) -> Axis:
    """taps: source pixels' neighbours in network px. length: of the grid's axis."""
    step = (network_px - 1) // (length - 1) if length > 1 else 1
    cell = np.minimum(taps.lower // step, max(length - 2, 0))
    cells, starts, counts = np.unique(cell, return_index=True, return_counts=True)
    mix = np.zeros((len(cells), counts.max(), step + 1), np.float32)
    pixel = np.arange(len(cell))
    place = np.searchsorted(cells, cell)
    mix[place, pixel - starts[place], taps.lower - cell * step] += taps.lower_weight
    mix[place, pixel - starts[place], taps.upper - cell * step] += taps.upper_weight
    nodes = np.linspace(0, 1, step + 1, dtype=np.float32)
    return Axis(cells, np.minimum(cells + 1, length - 1), starts, counts, nodes, mix)
