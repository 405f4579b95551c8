"""A frame as networks want it."""

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
    """Pad, resize and normalise a frame as BodyPix and PoseNet do: tensor (1, h, w, 3), laid out as the card says."""
    normal = card.preprocessing
    return Prepared(_make_tensor(resize_padded(frame.image, geometry, normal.scale, normal.offset), card), geometry)


def stretch_frame(
    frame: Frame, height: int, width: int, card: Card, previous: NDArray[np.float32] | None = None
) -> Prepared:
    """Bring the whole frame to height × width, whatever its shape, and normalise it as the card says.

    previous: (height, width) float32, the mask of the frame before, taken as a fourth channel.
    """
    # Sides that shrink are averaged, sides that grow interpolated, both with pixel centers at halves.
    smaller = min(width, frame.size[1]), min(height, frame.size[0])
    shrunk = cv2.resize(frame.image, smaller, interpolation=cv2.INTER_AREA)
    picture = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)
    normal = picture.astype(np.float32) * np.asarray(card.preprocessing.scale, np.float32)
    normal += np.asarray(card.preprocessing.offset, np.float32)
    return Prepared(_make_tensor(normal, card, previous), Geometry(*frame.size, height, width))


def resize_padded(
    image: NDArray[np.uint8],
    geometry: Geometry,
    scale: Sequence[float] = (1.0, 1.0, 1.0),
    offset: Sequence[float] = (0.0, 0.0, 0.0),
) -> NDArray[np.float32]:
    """The network's view of an image: padded, bilinear, no half-pixel centers; then ·scale + offset by channel.

    image: (H, W, 3) uint8 RGB. Returns (input_height, input_width, 3) float32, 0 to 255 before scale and offset.
    Done by ``kernels/resize.c`` where it was built. Raises ValueError for an image that is not the geometry's.
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
    """A normalised picture (h, w, 3) float32 RGB to the tensor that the card's file takes."""
    if card.preprocessing.channels == "bgr":
        picture = picture[..., ::-1]
    if previous is not None:
        picture = np.dstack([picture, previous])
    if card.input_dtype != "float32":
        picture = np.rint(picture)
    if card.layout == "nchw":
        picture = np.moveaxis(picture, 2, 0)
    return np.ascontiguousarray(picture[None], card.input_dtype)
