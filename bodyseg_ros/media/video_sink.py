"""Write videos to files and streams with PyAV (FFmpeg).

Every image keeps its own time, so variable frame rates are preserved; the nominal rate is an exact fraction.
"""

from __future__ import annotations

import logging
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from ..errors import MediaError
from ..types import Frame
from .sound import Soundtracks
from .source import Picture, Sink
from .video_coding import QUALITY, Coding, Container, choose_coding, container_of_file, container_of_stream

__all__ = ["StreamSink", "VideoSink", "encoder_picture", "set_picture_format"]

logger = logging.getLogger(__name__)

_MAX_FPS: Final = 1000
#: Ticks a second that MPEG-4 can count (ISO 14496-2, vop_time_increment_resolution); H.264 and the containers do too.
_MAX_TICKS: Final = 65_535
#: A GIF counts time in hundredths of a second.
_GIF_TICKS: Final = 100
_BT709, _BT601 = 1, 6  # AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic share these numbers
#: Alpha from which a GIF's pixel is shown; it has no soft edges.
_OPAQUE: Final = 128
_TIMEOUT_US: Final = "10000000"


class VideoSink(Sink):
    """Writes images to a video file; the first one sets size and transparency.

    The suffix sets the container: .mp4, .m4v, .mov, .mkv, .webm, .gif. codec: 'auto', or one that it holds: h264
    (MPEG-4 if FFmpeg has no encoder for it), h265, vp9, av1, prores, gif. quality: 1 to 100. Transparent images,
    (H, W, 4), go into .webm and .mkv as VP9, into .mov as ProRes 4444, and into .gif without soft edges.

    Each image is timed by its frame's stamp_ns, counted from the first one. fps: nominal rate, exact. An odd
    width or height is made even by repeating the last column or row. Colors: BT.709 from 720 rows on, otherwise
    BT.601, limited range, declared in the file. sound: a video file whose sound is written beside the images, up to the
    last one's end.

    The file is always playable, even if the process dies: it is written in one-second fragments, which are joined at
    the end (not a GIF). Without images, no file is made. Raises MediaError for another suffix or codec, an image of
    another size or kind, or if the file cannot be written.
    """

    api_version = 1

    def __init__(
        self, path: str | Path, fps: Fraction, codec: str = "auto", quality: int = QUALITY, sound: Path | None = None
    ) -> None:
        self._kind, self._name = self._target(path)
        if not 0 < fps <= _MAX_FPS:
            raise MediaError(f"The video {self._name!r} needs a frame rate above 0 and up to {_MAX_FPS}, not '{fps}'.")
        if not 1 <= quality <= 100:
            raise MediaError(f"The quality of {self._name!r} is {quality}, but it must be from 1 to 100.")
        choose_coding(self._kind, codec, quality, False, av.codecs_available, self._name)
        self._path, self._codec, self._quality, self._sound_file = path, codec, quality, sound
        # Choose the finest time base in which a frame's nominal duration is an integer number of ticks.
        self._fps = 1 / (1 / fps).limit_denominator(_MAX_TICKS)
        self._tick = Fraction(1, _MAX_TICKS // self._fps.numerator * self._fps.numerator)
        if self._kind.format == "gif":
            self._tick = Fraction(1, _GIF_TICKS)
        self._container: av.container.OutputContainer | None = None
        self._sound: Soundtracks | None = None
        self._shape: tuple[int, ...] = ()
        self._first_ns = 0
        self._last_tick = -1
        #: Number of soundtracks written beside the images.
        self.soundtracks = 0

    def _target(self, path: str | Path) -> tuple[Container, str]:
        """The container and, for messages, its name."""
        return container_of_file(Path(path)), str(path)

    def _address(self) -> str:
        """Where FFmpeg writes to."""
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        return f"file:{self._path}"

    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write one image: (H, W) gray, (H, W, 3) RGB or, where the video can be transparent, (H, W, 4) RGBA, uint8."""
        self._check(image)
        try:
            if self._container is None:
                self._open(image.shape[0], image.shape[1], image.shape[2:] == (4,))
                self._first_ns = frame.stamp_ns
            self._encode(image, frame.stamp_ns - self._first_ns)
        except (FFmpegError, OSError) as err:
            raise self._unwritable(err) from err

    def _unwritable(self, err: OSError | FFmpegError) -> MediaError:
        return MediaError(f"The video {self._name!r} cannot be written: {err.strerror or err}.")

    def _check(self, image: Picture) -> None:
        allowed: tuple[tuple[int, ...], ...] = ((), (3,), (4,))
        if self._container is not None:
            allowed = ((4,),) if self._shape[2:] == (4,) else ((), (3,))
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in allowed:
            kind = "RGBA, as its first image" if allowed == ((4,),) else "gray or RGB"
            raise MediaError(
                f"The image for {self._name!r} is {image.dtype} {image.shape}, but this video needs uint8, {kind}."
            )
        if self._container is not None and image.shape[:2] != self._shape[:2]:
            (height, width), (h, w) = self._shape[:2], image.shape[:2]
            raise MediaError(
                f"The video {self._name!r} is {width}×{height}, but a frame is {w}×{h}; all must have the same size."
            )

    def _open(self, height: int, width: int, see_through: bool) -> None:
        coding = choose_coding(self._kind, self._codec, self._quality, see_through, av.codecs_available, self._name)
        container = av.open(self._address(), "w", format=self._kind.format, options=dict(self._kind.options))
        try:
            self._stream = self._add_stream(container, coding, height, width)
            if self._sound_file is not None:
                self._sound = Soundtracks(self._sound_file, container)
                self.soundtracks = self._sound.count
        except BaseException:
            container.close()
            raise
        self._container, self._coding = container, coding
        self._shape = (height, width, 4) if see_through else (height, width)

    def _add_stream(self, container: Any, coding: Coding, height: int, width: int) -> VideoStream:
        stream = container.add_stream(coding.encoder, rate=self._fps, options=dict(coding.options))
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        self._space = set_picture_format(context, coding, height, width)
        context.time_base = self._tick
        context.gop_size = max(1, round(self._fps))
        return stream

    def _encode(self, image: Picture, since_first_ns: int) -> None:
        height, width = self._shape[:2]
        rgb = np.broadcast_to(image[..., None], (height, width, 3)) if image.ndim == 2 else image
        picture = self._picture(rgb)
        # A stamp that does not increase (the camera's clock was set back) is moved on by one tick: containers refuse
        # it.
        self._last_tick = max(round(Fraction(since_first_ns, 1_000_000_000) / self._tick), self._last_tick + 1)
        picture.pts, picture.time_base = self._last_tick, self._tick
        picture.duration = max(1, round(1 / self._fps / self._tick))
        if self._sound is not None:
            self._sound.write_until(self._last_tick * self._tick)
        self._mux(picture)

    def _picture(self, image: Picture) -> av.VideoFrame:
        if self._coding.pixels == "pal8":
            return _paletted(image)
        return encoder_picture(image, self._coding, self._space)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        assert self._container is not None
        self._container.mux(self._stream.encode(picture))

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        if self._container is None:
            return
        try:
            try:
                self._mux(None)
                if self._sound is not None:
                    self._sound.write_until(self._last_tick * self._tick + 1 / self._fps)
                    self._sound.close()
            finally:
                self._container.close()
        except (FFmpegError, OSError) as err:
            if kind is None:
                raise self._unwritable(err) from err
            logger.warning("%s", self._unwritable(err))


class StreamSink(VideoSink):
    """Sends images to a stream at their own pace: rtmp://, rtmps://, rtsp://, rtsps://, udp://, tcp:// or srt://.

    Somebody must be there to receive, except for udp. Otherwise as VideoSink, without transparency.
    """

    api_version = 1

    def _target(self, path: str | Path) -> tuple[Container, str]:
        # Messages must not show a password.
        parts = urlsplit(str(path))
        return container_of_stream(str(path)), f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _address(self) -> str:
        address = str(self._path)
        if address.startswith("udp://") and "pkt_size" not in address:
            address += f"{'&' if '?' in address else '?'}pkt_size=1316"  # seven packets of a transport stream
        return address

    def _open(self, height: int, width: int, see_through: bool) -> None:
        super()._open(height, width, see_through)
        self._began = time.monotonic()

    def _encode(self, image: Picture, since_first_ns: int) -> None:
        time.sleep(max(0.0, self._began + since_first_ns / 1e9 - time.monotonic()))
        super()._encode(image, since_first_ns)


def set_picture_format(context: Any, coding: Coding, height: int, width: int) -> Colorspace:
    """Set an encoder's size (even), pixels and colors, and no reordering. Returns the color space."""
    odd = (0, 0) if coding.pixels == "pal8" else (height % 2, width % 2)
    context.height, context.width, context.pix_fmt = height + odd[0], width + odd[1], coding.pixels
    # No reordering: the video starts at 0 and each fragment is self-contained.
    context.max_b_frames = 0
    space = _BT709 if height >= 720 else _BT601
    if coding.pixels != "pal8":
        context.colorspace = context.color_primaries = context.color_trc = space
        context.color_range = ColorRange.MPEG
    return Colorspace.ITU709 if space == _BT709 else Colorspace.ITU601


def encoder_picture(image: Picture, coding: Coding, space: Colorspace) -> av.VideoFrame:
    """An image (H, W, 3 or 4) as the encoder takes it, with even sides."""
    height, width, channels = image.shape
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return av.VideoFrame.from_ndarray(even, "rgba" if channels == 4 else "rgb24").reformat(
        format=coding.pixels, dst_colorspace=space, dst_color_range=ColorRange.MPEG
    )


def _paletted(image: Picture) -> av.VideoFrame:
    """An image (H, W, 3 or 4) as a frame with 256 colors of its own; the last is see-through for (H, W, 4)."""
    colors = 255 if image.shape[2] == 4 else 256
    indexed = Image.fromarray(np.ascontiguousarray(image[..., :3])).quantize(colors)
    palette = np.zeros((256, 4), np.uint8)
    listed = np.asarray(indexed.getpalette(), np.uint8).reshape(-1, 3)[:colors]
    palette[: len(listed), 1:], palette[:, 0] = listed, 255
    indices: NDArray[np.uint8] = np.array(indexed)
    if image.shape[2] == 4:
        indices[image[..., 3] < _OPAQUE] = 255
        palette[255] = 0
    pixels: Any = (indices, palette)  # as PyAV takes them, though its types do not say so
    return av.VideoFrame.from_ndarray(pixels, format="pal8")
