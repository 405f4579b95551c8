"""The plugin interface of trackers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import settings
from ..plugins import Plugin
from ..types import Frame, Result

__all__ = ["FakeTracker", "Tracker"]


class Tracker(Plugin):
    """Identifies people across frames; plugins implement identify().

    Built as `TrackerClass(settings)`, for one camera. A new instance is built where frames do not follow each other;
    its caller keeps ids unique.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings

    def __init__(self, settings: Any) -> None:
        #: May be changed between two frames.
        self.settings = settings

    @abstractmethod
    def identify(self, frame: Frame, result: Result, step_s: float) -> Sequence[int]:
        """Return the id of each person of `result`, in order, without repeats.

        Ids start at 1; an id above all previous ones means a new person. result: has poses. They and its maps are on
        the flipped frame if it is `mirrored`. step_s: seconds since the last call, above 0.
        """


class FakeTracker(Tracker):
    """For tests and demos: the person with the highest score is always 1, the next one 2."""

    api_version = 1

    def identify(self, frame: Frame, result: Result, step_s: float) -> Sequence[int]:
        """Return 1, 2, … in the order of the result."""
        return range(1, len(result) + 1)
