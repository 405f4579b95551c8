"""Which measured points are people's: those inside the mask that are not clearly behind its people."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..refine import shift_edge
from .pinhole import Pinhole

__all__ = ["PeopleView", "people_pixels"]

#: Sides of the cells in which the nearest surface is kept, px: about the distance between points. A gap between two
#: measurements of one surface may be so many cells wide, as it is between a scanner's rows.
_CELLS_PX: Final = (2, 16)
_GAP_CELLS: Final = 3
#: Of a scan: legs are narrow, and what lies between them is not.
_SCAN_CELL_PX: Final = 4
#: How far apart the surfaces of one person's legs may lie in a scan, px.
_LEGS_PX: Final = 48
_FAR: Final = np.float32(3e38)
_NOTHING: Final = np.float32(-1)


@dataclass(frozen=True)
class PeopleView:
    """People as a camera sees them.

    camera: of the picture's size. person: (H, W) uint8, 1 person. margin_px: around the mask, for edges that are not
    exact. depth_m: how much farther than the nearest surface at its place a point may be and still be a person's.
    """

    camera: Pinhole
    person: NDArray[np.uint8]
    margin_px: int
    depth_m: float

    @cached_property
    def _near(self) -> NDArray[np.uint8]:
        """The mask with its margin: only here points can be people's."""
        return shift_edge(self.person, self.margin_px)

    @cached_property
    def _inner(self) -> NDArray[np.uint8]:
        """What is a person even where the mask is too large."""
        return shift_edge(self.person, -(self.margin_px // 2))

    def find(self, points: NDArray[np.float32], *, flat: bool = False) -> NDArray[np.bool_]:
        """(N,) whether each of (N, 3) points, m in the camera's optical frame, is a person's; NaN is nobody's.

        Another sensor sees past people: of what lies in a person's silhouette only the nearest surface is the
        person's, as the camera, which gave the mask, sees no other one there.

        flat: points are those of a scanner, in one level plane, so surfaces are told apart by the picture's columns,
        and what lies below the picture is judged by its lowest row, as of people whose legs the picture cuts off.
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
        # Where a person is so thin that nothing is inside, the whole mask counts; where nothing was measured, all goes.
        thin = cells.surface(self.person[row, column], reach_px)
        farthest = np.where(surface < _FAR, surface, thin)
        people[index] = cells.z <= cells.of_points(farthest) + np.float32(self.depth_m)
        return people

    def _cell_px(self, count: int) -> int:
        """About the distance between points."""
        smallest, largest = _CELLS_PX
        return min(largest, max(smallest, round((np.count_nonzero(self._near) / count) ** 0.5)))


def people_pixels(
    depth: NDArray[np.float32], person: NDArray[np.uint8], near: NDArray[np.uint8], margin_px: int, depth_m: float
) -> NDArray[np.bool_]:
    """(H, W) which pixels of a depth image are people's, as seen by the camera that gave the mask.

    depth: (H, W), m; NaN and 0 where nothing was measured. person: (H, W), 1 person. near: the same with its margin of
    `margin_px`, of which only what is not farther behind people than `depth_m` counts.
    """
    if near is person or not margin_px:
        return near > 0
    inner = shift_edge(person, -(margin_px // 2))
    reach = 2 * (margin_px + margin_px // 2) + 1
    measured = np.where((inner > 0) & (depth > 0), depth, _NOTHING)
    surface = cv2.dilate(measured, np.ones((reach, reach), np.uint8))
    behind = (surface > 0) & (depth > surface + np.float32(depth_m))
    return (person > 0) | ((near > 0) & ~behind)


@dataclass(frozen=True)
class _Cells:
    """Points sorted into the cells of a grid over the picture: (M,) column and row, px, and z, m."""

    column: NDArray[np.int32]
    row: NDArray[np.int32]
    z: NDArray[np.float32]
    side_px: int

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        row, column = self.row // self.side_px, self.column // self.side_px
        # Round about are cells of nothing, as wide as a gap.
        return row - row.min() + _GAP_CELLS, column - column.min() + _GAP_CELLS

    def of_points(self, grid: NDArray[np.float32]) -> NDArray[np.float32]:
        """(M,) a grid's value at each point."""
        return np.asarray(grid[self._places])

    def surface(self, counts: NDArray[np.uint8], reach_px: int) -> NDArray[np.float32]:
        """By cell, how far away the surface of people is, m, of the points for which (M,) `counts` is not 0.

        The nearest one, and of those of several people within `reach_px` the farthest; _FAR where none is.
        """
        row, column = self._places
        nearest = np.full((row.max() + 1 + _GAP_CELLS, column.max() + 1 + _GAP_CELLS), _FAR)
        counted = np.flatnonzero(counts)
        np.minimum.at(nearest, (row[counted], column[counted]), self.z[counted])
        # Closing gaps, but not growing: somebody farther away beside a near person must not count as behind.
        gap = np.ones((_GAP_CELLS, _GAP_CELLS), np.uint8)
        closed = cv2.morphologyEx(nearest, cv2.MORPH_OPEN, gap)
        reach = 2 * (-(-reach_px // self.side_px)) + 1
        grown = cv2.dilate(np.where(closed < _FAR, closed, _NOTHING), np.ones((reach, reach), np.uint8))
        return np.asarray(np.where(grown > 0, grown, _FAR), np.float32)
