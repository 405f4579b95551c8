"""Convert image messages to arrays and back, on every runtime: messages are accessed by attribute only.

Encodings: sensor_msgs 5.3 ``image_encodings.hpp``, and nv12. Images enter and leave as RGB; other color orders exist
only in messages.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...types import MAX_PIXELS, Frame
from .cv_bridge_images import BRIDGED, convert, require
from .headers import shorten, stamp_ns
from .port import Messages

__all__ = [
    "ENCODINGS",
    "CompressedColors",
    "check_picture",
    "compressed_message",
    "image_message",
    "read_compressed",
    "read_depth",
    "read_image",
    "used_bits",
]

Pixels = NDArray[Any]


@dataclass(frozen=True)
class _Encoding:
    """Memory layout of an encoding.

    columns, rows: size of a pixel block; height_factor: rows of `step` bytes per row of pixels; to_rgb: converts (rows,
    width·channels) of `dtype` to (H, W, 3) uint8 RGB.
    """

    to_rgb: Callable[[Pixels, int, int], Pixels]
    channels: int
    dtype: str = "u1"
    columns: int = 1
    rows: int = 1
    height_factor: float = 1


def _as_is(raw: Pixels, height: int, width: int) -> Pixels:
    return _split(raw, 3)


def _split(raw: Pixels, channels: int) -> Pixels:
    """View (H, W·C) with padded rows as (H, W, C), without a copy."""
    shape = (raw.shape[0], raw.shape[1] // channels, channels)
    return np.lib.stride_tricks.as_strided(raw, shape, (raw.strides[0], channels, 1), writeable=False)


def _convert(code: int, channels: int) -> Callable[[Pixels, int, int], Pixels]:
    def to_rgb(raw: Pixels, height: int, width: int) -> Pixels:
        pixels = raw if channels == 1 else _split(raw, channels)
        return cv2.cvtColor(pixels, code)

    return to_rgb


def _top_bits(raw: Pixels, bits: int) -> Pixels:
    """Convert (H, W) uint16 with `bits` used bits to (H, W, 3) uint8; brighter pixels become white."""
    gray: Pixels = np.minimum(raw >> (bits - 8), 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB))


def _high_byte(raw: Pixels, height: int, width: int) -> Pixels:
    return _top_bits(raw, 16)


_MONO: Final = _Encoding(_convert(cv2.COLOR_GRAY2RGB, 1), 1)
_MONO16: Final = _Encoding(_high_byte, 1, dtype="u2")
_BGR: Final = _Encoding(_convert(cv2.COLOR_BGR2RGB, 3), 3)
_UYVY: Final = _Encoding(_convert(cv2.COLOR_YUV2RGB_UYVY, 2), 2, columns=2)
_YUYV: Final = _Encoding(_convert(cv2.COLOR_YUV2RGB_YUY2, 2), 2, columns=2)


def _planar(code: int) -> _Encoding:
    return _Encoding(_convert(code, 1), 1, columns=2, rows=2, height_factor=1.5)


def _bayer(code: int) -> _Encoding:
    return _Encoding(_convert(code, 1), 1, columns=2, rows=2)


def _bridged(name: str) -> _Encoding:
    dtype, channels = BRIDGED[name]
    block = 2 if name.startswith("bayer") else 1
    return _Encoding(partial(convert, name), channels, dtype, columns=block, rows=block)


#: Every encoding by name that is read without cv_bridge. Three channels without a color order are read as BGR, OpenCV's
#: order.
ENCODINGS: Final[Mapping[str, _Encoding]] = {
    "rgb8": _Encoding(_as_is, 3),
    "bgr8": _BGR,
    "rgba8": _Encoding(_convert(cv2.COLOR_RGBA2RGB, 4), 4),
    "bgra8": _Encoding(_convert(cv2.COLOR_BGRA2RGB, 4), 4),
    "mono8": _MONO,
    "8UC1": _MONO,
    "8UC3": _BGR,
    "mono16": _MONO16,
    "16UC1": _MONO16,
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": _planar(cv2.COLOR_YUV2RGB_NV12),
    "nv21": _planar(cv2.COLOR_YUV2RGB_NV21),
    # OpenCV names a pattern by the second and third pixel of the second row.
    "bayer_rggb8": _bayer(cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _bayer(cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _bayer(cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _bayer(cv2.COLOR_BayerGB2RGB),
}

#: Those that cv_bridge reads, too.
_ALL: Final = {**ENCODINGS, **{name: _bridged(name) for name in BRIDGED}}

#: Depth: millimeters or meters.
_DEPTHS: Final[Mapping[str, _Encoding]] = {
    "16UC1": _Encoding(_as_is, 1, dtype="u2"),
    "32FC1": _Encoding(_as_is, 1, dtype="f4"),
}


#: Maximum ratio of the sides of a camera's image.
_MOST_ASPECT: Final = 100


def check_picture(message: Any, max_px: int = MAX_PIXELS) -> None:
    """Raise FrameError for an Image or CompressedImage whose description is invalid.

    Takes microseconds and no memory: checks encoding, size, step and length of an Image, and the header of a
    CompressedImage's data. max_px: maximum number of pixels.
    """
    if hasattr(message, "encoding"):
        _rows(message, _encoding(message, _ALL, "An image"), max_px)
        if message.encoding in BRIDGED:
            require(message.encoding)
    else:
        _check_compressed(message, max_px)


#: How many of 16 bits cameras use.
MONO16_BITS: Final = (8, 10, 12, 14, 16)


def read_image(message: Any, mono16_bits: int = 0) -> Frame:
    """Read a sensor_msgs/Image as a frame; rgb8 is not copied, other encodings are converted.

    16-bit images keep the upper 8 of `mono16_bits`; 0: as many as the brightest pixel needs. YUV is BT.601 with video
    range, as V4L2 cameras send it.

    Raises FrameError, before allocating memory, for an unsupported encoding, a size of zero or above 100 megapixels, an
    aspect ratio above 100, a step that is too small, or too little data.
    """
    encoding = _encoding(message, _ALL, "An image")
    rows = _rows(message, encoding)
    if encoding is _MONO16:
        rgb = _top_bits(rows, mono16_bits or _bits_needed(rows))
    else:
        rgb = encoding.to_rgb(rows, int(message.height), int(message.width))
    return Frame(rgb, stamp_ns(message.header), shorten(message.header.frame_id))


def used_bits(message: Any) -> int:
    """Return how many bits a 16-bit image uses: the smallest of MONO16_BITS that holds its brightest pixel.

    0 for other encodings. Raises like read_image().
    """
    if message.encoding not in ENCODINGS or ENCODINGS[message.encoding] is not _MONO16:
        return 0
    return _bits_needed(_rows(message, _MONO16))


def _bits_needed(values: Pixels) -> int:
    brightest = int(values.max())
    return next(bits for bits in MONO16_BITS if brightest < 1 << bits)


def read_depth(message: Any, max_px: int = MAX_PIXELS) -> Pixels:
    """Read a depth image (REP 118).

    Returns (H, W) uint16 mm, 0 invalid, or float32 m, NaN invalid. Raises like read_image().
    """
    raw = _rows(message, _encoding(message, _DEPTHS, "A depth image"), max_px)
    return raw.astype(raw.dtype.newbyteorder("="), copy=False)


def _encoding(message: Any, known: Mapping[str, _Encoding], what: str) -> _Encoding:
    if message.encoding not in known:
        raise FrameError(
            f"{what} has the encoding {shorten(message.encoding)!r}, which is not supported; supported: "
            f"{', '.join(known)}."
        )
    return known[message.encoding]


def _rows(message: Any, encoding: _Encoding, max_px: int = MAX_PIXELS) -> Pixels:
    """View the message's data as (rows, width·channels), without a copy, after checking its length."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    _check_size(height, width, f"{message.encoding} image", max_px)
    if width % encoding.columns or height % encoding.rows:
        raise FrameError(
            f"A {message.encoding} image is {width}×{height}, but its pixels are in blocks of "
            f"{encoding.columns}×{encoding.rows}."
        )
    order = ">" if message.is_bigendian else "<"
    dtype = np.dtype(order + encoding.dtype)
    rows, columns = int(height * encoding.height_factor), width * encoding.channels
    row_bytes = columns * dtype.itemsize
    if step < row_bytes:
        raise FrameError(
            f"A {message.encoding} image {width} px wide has a step of {step} bytes, but a row takes {row_bytes}."
        )
    have, need = memoryview(message.data).nbytes, (rows - 1) * step + row_bytes
    if have < need:
        raise FrameError(
            f"A {message.encoding} image of {width}×{height} with a step of {step} bytes needs {need} bytes of data, "
            f"but it has {have}."
        )
    return np.ndarray((rows, columns), dtype, message.data, strides=(step, dtype.itemsize))


