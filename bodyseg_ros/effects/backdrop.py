"""Backgrounds: a color, a photo, a video, or a topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import cv2
import numpy as np

from ..errors import MediaError, SettingsError
from ..media import open_source
from ..settings import Settings, live
from ..types import Frame
from .blending import Picture, fill_plain
from .palettes import Rgb

__all__ = ["Backdrop", "BackdropSettings"]

_SECOND_NS: Final = 1_000_000_000


class BackdropSettings(Settings):
    """Background source and edge softness."""

    color: Rgb = live((0, 110, 80), "Color behind people where there is no image: red, green, blue, 0 to 255.")
    source: str = live(
        "",
        "Image behind people: a photo or video file, or topic for the topic `background/image`; '': the color.",
    )
    fit: Literal["fill", "fit", "stretch"] = live(
        "fill", "fill: cover the frame and crop. fit: show all, with color bars. stretch: ignore the aspect ratio."
    )
    feather_px: int = live(2, "Half width of the soft edge around people.", ge=0, le=50)


class Backdrop:
    """Provides the background image for each frame. Raises SettingsError if the source cannot be read."""

    def __init__(self, settings: BackdropSettings, effect: str) -> None:
        self._settings = settings
        self._player: _Player | None = None
        self._last: tuple[Picture, tuple[int, int], Picture] | None = None
        if settings.source not in ("", "topic"):
            try:
                self._player = _Player(settings.source)
            except MediaError as err:
                raise SettingsError(
                    f"Parameter {effect}.source is {settings.source!r}, but it must be a readable photo or video, "
                    f"topic, or ''. {err}"
                ) from err

    def picture(self, frame: Frame) -> Picture:
        """Return (H, W, 3) uint8 RGB of the frame's size; the color until the first image arrives."""
        image = self._player.at(frame.stamp_ns) if self._player else frame.background
        if image is None or self._settings.source == "":
            return fill_plain(frame.image, self._settings.color)
        if self._last is None or self._last[0] is not image or self._last[1] != frame.size:
            self._last = (image, frame.size, self._fit(image, *frame.size))
        return self._last[2]

    def _fit(self, image: Picture, height: int, width: int) -> Picture:
        scales = (height / image.shape[0], width / image.shape[1])
        how = {"fill": (max(scales),) * 2, "fit": (min(scales),) * 2, "stretch": scales}[self._settings.fit]
        size = (max(1, round(image.shape[1] * how[1])), max(1, round(image.shape[0] * how[0])))
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if max(how) < 1 else cv2.INTER_LINEAR)
        paint = np.empty((height, width, 3), np.uint8)
        paint[:] = self._settings.color
        rows, shown_rows = _middle(size[1], height)
        columns, shown_columns = _middle(size[0], width)
        paint[shown_rows, shown_columns] = scaled.reshape(size[1], size[0], 3)[rows, columns]
        return paint


def _middle(have: int, want: int) -> tuple[slice, slice]:
    """Indices that center a line of `have` pixels in one of `want`."""
    count, first, place = min(have, want), max(0, (have - want) // 2), max(0, (want - have) // 2)
    return slice(first, first + count), slice(place, place + count)


class _Player:
    """A photo, or a video that follows the frames' stamps and loops."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._stamp_ns: int | None = None
        self._open()

    def _open(self) -> None:
        self._frames = self._read()
        self._clock_ns = 0
        first = next(self._frames, None)
        if first is None:
            raise MediaError(f"{self._text!r} contains no image.")
        self._image, self._next = first.image, next(self._frames, None)
        self._moves = self._next is not None

    def _read(self) -> Iterator[Frame]:
        """Yield frames up to the end, or up to damage in the file."""
        read = 0
        with open_source(self._text) as source:
            try:
                for frame in source:
                    read += 1
                    yield frame
                    if source.fps is None:
                        return
            except MediaError:
                if not read:
                    raise

    def at(self, stamp_ns: int) -> Picture:
        """Return the image for a frame stamp; gaps between frames count as at most a second."""
        before = stamp_ns if self._stamp_ns is None else self._stamp_ns
        step_ns = min(max(stamp_ns - before, 0), _SECOND_NS)
        self._stamp_ns = stamp_ns
        if self._moves and self._next is None and step_ns:
            self._open()
            return self._image
        self._clock_ns += step_ns
        while self._next is not None and self._next.stamp_ns <= self._clock_ns:
            self._image, self._next = self._next.image, next(self._frames, None)
        return self._image
