"""How the camera moved between two frames, seen in what is around the people."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .sightings import NOBODY, Sightings

__all__ = ["CameraMotion"]

#: Approximate long side of the image in which points are followed.
_SMALL_PX: Final = 320
_MAX_POINTS: Final = 200
#: Quality, relative to the best, and distance, small pixels, of the points that are followed.
_QUALITY: Final = 0.01
_APART_PX: Final = 6.0
#: Minimum number and share of points that move alike.
_FEWEST: Final = 12
_SHARE: Final = 0.4
#: Small pixels added around people, whose points move by themselves.
_MARGIN_PX: Final = 9


class CameraMotion:
    """Follows points of the background from frame to frame: shift, turn and zoom of the image.

    Source: B. D. Lucas, T. Kanade, "An Iterative Image Registration Technique", IJCAI 1981, and RANSAC, as in OpenCV 4
    (`phaseCorrelate`, `calcOpticalFlowPyrLK`, `estimateAffinePartial2D`).
    """

    def __init__(self) -> None:
        self._gray: NDArray[np.uint8] | None = None
        self._people = np.zeros((0, 0), np.uint8)

    def between(self, image: NDArray[np.uint8], seen: Sightings) -> NDArray[np.float32] | None:
        """The map from places in the previous image to places in this one: (2, 3) float32, source px.

        image: (H, W, 3) uint8 as the people were `seen` on it. None for the first image, for one of another size, and
        where too few points move alike: a plain wall, or people who fill the image.
        """
        height, width = image.shape[:2]
        scale = min(1.0, _SMALL_PX / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        gray = np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY), np.uint8)
        before, people = self._gray, self._people
        self._gray, self._people = gray, _people(seen, size)
        if before is None or before.shape != gray.shape:
            return None
        small = _motion(before, gray, people)
        if small is None:
            return None
        small[:, 2] *= np.array([width / size[0], height / size[1]])
        return small.astype(np.float32)


def _people(seen: Sightings, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Where people are in an image of size (width, height), with a margin: 255 or 0."""
    there = cv2.resize((seen.labels != NOBODY).astype(np.uint8) * 255, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.dilate(there, np.ones((_MARGIN_PX, _MARGIN_PX), np.uint8)), np.uint8)


@lru_cache(maxsize=4)
def _window(size: tuple[int, int]) -> NDArray[np.float32]:
    """A window that fades at the image's border, as phase correlation needs it."""
    return np.asarray(cv2.createHanningWindow(size[::-1], cv2.CV_32F), np.float32)


def _motion(
    before: NDArray[np.uint8], after: NDArray[np.uint8], people: NDArray[np.uint8]
) -> NDArray[np.float64] | None:
    points = cv2.goodFeaturesToTrack(before, _MAX_POINTS, _QUALITY, _APART_PX, mask=255 - people)
    if points is None or len(points) < _FEWEST:
        return None
    # Large shifts first: points are searched near where they are expected.
    shift, _ = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), _window(before.shape))
    expected = np.asarray(points + np.array(shift), np.float32)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, expected, flags=cv2.OPTFLOW_USE_INITIAL_FLOW)
    there = found.ravel() == 1
    if there.sum() < _FEWEST:
        return None
    motion, alike = cv2.estimateAffinePartial2D(points[there], moved[there], ransacReprojThreshold=1.5)
    if motion is None or alike.sum() < max(_FEWEST, _SHARE * len(points)):
        return None
    return np.asarray(motion, np.float64)
