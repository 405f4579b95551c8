"""Decide what to cover in each frame of a recording, from the frames before and after it.

1. A place is covered, with a margin, if a person was detected there in this frame or in one of the `window_frames`
before and after.

2. If a person, or most of one, disappears, and somebody appears within `max_gap` and near enough, the shape is moved
along the path between the two places, and enlarged in the middle of it.

3. Detections below the threshold are covered if they touch something covered.

4. Areas enclosed by all this are covered.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..refine import fill_holes, shift_edge
from ..refine.mask_edges import apply_hysteresis
from .mask_store import Cells, MaskFile, Sightings, cell_px
from .privacy_settings import RecordingSettings

__all__ = ["Covers", "Gap", "fill_over_time"]

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


@dataclass(frozen=True)
class Gap:
    """Frames, both included, in which the path of a person between two detections was covered."""

    first: int
    last: int


@dataclass
class Covers:
    """Cells to cover in each frame of one camera; none if the frame could not be judged.

    shares: covered share of each image. only_by_time: frames without a detection in which somebody is covered. lost,
    appeared: frames of last or first detections away from the image border without a counterpart. doubtful: frames with
    a weak detection that is not covered.
    """

    masks: MaskFile = field(default_factory=MaskFile)
    shares: array[float] = field(default_factory=lambda: array("d"))
    gaps: list[Gap] = field(default_factory=list)
    only_by_time: int = 0
    lost: list[int] = field(default_factory=list)
    appeared: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A connected part of a mask in one frame: its shape and position.

    number: in the file of parts.
    """

    index: int
    time_ns: int
    number: int
    left: int
    top: int
    width: int
    height: int
    at_border: bool

    @property
    def center(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2


def fill_over_time(seen: Sightings, settings: RecordingSettings) -> Covers:
    """Decide what to cover in every frame of a camera."""
    covers = Covers()
    with closing(MaskFile()) as parts:
        _fill(covers, seen, settings, parts)
    return covers


def _fill(covers: Covers, seen: Sightings, settings: RecordingSettings, parts: MaskFile) -> None:
    ways = list(_find_ways(seen, settings, parts, covers))
    covers.gaps = sorted(
        {Gap(start.index + 1, end.index - 1) for start, end in ways}, key=lambda gap: (gap.first, gap.last)
    )
    covers.lost.sort()
    ways.sort(key=lambda way: (way[0].index, way[0].number, way[1].number))
    window = _Window(seen, settings)
    active: list[tuple[_Part, _Part]] = []
    next_way = 0
    for index in range(len(seen)):
        while next_way < len(ways) and ways[next_way][0].index < index:
            active.append(ways[next_way])
            next_way += 1
        active = [way for way in active if way[1].index > index]
        if index in seen.reasons:
            covers.masks.append(np.zeros((1, 1), np.uint8))
            covers.shares.append(1.0)
            continue
        cover = window.around(index)
        margin = _margin(seen, index, settings)
        for start, end in active:
            _cover_way(cover, start, end, seen.times_ns[index], parts, margin)
        cover = _with_weak(cover, seen.weak.read(index), margin, index, covers)
        cover = fill_holes(cover, cover.size)
        covers.only_by_time += bool(cover.any() and not seen.strong.read(index).any())
        covers.masks.append(cover)
        covers.shares.append(float(cover.mean()))


def _margin(seen: Sightings, index: int, settings: RecordingSettings) -> int:
    """Convert px to cells, rounded up."""
    return -(-settings.margin_px // cell_px(seen.size(index)))


class _Window:
    """Masks, with their margin, of the frames around one; each is read once."""

    def __init__(self, seen: Sightings, settings: RecordingSettings) -> None:
        self._seen, self._settings = seen, settings
        self._grown: dict[int, Cells] = {}

    def around(self, index: int) -> Cells:
        """Union of all masks of the frame's size."""
        reach = self._settings.window_frames
        frames = range(max(0, index - reach), min(len(self._seen), index + reach + 1))
        self._grown = {frame: grown for frame, grown in self._grown.items() if frame in frames}
        size = self._seen.size(index)
        cover = np.zeros_like(self._at(index))
        for frame in frames:
            if frame not in self._seen.reasons and self._seen.size(frame) == size:
                np.bitwise_or(cover, self._at(frame), out=cover)
        return cover

    def _at(self, frame: int) -> Cells:
        if frame not in self._grown:
            margin = _margin(self._seen, frame, self._settings)
            self._grown[frame] = shift_edge(self._seen.strong.read(frame), margin)
        return self._grown[frame]


def _with_weak(cover: Cells, weak: Cells, margin: int, index: int, covers: Covers) -> Cells:
    """Extend the cover by weak detections that touch it, with a margin; record the others."""
    if not _outside(weak, cover).any():
        return cover
    joined = apply_hysteresis(cover, weak)
    added = _outside(joined, cover)
    if added.any():
        cover = cover | shift_edge(added, margin)
    if any(True for _ in _boxes(_outside(weak, cover))):
        covers.doubtful.append(index)
    return cover


def _outside(cells: Cells, cover: Cells) -> Cells:
    return np.where(cover, np.uint8(0), cells)


def _boxes(cells: Cells) -> Iterator[tuple[int, tuple[int, int, int, int], NDArray[Any]]]:
    """Return (label, (left, top, width, height), labels) of the connected parts that are not specks."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_HEIGHT] >= _LEAST_HEIGHT:
            left, top, width, height = (int(number) for number in stats[label, :4])
            yield label, (left, top, width, height), np.asarray(labels)


def _not_in(cells: Cells, other: Cells, index: int, time_ns: int, parts: MaskFile) -> list[_Part]:
    """Parts of a mask that overlap too little with the other mask."""
    found = []
    for label, (left, top, width, height), labels in _boxes(cells):
        there = np.s_[top : top + height, left : left + width]
        shape = (labels[there] == label).view(np.uint8)
        if float(np.count_nonzero(shape & other[there])) >= _CONTINUED * np.count_nonzero(shape):
            continue
        rows, columns = cells.shape
        at_border = left == 0 or top == 0 or left + width == columns or top + height == rows
        found.append(_Part(index, time_ns, parts.append(shape), left, top, width, height, at_border))
    return found


def _find_ways(
    seen: Sightings, settings: RecordingSettings, parts: MaskFile, covers: Covers
) -> Iterator[tuple[_Part, _Part]]:
    """Pairs (last detection, first detection) with at least one frame between."""
    waiting: dict[_Part, bool] = {}  # lost parts → whether somebody appeared who may be this person
    before: tuple[int, Cells, Cells] | None = None
    for index in range(len(seen)):
        if index in seen.reasons:
            continue
        now = seen.strong.read(index)
        grown = shift_edge(now, _margin(seen, index, settings))
        time_ns = seen.times_ns[index]
        if before is None or before[1].shape != now.shape:
            _give_up(waiting, None, covers)
        else:
            _give_up(waiting, time_ns - round(settings.max_gap * 1e9), covers)
            for part in _not_in(before[1], grown, before[0], seen.times_ns[before[0]], parts):
                waiting[part] = False
            yield from _ways_to(_not_in(now, before[2], index, time_ns, parts), waiting, covers)
        before = (index, now, grown)
    _give_up(waiting, None, covers)


def _give_up(waiting: dict[_Part, bool], before_ns: int | None, covers: Covers) -> None:
    """Forget parts lost before a time, or all; record those that were never found again."""
    for part in [part for part in waiting if before_ns is None or part.time_ns < before_ns]:
        if not waiting.pop(part) and not part.at_border:
            covers.lost.append(part.index)


def _ways_to(found: list[_Part], waiting: dict[_Part, bool], covers: Covers) -> Iterator[tuple[_Part, _Part]]:
    """Paths from lost parts to those that appeared in one frame: nearest pairs first, each part once.

    Then each unmatched appeared part gets the nearest lost one, and each unmatched lost part that is very near an
    appeared one gets that: people may have been detected as one part with others.
    """
    near = [(distance, lost, part) for part in found for lost in waiting if (distance := _distance(lost, part)) <= 1]
    near.sort(key=lambda pair: (pair[0], pair[1].number, pair[2].number))
    gone: set[_Part] = set()
    come: set[_Part] = set()
    linked = []
    for _, lost, part in near:
        if lost not in gone and part not in come:
            linked.append((lost, part))
            gone.add(lost)
            come.add(part)
    for distance, lost, part in near:
        if part not in come or (distance <= _VERY_NEAR and lost not in gone and not waiting[lost]):
            linked.append((lost, part))
            gone.add(lost)
            come.add(part)
    covers.appeared += [part.index for part in found if part not in come and not part.at_border]
    for lost, part in linked:
        # A person of whom only a piece reappeared is still waited for.
        waiting[lost] |= part.height >= _CONTINUED * lost.height
        if part.index - lost.index > 1:
            yield lost, part


def _distance(lost: _Part, part: _Part) -> float:
    """Distance between two parts as a share of the maximum; above 1 they are different people."""
    (x, y), (to_x, to_y) = lost.center, part.center
    seconds = max(0, part.time_ns - lost.time_ns) / 1e9
    return math.hypot(to_x - x, to_y - y) / (max(lost.height, part.height) * (_REACH + _REACH_PER_S * seconds))


def _cover_way(cover: Cells, start: _Part, end: _Part, time_ns: int, parts: MaskFile, margin: int) -> None:
    """Add the shapes of both ends, moved to where the person may be at a time."""
    span = end.time_ns - start.time_ns
    share = min(1.0, max(0.0, (time_ns - start.time_ns) / span)) if span > 0 else 0.5
    x, y = (a + (b - a) * share for a, b in zip(start.center, end.center, strict=True))
    height = max(start.height, end.height)
    grow = margin + math.ceil(_DETOUR * height * 4 * share * (1 - share))
    for part in (start, end):
        shape = cv2.copyMakeBorder(parts.read(part.number), *(grow,) * 4, cv2.BORDER_CONSTANT, value=[0])
        shape = shift_edge(np.asarray(shape, np.uint8), grow)
        _paste(cover, shape, round(x - part.width / 2) - grow, round(y - part.height / 2) - grow)


def _paste(cover: Cells, shape: Cells, left: int, top: int) -> None:
    """Add a shape whose corner may be outside the image."""
    rows, columns = cover.shape
    bottom, right = min(rows, top + shape.shape[0]), min(columns, left + shape.shape[1])
    first_row, first_column = max(0, top), max(0, left)
    if bottom > first_row and right > first_column:
        cover[first_row:bottom, first_column:right] |= shape[
            first_row - top : bottom - top, first_column - left : right - left
        ]
