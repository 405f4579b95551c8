"""Replace the image in an image message: same header, type and, if it can be written, encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from .graph.image_messages import read_compressed, read_depth, used_bits

__all__ = ["blank_depth", "blank_picture", "size_of", "with_picture", "without_depth"]

#: Encoding → conversion from RGB. Others (YUV, Bayer) are written as bgr8.
_FROM_RGB: Final = {
    "rgb8": None,
    "bgr8": cv2.COLOR_RGB2BGR,
    "8UC3": cv2.COLOR_RGB2BGR,
    "rgba8": cv2.COLOR_RGB2RGBA,
    "bgra8": cv2.COLOR_RGB2BGRA,
    "mono8": cv2.COLOR_RGB2GRAY,
    "8UC1": cv2.COLOR_RGB2GRAY,
}
_MOST_SIDE: Final = 16_384
_FIRST_SIZE: Final = (480, 640)


def with_picture(message: Any, image: NDArray[np.uint8], changed: NDArray[np.uint8], quality: int) -> Any:
    """The message with a picture (H, W, 3) uint8 RGB of the same size.

    changed: (H, W), not 0 where the picture is another one; 16-bit pictures stay as they are elsewhere. quality: of a
    JPEG. Raises FrameError where it cannot be written.
    """
    if not hasattr(message, "encoding"):
        return _with_compressed(message, image, quality)
    if message.encoding == "mono16":
        return _with_mono16(message, image, changed)
    encoding = message.encoding if message.encoding in _FROM_RGB else "bgr8"
    code = _FROM_RGB[encoding]
    data = np.ascontiguousarray(image if code is None else cv2.cvtColor(image, code))
    return replace(
        message,
        height=data.shape[0],
        width=data.shape[1],
        encoding=encoding,
        step=data.strides[0],
        data=data.reshape(-1),
    )


def _with_mono16(message: Any, image: NDArray[np.uint8], changed: NDArray[np.uint8]) -> Any:
    dtype = np.dtype(">u2" if message.is_bigendian else "<u2")
    height, width, step = int(message.height), int(message.width), int(message.step)
    rows = np.ndarray((height, width), dtype, message.data, strides=(step, 2)).copy()
    shift = max(8, used_bits(message)) - 8
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).astype(np.uint16) << shift
    rows[changed != 0] = gray[changed != 0]
    return replace(message, step=2 * width, data=rows.reshape(-1).view(np.uint8))


def _with_compressed(message: Any, image: NDArray[np.uint8], quality: int) -> Any:
    """Keep JPEG as JPEG and PNG as PNG; the color order follows the message's format field."""
    png = bytes(memoryview(message.data)[:4]) == b"\x89PNG"
    bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    if str(message.format).startswith("mono"):
        bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    elif _is_swapped(message):
        bgr = image
    options = [] if png else [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded, data = cv2.imencode(".png" if png else ".jpg", bgr, options)
    if not encoded:
        raise FrameError(f"A picture of {image.shape[1]}×{image.shape[0]} cannot be written as JPEG or PNG.")
    text = str(message.format).replace("mono16", "mono8") if png else message.format
    return replace(message, format=text, data=np.asarray(data, np.uint8).reshape(-1))


def _is_swapped(message: Any) -> bool:
    """Whether read_compressed() swaps red and blue for this format; tested with a blue image."""
    _, data = cv2.imencode(".png", np.full((1, 1, 3), (255, 0, 0), np.uint8))
    probe = replace(message, data=np.asarray(data, np.uint8).reshape(-1))
    return bool(read_compressed(probe).image[0, 0, 0])


def blank_picture(message: Any, image: NDArray[np.uint8], quality: int) -> Any:
    """Return the message with a blank image, whatever its encoding was."""
    if hasattr(message, "encoding") and message.encoding not in _FROM_RGB:
        message = replace(message, encoding="bgr8")
    return with_picture(message, image, np.ones(image.shape[:2], np.uint8), quality)


def size_of(message: Any) -> tuple[int, int]:
    """Return the (height, width) that a message states, if it is a valid size."""
    height, width = int(getattr(message, "height", 0)), int(getattr(message, "width", 0))
    return (height, width) if 0 < height <= _MOST_SIDE and 0 < width <= _MOST_SIDE else _FIRST_SIZE


def without_depth(message: Any, people: NDArray[np.uint8]) -> Any:
    """A depth image with 0 (16UC1) or NaN (32FC1) where people are: (H, W) uint8, scaled to the depth's size.

    Raises FrameError where the message cannot be read or has another shape.
    """
    depth = read_depth(message)
    height, width = depth.shape
    if abs(people.shape[0] * width - people.shape[1] * height) > max(people.shape[0], width):
        raise FrameError(f"The depth image is {width}×{height}, which is not the shape of its color picture.")
    how = cv2.INTER_AREA if people.shape[1] > width else cv2.INTER_NEAREST
    mask = cv2.resize(people * np.uint8(255), (width, height), interpolation=how)
    # A depth pixel covers several color pixels; one person pixel among them is enough.
    if people.shape != depth.shape:
        mask = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return _with_depth(message, np.where(np.asarray(mask) > 0, _invalid(depth), depth))


def blank_depth(message: Any) -> Any:
    """Return the message with all depth invalid. Raises FrameError if it cannot be read."""
    depth = read_depth(message)
    return _with_depth(message, np.full_like(depth, _invalid(depth)))


def _invalid(depth: NDArray[Any]) -> Any:
    return depth.dtype.type(0 if depth.dtype.kind == "u" else np.nan)


def _with_depth(message: Any, depth: NDArray[Any]) -> Any:
    data = np.ascontiguousarray(depth.astype(depth.dtype.newbyteorder("<"), copy=False))
    return replace(message, is_bigendian=0, step=data.strides[0], data=data.reshape(-1).view(np.uint8))
