"""A contact sheet: captioned images side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["contact_sheet"]

_CAPTION_PX: Final = 26
_GAP_PX: Final = 8
_PAPER: Final = 245


def contact_sheet(
    pictures: Mapping[str, NDArray[np.uint8]], *, columns: int = 3, tile_width_px: int = 360
) -> NDArray[np.uint8]:
    """Lay out captioned images in rows; returns (H, W, 3) uint8 RGB.

    pictures: caption → (h, w), (h, w, 3) RGB or (h, w, 4) RGBA uint8, shown on a checkerboard. All tiles get the shape
    of the first image.
    """
    height, width = next(iter(pictures.values())).shape[:2]
    tile_height = max(1, round(tile_width_px * height / width))
    tiles = [_tile(caption, picture, tile_height, tile_width_px) for caption, picture in pictures.items()]
    rows = -(-len(tiles) // columns)
    cell_height, cell_width = tile_height + _CAPTION_PX + _GAP_PX, tile_width_px + _GAP_PX
    columns = min(columns, len(tiles))
    sheet = np.full((rows * cell_height + _GAP_PX, columns * cell_width + _GAP_PX, 3), _PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        top = _GAP_PX + index // columns * cell_height
        left = _GAP_PX + index % columns * cell_width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet


def _tile(caption: str, picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    image = _flatten(picture)
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    tile = np.full((height + _CAPTION_PX, width, 3), _PAPER, np.uint8)
    tile[_CAPTION_PX : _CAPTION_PX + size[1], : size[0]] = shown
    cv2.putText(tile, caption, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return tile


def _flatten(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert an image to RGB; transparency becomes a checkerboard."""
    if picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    if picture.shape[2] == 3:
        return picture
    rows, columns = (np.arange(side) // 12 for side in picture.shape[:2])
    ground = np.where((rows[:, None, None] + columns[None, :, None]) % 2 == 0, 225, 190)
    alpha = picture[..., 3:].astype(np.uint16)
    return np.asarray((picture[..., :3] * alpha + ground * (255 - alpha)) // 255, np.uint8)
