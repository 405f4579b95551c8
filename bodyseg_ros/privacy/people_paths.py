"""People who are detected in one frame and not in the next: where they appear again, and the path between.

If a person, or most of one, disappears, and somebody appears within `max_gap` and near enough, the shape is moved along
the path between the two places, and enlarged in the middle of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..refine import shift_edge
from .mask_store import Cells

__all__ = ["Changes", "LostPeople", "Part", "Path", "connected_parts", "place_shape"]

#: Part of a person that must be found in the next frame; otherwise the person counts as lost.
_CONTINUED: Final = 0.7
#: Mask parts with fewer rows than this are specks, cells.
_LEAST_HEIGHT: Final = 5
#: Maximum distance a person may have moved: body heights, plus body heights per second.
_REACH: Final = 1.0
_REACH_PER_S: Final = 3.0
#: Share of that distance; a person who appears this near a lost one may be that one in addition to another.
_VERY_NEAR: Final = 0.4
#: Maximum deviation from the straight path, in body heights, at its middle.
_DETOUR: Final = 0.15


@dataclass(frozen=True, eq=False)
class Part:
    """A connected part of a mask in one frame: its shape (height, width), 1 for person, and its position, cells."""

    index: int
    time_ns: int
    shape: Cells
    left: int
    top: int
    at_border: bool

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.shape)

    @property
    def center(self) -> tuple[float, float]:
        """The middle of its box: x, y."""
        return self.left + self.shape.shape[1] / 2, self.top + self.height / 2


@dataclass(frozen=True, eq=False)
class Path:
    """From where a person was detected last to where somebody was detected first, at least one frame later."""

    start: Part
    end: Part

    def crosses(self, index: int) -> bool:
        """Whether a frame lies between the two detections."""
        return self.start.index < index < self.end.index

    def cover(self, cover: Cells, time_ns: int, margin: int) -> None:
        """Add the shapes of both ends, moved to where the person may be at a time."""
        span = self.end.time_ns - self.start.time_ns
        share = min(1.0, max(0.0, (time_ns - self.start.time_ns) / span)) if span > 0 else 0.5
        x, y = (a + (b - a) * share for a, b in zip(self.start.center, self.end.center, strict=True))
        height = max(self.start.height, self.end.height)
        grow = margin + math.ceil(_DETOUR * height * 4 * share * (1 - share))
        for part in (self.start, self.end):
            place_shape(cover, part.shape, (x, y), grow)


@dataclass(frozen=True)
class Changes:
    """What one frame tells.

    paths: that end there. lost, appeared: frames in which somebody was detected last, or first, away from the image
    border and without a counterpart.
    """

    paths: list[Path] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    appeared: list[int] = field(default_factory=list)


class LostPeople:
    """Links, frame by frame, the people who disappear with those who appear.

    max_gap_ns: maximum time between the two. waiting: parts that were lost → whether somebody appeared who may be this
    person.
    """

    def __init__(self, max_gap_ns: int) -> None:
        self._max_gap_ns = max_gap_ns
        self.waiting: dict[Part, bool] = {}
        self._before: tuple[int, int, Cells, Cells] | None = None  # index, time, mask, mask with margin

    def add(self, index: int, time_ns: int, mask: Cells, grown: Cells) -> Changes:
        """The detections of the next frame that could be judged; grown: the same with their margin."""
        before, self._before = self._before, (index, time_ns, mask, grown)
        if before is None or before[2].shape != mask.shape:
            return Changes(lost=self.give_up())
        last_index, last_ns, last, last_grown = before
        lost = self.give_up(time_ns - self._max_gap_ns)
        for part in _not_in(last, grown, last_index, last_ns):
            self.waiting[part] = False
        found = _not_in(mask, last_grown, index, time_ns)
        paths, matched = self._link(found)
        appeared = [index for part in found if part not in matched and not part.at_border]
        return Changes([path for path in paths if index - path.start.index > 1], lost, appeared)

    def give_up(self, before_ns: int | None = None) -> list[int]:
        """Forget parts lost before a time, or all; return the frames of those that were never found again."""
        gone = [part for part in self.waiting if before_ns is None or part.time_ns < before_ns]
        return [part.index for part in gone if not self.waiting.pop(part) and not part.at_border]

    def _link(self, found: list[Part]) -> tuple[list[Path], set[Part]]:
        """Paths from lost parts to those that appeared in one frame: nearest pairs first, each part once.

        Then each unmatched appeared part gets the nearest lost one, and each unmatched lost part that is very near an
        appeared one gets that: people may have been detected as one part with others.
        """
        near = [
            (distance, lost, part)
            for part in found
            for lost in self.waiting
            if (distance := _distance(lost, part)) <= 1
        ]
        near.sort(key=lambda pair: pair[0])
        gone: set[Part] = set()
        come: set[Part] = set()
        paths = []
        for _, lost, part in near:
            if lost not in gone and part not in come:
                paths.append(Path(lost, part))
                gone.add(lost)
                come.add(part)
        for distance, lost, part in near:
            if part not in come or (distance <= _VERY_NEAR and lost not in gone and not self.waiting[lost]):
                paths.append(Path(lost, part))
                gone.add(lost)
                come.add(part)
        for path in paths:
            # A person of whom only a piece reappeared is still waited for.
            self.waiting[path.start] |= path.end.height >= _CONTINUED * path.start.height
        return paths, come


def connected_parts(cells: Cells) -> Iterator[tuple[Cells, int, int]]:
    """Return (shape, left, top) of the connected parts that are not specks."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    for label in range(1, count):
        left, top, width, height = (int(number) for number in stats[label, :4])
        if height >= _LEAST_HEIGHT:
            there: NDArray[Any] = labels[top : top + height, left : left + width]
            yield (there == label).view(np.uint8), left, top


