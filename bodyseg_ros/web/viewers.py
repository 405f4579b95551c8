"""The viewers of the page, the layer that each one watches, and the newest image of each layer.

A viewer requests each image, so a slow viewer gets fewer images and delays nobody. The thread that produces images only
hands over an array. JPEG encoding happens when an image is sent, once for all viewers of a layer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import BodysegError, FrameError

__all__ = ["Viewer", "Viewers", "encode_jpeg"]

_MOST_VIEWERS: Final = 32
#: Number of images that a viewer may request in advance.
_MOST_ASKED: Final = 4
#: Larger images are reduced: no screen shows more, and encoding takes time.
_LONGEST_SIDE_PX: Final = 1920
#: Color behind transparent pixels.
_BEHIND: Final = 96


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA uint8; transparent pixels are gray. Raises FrameError."""
    scale = _LONGEST_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if image.ndim == 3 and image.shape[2] == 4:
        share = image[..., 3:].astype(np.float32) / 255
        image = np.rint(image[..., :3] * share + _BEHIND * (1 - share)).astype(np.uint8)
    picture = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise FrameError(f"A picture of {image.shape[1]}×{image.shape[0]} cannot be written as JPEG.")
    return data.tobytes()


class _Picture:
    """One picture; encoded when first asked for."""

    def __init__(self, image: NDArray[np.uint8], quality: int) -> None:
        self._image, self._quality = image, quality
        self._lock = threading.Lock()
        self._jpeg = b""

    def jpeg(self) -> bytes:
        """Encode the image, only once. Thread-safe."""
        with self._lock:
            self._jpeg = self._jpeg or encode_jpeg(self._image, self._quality)
            return self._jpeg


class Viewer:
    """One open page. Created in an event loop, in which all methods but wake() are called."""

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._seen: _Picture | None = None
        #: The watched layer, and how many more of its images are requested.
        self.layer, self.asked = "", 0

    def ask(self, layer: str) -> None:
        """Request one more image, of this layer."""
        self._viewers.forget_unwatched(layer)
        self.layer, self.asked = layer, min(self.asked + 1, _MOST_ASKED)
        self._news.set()

    def wake(self) -> None:
        """Signal a new image. Thread-safe."""
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._news.set)

    async def next(self) -> _Picture:
        """Wait for the next requested image."""
        while True:
            picture = self._viewers.newest(self.layer) if self.asked else None
            if picture is not None and picture is not self._seen:
                self._seen = picture
                self.asked -= 1
                return picture
            self._news.clear()
            await self._news.wait()


class Viewers:
    """Passes images from the producing thread to the viewers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: list[Viewer] = []
        self._newest: dict[str, _Picture] = {}

    @property
    def watched(self) -> frozenset[str]:
        """Layers that a viewer is waiting for."""
        with self._lock:
            return frozenset(viewer.layer for viewer in self._viewers if viewer.asked)

    def show(self, layer: str, image: NDArray[np.uint8], quality: int) -> None:
        """Hand over a picture, which nobody may change afterwards.

        image: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA uint8. quality: of the JPEG file, 1 to 100.
        """
        with self._lock:
            self._newest[layer] = _Picture(image, quality)
            waiting = [viewer for viewer in self._viewers if viewer.layer == layer]
        for viewer in waiting:
            viewer.wake()

    def newest(self, layer: str) -> _Picture | None:
        """The last image of a layer; None if there is none."""
        with self._lock:
            return self._newest.get(layer)

    def forget_unwatched(self, layer: str) -> None:
        """Drop a layer's last image if nobody was waiting for it: it may be old."""
        if layer not in self.watched:
            with self._lock:
                self._newest.pop(layer, None)

    @contextmanager
    def enter(self) -> Iterator[Viewer]:
        """Add a viewer. Raises BodysegError if there are too many."""
        viewer = Viewer(self)
        with self._lock:
            if len(self._viewers) >= _MOST_VIEWERS:
                raise BodysegError(f"{_MOST_VIEWERS} pages are open, which is the most; close one.")
            self._viewers.append(viewer)
        try:
            yield viewer
        finally:
            with self._lock:
                self._viewers.remove(viewer)