def _check_size(height: int, width: int, what: str, max_px: int) -> None:
    if height < 1 or width < 1:
        raise FrameError(f"A {what} is {width}×{height}, but it must have at least one pixel.")
    if height * width > max_px:
        raise FrameError(f"A {what} is {width}×{height}, but at most {max_px:,} pixels are allowed.")
    if max(height, width) > _MOST_ASPECT * min(height, width):
        raise FrameError(
            f"A {what} is {width}×{height}, but one side may be at most {_MOST_ASPECT} times as long as the other."
        )


#: Color order of compressed images: by the format field, as stored in the file, or with red and blue swapped.
CompressedColors = Literal["auto", "as_stored", "swapped"]
#: Color encodings, in `format` before the semicolon (sensor_msgs 5.3, image_encodings.hpp, isColor).
_COLORED: Final = re.compile(r"(rgb|bgr)a?(8|16)")


def _swaps_colors(image_format: str, colors: CompressedColors) -> bool:
    """Whether a JPEG or PNG was encoded from RGB bytes taken for BGR, so that red and blue must be swapped.

    Source: image_transport_plugins 4.0, ``compressed_subscriber.cpp``: with a format such as 'rgb8; jpeg compressed
    rgb8' the decoded bytes are RGB as stored; only 'compressed bgr' and formats without a semicolon are BGR.
    """
    if colors != "auto":
        return colors == "swapped"
    encoding, semicolon, rest = image_format.partition(";")
    return bool(semicolon and _COLORED.fullmatch(encoding)) and "compressed bgr" not in rest


