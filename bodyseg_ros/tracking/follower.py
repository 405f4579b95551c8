"""Follow one camera's people: ids from a tracker, tracking states, smoothed keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..errors import PluginError
from ..person import Person, TrackState
from ..plugins import load_plugin
from ..settings import Settings
from ..types import Frame, Result, Tracks
from .motion import NOMINAL_STEP_S, UNTIMED_STEP_S
from .one_euro import KeypointSmoother
from .tracker import Tracker
from .tracking_settings import SmoothingSettings, TrackingSettings

__all__ = ["NOBODY_FOLLOWED", "Following", "PeopleFollower"]

_AUTO: Final = "kalman"
#: A larger step back in time starts a new video; a smaller one is a late frame or a clock adjustment.
_BACK_S: Final = 0.1


@dataclass(frozen=True)
class Following:
    """All settings of tracking.

    trackers: settings by plugin, where given.
    """

    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    trackers: Mapping[str, Settings] = field(default_factory=dict)

    @property
    def is_on(self) -> bool:
        """Whether people get ids."""
        return self.tracking.tracker != "none"

    @property
    def tracker(self) -> str:
        """Name of the chosen tracker."""
        return _AUTO if self.tracking.tracker == "auto" else self.tracking.tracker

    def make_tracker(self) -> Tracker:
        """Make the chosen tracker, without known people. Raises PluginError for an unknown name."""
        plugin: type[Tracker] = load_plugin("trackers", self.tracker)
        return plugin(self.trackers.get(self.tracker) or plugin.Settings())


#: Settings that disable ids.
NOBODY_FOLLOWED: Final = Following(TrackingSettings(tracker="none"))


class PeopleFollower:
    """Gives one camera's people ids and smoothed keypoints, frame by frame. Not thread-safe.

    An id is never reused, even after a new start because the size changed or time jumped back by more than 0.1 s.
    """

    def __init__(self, following: Following) -> None:
        self.following = following
        self._tracker: Tracker | None = None
        self._highest = 0
        self._begin()

    def _begin(self) -> None:
        """Forget everybody; ids continue above the highest so far."""
        self._tracker = self.following.make_tracker() if self.following.is_on else None
        self._smoother = KeypointSmoother()
        self._above = self._highest
        self._last: dict[int, Person] = {}
        self._size: tuple[int, int] | None = None
        self._stamp_ns = 0

    def restart(self) -> None:
        """Treat the next frame as the first of a new video."""
        self._begin()

    def use(self, following: Following) -> None:
        """Change settings; a different tracker starts without known people."""
        if following is self.following:
            return
        before, self.following = self.following, following
        if (following.is_on, following.tracker) != (before.is_on, before.tracker):
            self._begin()
        elif self._tracker is not None and following.tracker in following.trackers:
            self._tracker.settings = following.trackers[following.tracker]

    def follow(self, frame: Frame, result: Result) -> Result:
        """Return the result with `tracks` and smoothed keypoints; unchanged if it has no poses or tracking is off.

        Raises PluginError for invalid ids from the tracker.
        """
        if result.poses is None or not self.following.is_on:
            return result
        step_s = self._step_s(frame)
        assert self._tracker is not None
        numbers = [int(number) for number in self._tracker.identify(frame, result, step_s)]
        if len(numbers) != len(result) or len(set(numbers)) < len(numbers) or min(numbers, default=1) < 1:
            raise PluginError(
                f"The tracker {self.following.tracker!r} gave the ids {numbers!r} to {len(result)} people, but "
                "each needs a unique id from 1."
            )
        ids = [number + self._above for number in numbers]
        poses, smoothing = result.poses, self.following.smoothing
        if smoothing.keypoints:
            calm = self._smoother.smooth(ids, poses.keypoints, poses.keypoint_scores, step_s, smoothing)
            poses = replace(poses, keypoints=calm)
        result = replace(result, poses=poses, tracks=self._tracks(ids))
        self._highest = max(self._highest, *ids, 0)
        self._last = {person.id: person for person in result if person.id is not None}
        return result

    def _tracks(self, ids: Sequence[int]) -> Tracks:
        states = [TrackState.NEW if number > self._highest else TrackState.TRACKED for number in ids]
        gone = [replace(self._last[number], state=TrackState.LOST) for number in sorted(self._last.keys() - {*ids})]
        return Tracks(tuple(ids), tuple(states), tuple(gone))

    def _step_s(self, frame: Frame) -> float:
        """Seconds since the last frame; starts anew if this frame does not follow it."""
        step_s = (frame.stamp_ns - self._stamp_ns) / 1e9
        if self._size not in (None, frame.size):
            self._begin()
        elif self._size is not None and step_s < -_BACK_S:
            gone = self._last
            self._begin()
            self._last = gone
        first = self._size is None
        self._size, self._stamp_ns = frame.size, frame.stamp_ns
        return NOMINAL_STEP_S if first or step_s < UNTIMED_STEP_S else step_s
