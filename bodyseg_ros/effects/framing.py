"""Effects that move pixels: mirror, and crop to people. The result moves along."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..mirror import mirror_array, mirror_result, move_result
from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .blending import Picture, require
from .effect import Effect

__all__ = ["CropToPeople", "Mirror"]


class Mirror(Effect):
    """Mirror the image; keypoint names are not swapped."""

    api_version = 1
    needs = Wanted.NOTHING

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        return mirror_array(frame.image)

    def move(self, result: Result) -> Result:
        """Mirror masks and keypoints too."""
        return mirror_result(result)


class CropToPeopleSettings(Settings):
    """Margin, smoothing and output size."""

    margin: float = live(0.15, "Margin around people, as a share of their box.", ge=0.0, le=2.0)
    calm: float = live(
        0.85, "Smoothing of the crop window: weight of its previous position; 0: follow at once.", ge=0, le=0.99
    )
    resize: bool = live(
        True, "Enlarge to the frame's size, as videos and camera topics need; false: keep the crop's pixels."
    )


class CropToPeople(Effect):
    """Crop to all people; the full image if there are none."""

    api_version = 1
    Settings = CropToPeopleSettings
    needs = Wanted.PERSON
    settings: CropToPeopleSettings

    def __init__(self, settings: CropToPeopleSettings) -> None:
        super().__init__(settings)
        self._size = (0, 0)
        #: top, left, bottom, right of the crop, px.
        self._box = np.zeros(4)

    def compose(self, frame: Frame, result: Result) -> Picture:
        """Return (H, W, 3) uint8 RGB of the frame's size, or of the crop's."""
        target = self._target(require(result.person, "a person mask").view(np.uint8))
        if self._size == frame.size:
            target = self.settings.calm * self._box + (1 - self.settings.calm) * target
        self._size, self._box = frame.size, target
        return np.asarray(self._cut(frame.image, cv2.INTER_LINEAR), np.uint8)

    def move(self, result: Result) -> Result:
        """Crop masks and keypoints."""
        top, left, bottom, right = self._pixels()
        height, width = self._size if self.settings.resize else (bottom - top, right - left)
        scale = np.array([width / (right - left), height / (bottom - top)])
        return move_result(
            result,
            (height, width),
            lambda array: self._cut(array, cv2.INTER_NEAREST),
            lambda points: (points + 0.5 - (left, top)) * scale - 0.5,
        )

    def _target(self, person: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Box around people with margin, in the frame's aspect ratio if enlarged."""
        height, width = person.shape
        left, top, wide, high = cv2.boundingRect(person)
        if not wide:
            return np.array([0, 0, height, width], float)
        middle = np.array([top + high / 2, left + wide / 2])
        sides = np.array([high, wide]) * (1 + 2 * self.settings.margin)
        if self.settings.resize:
            sides = np.array([height, width]) * max(sides[0] / height, sides[1] / width)
        sides = np.minimum(sides, (height, width))
        first = np.clip(middle - sides / 2, 0, np.array([height, width]) - sides)
        return np.concatenate([first, first + sides])

    def _pixels(self) -> tuple[int, int, int, int]:
        height, width = self._size
        top, left = min(int(self._box[0]), height - 1), min(int(self._box[1]), width - 1)
        return top, left, max(top + 1, min(height, round(self._box[2]))), max(left + 1, min(width, round(self._box[3])))

    def _cut(self, array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        top, left, bottom, right = self._pixels()
        section = np.ascontiguousarray(array[top:bottom, left:right])
        if not self.settings.resize or section.shape[:2] == self._size:
            return section
        resized = cv2.resize(section, self._size[::-1], interpolation=interpolation)
        return np.asarray(resized, array.dtype).reshape(*self._size, *array.shape[2:])
