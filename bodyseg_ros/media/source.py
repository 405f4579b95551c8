"""The seams where pictures come in and go out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..types import Frame

__all__ = ["Picture", "Sink", "Source"]

#: A picture on its way out: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
Picture = NDArray[np.uint8]


class Source(Protocol):
    """A context manager of an iterable of Frames, to be iterated once. Built as `SourceClass(text)`.

    Raises MediaError from the constructor where nothing can be read at all. What is damaged in part is read as
    far as it goes; the MediaError that names the damage comes at the end of the iteration.
    """

    #: What it is called, fit for a file name.
    name: str
    #: Number of frames to come, an estimate for progress; None if nobody knows (a camera).
    length: int | None
    #: Nominal frames per second, exact; None for photos.
    fps: Fraction | None
    #: What could not be read so far, a sentence each; at its end the iteration raises a MediaError of them.
    problems: list[str]

    def __enter__(self) -> Source: ...

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None: ...

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order; stamp_ns: position in the video, or place in the folder; frame_id: the picture's name."""
        ...


class Sink(Protocol):
    """A context manager of a callable that writes one picture a call.

    Raises MediaError where a picture cannot be written. Leaving the context finishes the file, after an
    exception and a keyboard interrupt too.
    """

    def __enter__(self) -> Sink: ...

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None: ...

    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write `image`, made from `frame`, whose name and time it takes."""
        ...
