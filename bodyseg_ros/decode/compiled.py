"""The decoders in C: arrays in the form that they read, and room for what they write; kernels/*.c say what they do."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, POSE_TREE
from ..geometry import Geometry, source_taps, taps_of_axis
from ..kernels import library
from ..kernels.library import Field, Grid, Heads, address, call
from ..types import Poses

__all__ = ["confidence_map", "decode_poses", "grid_of", "instance_map", "part_map", "person_map"]

_JOINTS = len(KEYPOINT_NAMES)
_TREE = np.array(POSE_TREE, np.int32)


def grid_of(head: NDArray[np.float32], geometry: Geometry) -> Grid | None:
    """A head's (h, w, C) grid and its way to source px; None where NumPy must decode it.

    That is without the library, and where cells hold no whole number of network px.
    """
    return _grid(*head.shape, geometry) if library.KERNELS else None


@lru_cache(maxsize=16)
def _grid(height: int, width: int, channels: int, geometry: Geometry) -> Grid | None:
    cells = max(height - 1, 1), max(width - 1, 1)
    inner = max(geometry.input_height - 1, 1), max(geometry.input_width - 1, 1)
    if not height * width * channels:
        raise ValueError(f"A decoder needs a head of at least one number, but this one is {(height, width, channels)}.")
    if any(px % count for px, count in zip(inner, cells, strict=True)):
        return None
    steps = inner[0] // cells[0], inner[1] // cells[1]
    nodes = [np.linspace(0, 1, step + 1, dtype=np.float32) for step in steps]
    taps = source_taps(geometry)
    starts = (address(places, np.float32) for places in nodes)
    grid = Grid(height, width, channels, *steps, *starts, *(taps_of_axis(axis) for axis in taps))
    grid.kept = nodes, taps  # the struct holds addresses alone
    return grid


def confidence_map(grid: Grid, segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """(H, W) person probability."""
    scores = np.empty((geometry.height, geometry.width), np.float32)
    logits = np.ascontiguousarray(segments, np.float32)
    call("person_map", grid, address(logits, np.float32), 0.0, address(scores, np.float32), None)
    return scores


def person_map(grid: Grid, segments: NDArray[np.float32], geometry: Geometry, threshold: float) -> NDArray[np.uint8]:
    """(H, W) person mask."""
    person = np.empty((geometry.height, geometry.width), np.uint8)
    logits = np.ascontiguousarray(segments, np.float32)
    call("person_map", grid, address(logits, np.float32), threshold, None, address(person, np.uint8))
    return person


def part_map(grid: Grid, part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8]) -> NDArray[np.int8]:
    """(H, W) part ids."""
    parts = np.empty(person.shape, np.int8)
    room = np.empty(part_heatmaps.shape[2], np.int32)
    logits = np.ascontiguousarray(part_heatmaps, np.float32)
    mask = _of_shape(person, np.uint8, grid.rows.count, grid.columns.count)
    arrays = address(logits, np.float32), address(mask, np.uint8)
    call("part_map", grid, *arrays, address(room, np.int32), address(parts, np.int8))
    return parts


def decode_poses(
    heatmaps: NDArray[np.float32],
    short_offsets: NDArray[np.float32],
    displacement_fwd: NDArray[np.float32],
    displacement_bwd: NDArray[np.float32],
    *,
    stride: int,
    max_detections: int,
    score_threshold: float,
    nms_radius: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (N, 17, 2) network px, their scores (N, 17), the people's (N,)."""
    grid = heatmaps.shape[:2]
    given = heatmaps, short_offsets, displacement_fwd, displacement_bwd
    channels = _JOINTS, 2 * _JOINTS, 2 * len(_TREE), 2 * len(_TREE)
    arrays = [_of_shape(head, np.float32, *grid, count) for head, count in zip(given, channels, strict=True)]
    heads = Heads(*(address(head, np.float32) for head in arrays), *grid, stride, address(_TREE, np.int32))
    keypoints = np.empty((max_detections, _JOINTS, 2), np.float64)
    joint_scores, scores = np.empty(keypoints.shape[:2], np.float64), np.empty(max_detections, np.float64)
    found = (address(array, np.float64) for array in (keypoints, joint_scores, scores))
    count = call("decode_poses", heads, max_detections, score_threshold, nms_radius * nms_radius, *found)
    return keypoints[:count], joint_scores[:count], scores[:count]


def instance_map(
    long_offsets: NDArray[np.float32],
    person: NDArray[np.uint8],
    poses: Poses,
    seen: NDArray[np.bool_],
    geometry: Geometry,
    *,
    stride: int,
    refine_steps: int,
    max_distance_px2: float,
) -> NDArray[np.int16]:
    """(H, W) index into `poses`; seen: (people, 17), the keypoints that count."""
    height, width = long_offsets.shape[:2]
    joints = np.flatnonzero(seen.any(axis=0)).astype(np.int32)
    offsets = _of_shape(long_offsets, np.float32, height, width, 2 * _JOINTS)
    mask = _of_shape(person, np.uint8, geometry.height, geometry.width)
    keypoints = np.ascontiguousarray(poses.keypoints[:, joints])
    shown = np.ascontiguousarray(seen[:, joints], np.uint8)
    lanes = _lanes(height, width, geometry, stride)
    field = Field(
        address(offsets, np.float32), height, width, len(joints), len(poses), refine_steps + 1,
        address(joints, np.int32), address(keypoints, np.float32), address(shown, np.uint8),
        address(lanes, np.float32), max_distance_px2,
    )  # fmt: skip
    owners = np.empty(person.shape, np.int16)
    scale = max(geometry.scale_yx)
    # Where the network sees more pixels than the picture has, steps overshoot: neighbours say little of each other.
    block = 1 if scale > 1 else 2 ** round(math.log2(stride / scale))
    call("instance_map", field, address(mask, np.uint8), *person.shape, block, address(owners, np.int16))
    return owners


def _of_shape(array: NDArray[Any], dtype: type[np.generic], *shape: int) -> NDArray[Any]:
    """The array as a kernel reads it. Raises ValueError for another shape, beyond whose end C would read."""
    if array.shape != shape:
        raise ValueError(f"A decoder needs an array of shape {shape}, but this one is {array.shape}.")
    return np.ascontiguousarray(array, dtype)


@lru_cache(maxsize=16)
def _lanes(height: int, width: int, geometry: Geometry, stride: int) -> NDArray[np.float32]:
    """(5, 34): factor, shift, low, high of ((pad + p + 1)·scale − 1)/stride, and the last pixel; x and y in turns."""
    scale = np.array(geometry.scale_yx[::-1])
    pad = np.array([geometry.pad_left, geometry.pad_top])
    last = np.array([geometry.width - 1, geometry.height - 1])
    low, high = (
        np.clip(((pad + end + 1) * scale - 1) / stride, 0, [width - 1, height - 1]) for end in (np.zeros(2), last)
    )
    places = [scale / stride, ((pad + 1) * scale - 1) / stride, low, high, last]
    return np.tile(np.stack(places), (1, _JOINTS)).astype(np.float32)
