"""Decide what to cover in each frame of a recording, from the frames before and after it.

1. A place is covered, with a margin, if a person was detected there in this frame or in one of the `window_frames`
before and after.

2. Paths of people who disappear and appear again are covered (people_paths.py).

3. Detections below the threshold are covered if they touch something covered.

4. Areas enclosed by all this are covered.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from ..refine import fill_holes, shift_edge
from ..refine.mask_edges import apply_hysteresis
from .mask_store import Cells, MaskFile, Sightings, margin_cells
from .people_paths import LostPeople, Path, connected_parts
from .privacy_settings import RecordingSettings

__all__ = ["Covers", "Gap", "add_weak", "fill_over_time"]


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


def fill_over_time(seen: Sightings, settings: RecordingSettings) -> Covers:
    """Decide what to cover in every frame of a camera."""
    covers = Covers()
    window, paths = _Window(seen, settings), _PathsAhead(seen, settings, covers)
    for index in range(len(seen)):
        crossing = paths.crossing(index)
        if index in seen.reasons:
            covers.masks.append(np.zeros((1, 1), np.uint8))
            covers.shares.append(1.0)
            continue
        cover = window.around(index)
        margin = margin_cells(settings.margin_px, seen.size(index))
        for path in crossing:
            path.cover(cover, seen.times_ns[index], margin)
        cover, uncovered = add_weak(cover, seen.weak.read(index), margin)
        if any(True for _ in connected_parts(uncovered)):
            covers.doubtful.append(index)
        cover = fill_holes(cover, cover.size)
        covers.only_by_time += bool(cover.any() and not seen.strong.read(index).any())
        covers.masks.append(cover)
        covers.shares.append(float(cover.mean()))
    covers.gaps = sorted(set(covers.gaps), key=lambda gap: (gap.first, gap.last))
    covers.lost.sort()
    return covers


class _PathsAhead:
    """The paths of people in a recording, looked for as far ahead of the frame that is covered as one can reach."""

    def __init__(self, seen: Sightings, settings: RecordingSettings, covers: Covers) -> None:
        self._seen, self._settings, self._covers = seen, settings, covers
        self._gap_ns = round(settings.max_gap * 1e9)
        self._people = LostPeople(self._gap_ns)
        self._open: list[Path] = []
        self._next = 0

    def crossing(self, index: int) -> list[Path]:
        """Paths across a frame, which must not be before that of the last call; gaps and the like go to `covers`."""
        until_ns = self._seen.times_ns[index] + self._gap_ns
        while self._next < len(self._seen) and self._seen.times_ns[self._next] <= until_ns:
            self._look(self._next)
            self._next += 1
            if self._next == len(self._seen):
                self._covers.lost += self._people.give_up()
        self._open = [path for path in self._open if path.end.index > index]
        return [path for path in self._open if path.crosses(index)]

    def _look(self, index: int) -> None:
        seen, covers = self._seen, self._covers
        if index in seen.reasons:
            return
        mask = seen.strong.read(index)
        grown = shift_edge(mask, margin_cells(self._settings.margin_px, seen.size(index)))
        changes = self._people.add(index, seen.times_ns[index], mask, grown)
        self._open += changes.paths
        covers.gaps += [Gap(path.start.index + 1, path.end.index - 1) for path in changes.paths]
        covers.lost += changes.lost
        covers.appeared += changes.appeared


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
            margin = margin_cells(self._settings.margin_px, self._seen.size(frame))
            self._grown[frame] = shift_edge(self._seen.strong.read(frame), margin)
        return self._grown[frame]


def add_weak(cover: Cells, weak: Cells, margin: int) -> tuple[Cells, Cells]:
    """Extend the cover by weak detections that touch it, with a margin; return it and the other weak detections."""
    if not _outside(weak, cover).any():
        return cover, np.zeros_like(cover)
    added = _outside(apply_hysteresis(cover, weak), cover)
    if added.any():
        cover = cover | shift_edge(added, margin)
    return cover, _outside(weak, cover)


def _outside(cells: Cells, cover: Cells) -> Cells:
    return np.where(cover, np.uint8(0), cells)
