"""Read and write videos with PyAV (FFmpeg).

Images only, no audio. Every frame keeps its own time, so variable frame rates are preserved; the nominal rate is an
exact fraction. Display metadata (rotation, mirroring, non-square pixels) is applied when reading and not written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ..errors import MediaError
from ..types import MAX_PIXELS, Frame
from .photos import still_format
from .source import VIDEO_SUFFIXES, Picture, Sink, Source, square_size

__all__ = ["VideoSink", "VideoSource"]

logger = logging.getLogger(__name__)

#: FFmpeg's names of supported containers. Others would accept text files, or follow playlists.
_CONTAINERS = (
    "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,gif,apng,mjpeg,h264,hevc,m4v,dv,ivf,mxf,nut,yuv4mpegpipe"
)
#: A file whose frames end this much before its declared length is truncated, seconds.
_MISSING_S = 0.5
#: The first one available in FFmpeg is used.
_ENCODERS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libopenh264": {"b": "8M"},
    "mpeg4": {"qmin": "2", "qmax": "5"},
}
_MAX_FPS = 1000
#: Ticks a second that MPEG-4 can count (ISO 14496-2, vop_time_increment_resolution); H.264 and the containers do too.
_MAX_TICKS = 65_535
_BT709, _BT601 = 1, 6  # AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic share these numbers


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
        """Raise MediaError for a HEIC or AVIF photo, of which FFmpeg would show one tile."""
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


class VideoSink(Sink):
    """Writes images to an H.264 video (MPEG-4 if FFmpeg has no H.264 encoder); the first one sets the size.

    Each image is timed by its frame's stamp_ns, counted from the first one. fps: nominal rate, exact. An odd
    width or height is made even by repeating the last column or row. Colors: BT.709 from 720 rows on, otherwise
    BT.601, limited range, declared in the file. The file is always playable, even if the process dies: it is written
    in one-second fragments, which are joined at the end. Without images, no file is made. Raises MediaError for
    another suffix, an image of another size or kind, or if the file cannot be written.
    """

    api_version = 1

    def __init__(self, path: str | Path, fps: Fraction) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() not in VIDEO_SUFFIXES:
            raise MediaError(
                f"The video {str(path)!r} must end in one of {', '.join(VIDEO_SUFFIXES)}, not {self._path.suffix!r}."
            )
        if not 0 < fps <= _MAX_FPS:
            raise MediaError(
                f"The video {str(path)!r} needs a frame rate above 0 and up to {_MAX_FPS}, not {str(fps)!r}."
            )
        # Choose the finest time base in which a frame's nominal duration is an integer number of ticks.
        self._fps = 1 / (1 / fps).limit_denominator(_MAX_TICKS)
        self._tick = Fraction(1, _MAX_TICKS // self._fps.numerator * self._fps.numerator)
        self._container: av.container.OutputContainer | None = None
        self._size = (0, 0)
        self._first_ns = 0
        self._last_tick = -1

    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write one image: (H, W) gray or (H, W, 3) RGB, uint8."""
        self._check(image)
        try:
            if self._container is None:
                self._open(image.shape[0], image.shape[1])
                self._first_ns = frame.stamp_ns
            self._encode(image, frame.stamp_ns - self._first_ns)
        except (FFmpegError, OSError) as err:
            raise self._unwritable(err) from err

    def _unwritable(self, err: OSError | FFmpegError) -> MediaError:
        return MediaError(f"The video {str(self._path)!r} cannot be written: {err.strerror or err}.")

    def _check(self, image: Picture) -> None:
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise MediaError(
                f"The image for {str(self._path)!r} is {image.dtype} {image.shape}, but a video needs uint8, gray "
                "or RGB; write transparent images as PNG files."
            )
        if self._container is not None and image.shape[:2] != self._size:
            (height, width), (h, w) = self._size, image.shape[:2]
            raise MediaError(
                f"The video {str(self._path)!r} is {width}×{height}, but a frame is {w}×{h}; all must have the "
                "same size."
            )

    def _open(self, height: int, width: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # What was encoded reaches the disk each second.
        pieces = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000"}
        if self._path.suffix.lower() == ".mkv":
            pieces = {"cluster_time_limit": "1000"}
        self._container = av.open(f"file:{self._path}", "w", options=pieces | {"flush_packets": "1"})
        codec = next(name for name in _ENCODERS if name in av.codecs_available)
        stream = self._container.add_stream(codec, rate=self._fps, options=_ENCODERS[codec])
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = stream.codec_context
        context.time_base = self._tick
        context.gop_size = max(1, round(self._fps))
        # No reordering: the video starts at 0 and each fragment is self-contained.
        context.max_b_frames = 0
        space = _BT709 if height >= 720 else _BT601
        context.colorspace = context.color_primaries = context.color_trc = space
        context.color_range = ColorRange.MPEG
        self._stream, self._size = stream, (height, width)
        self._space = Colorspace.ITU709 if space == _BT709 else Colorspace.ITU601

    def _encode(self, image: Picture, since_first_ns: int) -> None:
        height, width = self._size
        rgb = np.broadcast_to(image[..., None], (height, width, 3)) if image.ndim == 2 else image
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(even, "rgb24").reformat(
            format="yuv420p", dst_colorspace=self._space, dst_color_range=ColorRange.MPEG
        )
        # A time that does not grow (a camera's clock set back) moves on by one tick: containers refuse it.
        self._last_tick = max(round(Fraction(since_first_ns, 1_000_000_000) / self._tick), self._last_tick + 1)
        picture.pts, picture.time_base = self._last_tick, self._tick
        picture.duration = round(1 / self._fps / self._tick)
        self._mux(picture)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        assert self._container is not None
        self._container.mux(self._stream.encode(picture))

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if self._container is None:
            return
        try:
            try:
                self._mux(None)
            finally:
                self._container.close()
        except (FFmpegError, OSError) as err:
            if kind is None:
                raise self._unwritable(err) from err
            logger.warning("%s", self._unwritable(err))
