"""Pixel operations shared by effects: blend, blur, pixelate, fill, grow."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from ..types import Result

__all__ = [
    "Mask",
    "Picture",
    "blur",
    "make_cells",
    "soft_edge",
    "fill_unknown",
    "grow",
    "long_side",
    "mix",
    "require",
    "fill_plain",
]

Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]

#: The image is reduced by sigma over this before blurring; the blur removes the lost detail anyway.
_SIGMA_PER_STEP: Final = 2.0
_UNSEEN: Final = 1e-3


def require(picture: NDArray[np.generic] | None, name: str) -> NDArray[np.generic]:
    """Return `picture`; raise FrameError if it is None."""
    if picture is None:
        raise FrameError(f"This effect needs {name}, but the result has none; request it in wanted.")
    return picture


def long_side(image: Picture) -> int:
    """The longer side, px."""
    return max(int(side) for side in image.shape[:2])


def fill_plain(image: Picture, color: tuple[int, ...]) -> Picture:
    """Return an image of one color, in the shape of `image`."""
    paint = np.empty(image.shape, np.uint8)
    height, width = image.shape[:2]
    cv2.rectangle(paint, (0, 0), (width, height), color, cv2.FILLED)  # ten times faster than NumPy
    return paint


def mix(image: Picture, paint: Picture, weight: Mask) -> Picture:
    """Blend `paint` over `image`. weight: (H, W) uint8, 255 for paint only; exact at 0 and 255, otherwise within 1."""
    shares = cv2.merge([weight] * 3)
    over = cv2.multiply(paint, shares, scale=1 / 255)
    under = cv2.multiply(image, cv2.bitwise_not(shares), scale=1 / 255)
    return np.asarray(cv2.add(over, under, dst=over), np.uint8).reshape(image.shape)


def soft_edge(result: Result, feather_px: int) -> Mask:
    """A person's opacity at each pixel, (H, W) uint8: soft over `feather_px` to each side, or as an earlier effect set
    it.
    """
    if result.alpha is not None:
        return result.alpha
    weight = require(result.person, "a person mask").view(np.uint8) * np.uint8(255)
    if feather_px == 0:
        return weight
    return np.asarray(cv2.blur(weight, (2 * feather_px + 1,) * 2), np.uint8).reshape(weight.shape)


def grow(mask: Mask, margin_px: int) -> Mask:
    """Grow a mask of 0 and 1 by a margin."""
    if margin_px <= 0:
        return mask
    tall, wide = np.ones((2 * margin_px + 1, 1), np.uint8), np.ones((1, 2 * margin_px + 1), np.uint8)
    return np.asarray(cv2.dilate(cv2.dilate(mask, tall), wide), np.uint8).reshape(mask.shape)


def blur(image: Picture, sigma_px: float, without: Mask | None = None) -> Picture:
    """Gaussian blur on a smaller image. without: (H, W); nonzero pixels do not contribute color."""
    height, width = image.shape[:2]
    step = max(1, min(int(sigma_px / _SIGMA_PER_STEP), height, width))
    size = (max(1, width // step), max(1, height // step))
    if without is not None:
        keep = np.equal(without, 0).view(np.uint8) * np.uint8(255)
        image = np.asarray(cv2.bitwise_and(image, cv2.merge([keep] * 3)), np.uint8).reshape(image.shape)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 3)
    if without is None:
        small = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    else:
        share = cv2.resize(keep, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0]).astype(np.float32)
        sums = cv2.GaussianBlur(small.astype(np.float32), (0, 0), sigma_px / step).reshape(small.shape)
        seen = cv2.GaussianBlur(share / 255, (0, 0), sigma_px / step).reshape(share.shape)
        small = np.minimum(sums / np.maximum(seen, _UNSEEN)[..., None], 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8).reshape(image.shape)


def make_cells(image: Picture, cell_px: int) -> Picture:
    """Average the image in squares of `cell_px`; those at the right and bottom edge may be wider."""
    height, width = image.shape[:2]
    size = (max(1, width // cell_px), max(1, height // cell_px))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8).reshape(
        image.shape
    )


def fill_unknown(image: Picture, unknown: Mask) -> Picture:
    """Fill the pixels where `unknown` is 1 from the known pixels around them; gray if none are known.

    Push and pull: each level is half as large, its unknown pixels come from the level below (Gortler et al., The
    Lumigraph, 1996).
    """
    known = np.equal(unknown, 0).view(np.uint8)
    if known.all():
        return image
    height, width = known.shape
    if min(height, width) == 1 or not known.any():
        mean = image[known == 1].mean(axis=0) if known.any() else (128, 128, 128)
        return np.where(known[..., None] == 1, image, np.asarray(mean, np.uint8))
    size = ((width + 1) // 2, (height + 1) // 2)
    masked = np.asarray(cv2.copyTo(image, known), np.uint8).reshape(image.shape)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(masked.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    small = (sums / np.maximum(share, _UNSEEN)[..., None]).clip(0, 255).astype(np.uint8)
    below = fill_unknown(small, np.less(share, _UNSEEN).view(np.uint8))
    above = np.asarray(cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return np.asarray(cv2.copyTo(image, known, above.reshape(image.shape)), np.uint8).reshape(image.shape)
