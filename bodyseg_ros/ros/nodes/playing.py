"""A photo, folder, video or webcam played as frames at a fixed rate, on a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from ...media import open_source
from ...types import Frame
from .node_settings import SourceSettings

__all__ = ["play"]

_PHOTOS_PER_SECOND = 10.0


def play(settings: SourceSettings, stopped: threading.Event, take: Callable[[Frame], None]) -> None:
    """Deliver frames at their times until the source ends or `stopped` is set. Raises MediaError."""
    due = time.monotonic()
    for frame, rate in _frames(settings):
        if stopped.wait(max(0.0, due - time.monotonic())):
            return
        # Time lost by a slow source is not made up.
        due = max(due + 1.0 / rate, time.monotonic())
        take(frame)


def _frames(settings: SourceSettings) -> Iterator[tuple[Frame, float]]:
    """Open the source; return its frames and their rate in frames/s."""
    while True:
        with open_source(settings.source) as source:
            rate = settings.rate or float(source.fps or _PHOTOS_PER_SECOND)
            for frame in source:
                yield frame, rate
                while source.length == 1 and settings.loop:
                    yield frame, rate
        if not settings.loop:
            return
