"""Mirroring of results and arrays: x → W − 1 − x. Left and right keep their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .types import Poses, Result

__all__ = ["mirror_array", "mirror_result", "move_result"]

T = TypeVar("T", bound=np.generic)


def mirror_array(array: NDArray[T]) -> NDArray[T]:
    """Mirror an image or map (H, W[, C]); the copy is contiguous."""
    return np.ascontiguousarray(array[:, ::-1])


def mirror_result(result: Result) -> Result:
    """Mirror a result; `mirrored` tracks its orientation."""
    height, width = result.size

    def mirror_points(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([width - 1 - points[..., 0], points[..., 1]], axis=-1)

    return replace(move_result(result, (height, width), mirror_array, mirror_points), mirrored=not result.mirrored)


def move_result(
    result: Result,
    size: tuple[int, int],
    move_map: Callable[[NDArray[Any]], NDArray[Any]],
    move_points: Callable[[NDArray[np.float32]], NDArray[Any]],
) -> Result:
    """Move a result to an image whose pixels were moved; size: (height, width) after the move, px.

    move_map: moves a map (H, W). move_points: moves points (N, any, 2), x and y. The result drops its frame, which
    was not moved.
    """
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    moved: dict[str, Any] = {name: move_map(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    if result.poses is not None:
        moved["poses"] = _move_poses(result.poses, move_points)
    return replace(result, size=size, frame=None, **moved)


def _move_poses(poses: Poses, move_points: Callable[[NDArray[np.float32]], NDArray[Any]]) -> Poses:
    keypoints, boxes = move_points(poses.keypoints).astype(np.float32), poses.boxes
    if boxes is not None:
        corners = move_points(boxes.reshape(-1, 2, 2)).astype(np.float32)
        boxes = np.sort(corners, axis=1).reshape(-1, 4)  # mirroring swaps left and right
    return replace(poses, keypoints=keypoints, boxes=boxes)