def read_compressed(message: Any, colors: CompressedColors = "auto") -> Frame:
    """Read a sensor_msgs/CompressedImage with a JPEG or PNG as a frame; EXIF orientation is ignored.

    Raises FrameError for another format, a size of zero or above 100 megapixels (before decoding), or data that cannot
    be decoded.
    """
    data = _check_compressed(message, MAX_PIXELS)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FrameError(f"A compressed image of {data.size} bytes with format {shorten(message.format)!r} is damaged.")
    rgb: Pixels = image if _swaps_colors(str(message.format), colors) else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return Frame(rgb, stamp_ns(message.header), shorten(message.header.frame_id))


def _check_compressed(message: Any, max_px: int) -> NDArray[np.uint8]:
    """Return its data after checking the header."""
    data = np.asarray(message.data, np.uint8)
    size = _compressed_size(data.data)
    if size is None:
        raise FrameError(
            f"A compressed image of {data.size} bytes with format {shorten(message.format)!r} is neither JPEG nor PNG."
        )
    _check_size(*size, "compressed image", max_px)
    return data


def _compressed_size(data: Any) -> tuple[int, int] | None:
    """Read (height, width) from the header of a PNG or JPEG, given as a memoryview; None if it is neither.

    Source: PNG specification 11.2.2 (IHDR), ITU T.81 B.2.2 (a frame header: SOF0 to SOF15 but C4, C8, CC).
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return height, width
    position = 2 if data[:2] == b"\xff\xd8" else len(data)
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return height, width
        position += 1 if marker == 0xFF else 2 + length
    return None


_TO_ORDER: Final = {"bgr8": cv2.COLOR_RGB2BGR, "bgra8": cv2.COLOR_RGBA2BGRA}


def image_message(messages: Messages, header: Any, picture: Pixels, encoding: str) -> Any:
    """Make a sensor_msgs/Image under `header`.

    picture: (H, W, 3) uint8 RGB for rgb8 and bgr8, (H, W, 4) RGBA for rgba8 and bgra8, (H, W) uint8 for mono8, (H, W)
    float32 for 32FC1, (H, W) uint16 for 16UC1.
    """
    if encoding in _TO_ORDER:
        picture = cv2.cvtColor(picture, _TO_ORDER[encoding])
    picture = np.ascontiguousarray(picture)
    height, width = picture.shape[:2]
    return messages.make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=picture.strides[0],
        data=messages.pack(picture.reshape(-1).view(np.uint8)),
    )


def compressed_message(messages: Messages, header: Any, picture: Pixels, quality: int) -> Any:
    """Encode an image, (H, W, 3) RGB or (H, W, 4) RGBA uint8, as a JPEG in a sensor_msgs/CompressedImage; alpha is
    dropped.
    """
    code = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGR
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(picture, code), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise FrameError(f"An image of {picture.shape[1]}×{picture.shape[0]} cannot be written as JPEG.")
    return messages.make(
        "sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=messages.pack(data.reshape(-1))
    )
