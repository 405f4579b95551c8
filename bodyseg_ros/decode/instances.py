"""Which person a pixel belongs to.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_masks_webgl.ts`` (body-pix 2.2.1), the version
browsers run: all 17 keypoints, bilinear sampling, poses compared by mean squared distance.
"""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..geometry import Geometry
from ..types import Poses

__all__ = ["instance_map"]

#: A pixel farther than this from every pose is nobody's, source px².
MAX_DISTANCE_PX2: Final = 1_000_000.0
#: A block that its corners do not settle is cut into so many rows and columns.
_CUT: Final = 4
#: Points followed at a time: their arrays stay in the processor's cache.
_CHUNK: Final = 256

Indices = NDArray[np.intp]


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

    The corners of blocks as large as a cell of the grid are asked first. Where all four belong to one person, and the
    farthest of them is nearer to it than any is to another, so does the block; other blocks are cut up, down to single
    pixels. A single person in a picture in which nothing is too far away gets every pixel unasked.
    """
    seen = poses.keypoint_scores > np.float32(min_keypoint_score)
    candidates = np.flatnonzero(seen.any(axis=1))
    if not len(candidates) or not person.any():
        return np.full(person.shape, -1, np.int16)
    if len(candidates) == 1 and math.hypot(*person.shape) ** 2 < MAX_DISTANCE_PX2:
        return person.astype(np.int16) * np.int16(candidates[0] + 1) - np.int16(1)
    walk = _Walk(long_offsets, poses, seen, geometry, stride, refine_steps)
    cell = stride / max(geometry.scale_yx)
    block = 2 ** max(1, round(math.log2(cell)))
    return _settled(person, walk, block)


def _settled(person: NDArray[np.uint8], walk: _Walk, block: int) -> NDArray[np.int16]:
    """Ask blocks of `block` px first, and those that stay open in smaller ones, down to pixels."""
    height, width = person.shape
    inhabited = np.stack([person[top : top + block].max(axis=0) for top in range(0, height, block)])
    inhabited = np.maximum.reduceat(inhabited, np.arange(0, width, block), axis=1)
    ys, xs = (at * block for at in np.nonzero(inhabited))
    first = np.full(inhabited.shape, -1, np.int16)
    owner = _corner_owner(walk, ys, xs, block, height, width)
    first[ys // block, xs // block] = owner
    owners = np.repeat(np.repeat(first, block, axis=1)[:, :width], block, axis=0)[:height]
    while block > 1 and (owner < 0).any():
        ys, xs, block = _cut(person, ys[owner < 0], xs[owner < 0], block)
        owner = _corner_owner(walk, ys, xs, block, height, width) if block > 1 else walk.nearest(ys, xs)[0]
        for y, x, one in zip(ys.tolist(), xs.tolist(), owner.tolist(), strict=True):
            owners[y : y + block, x : x + block] = one
    return cv2.copyTo(owners, person, np.full(person.shape, -1, np.int16))  # type: ignore[return-value]


def _corner_owner(walk: _Walk, ys: Indices, xs: Indices, block: int, height: int, width: int) -> NDArray[np.int16]:
    """(n,) whose the blocks at ys, xs are; −1 where their corners do not tell."""
    rows = np.minimum(ys + np.array([[0], [0], [block], [block]]), height - 1)
    columns = np.minimum(xs + np.array([[0], [block], [0], [block]]), width - 1)
    points, back = np.unique(rows * width + columns, return_inverse=True)
    owner, first, second = (each[back.reshape(4, -1)] for each in walk.nearest(*np.divmod(points, width)))
    clear = (owner == owner[0]).all(axis=0) & (first.max(axis=0) < second.min(axis=0))
    return np.where(clear, owner[0], np.int16(-1))


def _cut(person: NDArray[np.uint8], ys: Indices, xs: Indices, block: int) -> tuple[Indices, Indices, int]:
    """The blocks in pieces: rows and columns of those that hold a person, and the pieces' size."""
    size = max(block // _CUT, 1)
    inside = np.arange(block)
    rows = np.minimum(ys[:, None] + inside, person.shape[0] - 1)
    columns = np.minimum(xs[:, None] + inside, person.shape[1] - 1)
    pieces = person[rows[:, :, None], columns[:, None]].reshape(len(ys), block // size, size, block // size, size)
    which, row, column = np.nonzero(pieces.any(axis=(2, 4)))
    rows, columns = ys[which] + row * size, xs[which] + column * size
    within = (rows < person.shape[0]) & (columns < person.shape[1])
    return rows[within], columns[within], size


class _Walk:
    """Follows long offsets from pixels to people."""

    def __init__(
        self,
        long_offsets: NDArray[np.float32],
        poses: Poses,
        seen: NDArray[np.bool_],
        geometry: Geometry,
        stride: int,
        refine_steps: int,
    ) -> None:
        self._joints = np.flatnonzero(seen.any(axis=0))
        self._seen, self._steps = seen[:, self._joints], refine_steps + 1
        self._keypoints = poses.keypoints[:, self._joints].transpose(0, 2, 1)[..., None]  # (people, x y, joints, 1)
        height, width = long_offsets.shape[:2]
        self._width = np.int32(width)
        self._first = (np.arange(len(self._joints), dtype=np.int32) * (height * width))[:, None]
        self._table = _bilinear_terms(long_offsets, self._joints)
        # Source px to place on the grid, x and y: ((pad + p + 1)·scale − 1)/stride, kept where the source and grid end.
        scale = np.array(geometry.scale_yx[::-1])
        pad = np.array([geometry.pad_left, geometry.pad_top])
        ends = np.array([[0, 0], [geometry.width - 1, geometry.height - 1]])
        low, high = np.clip(((pad + ends + 1) * scale - 1) / stride, 0, [width - 1, height - 1])
        places = scale / stride, ((pad + 1) * scale - 1) / stride, low, high
        self._factor, self._shift, self._low, self._high = (
            place.astype(np.float32).reshape(2, 1, 1) for place in places
        )

    def nearest(self, ys: Indices, xs: Indices) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]:
        """Of each pixel: the nearest pose's index, −1 if all are too far; mean px² to it, and to the next one."""
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(ys), _CHUNK)]
        distances = np.concatenate([self._distances(ys[chunk], xs[chunk]) for chunk in chunks], axis=1)
        owner = distances.argmin(axis=0).astype(np.int16)
        first = distances.min(axis=0)
        distances[owner, np.arange(len(ys))] = np.inf
        owner[first >= MAX_DISTANCE_PX2] = -1
        return owner, first, distances.min(axis=0)

    def _distances(self, ys: Indices, xs: Indices) -> NDArray[np.float32]:
        """(people, n) mean squared distance of where pixels lead to, source px²."""
        ends = self._follow(ys, xs)
        distances = np.full((len(self._seen), len(ys)), np.inf, np.float32)
        for index, seen in enumerate(self._seen):
            if seen.any():
                away = ends[:, seen] - self._keypoints[index][:, seen]
                distances[index] = np.square(away, out=away).sum(axis=(0, 1)) / seen.sum()
        return distances

    def _follow(self, ys: Indices, xs: Indices) -> NDArray[np.float32]:
        """Add the offset under a pixel, then step by step the one under where that led: (x y, joints, n) source px."""
        points = np.empty((2, len(self._joints), len(ys)), np.float32)
        points[0], points[1] = xs, ys
        for _ in range(self._steps):
            place = np.rint(points)
            place *= self._factor
            place += self._shift
            np.maximum(place, self._low, out=place)
            np.minimum(place, self._high, out=place)
            cell = place.astype(np.int32)
            place -= cell
            column, row = cell
            row *= self._width
            row += column
            row += self._first
            constant, along_x, along_y, along_both = (terms.take(row, axis=1) for terms in self._table)
            right, down = place
            along_both *= right
            along_both += along_y
            along_both *= down
            along_x *= right
            points += constant
            points += along_x
            points += along_both
        return points


def _bilinear_terms(long_offsets: NDArray[np.float32], joints: Indices) -> tuple[NDArray[Any], ...]:
    """a, b, c, d of a + b·x + c·y + d·x·y in each cell of the grid; each (x y, joints·h·w)."""
    grid = np.stack([long_offsets[..., joints + 17], long_offsets[..., joints]]).transpose(0, 3, 1, 2)
    beyond = np.pad(grid, ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge")
    right, below, across = beyond[..., :-1, 1:], beyond[..., 1:, :-1], beyond[..., 1:, 1:]
    terms = grid, right - grid, below - grid, across - below - right + grid
    return tuple(np.ascontiguousarray(term).reshape(2, -1) for term in terms)
