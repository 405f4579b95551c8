"""Convert a frame to a network's input tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..geometry import Geometry, apply_taps, input_taps
from ..kernels import compiled
from ..types import Frame, Prepared

__all__ = ["pad_frame", "resize_padded", "stretch_frame"]


def pad_frame(frame: Frame, geometry: Geometry, card: Card) -> Prepared:
    """Pad, resize and normalize a frame as BodyPix and PoseNet do: tensor (1, h, w, 3), in the card's layout."""
    normal = card.preprocessing
    return Prepared(_make_tensor(resize_padded(frame.image, geometry, normal.scale, normal.offset), card), geometry)


def stretch_frame(
    frame: Frame, height: int, width: int, card: Card, previous: NDArray[np.float32] | None = None
) -> Prepared:
    """Stretch the whole frame to height × width and normalize it by the card.

    previous: (height, width) float32, the previous frame's mask, as a fourth channel.
    """
    geometry = Geometry(*frame.size, height, width)
    if card.preprocessing.resampling == "bilinear":
        normal = resize_padded(frame.image, geometry, card.preprocessing.scale, card.preprocessing.offset)
        return Prepared(_make_tensor(normal, card, previous), geometry)
    picture = stretch_image(frame.image, height, width)
    normal = picture.astype(np.float32) * np.asarray(card.preprocessing.scale, np.float32)
    normal += np.asarray(card.preprocessing.offset, np.float32)
    return Prepared(_make_tensor(normal, card, previous), geometry)


def stretch_image(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize (H, W, 3) uint8: area average when a side shrinks, bilinear when it grows; pixel centers at halves."""
    smaller = min(width, image.shape[1]), min(height, image.shape[0])
    shrunk = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def resize_padded(
    image: NDArray[np.uint8],
    geometry: Geometry,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
) -> NDArray[np.float32]:
    """The network's view of an image: padded, bilinear, no half-pixel centers; then ·scale + offset by channel.

    image: (H, W, 3) uint8 RGB. Returns (input_height, input_width, 3) float32, 0 to 255 before scale and offset.
    ``kernels/resize.c`` does the work if built. Raises ValueError for an image of another size than the geometry's.
    """
    if image.dtype != np.uint8 or image.shape != (geometry.height, geometry.width, 3):
        expected = (geometry.height, geometry.width, 3)
        raise ValueError(f"The image must be uint8 {expected}, but it is {image.dtype} {image.shape}.")
    if compiled.LIBRARY:
        return compiled.resize_padded(image, geometry, scale, offset)
    rows, columns = input_taps(geometry)
    resized = apply_taps(apply_taps(image, rows, 0), columns, 1)
    return resized * np.array(scale, np.float32) + np.array(offset, np.float32)


def _make_tensor(picture: NDArray[np.float32], card: Card, previous: NDArray[np.float32] | None = None) -> NDArray[Any]:
    """Convert a normalized image (h, w, 3) float32 RGB to the file's input tensor."""
    if card.preprocessing.channels == "bgr":
        picture = picture[..., ::-1]
    if previous is not None:
        picture = np.dstack([picture, previous])
    if card.input_dtype != "float32":
        picture = np.rint(picture)
    if card.layout == "nchw":
        picture = np.moveaxis(picture, 2, 0)
    return np.ascontiguousarray(picture[None], card.input_dtype)
