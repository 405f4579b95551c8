"""Which person a pixel belongs to.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_masks_webgl.ts`` (body-pix 2.2.1), the version
browsers run: all 17 keypoints, bilinear sampling, poses compared by mean squared distance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry, Taps, apply_taps
from ..types import Poses

__all__ = ["instance_map"]

#: A pixel farther than this from every pose is nobody's, source px².
MAX_DISTANCE_PX2: Final = 1_000_000.0
#: Distance of the pixels that are asked first, source px.
GRID_PX: Final = 4
#: Longest side that cv2.remap takes.
_REMAP_LIMIT_PX: Final = 32_766
#: Columns of the table that pixels are processed in: as many rows as the largest picture needs stay below that.
_TABLE_WIDTH: Final = 4096
#: Up to this many pixels the offset fields of all keypoints are kept: 200 MB.
_KEPT_PX: Final = 1_500_000


def instance_map(
    long_offsets: NDArray[np.float32],
    person: NDArray[np.uint8],
    poses: Poses,
    geometry: Geometry,
    *,
    stride: int,
    refine_steps: int,
    min_keypoint_score: float,
) -> NDArray[np.int16]:
    """Give each person pixel to the pose its long offsets point at.

    long_offsets: (h, w, 34), y of keypoint k in channel k, x in k + 17. person: (H, W) uint8 0/1.
    poses: source px. Returns (H, W) int16, index into `poses`, −1 nobody's.

    As in the reference, offsets in network px are added to positions in source px: the refinement steps
    lead to the keypoint all the same. Where that leaves the picture at the top or left, the border is read.

    Pixels on a grid of GRID_PX are asked first; a pixel amid four that belong to the same person is that person's too,
    and only the others (at the mask's edge, between people) are asked themselves.
    """
    instances = np.full(person.shape, -1, np.int16)
    seen = poses.keypoint_scores > np.float32(min_keypoint_score)
    if not person.any() or not seen.any():
        return instances
    rows, columns = _strided_taps(geometry, long_offsets.shape[0], long_offsets.shape[1], stride)

    def field(joint: int) -> NDArray[np.float32]:
        offsets_xy = np.ascontiguousarray(long_offsets[..., [joint + 17, joint]])
        return apply_taps(apply_taps(offsets_xy, columns, 1), rows, 0)

    # Both rounds of questions read the same fields; those of large pictures are made twice rather than kept.
    read = lru_cache(maxsize=None if person.size <= _KEPT_PX else 1)(field)

    def ask(ys: NDArray[np.intp], xs: NDArray[np.intp]) -> None:
        if len(ys):
            instances[ys, xs] = _owners(_as_table(xs, ys), read, poses, seen, refine_steps).flat[: len(ys)]

    grid_ys, grid_xs = np.nonzero(person[::GRID_PX, ::GRID_PX])
    ask(grid_ys * GRID_PX, grid_xs * GRID_PX)
    unsettled = _fill_between(instances, person)
    ask(*np.nonzero(unsettled))
    return instances


def _fill_between(instances: NDArray[np.int16], person: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Fill pixels between four equal grid pixels of people, in place; (H, W) bool of those left to be asked."""
    height, width = person.shape
    grid = np.where(person[::GRID_PX, ::GRID_PX] == 1, instances[::GRID_PX, ::GRID_PX], np.int16(-2))
    # Behind the last grid pixel there is none to agree with.
    grid = np.pad(grid, ((0, 1), (0, 1)), constant_values=-2)
    first = grid[:-1, :-1]
    agreed = (first != -2) & (first == grid[1:, :-1]) & (first == grid[:-1, 1:]) & (first == grid[1:, 1:])

    def spread(cells: NDArray[Any]) -> NDArray[Any]:
        return cells.repeat(GRID_PX, 0).repeat(GRID_PX, 1)[:height, :width]

    settled = spread(agreed) & (person == 1)
    np.copyto(instances, spread(first), where=settled)
    asked = np.zeros_like(settled)
    asked[::GRID_PX, ::GRID_PX] = True
    return np.asarray((person == 1) & ~settled & ~asked, np.bool_)


def _owners(
    start: NDArray[np.float32],
    field: Callable[[int], NDArray[np.float32]],
    poses: Poses,
    seen: NDArray[np.bool_],
    refine_steps: int,
) -> NDArray[np.int16]:
    """Index of the nearest pose for each point of (…, 2) x, y; −1 where none is near."""
    distances = np.zeros((len(poses), *start.shape[:2]), np.float32)
    for joint in np.flatnonzero(seen.any(axis=0)):
        ends = _follow(field(int(joint)), start, refine_steps)
        for index in np.flatnonzero(seen[:, joint]):
            x, y = poses.keypoints[index, joint]
            distances[index] += (ends[..., 0] - x) ** 2 + (ends[..., 1] - y) ** 2
    counts = seen.sum(axis=1, dtype=np.float32)[:, None, None]
    mean = np.where(counts > 0, distances / np.maximum(counts, 1), np.inf)
    nearest: NDArray[np.int16] = mean.argmin(axis=0).astype(np.int16)
    nearest[mean.min(axis=0) >= MAX_DISTANCE_PX2] = -1
    return nearest


def _follow(field: NDArray[np.float32], start: NDArray[np.float32], refine_steps: int) -> NDArray[np.float32]:
    """Add the offset under a point, then `refine_steps` times the offset under where that led; (…, 2) x, y."""
    points = start.copy()
    for _ in range(refine_steps + 1):
        points += _nearest(field, points)
    return points


def _nearest(field: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The field's value at the pixel nearest to each point, or at the border's."""
    height, width = field.shape[:2]
    if max(height, width) <= _REMAP_LIMIT_PX:
        xs, ys = points[..., 0], points[..., 1]
        moved = cv2.remap(field, xs, ys, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)
    nearest = np.rint(points)
    columns = np.clip(nearest[..., 0], 0, width - 1).astype(np.intp)
    return field[np.clip(nearest[..., 1], 0, height - 1).astype(np.intp), columns]


def _as_table(xs: NDArray[np.intp], ys: NDArray[np.intp]) -> NDArray[np.float32]:
    """Points as (rows, _TABLE_WIDTH, 2) float32, filled up with zeros."""
    rows = -(-len(xs) // _TABLE_WIDTH)
    table = np.zeros((rows * _TABLE_WIDTH, 2), np.float32)
    table[: len(xs), 0], table[: len(xs), 1] = xs, ys
    return table.reshape(rows, _TABLE_WIDTH, 2)


def _strided_taps(geometry: Geometry, height: int, width: int, stride: int) -> tuple[Taps, Taps]:
    """Rows and columns that bring a head at stride to source px: position ((pad + i + 1)·scale − 1)/stride."""
    scale_y, scale_x = geometry.scale_yx

    def axis(length: int, pad: int, scale: float, cells: int) -> Taps:
        at = ((np.arange(length) + pad + 1) * scale - 1) / stride
        at = np.clip(at, 0, cells - 1)
        lower = np.floor(at).astype(np.intp)
        fraction = (at - lower).astype(np.float32)
        return Taps(lower, np.minimum(lower + 1, cells - 1), 1 - fraction, fraction)

    return (
        axis(geometry.height, geometry.pad_top, scale_y, height),
        axis(geometry.width, geometry.pad_left, scale_x, width),
    )
