"""Refine one mask: guided filter for probabilities, cleaning for binary masks."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["bend", "make_disc", "fill_holes", "apply_guided_filter", "apply_hysteresis", "open_and_close", "shift_edge"]

#: Up to this radius, dilation with a disc is faster than a distance transform.
_SMALL_DISC_PX: Final = 12


def apply_guided_filter(
    guide: NDArray[np.uint8], values: NDArray[np.float32], radius_px: int, epsilon: float, middle: float = 0.5
) -> NDArray[np.float32]:
    """Align the edges of `values` (H, W) float32, 0 to 1, with those of `guide` (H, W) uint8 gray.

    middle: the value placed at edges, between 0 and 1; the filter itself places 0.5 there. Source: K. He, J. Sun, X.
    Tang, "Guided Image Filtering", ECCV 2010, equations 5, 6 and 8; the coefficients are computed on an image reduced
    by a quarter of the radius: K. He, J. Sun, "Fast Guided Filter", arXiv 1505.00996.
    """
    height, width = guide.shape
    factor = max(1, min(radius_px // 4, height, width))
    small = (max(1, width // factor), max(1, height // factor))
    i, p = (cv2.resize(picture, small, interpolation=cv2.INTER_AREA) for picture in (guide, values))
    i, p = i.astype(np.float32) * np.float32(1 / 255), bend(np.asarray(p, np.float32), middle, 0.5)
    reach = 2 * max(1, round(radius_px / factor)) + 1
    window = (reach, reach)
    mean_i, mean_p = cv2.boxFilter(i, -1, window), cv2.boxFilter(p, -1, window)
    variance = cv2.boxFilter(i * i, -1, window) - mean_i * mean_i
    slope = (cv2.boxFilter(i * p, -1, window) - mean_i * mean_p) / (variance + np.float32(epsilon))
    offset = mean_p - slope * mean_i
    filtered, full_offset = (
        cv2.resize(cv2.boxFilter(each, -1, window), (width, height), interpolation=cv2.INTER_LINEAR)
        for each in (slope, offset)
    )
    np.multiply(filtered, np.float32(1 / 255), out=filtered)
    np.multiply(filtered, guide, out=filtered)
    np.add(filtered, full_offset, out=filtered)
    return bend(np.asarray(np.clip(filtered, 0, 1, out=filtered), np.float32), 0.5, middle)


def bend(values: NDArray[np.float32], at: float, to: float) -> NDArray[np.float32]:
    """Map probabilities (H, W) piecewise linearly so that `at` becomes `to`; 0 and 1 stay."""
    low, high = to / at, (1 - to) / (1 - at)
    lower, upper = values * np.float32(low), values * np.float32(high)
    upper += np.float32(1 - high)
    # Of two lines that meet at `at`, the upper one, or the lower one, is right on both sides.
    return np.asarray((np.maximum if high > low else np.minimum)(lower, upper, out=lower), np.float32)


def apply_hysteresis(strong: NDArray[np.uint8], weak: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the pixels of `weak` that are connected (8-neighborhood) to a pixel of `strong`; (H, W) uint8, 0 and 1."""
    count, labels = cv2.connectedComponents(weak | strong, connectivity=8)
    kept = np.zeros(count, np.uint8)
    kept[labels[strong > 0]] = 1
    return np.asarray(kept[labels], np.uint8)


def make_disc(radius_px: int) -> NDArray[np.uint8]:
    """Make a round structuring element, 2 r + 1 wide."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2), np.uint8)


def open_and_close(person: NDArray[np.uint8], open_px: int, close_px: int) -> NDArray[np.uint8]:
    """Remove specks, then close gaps; (H, W) uint8, zero and nonzero."""
    for radius, operation in ((open_px, cv2.MORPH_OPEN), (close_px, cv2.MORPH_CLOSE)):
        if radius:
            person = np.asarray(cv2.morphologyEx(person, operation, make_disc(radius)), np.uint8)
    return person


def fill_holes(person: NDArray[np.uint8], most_px: float) -> NDArray[np.uint8]:
    """Fill holes in people (enclosed background, 4-neighborhood) of at most `most_px` pixels; (H, W) uint8."""
    flooded = cv2.copyMakeBorder(person, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[0])
    cv2.floodFill(flooded, None, (0, 0), 2)
    holes = (flooded[1:-1, 1:-1] == 0).view(np.uint8)
    left, top, width, high = cv2.boundingRect(holes)
    if not width:
        return person
    there = np.s_[top : top + high, left : left + width]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(holes[there], connectivity=4)
    fitting = (stats[:, cv2.CC_STAT_AREA] <= most_px).view(np.uint8)
    fitting[0] = 0  # everything that is not a hole
    filled = person.copy()
    filled[there] |= fitting[labels]
    return filled


def shift_edge(person: NDArray[np.uint8], grow_px: int) -> NDArray[np.uint8]:
    """Grow the mask by `grow_px`, or shrink it if negative; (H, W) uint8, 0 and 1."""
    if not grow_px:
        return person
    radius = abs(grow_px)
    if radius > _SMALL_DISC_PX:
        nowhere = (person == 0) if grow_px > 0 else (person != 0)
        near = cv2.distanceTransform(nowhere.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) <= radius
        return np.asarray(near if grow_px > 0 else ~near).view(np.uint8)
    change = cv2.dilate if grow_px > 0 else cv2.erode
    return np.asarray(change(person, make_disc(radius)), np.uint8)
