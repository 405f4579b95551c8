"""The part of the image that the second network sees of a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..person import Box

__all__ = ["Window", "window_around"]


@dataclass(frozen=True)
class Window:
    """A part of the image, source px; it may reach beyond the image.

    scale: px of the cut-out per source px.
    """

    left: int
    top: int
    width: int
    height: int
    scale: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the cut-out, px."""
        return max(1, round(self.height * self.scale)), max(1, round(self.width * self.scale))

    def inside(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of an image of size (H, W) that are in the window."""
        rows = slice(max(self.top, 0), max(min(self.top + self.height, size[0]), 0))
        return rows, slice(max(self.left, 0), max(min(self.left + self.width, size[1]), 0))

    def _covered(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the window that are in an image of size (H, W)."""
        rows, columns = self.inside(size)
        return (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )

    def cut_out(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of an image (H, W, 3), scaled; black beyond the image."""
        size = image.shape[0], image.shape[1]
        cut = np.zeros((self.height, self.width, 3), np.uint8)
        cut[self._covered(size)] = image[self.inside(size)]
        return cut if self.size == cut.shape[:2] else _resize(cut, self.size)

    def put_back(self, values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
        """Scale a map (h, w) of the cut-out back, without what lies outside an image of size (H, W)."""
        if values.shape[:2] != (self.height, self.width):
            how = cv2.INTER_LINEAR if values.dtype == np.float32 else cv2.INTER_NEAREST
            values = cv2.resize(values, (self.width, self.height), interpolation=how)
        return values[self._covered(size)]

    def to_image(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (…, 2), x and y in px of the cut-out, to source px."""
        height, width = self.size
        scale = np.array([self.width / width, self.height / height], np.float32)
        return np.asarray(points * scale + np.array([self.left, self.top], np.float32), np.float32)


def window_around(box: Box, margin: float, aspect: float | None, size_px: int) -> Window:
    """Enlarge a box by `margin`, then its shorter side to `aspect`, width through height; centered on the box.

    aspect: None keeps the box's. size_px: long side of the cut-out; 0: not scaled.
    """
    left, top, right, bottom = box
    width, height = (right - left) * (1 + margin), (bottom - top) * (1 + margin)
    if aspect is not None:
        width, height = max(width, height * aspect), max(height, width / aspect)
    whole_width, whole_height = max(1, round(width)), max(1, round(height))
    scale = size_px / max(whole_width, whole_height) if size_px else 1.0
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    return Window(
        round(middle_x - whole_width / 2), round(middle_y - whole_height / 2), whole_width, whole_height, scale
    )


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    smaller = size[0] < image.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=how), np.uint8)
