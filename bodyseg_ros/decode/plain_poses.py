"""Poses in NumPy and Python, as the reference finds them: what the kernel in C must equal.

Source: see poses.py, which takes this where no kernels were built.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, POSE_TREE

__all__ = ["decode_poses"]

_JOINTS: Final = len(KEYPOINT_NAMES)
#: How often a keypoint found by displacement is moved to where the short offsets point.
_OFFSET_REFINE_STEPS: Final = 2

Candidate = tuple[float, int, int, int]  # score, row, column, keypoint


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
    queue = _candidates(heatmaps, score_threshold)
    radius_squared = nms_radius * nms_radius
    walker = _Walker(heatmaps, short_offsets, displacement_fwd, displacement_bwd, stride)
    found = np.zeros((max_detections, _JOINTS, 2), np.float64)
    joint_scores = np.zeros((max_detections, _JOINTS), np.float64)
    scores: list[float] = []
    taken: list[list[tuple[float, float]]] = []
    while len(scores) < max_detections and queue:
        score, row, column, joint = _pop(queue)
        root = walker.root(row, column, joint)
        count = len(scores)
        if any((x - root[0]) ** 2 + (y - root[1]) ** 2 <= radius_squared for x, y in (pose[joint] for pose in taken)):
            continue
        points, joint_scores[count] = walker.pose(root, joint, score)
        taken.append(points)
        found[count] = points
        distances = ((found[:count] - found[count]) ** 2).sum(axis=2)
        fresh = ~(distances <= radius_squared).any(axis=0)
        scores.append(float(sum(joint_scores[count][fresh])) / _JOINTS)
    count = len(scores)
    return found[:count], joint_scores[:count], np.array(scores, np.float64)


class _Walker:
    """Walks a person's tree of keypoints from a root, by displacements and short offsets."""

    def __init__(
        self,
        heatmaps: NDArray[np.float32],
        short_offsets: NDArray[np.float32],
        displacement_fwd: NDArray[np.float32],
        displacement_bwd: NDArray[np.float32],
        stride: int,
    ) -> None:
        # Single numbers are read from memoryviews several times faster than from arrays.
        self._scores, self._offsets = _flat(heatmaps), _flat(short_offsets)
        self._fwd, self._bwd = _flat(displacement_fwd), _flat(displacement_bwd)
        self._stride, self._width = stride, heatmaps.shape[1]
        self._last_row, self._last_column = heatmaps.shape[0] - 1, heatmaps.shape[1] - 1

    def root(self, row: int, column: int, joint: int) -> tuple[float, float]:
        """(x, y) network px of the keypoint whose heatmap peaks in that cell."""
        at = (row * self._width + column) * 2 * _JOINTS + joint
        return column * self._stride + self._offsets[at + _JOINTS], row * self._stride + self._offsets[at]

    def pose(
        self, root: tuple[float, float], joint: int, score: float
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """All 17 keypoints (x, y) and their scores: up the tree to the nose first, then down to the ankles."""
        points: list[tuple[float, float] | None] = [None] * _JOINTS
        scores = [0.0] * _JOINTS
        points[joint], scores[joint] = root, score
        for edge in reversed(range(len(POSE_TREE))):
            parent, child = POSE_TREE[edge]
            self._step(points, scores, child, parent, edge, self._bwd)
        for edge, (parent, child) in enumerate(POSE_TREE):
            self._step(points, scores, parent, child, edge, self._fwd)
        return [point for point in points if point is not None], scores

    def _step(
        self,
        points: list[tuple[float, float] | None],
        scores: list[float],
        source: int,
        target: int,
        edge: int,
        displacements: memoryview[float],
    ) -> None:
        start = points[source]
        if start is None or points[target] is not None:
            return
        row, column = self._cell(*start)
        at = (row * self._width + column) * 2 * len(POSE_TREE) + edge
        x, y = start[0] + displacements[at + len(POSE_TREE)], start[1] + displacements[at]
        for _ in range(_OFFSET_REFINE_STEPS):
            x, y = self.root(*self._cell(x, y), target)
        row, column = self._cell(x, y)
        points[target], scores[target] = (x, y), self._scores[(row * self._width + column) * _JOINTS + target]

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the cell nearest to a point, on the grid."""
        row, column = int(y / self._stride + 0.5), int(x / self._stride + 0.5)  # below 0 it is clamped all the same
        return min(max(row, 0), self._last_row), min(max(column, 0), self._last_column)


def _flat(array: NDArray[np.float32]) -> memoryview[float]:
    """The numbers of a contiguous array, one after the other."""
    return memoryview(np.ascontiguousarray(array, np.float32).reshape(-1))  # type: ignore[arg-type]


def _candidates(heatmaps: NDArray[np.float32], score_threshold: float) -> list[Candidate]:
    """Local maxima at or above the threshold, as the reference's heap holds them."""
    peaks = cv2.dilate(np.ascontiguousarray(heatmaps), np.ones((3, 3), np.uint8)).reshape(heatmaps.shape)
    # In doubles: a float32 score that was rounded below the threshold must stay below it.
    cells = np.argwhere((heatmaps.astype(np.float64) >= score_threshold) & (heatmaps >= peaks))
    heap: list[Candidate] = []
    for row, column, joint in cells.tolist():
        _push(heap, (float(heatmaps[row, column, joint]), row, column, joint))
    return heap


def _swap(heap: list[Candidate], first: int, second: int) -> None:
    heap[first], heap[second] = heap[second], heap[first]


def _push(heap: list[Candidate], candidate: Candidate) -> None:
    """Add to the heap whose node k has children 2k and 2k+1, counted from 0: ties leave in its own order."""
    heap.append(candidate)
    node = len(heap) - 1
    while node > 0 and heap[node // 2][0] < heap[node][0]:
        _swap(heap, node // 2, node)
        node //= 2


def _pop(heap: list[Candidate]) -> Candidate:
    """Take the best candidate out."""
    _swap(heap, 0, len(heap) - 1)
    best = heap.pop()
    node, last = 0, len(heap) - 1
    while 2 * node <= last:
        child = 2 * node
        if child < last and heap[child][0] < heap[child + 1][0]:
            child += 1
        if not heap[node][0] < heap[child][0]:
            break
        _swap(heap, node, child)
        node = child
    return best
