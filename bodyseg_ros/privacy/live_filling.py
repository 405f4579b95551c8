"""Decide what to cover in the frames of a live camera: as in a recording (filling.py), but few frames ahead are known.

1. A place is covered, with a margin, if a person was detected there in this frame, in one of the `hold_frames` before
or in one of the `delay_frames` after.

2. Paths of people who disappear and appear again within the known frames are covered (people_paths.py). Whoever has not
appeared yet is covered for `max_gap` where they would be at their last velocity, in a shape that grows.

3. Detections below the threshold are covered if they touch something covered.

4. Areas enclosed by all this are covered.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..refine import fill_holes, shift_edge
from .filling import add_weak
from .mask_store import Cells
from .people_paths import LostPeople, Part, Path, connected_parts, place_shape

__all__ = ["LiveFilling"]

#: The velocity of a lost person is that of at most this time before, s.
_VELOCITY_S: Final = 0.5
#: Ratio of the heights of one person in two frames.
_ALIKE: Final = 0.7
#: Growth of the shape of a person who is not detected, body heights per second.
_GROWTH_PER_S: Final = 0.25


@dataclass(frozen=True)
class _Sight:
    """One frame's detections: people, the same with their margin, and by a lower threshold."""

    index: int
    time_ns: int
    strong: Cells
    grown: Cells
    weak: Cells


class LiveFilling:
    """Decides for the frames of one camera, of one size.

    hold_frames, delay_frames: of the past and the future that count. margin: around people, cells.
    """

    def __init__(self, hold_frames: int, delay_frames: int, max_gap_s: float, margin: int) -> None:
        self._hold, self._delay, self._margin = hold_frames, delay_frames, margin
        self._max_gap_s = max_gap_s
        self._sights: deque[_Sight] = deque(maxlen=hold_frames + delay_frames + 1)
        self._people = LostPeople(round(max_gap_s * 1e9))
        self._velocities: dict[Part, tuple[float, float]] = {}
        self._paths: list[Path] = []
        self._count = 0

    @property
    def missing(self) -> int:
        """Number of frames without which too little is known of the frame that cover() decides on."""
        return self._hold + self._delay + 1 - len(self._sights)

    def add(self, time_ns: int, strong: Cells, weak: Cells) -> None:
        """The newest frame's detections. time_ns: of a clock that does not go back."""
        sight = _Sight(self._count, time_ns, strong, shift_edge(strong, self._margin), weak)
        self._count += 1
        self._paths += self._people.add(sight.index, time_ns, strong, sight.grown).paths
        # The frames before are still known, from which velocities come.
        self._velocities = {
            part: self._velocities[part] if part in self._velocities else self._velocity(part)
            for part, found in self._people.waiting.items()
            if not found
        }
        self._sights.append(sight)

    def cover(self) -> Cells:
        """What to cover in the frame `delay_frames` before the newest, or in the oldest one since."""
        at = self._sights[max(0, len(self._sights) - 1 - self._delay)]
        cover = np.bitwise_or.reduce([sight.grown for sight in self._sights])
        self._paths = [path for path in self._paths if path.end.index > at.index]
        for path in self._paths:
            if path.crosses(at.index):
                path.cover(cover, at.time_ns, self._margin)
        for part, velocity in self._velocities.items():
            seconds = (at.time_ns - part.time_ns) / 1e9
            if part.index < at.index and seconds < self._max_gap_s:
                self._cover_onward(cover, part, velocity, seconds)
        cover, _ = add_weak(cover, at.weak, self._margin)
        return fill_holes(cover, cover.size)

    def _cover_onward(self, cover: Cells, part: Part, velocity: tuple[float, float], seconds: float) -> None:
        """Add the shape of a lost person where they would be now."""
        grow = self._margin + math.ceil(_GROWTH_PER_S * part.height * seconds)
        x, y = (place + speed * seconds for place, speed in zip(part.center, velocity, strict=True))
        place_shape(cover, part.shape, (x, y), grow)

    def _velocity(self, lost: Part) -> tuple[float, float]:
        """Cells/s of a person, x and y, from the frames in which a part as tall was at nearly the same place."""
        first = lost
        for sight in reversed(self._sights):
            if sight.index >= lost.index:
                continue
            before = _same_part(first, sight)
            if before is None or lost.time_ns - before.time_ns > _VELOCITY_S * 1e9:
                break
            first = before
        seconds = (lost.time_ns - first.time_ns) / 1e9
        if seconds <= 0:
            return 0.0, 0.0
        (x, y), (from_x, from_y) = lost.center, first.center
        return (x - from_x) / seconds, (y - from_y) / seconds


def _same_part(part: Part, sight: _Sight) -> Part | None:
    """The part of a frame before that overlaps most, if it is about as tall."""
    best, most = None, 0
    place = np.zeros_like(sight.strong)
    place_shape(place, part.shape, part.center, 0)
    for shape, left, top in connected_parts(sight.strong):
        common = int(np.count_nonzero(shape & place[top : top + shape.shape[0], left : left + shape.shape[1]]))
        if common > most:
            best, most = Part(sight.index, sight.time_ns, shape, left, top, at_border=False), common
    if best is None or not _ALIKE <= best.height / part.height <= 1 / _ALIKE:
        return None
    return best
