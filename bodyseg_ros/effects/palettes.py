"""Color parameters, and palettes of 24 colors for body parts."""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ..body import PART_COLORS, PART_NAMES, cubehelix

__all__ = ["PALETTES", "Rgb", "hex_colors"]

Colors = tuple[tuple[int, int, int], ...]


def _is_rgb(color: tuple[int, ...]) -> tuple[int, ...]:
    if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
        raise PydanticCustomError("allowed", "three integers from 0 to 255")
    return color


#: A parameter that is a color: red, green, blue.
Rgb = Annotated[tuple[int, ...], AfterValidator(_is_rgb)]


def hex_colors(texts: tuple[str, ...]) -> Colors:
    """Parse colors written as '#rrggbb'. Raises ValueError for another form."""
    colors = []
    for text in texts:
        value = bytes.fromhex(text.removeprefix("#"))
        if len(value) != 3:
            raise ValueError(f"The color {text!r} must be written as #rrggbb.")
        colors.append((value[0], value[1], value[2]))
    return tuple(colors)


#: ColorBrewer's Spectral in 11 classes (Cynthia Brewer, colorbrewer2.org).
_SPECTRAL: Final = hex_colors((
    "9e0142", "d53e4f", "f46d43", "fdae61", "fee08b", "ffffbf", "e6f598", "abdda4", "66c2a5", "3288bd", "5e4fa2",
))  # fmt: skip


def _warm(count: int) -> Colors:
    """From violet over blue to green, d3-scale-chromatic 1.5's interpolateCool: within 1 of the demo's "warm"."""
    shares = [index / count for index in range(count)]
    return tuple(cubehelix(260 - 180 * share, 0.75 + 0.75 * share, 0.35 + 0.45 * share) for share in shares)


def _spectral(count: int) -> Colors:
    """Along a uniform cubic B-spline through the classes, as d3-interpolate 1.4's interpolateRgbBasis."""
    points = np.array(_SPECTRAL, float)
    points = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    spans, colors = len(_SPECTRAL) - 1, []
    for index in range(count):
        span, t = divmod(index / count * spans, 1)
        weights = np.array([(1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3]) / 6
        red, green, blue = np.rint(weights @ points[int(span) : int(span) + 4]).astype(int)
        colors.append((int(red), int(green), int(blue)))
    return tuple(colors)


#: Palette → a color per part, as the reference's demo has them (tfjs-models body-pix demo/part_color_scales.js).
PALETTES: Final = {"rainbow": PART_COLORS, "warm": _warm(len(PART_NAMES)), "spectral": _spectral(len(PART_NAMES))}
