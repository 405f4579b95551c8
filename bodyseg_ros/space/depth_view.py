"""Depth images: conversion to meters, and depth as seen by another camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .pinhole import Pinhole
from .rigid import Rigid

__all__ = ["DepthImage", "is_measured", "to_meters"]

#: Range of depths at which people are located, m.
_NEAR_M, _FAR_M = 0.2, 20.0
#: Margin around the searched part of a depth image, px.
_MARGIN_PX: Final = 8
_NOTHING: Final = np.float32(0)


def to_meters(depth: NDArray[Any]) -> NDArray[np.float32]:
    """Convert a depth image, (H, W) uint16 mm or float32 m, to float32 m as REP 118 has it.

    Positive: measured; NaN: nothing was measured; infinity: too far to measure; minus infinity: too near.
    """
    if depth.dtype.kind == "u":
        return np.where(depth > 0, depth * np.float32(0.001), np.float32(np.nan)).astype(np.float32, copy=False)
    return np.where((depth > 0) | np.isneginf(depth), depth, np.float32(np.nan)).astype(np.float32, copy=False)


def is_measured(meters: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a depth image in meters has a distance: not NaN, zero, too near or too far."""
    return np.asarray((meters > 0) & (meters < np.inf))


@dataclass(frozen=True)
class DepthImage:
    """A depth image and its camera.

    depth: (H, W) float32, m along the optical axis, as to_meters() returns it. camera: of the same size. to_color:
    transforms points of this camera to the color camera.
    """

    depth: NDArray[np.float32]
    camera: Pinhole
    to_color: Rigid

    def seen_by(self, color: Pinhole, labels: NDArray[np.int16], shrink: int) -> NDArray[np.float32]:
        """Depth of people as seen by the color camera: (h, w) float32, m along its axis, 0 if unknown.

        labels: (h, w), 0 or more on people, on a grid where each pixel stands for `shrink` × `shrink` color px; only
        these are looked up. Of two surfaces at one place the nearer one counts.
        """
        if self._is_aligned(color):
            depth = self.depth[::shrink, ::shrink]
            return np.where((labels >= 0) & is_measured(depth), depth, _NOTHING)
        seen = np.full(labels.size, np.inf, np.float32)
        part = self._window(color, labels, shrink)
        depth = self.depth[part]
        rays = _turned_rays(self.camera, tuple(self.to_color.quaternion.tolist()))[(slice(None), *part)]
        shift = self.to_color.translation.astype(np.float32)
        points = (rays * np.where(is_measured(depth), depth, np.float32(np.nan))).reshape(3, -1) + shift[:, None]
        x, y, index = color.project(points.T)
        height, width = labels.shape
        column, row = np.rint(x / np.float32(shrink)), np.rint(y / np.float32(shrink))
        inside = np.flatnonzero((column >= 0) & (column < width) & (row >= 0) & (row < height))
        places = (row[inside] * width + column[inside]).astype(np.intp)
        on_people = labels.reshape(-1)[places] >= 0
        np.minimum.at(seen, places[on_people], points[2, index[inside[on_people]]])
        return np.where(np.isfinite(seen), seen, _NOTHING).reshape(labels.shape)

    def _is_aligned(self, color: Pinhole) -> bool:
        """Whether both cameras have the same pixels."""
        still = Rigid.still()
        same_place = np.allclose(self.to_color.quaternion, still.quaternion) and not self.to_color.translation.any()
        return same_place and self.camera == color

    def _window(self, color: Pinhole, labels: NDArray[np.int16], shrink: int) -> tuple[slice, slice]:
        """Rows and columns of the depth image that may show the labeled people."""
        height, width = self.depth.shape
        x, y, w, h = cv2.boundingRect((labels >= 0).view(np.uint8))
        across, down = np.meshgrid(np.linspace(x, x + w, 3), np.linspace(y, y + h, 3))
        pixels = np.stack([across.ravel(), down.ravel()], axis=-1).astype(np.float32)
        rays = color.unproject(pixels * np.float32(shrink))
        far = np.geomspace(_NEAR_M, _FAR_M, 8)
        points = np.concatenate([np.column_stack((rays * z, np.full(len(rays), z))) for z in far]).astype(np.float32)
        column, row, index = self.camera.project(self.to_color.inverse().apply(points))
        if len(index) < len(points):  # Some points are behind this camera or outside its lens.
            return slice(height), slice(width)
        first = np.clip([row.min() - _MARGIN_PX, column.min() - _MARGIN_PX], 0, (height, width)).astype(int)
        last = np.clip([row.max() + _MARGIN_PX, column.max() + _MARGIN_PX], 0, (height, width)).astype(int)
        return slice(first[0], last[0]), slice(first[1], last[1])


@lru_cache(maxsize=4)
def _turned_rays(camera: Pinhole, quaternion: tuple[float, ...]) -> NDArray[np.float32]:
    """Rays (3, H, W) through all pixels, with depth 1 before rotation."""
    height, width = camera.size
    row, column = np.mgrid[:height, :width].astype(np.float32)
    rays = camera.unproject(np.stack([column.ravel(), row.ravel()], axis=-1))
    turned = Rigid.of(quaternion, (0, 0, 0)).apply(np.column_stack((rays, np.ones(len(rays), np.float32))))
    return np.ascontiguousarray(turned.T).reshape(3, height, width)
