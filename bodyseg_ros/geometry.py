"""Padding and resizing as the reference does them, and their inverses.

Source: tfjs-models ``body-pix/src/util.ts`` (body-pix 2.2.1), ``pose-detection/src/shared/calculators/image_utils.ts``
(pose-detection 2.1.3), and TensorFlow's ``resize_bilinear`` kernels.
Every bilinear step here is separable: two neighbors and a weight per row, the same per column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Geometry",
    "Taps",
    "aligned_taps",
    "apply_taps",
    "input_taps",
    "network_size",
    "padded_geometry",
    "replicated_geometry",
    "source_taps",
    "to_source",
    "upsample",
]


def round_half_up(value: float) -> int:
    """Round as JavaScript's Math.round does: halves go up."""
    return math.floor(value + 0.5)


def network_size(height: int, width: int, fraction: float, stride: int) -> tuple[int, int]:
    """(height, width) of the network's input, px: `fraction` of each side, brought down to k·stride + 1."""

    def valid(side: float) -> int:
        whole = side if (side - 1) % stride == 0 else math.floor(side / stride) * stride + 1
        return int(whole)

    return valid(height * fraction), valid(width * fraction)


@dataclass(frozen=True)
class Geometry:
    """Mapping from a source image to the network's input.

    height, width: source px. input_height, input_width: network px. pad_*: padding around the source before resizing,
    source px: zeros, or the repeated border, which may be fractional.
    """

    height: int
    width: int
    input_height: int
    input_width: int
    pad_top: float = 0
    pad_bottom: float = 0
    pad_left: float = 0
    pad_right: float = 0
    replicated: bool = False

    @property
    def padded_height(self) -> float:
        """Source px, pads included."""
        return self.height + self.pad_top + self.pad_bottom

    @property
    def padded_width(self) -> float:
        """Source px, pads included."""
        return self.width + self.pad_left + self.pad_right

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Network px per source px, (y, x)."""
        return self.input_height / self.padded_height, self.input_width / self.padded_width

    def to_source_px(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (…, 2), x and y in network px, to source px: x·(W + pads)/inW − left pad."""
        scale = np.array([self.padded_width / self.input_width, self.padded_height / self.input_height])
        source_px: NDArray[np.float64] = points * scale - np.array([self.pad_left, self.pad_top])
        return source_px


def padded_geometry(height: int, width: int, input_height: int, input_width: int) -> Geometry:
    """Pad a height×width image to the input's aspect, equally on both sides (halves round up)."""
    aspect = input_width / input_height
    if width / height < aspect:
        pad = max(0, round_half_up(0.5 * (aspect * height - width)))
        return Geometry(height, width, input_height, input_width, pad_left=pad, pad_right=pad)
    pad = max(0, round_half_up(0.5 * (width / aspect - height)))
    return Geometry(height, width, input_height, input_width, pad_top=pad, pad_bottom=pad)


def replicated_geometry(height: int, width: int, input_height: int, input_width: int) -> Geometry:
    """Widen a height×width image to the input's very aspect, equally on both sides, by its own border."""
    aspect = input_width / input_height
    across, down = max(0.0, 0.5 * (aspect * height - width)), max(0.0, 0.5 * (width / aspect - height))
    return Geometry(height, width, input_height, input_width, down, down, across, across, replicated=True)


@dataclass(frozen=True)
class Taps:
    """One axis of a bilinear resize: output i = lower_weight[i]·in[lower[i]] + upper_weight[i]·in[upper[i]].

    lower, upper: (n,) int32. lower_weight, upper_weight: (n,) float32; both 0 for outputs outside the image.
    """

    lower: NDArray[np.int32]
    upper: NDArray[np.int32]
    lower_weight: NDArray[np.float32]
    upper_weight: NDArray[np.float32]