def place_shape(cover: Cells, shape: Cells, center: tuple[float, float], grow: int) -> None:
    """Add a shape, grown by some cells, around a center (x, y) that may be outside the image."""
    grow = min(grow, max(cover.shape))  # more covers everything too
    left, top = (round(at - side / 2) - grow for at, side in zip(center, shape.shape[::-1], strict=True))
    shape = np.asarray(cv2.copyMakeBorder(shape, *(grow,) * 4, cv2.BORDER_CONSTANT, value=[0]), np.uint8)
    shape = shift_edge(shape, grow)
    rows, columns = cover.shape
    bottom, right = min(rows, top + shape.shape[0]), min(columns, left + shape.shape[1])
    first_row, first_column = max(0, top), max(0, left)
    if bottom > first_row and right > first_column:
        cover[first_row:bottom, first_column:right] |= shape[
            first_row - top : bottom - top, first_column - left : right - left
        ]


def _not_in(cells: Cells, other: Cells, index: int, time_ns: int) -> list[Part]:
    """Parts of a mask that overlap too little with the other mask."""
    found = []
    rows, columns = cells.shape
    for shape, left, top in connected_parts(cells):
        bottom, right = top + shape.shape[0], left + shape.shape[1]
        if float(np.count_nonzero(shape & other[top:bottom, left:right])) >= _CONTINUED * np.count_nonzero(shape):
            continue
        at_border = left == 0 or top == 0 or right == columns or bottom == rows
        found.append(Part(index, time_ns, shape, left, top, at_border))
    return found


def _distance(lost: Part, part: Part) -> float:
    """Distance between two parts as a share of the maximum; above 1 they are different people."""
    (x, y), (to_x, to_y) = lost.center, part.center
    seconds = max(0, part.time_ns - lost.time_ns) / 1e9
    return math.hypot(to_x - x, to_y - y) / (max(lost.height, part.height) * (_REACH + _REACH_PER_S * seconds))
