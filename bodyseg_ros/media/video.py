"""Read videos with PyAV (FFmpeg).

Images only. Every frame keeps its own time, so variable frame rates are preserved; the nominal rate is an exact
fraction. Display metadata (rotation, mirroring, non-square pixels) is applied.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ..errors import MediaError
from ..types import MAX_PIXELS, Frame
from .photos import still_format
from .source import Source, square_size

__all__ = ["VideoSource"]

logger = logging.getLogger(__name__)

#: FFmpeg's names of supported containers. Others would accept text files, or follow playlists.
_CONTAINERS = (
    "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,gif,apng,mjpeg,h264,hevc,m4v,dv,ivf,mxf,nut,yuv4mpegpipe"
)
#: A file whose frames end this much before its declared length is truncated, seconds.
_MISSING_S = 0.5


class VideoSource(Source):
    """Frames of a video file as displayed, RGB; stamp_ns counts from the first frame.

    Non-square pixels are made square by enlarging the image. If the size changes within the video, later frames are
    fitted into the first size, with black bars if the shape differs. Colors are converted by the file's metadata
    (BT.601, BT.709…, limited or full range), by default BT.601 as in FFmpeg. A damaged file yields the decodable
    frames, then raises MediaError. Raises MediaError for a file that cannot be opened, has no video, or has frames
    above 100 megapixels.
    """

    api_version = 1

    def __init__(self, text: str | Path) -> None:
        super().__init__(text)
        self._path = Path(text)
        self._noted_size = False
        self.sound_file = self._path
        self._refuse_still()
        options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        try:
            self._container = av.open(f"file:{self._path}", "r", options=options, metadata_errors="replace")
        except (FFmpegError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            raise MediaError(
                f"The file {str(self._path)!r} cannot be opened as a video: {reason}. It is not a video, or "
                "damaged, or incomplete."
            ) from err
        try:
            self._stream = self._checked_stream()
        except MediaError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = _exact(Fraction(rate)) if rate else Fraction(30)
        seconds = self._stated_seconds()
        self.length = self._stream.frames or (round(seconds * self.fps) if seconds else None)

    def _refuse_still(self) -> None:
        """Raise MediaError for a HEIC or AVIF photo: FFmpeg would read a single tile."""
        try:
            with self._path.open("rb") as file:
                still = still_format(file.read(64))
        except OSError as err:
            raise MediaError(f"The file {str(self._path)!r} cannot be read: {err.strerror}.") from err
        if still:
            raise MediaError(f"The file {str(self._path)!r} is a photo ({still}), not a video; give its path alone.")

    def _checked_stream(self) -> VideoStream:
        stream = self._container.streams.best("video")  # not an album's cover
        if not isinstance(stream, VideoStream):
            raise MediaError(f"The file {str(self._path)!r} has no video, only audio or data.")
        context = stream.codec_context
        if context is None:
            raise MediaError(f"The video {str(self._path)!r} has a codec that the installed FFmpeg does not support.")
        width, height = square_size(context.width, context.height, stream.sample_aspect_ratio)
        if width * height > MAX_PIXELS:
            raise MediaError(
                f"The video {str(self._path)!r} may have at most {MAX_PIXELS:,} pixels per frame, but it is "
                f"{width}×{height}; make it smaller first."
            )
        return stream

    def _stated_seconds(self) -> Fraction | None:
        """Declared length; None if missing or covering other tracks too."""
        if self._stream.duration and self._stream.time_base:
            return self._stream.duration * self._stream.time_base
        if self._container.duration and len(self._container.streams) == 1:
            return Fraction(self._container.duration, 1_000_000)
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        assert self.fps is not None
        count, damaged, first, end = 0, 0, None, Fraction(0)
        size: tuple[int, ...] = ()
        for picture in self._pictures():
            if picture is None:
                damaged += 1
                continue
            seconds = count / self.fps
            if picture.pts is not None and picture.time_base:
                seconds = picture.pts * Fraction(picture.time_base)
            first = seconds if first is None else first
            length = picture.duration * Fraction(picture.time_base) if picture.duration and picture.time_base else 0
            end = max(end, seconds - first + (length or 1 / self.fps))
            count += 1
            image = _as_shown(picture, self._stream.sample_aspect_ratio)
            size = size or image.shape[:2]
            if image.shape[:2] != size:
                self._note_size(size, image.shape, seconds - first)
                image = _fitted(image, *size)
            yield Frame(image, round((seconds - first) * 1_000_000_000), self.stem)
        stated = self._stated_seconds()
        if damaged or not count or (stated and end + Fraction(_MISSING_S) < stated):
            of = f" of {float(stated):.1f}" if stated else ""
            raise MediaError(
                f"The video {str(self._path)!r} is damaged or truncated: {count} frames, {float(end):.1f}{of} s, "
                "could be read."
            )

    def _note_size(self, size: tuple[int, ...], other: tuple[int, ...], seconds: Fraction) -> None:
        """Warn once that the frame size changes."""
        if not self._noted_size:
            logger.warning(
                "The video %r is %d×%d, but %d×%d from second %.1f on; frames are fitted into the first size.",
                *(str(self._path), size[1], size[0], other[1], other[0], float(seconds)),
            )
        self._noted_size = True

    def _pictures(self) -> Iterator[av.VideoFrame | None]:
        """Yield decoded frames in order; None at each damaged place."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as err:
                logger.debug("%s: %s", self._path, err)
                yield None
                return
            if packet is None:
                return
            if packet.is_corrupt:
                yield None
                continue
            try:
                yield from packet.decode()
            except FFmpegError as err:
                logger.debug("%s: %s", self._path, err)
                yield None


def _exact(rate: Fraction) -> Fraction:
    """Restore 30000/1001 and similar rates that a container rounded to nanoseconds."""
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return ntsc if abs(ntsc / rate - 1) < Fraction(2, 10**7) else rate


def _as_shown(picture: av.VideoFrame, pixel: Fraction | None) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 RGB with square pixels, rotated and mirrored by the file's display matrix.

    pixel: width-to-height ratio of a stored pixel.
    """
    width, height = square_size(picture.width, picture.height, pixel)
    image = picture.reformat(width, height).to_ndarray(format="rgb24")
    matrix: Any = picture.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return np.ascontiguousarray(image, np.uint8)
    # A pixel (x, y) is shown at (a·x + c·y, b·x + d·y); FFmpeg's libavutil/display.h.
    a, b, _, c, d = (int(number) for number in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1], np.uint8)


def _fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale the image to fit, centered on black."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    whole = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = small
    return whole
