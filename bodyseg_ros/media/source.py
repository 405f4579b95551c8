"""Base classes of sources and sinks."""

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

__all__ = ["USUAL_FPS", "VIDEO_SUFFIXES", "Picture", "Sink", "Source", "square_size"]

#: Output image: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
Picture = NDArray[np.uint8]
#: Largest plausible ratio of a pixel's sides; beyond it the file's value is ignored.
_MAX_PIXEL_RATIO = 8
#: Nominal rate of cameras and streams that state none; frames keep their own times.
USUAL_FPS = Fraction(30)
#: Videos that are written end in one of these.
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif")


class Source(Plugin):
    """An iterable of Frames and context manager; iterate once. Created as `SourceClass(text)`.

    A plugin implements __iter__(). The constructor raises MediaError if nothing can be read. Partly damaged input is
    read as far as possible, then iteration ends with a MediaError.
    """

    supported_versions = frozenset({1})
    #: What the input is called, fit for a file name.
    stem: str
    #: Estimated number of frames, for progress bars; None if unknown (a camera).
    length: int | None = None
    #: Nominal frames per second, exact; None for photos.
    fps: Fraction | None = None
    #: The video file whose sound belongs to the frames; None if there is none.
    sound_file: Path | None = None

    def __init__(self, text: str | Path) -> None:
        self.stem = Path(text).stem
        #: Sentences about what could not be read so far; at the end, the iteration raises a MediaError with them.
        self.problems: list[str] = []

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order; stamp_ns: time in the video, or index in the folder; frame_id: the image's name."""

    def close(self) -> None:
        """Close the source."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self.close()


class Sink(Plugin):
    """A callable that writes one image per call, and context manager. Created as `SinkClass(path, …)`.

    A plugin implements __call__(). Raises MediaError if an image cannot be written. Leaving the context finishes the
    file, even after an exception or Ctrl-C.
    """

    supported_versions = frozenset({1})

    @abstractmethod
    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write `image` with the name and time of `frame`."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        """Finish the file."""


def square_size(width: int, height: int, pixel: Fraction | None) -> tuple[int, int]:
    """(width, height) with square pixels, and no fewer of them."""
    if not pixel or not 1 / _MAX_PIXEL_RATIO <= pixel <= _MAX_PIXEL_RATIO:
        return width, height
    return (round(width * pixel), height) if pixel > 1 else (width, round(height / pixel))
