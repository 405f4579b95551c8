"""Read cameras and network streams with OpenCV."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..types import Frame
from .source import USUAL_FPS, Source, square_size

__all__ = ["WebcamSource"]

logger = logging.getLogger(__name__)

_TIMEOUT_MS = 10_000


class WebcamSource(Source):
    """A camera by number ('0') or device ('/dev/video0'), or a stream by address ('rtsp://…', 'http://…').

    Runs until the caller stops. stamp_ns: wall clock at arrival. Raises MediaError if it cannot be opened, gives no
    frame, or the camera stops; a stream that ends after some frames just ends.
    """

    api_version = 1

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text
        self._is_stream = "://" in text
        # Neither the address's password nor its slashes belong in a file name.
        shown = text.rpartition("@")[2] if self._is_stream else text
        self._shown = f"{text.partition('://')[0]}://…@{shown}" if shown != text else text
        words = re.sub(r"\W+", "_", shown.rpartition("://")[2]).strip("_")
        self.stem = f"camera{words}" if words.isdigit() else words.removeprefix("dev_")
        self._capture = self._opened()
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(rate).limit_denominator(1001) if 1 <= rate <= 240 else USUAL_FPS

    def _opened(self) -> cv2.VideoCapture:
        level = cv2.utils.logging.getLogLevel()
        # Otherwise OpenCV prints its own lines beside our message.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            if self._is_stream:
                limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
                capture = cv2.VideoCapture(self._text, cv2.CAP_FFMPEG, limits)
            else:
                capture = cv2.VideoCapture(
                    int(self._text) if self._text.isascii() and self._text.isdigit() else self._text
                )
                # Read the newest frame, not the oldest buffered one.
                capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not capture.isOpened():
            capture.release()
            raise MediaError(
                f"The camera {self._shown!r} cannot be opened; give a number (0 is the first camera), a device such as "
                "'/dev/video0', or an address such as 'rtsp://…', and check that no other program uses it."
            )
        return capture

    def _square(self, image: NDArray[Any]) -> NDArray[Any]:
        """A stream's image with square pixels; OpenCV turns it, but leaves its pixels as they are stored."""
        ratio = [self._capture.get(side) for side in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN)]
        if not self._is_stream or min(ratio) <= 0:
            return image
        size = square_size(image.shape[1], image.shape[0], Fraction(*map(int, ratio)))
        return image if size == image.shape[1::-1] else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        count = 0
        while True:
            there, bgr = self._capture.read()
            if not there:
                break
            stamp = time.time_ns()
            count += 1
            yield Frame(np.asarray(cv2.cvtColor(self._square(bgr), cv2.COLOR_BGR2RGB), np.uint8), stamp, self.stem)
        if self._is_stream and count:
            logger.warning("The stream %r ended after %d frames.", self._shown, count)
            return
        raise MediaError(f"The camera {self._shown!r} stopped after {count} frames; is it still plugged in?")
