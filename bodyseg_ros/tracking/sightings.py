"""A tracker's input: the people of one frame as keypoints, small masks and colors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..person import VISIBLE_SCORE
from ..types import Frame, Poses, Result

__all__ = ["NOBODY", "Sightings", "see"]

#: Approximate long side of the small ownership map.
_SMALL_PX: Final = 96
#: Bins per color channel of a histogram.
_LEVELS: Final = 4
_BINS: Final = 2 * _LEVELS**3
#: Minimum mask size for a histogram, small pixels.
_FEWEST_PX: Final = 12
_TORSO: Final = np.array([5, 6, 11, 12])
#: Distance from the left or right edge within which people enter, as a share of the image width.
_EDGE: Final = 0.03
#: Value of nobody's pixels in the small map.
NOBODY: Final = -1


@dataclass(frozen=True)
class Sightings:
    """The people of one frame.

    points: (N, 17, 2) float32, source px. visible: (N, 17). sizes: (N,) float32, long side of the visible keypoints,
    px. at_edge: (N,), people who may just have entered at the left or right edge. labels: (h, w) int16, a person's
    index or NOBODY, on a map where one pixel stands for `shrink` × `shrink`. colors: (N, 128) float32, square roots of
    the histograms of red, green and blue in the upper and lower half of the mask; 0 where it is too small.
    """

    points: NDArray[np.float32]
    visible: NDArray[np.bool_]
    sizes: NDArray[np.float32]
    at_edge: NDArray[np.bool_]
    labels: NDArray[np.int16]
    shrink: int
    colors: NDArray[np.float32]


def see(frame: Frame, result: Result) -> Sightings:
    """Read the people of a result with poses; without instances the hull of the torso serves as the mask."""
    assert result.poses is not None
    poses = result.poses
    shrink = max(1, math.ceil(max(result.size) / _SMALL_PX))
    visible = (poses.keypoint_scores >= np.float32(VISIBLE_SCORE)) & np.isfinite(poses.keypoints).all(axis=-1)
    visible[~visible.any(axis=1)] = True
    if result.instances is None:
        labels = _hulls(poses, visible, result.size, shrink)
    else:
        labels = np.ascontiguousarray(result.instances[::shrink, ::shrink])
    image = frame.image[:, ::-1] if result.mirrored else frame.image
    colors = _colors(image[::shrink, ::shrink], labels, len(poses))
    least, most = _limits(poses.keypoints, visible)
    sizes = np.maximum((most - least).max(axis=1, initial=1), 1)
    edge = _EDGE * result.size[1]
    at_edge = (least[:, 0] < edge) | (most[:, 0] > result.size[1] - edge)
    return Sightings(poses.keypoints, visible, sizes, at_edge, labels, shrink, colors)


def _limits(points: NDArray[np.float32], visible: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Minimum and maximum x and y of the visible keypoints, (N, 2) each."""
    there = visible[..., None]
    least = np.where(there, points, np.float32(np.inf)).min(axis=1)
    return least, np.where(there, points, np.float32(-np.inf)).max(axis=1)


def _hulls(poses: Poses, visible: NDArray[np.bool_], size: tuple[int, int], shrink: int) -> NDArray[np.int16]:
    """Draw each person as the hull of shoulders and hips (if not visible: of all keypoints), higher scores on top."""
    labels = np.full((-(-size[0] // shrink), -(-size[1] // shrink)), NOBODY, np.int16)
    torso = np.zeros(visible.shape[1], np.bool_)
    torso[_TORSO] = True
    # The area between the limbs is background.
    shown = np.where(np.all(visible[:, _TORSO], axis=1, keepdims=True), torso, visible)
    points = np.clip(np.rint(poses.keypoints / shrink), -(2**14), 2**14).astype(np.int32)
    for place in range(len(poses) - 1, -1, -1):
        cv2.fillConvexPoly(labels, cv2.convexHull(points[place][shown[place]]), place)
    return labels


def _colors(image: NDArray[np.uint8], labels: NDArray[np.int16], people: int) -> NDArray[np.float32]:
    rows, columns = np.nonzero(labels >= 0)
    owners = labels[rows, columns].astype(np.intp)
    pixels = np.bincount(owners, minlength=people)
    middle = np.bincount(owners, rows, minlength=people) / np.maximum(pixels, 1)
    # Two bits per channel: the highest.
    levels = image[rows, columns] >> 6
    bins = (levels[:, 0] * _LEVELS + levels[:, 1]) * _LEVELS + levels[:, 2]
    places = (owners * 2 + (rows > middle[owners])) * (_BINS // 2) + bins
    shares = np.bincount(places, minlength=people * _BINS).reshape(people, _BINS) / np.maximum(pixels, 1)[:, None]
    shares[pixels < _FEWEST_PX] = 0
    return np.asarray(np.sqrt(shares), np.float32)
