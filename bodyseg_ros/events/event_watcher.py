"""Watch tracked people and report events.

For comfort and interaction: greeting, waiting, asking whether somebody needs help. This is not a safety function:
people are missed, and no event is guaranteed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..errors import ResultError
from ..person import Person
from ..types import Result
from .event_settings import EventSettings
from .person_event import EventKind, PersonEvent
from .posture import body_angle, hand_height

__all__ = ["EventWatcher"]

#: Assumed time between frames without usable stamps, s.
_NOMINAL_S: Final = 1 / 30
_LEAST_S: Final = 1e-4


@dataclass
class _State:
    """One state of one person: on or off, and how long frames have contradicted it or could not judge it."""

    on: bool = False
    otherwise_s: float = 0.0
    unknown_s: float = 0.0

    def update(self, holds: bool | None, step_s: float, settings: EventSettings) -> bool:
        """Apply a frame's observation, None for unknown; return whether the state changed."""
        self.unknown_s = self.unknown_s + step_s if holds is None else 0.0
        if holds is not None:
            self.otherwise_s = self.otherwise_s + step_s if holds != self.on else 0.0
        changed = self.otherwise_s > settings.hold_s or (self.on and self.unknown_s > settings.leave_s)
        if changed:
            self.on, self.otherwise_s, self.unknown_s = not self.on, 0.0, 0.0
        return changed


@dataclass
class _Known:
    """A person: time seen and unseen, whether they entered, and their states."""

    seen_s: float = 0.0
    away_s: float = 0.0
    entered: bool = False
    states: dict[EventKind, _State] = field(default_factory=dict)


class EventWatcher:
    """Watches the people of one camera, frame by frame. Not thread-safe.

    settings: may be changed between frames.

    >>> watcher = bodyseg.EventWatcher()
    >>> for result in model.track([image] * 12):
    ...     for event in watcher.watch(result):
    ...         print(event)
    Person 1 entered
    """

    def __init__(self, settings: EventSettings | None = None) -> None:
        self.settings = settings or EventSettings()
        self.restart()

    def restart(self) -> None:
        """Forget everybody, without events.

        >>> bodyseg.EventWatcher().restart()
        """
        self._people: dict[int, _Known] = {}
        self._stamp_ns: int | None = None

    def watch(
        self, result: Result, stamp_ns: int | None = None, distances_m: Sequence[float] | None = None
    ) -> list[PersonEvent]:
        """Events of this frame, in the order of ids.

        result: with tracks. stamp_ns: of the frame; None: of `result.frame`. distances_m: from the camera, one per
        person, NaN if unknown; None: all unknown, so nobody is near. Raises ResultError without tracks.

        >>> tracked = next(model.track([image]))
        >>> bodyseg.EventWatcher().watch(tracked, distances_m=[0.8])  # not long enough in view
        []
        """
        if result.tracks is None:
            raise ResultError("This result has no tracks, but events need people's ids: use Model.track.")
        if stamp_ns is None:
            stamp_ns = result.frame.stamp_ns if result.frame else 0
        step_s = self._step_s(stamp_ns)
        distances = [math.nan] * len(result) if distances_m is None else [float(each) for each in distances_m]
        seen = {ident: place for place, ident in enumerate(result.tracks.ids)}
        events = []
        for ident in sorted(self._people.keys() | seen):
            known = self._people.setdefault(ident, _Known())
            person = result[seen[ident]] if ident in seen else None
            distance = distances[seen[ident]] if ident in seen else math.nan
            for kind, began in self._update(known, person, distance, step_s):
                events.append(PersonEvent(kind, ident, began, stamp_ns, distance))
            if person is None and not known.entered:
                del self._people[ident]
        return events

    def _step_s(self, stamp_ns: int) -> float:
        step_s = _NOMINAL_S if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns = stamp_ns
        return step_s if step_s >= _LEAST_S else _NOMINAL_S

    def _update(
        self, known: _Known, person: Person | None, distance_m: float, step_s: float
    ) -> Iterator[tuple[EventKind, bool]]:
        """Yield (kind, began) of one person; person: None while out of view."""
        settings = self.settings
        known.seen_s = 0.0 if person is None else known.seen_s + step_s
        known.away_s = known.away_s + step_s if person is None else 0.0
        if not known.entered:
            if known.seen_s <= settings.hold_s:
                return
            known.entered = True
            yield EventKind.ENTERED, True
        gone = known.away_s > settings.leave_s
        for kind in (EventKind.NEAR, EventKind.LYING, EventKind.HAND_RAISED):
            state = known.states.setdefault(kind, _State())
            holds = None if person is None else self._holds(kind, person, distance_m, state.on)
            if (gone and state.on) or state.update(holds, step_s, settings):
                yield kind, state.on and not gone
        if gone:
            known.entered, known.states = False, {}
            yield EventKind.LEFT, True

    def _holds(self, kind: EventKind, person: Person, distance_m: float, on: bool) -> bool | None:
        """Whether a person is in a state, judged by the threshold to begin, or while `on` by the one to end."""
        settings = self.settings
        if kind is EventKind.NEAR:
            return None if math.isnan(distance_m) else distance_m < settings.near_m + on * settings.near_gap_m
        if kind is EventKind.LYING:
            angle = body_angle(person, settings.min_score)
            return None if angle is None else angle > settings.lying_angle - on * settings.lying_gap
        height = hand_height(person, settings.min_score)
        return None if height is None else height > (-settings.hand_gap if on else settings.hand_gap)
