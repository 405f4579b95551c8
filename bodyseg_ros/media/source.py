"""The seams where pictures come in and go out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..plugins import Plugin
from ..types import Frame

__all__ = ["VIDEO_SUFFIXES", "Picture", "Sink", "Source"]

#: A picture on its way out: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
Picture = NDArray[np.uint8]
#: Videos that are written end in one of these.
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")


class Source(Plugin):
    """A context manager of an iterable of Frames, to be iterated once. Built as `SourceClass(text)`.

    A plugin writes __iter__(). Raises MediaError from the constructor where nothing can be read at all. What is damaged
    in part is read as far as it goes; the MediaError that names the damage comes at the end of the iteration.
    """

    supported_versions = frozenset({1})
    #: What the input is called, fit for a file name.
    stem: str
    #: Number of frames to come, an estimate for progress; None if nobody knows (a camera).
    length: int | None = None
    #: Nominal frames per second, exact; None for photos.
    fps: Fraction | None = None

    def __init__(self, text: str | Path) -> None:
        self.stem = Path(text).stem
        #: What could not be read so far, a sentence each; at its end the iteration raises a MediaError of them.
        self.problems: list[str] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Frames in order; stamp_ns: position in the video, or place in the folder; frame_id: the picture's name."""

    def close(self) -> None:
        """Let go of what was opened."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self.close()


class Sink(Plugin):
    """A context manager of a callable that writes one picture a call. Built as `SinkClass(path, …)`.

    A plugin writes __call__(). Raises MediaError where a picture cannot be written. Leaving the context finishes the
    file, after an exception and a keyboard interrupt too.
    """

    supported_versions = frozenset({1})

    @abstractmethod
    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write `image`, made from `frame`, whose name and time it takes."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        """Finish what was begun."""