def _taps(positions: NDArray[np.floating[Any]], length: int, first: int = 0, padded: int = 0) -> Taps:
    """Taps at `positions` of an axis of `padded` zeros with `length` real samples starting at `first`."""
    last = (padded or length) - 1
    below = np.floor(positions)
    fraction = positions - below
    lower, upper = below.astype(np.int32), np.minimum(below + 1, last).astype(np.int32)

    def inside(index: NDArray[np.int32]) -> NDArray[np.bool_]:
        return (index >= first) & (index < first + length) & (positions >= 0) & (positions <= last + 1)

    return Taps(
        lower=np.clip(lower - first, 0, length - 1),
        upper=np.clip(upper - first, 0, length - 1),
        lower_weight=np.where(inside(lower), 1.0 - fraction, 0.0).astype(np.float32),
        upper_weight=np.where(inside(upper), fraction, 0.0).astype(np.float32),
    )


@lru_cache(maxsize=64)
def padded_taps(length: int, pad: float, padded: float, out: int) -> Taps:
    """Pad an axis with zeros (`pad` before) to `padded` and resize to `out`: src = dst·padded/out."""
    return _taps(np.arange(out) * (padded / out), length, int(pad), int(padded))


@lru_cache(maxsize=64)
def replicated_taps(length: int, pad: float, padded: float, out: int) -> Taps:
    """The same, but with the first and last sample repeated instead of zeros."""
    return _taps(np.clip(np.arange(out) * (padded / out) - pad, 0, length - 1), length)


@lru_cache(maxsize=64)
def aligned_taps(length: int, out: int) -> Taps:
    """Resize an axis with align_corners: first and last samples stay first and last."""
    ratio = (length - 1) / (out - 1) if out > 1 else 0.0
    return _taps(np.minimum(np.arange(out) * ratio, length - 1), length)


@lru_cache(maxsize=64)
def crop_taps(length: int, pad: float, padded: float, out: int) -> Taps:
    """TensorFlow's crop_and_resize of an axis: the box [pad/(padded−1), (pad+out−1)/(padded−1)], `out` samples.

    The box is float32 there, so it is here.
    """
    span = max(padded - 1, 1)
    start, stop = float(np.float32(pad / span)), float(np.float32((pad + out - 1) / span))
    if out > 1:
        step = (stop - start) * (length - 1) / (out - 1)
        positions = start * (length - 1) + np.arange(out) * step
    else:
        positions = np.array([0.5 * (start + stop) * (length - 1)])
    return _taps(np.minimum(positions, length - 1), length)


def apply_taps(array: NDArray[Any], taps: Taps, axis: int) -> NDArray[np.float32]:
    """Resize one axis of `array` (any shape, any real dtype) by `taps`; float32 out."""
    shape = [1] * array.ndim
    shape[axis] = -1
    out = array.take(taps.lower, axis) * taps.lower_weight.reshape(shape)
    out += array.take(taps.upper, axis) * taps.upper_weight.reshape(shape)
    return np.asarray(out, np.float32)


def upsample(logits: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Head (h, w, C) at stride to network px (input_height, input_width, C): bilinear, align_corners."""
    rows = aligned_taps(logits.shape[0], geometry.input_height)
    columns = aligned_taps(logits.shape[1], geometry.input_width)
    return apply_taps(apply_taps(logits, columns, 1), rows, 0)  # rows last: they are contiguous in memory


def input_taps(geometry: Geometry) -> tuple[Taps, Taps]:
    """Row and column taps from the padded source image to the network's input."""
    taps = replicated_taps if geometry.replicated else padded_taps
    rows = taps(geometry.height, geometry.pad_top, geometry.padded_height, geometry.input_height)
    columns = taps(geometry.width, geometry.pad_left, geometry.padded_width, geometry.input_width)
    return rows, columns


def source_taps(geometry: Geometry) -> tuple[Taps, Taps]:
    """Row and column taps from a map at network px to source px: crop the padding, then bilinear."""
    rows = crop_taps(geometry.input_height, geometry.pad_top, geometry.padded_height, geometry.height)
    columns = crop_taps(geometry.input_width, geometry.pad_left, geometry.padded_width, geometry.width)
    return rows, columns


def to_source(scores: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """A map (input_height, input_width[, C]) at network px, back to source px (H, W[, C])."""
    rows, columns = source_taps(geometry)
    return apply_taps(apply_taps(scores, columns, 1), rows, 0)
