"""Find the measured points that belong to people: those inside the mask and not clearly behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..refine import shift_edge
from .depth_view import is_measured
from .pinhole import Pinhole

__all__ = ["PeopleView", "people_pixels"]

#: Side of the cells that store the nearest surface, px: about the distance between points. A surface may have gaps of
#: this many cells, such as between a scanner's rows.
_CELLS_PX: Final = (2, 16)
_GAP_CELLS: Final = 3
#: The same for scans: legs are narrow, and the space between them is not a person.
_SCAN_CELL_PX: Final = 4
#: Maximum distance between the surfaces of one person's legs in a scan, px.
_LEGS_PX: Final = 48
_FAR: Final = np.float32(3e38)
_NOTHING: Final = np.float32(-1)


@dataclass(frozen=True)
class PeopleView:
    """People as seen by a camera.

    camera: of the image's size. person: (H, W) uint8, 1 for person. margin_px: around the mask, for inexact edges.
    depth_m: a point belongs to a person if it is at most this much farther than the nearest surface at its place.
    """

    camera: Pinhole
    person: NDArray[np.uint8]
    margin_px: int
    depth_m: float

    @cached_property
    def _near(self) -> NDArray[np.uint8]:
        """The mask with its margin: points outside it belong to nobody."""
        return shift_edge(self.person, self.margin_px)

    @cached_property
    def _inner(self) -> NDArray[np.uint8]:
        """Pixels that belong to a person even if the mask is too large."""
        return shift_edge(self.person, -(self.margin_px // 2))

    def find(self, points: NDArray[np.float32], *, flat: bool = False) -> NDArray[np.bool_]:
        """(N,) whether each of (N, 3) points, m in the camera's optical frame, belongs to a person; False for NaN.

        Another sensor may see past people. Within a silhouette only the nearest surface is the person, because the
        camera that made the mask saw nothing in front of it. flat: points of a scanner, in one level plane. Surfaces
        are then separated by image columns, and points below the image are judged by its lowest row, as for people
        whose legs are outside the image.
        """
        people = np.zeros(len(points), bool)
        height, width = self.person.shape
        x, y, index = self.camera.project(points)
        if flat:
            y = np.minimum(y, np.float32(height - 1))
        inside = np.flatnonzero((x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5))
        column, row = np.rint(x[inside]).astype(np.int32), np.rint(y[inside]).astype(np.int32)
        near = np.flatnonzero(self._near[row, column])
        if not near.size:
            return people
        column, row, index = column[near], row[near], index[inside[near]]
        cells = _Cells(
            column,
            np.zeros_like(row) if flat else row,
            np.ascontiguousarray(points[index, 2]),
            _SCAN_CELL_PX if flat else self._cell_px(len(near)),
        )
        reach_px = max(self.margin_px + self.margin_px // 2, _LEGS_PX if flat else 0)
        surface = cells.surface(self._inner[row, column], reach_px)
        # A person too thin to have an inside counts with the whole mask; without measurements everything is removed.
        thin = cells.surface(self.person[row, column], reach_px)
        farthest = np.where(surface < _FAR, surface, thin)
        people[index] = cells.z <= cells.of_points(farthest) + np.float32(self.depth_m)
        return people

    def _cell_px(self, count: int) -> int:
        """Approximate distance between points."""
        smallest, largest = _CELLS_PX
        return min(largest, max(smallest, round((np.count_nonzero(self._near) / count) ** 0.5)))


def people_pixels(
    depth: NDArray[np.float32], person: NDArray[np.uint8], near: NDArray[np.uint8], margin_px: int, depth_m: float
) -> NDArray[np.bool_]:
    """(H, W) which pixels of a depth image from the mask's own camera belong to people.

    depth: (H, W), m, as to_meters() returns it. person: (H, W), 1 for person. near: the same with its margin of
    `margin_px`; in the margin only pixels at most `depth_m` behind people count, so one too far to measure does not.
    """
    if near is person or not margin_px:
        return near > 0
    inner = shift_edge(person, -(margin_px // 2))
    reach = 2 * (margin_px + margin_px // 2) + 1
    measured = np.where((inner > 0) & is_measured(depth), depth, _NOTHING)
    surface = cv2.dilate(measured, np.ones((reach, reach), np.uint8))
    behind = (surface > 0) & (depth > surface + np.float32(depth_m))
    return (person > 0) | ((near > 0) & ~behind)


@dataclass(frozen=True)
class _Cells:
    """Points sorted into the cells of a grid over the image: (M,) column and row, px, and z, m."""

    column: NDArray[np.int32]
    row: NDArray[np.int32]
    z: NDArray[np.float32]
    side_px: int

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        row, column = self.row // self.side_px, self.column // self.side_px
        # A border of empty cells, as wide as a gap.
        return row - row.min() + _GAP_CELLS, column - column.min() + _GAP_CELLS

    def of_points(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """Value of a grid at each point, (M,)."""
        return np.asarray(grid[self._places])

    def surface(self, counts: NDArray[np.uint8], reach_px: int) -> NDArray[np.float32]:
        """Distance of people's surface by cell, m, from the points for which (M,) `counts` is not 0.

        The nearest surface; if several people are within `reach_px`, the farthest of theirs; _FAR if there is none.
        """
        row, column = self._places
        nearest = np.full((row.max() + 1 + _GAP_CELLS, column.max() + 1 + _GAP_CELLS), _FAR)
        counted = np.flatnonzero(counts)
        np.minimum.at(nearest, (row[counted], column[counted]), self.z[counted])
        # Close gaps without growing: a farther person beside a near one must not count as background.
        gap = np.ones((_GAP_CELLS, _GAP_CELLS), np.uint8)
        closed = cv2.morphologyEx(nearest, cv2.MORPH_OPEN, gap)
        reach = 2 * (-(-reach_px // self.side_px)) + 1
        grown = cv2.dilate(np.where(closed < _FAR, closed, _NOTHING), np.ones((reach, reach), np.uint8))
        return np.asarray(np.where(grown > 0, grown, _FAR), np.float32)
