"""Heatmaps, offsets and displacements to people's poses.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_poses.ts``, ``decode_pose.ts``,
``build_part_with_score_queue.ts``, ``max_heap.ts`` and ``single_person/decode_single_pose.ts`` (body-pix 2.2.1,
the same in posenet 2.2.2), after PersonLab (arXiv:1803.08225). Arithmetic is in doubles, as there.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, POSE_TREE
from ..decoder_inputs import PoseHeads, PoseLimits, check_offsets
from ..kernels import compiled
from ..types import Poses

__all__ = ["decode_poses", "decode_single_pose"]

_JOINTS: Final = len(KEYPOINT_NAMES)
#: Number of short-offset corrections after each displacement.
_OFFSET_REFINE_STEPS: Final = 2

Candidate = tuple[float, int, int, int]  # score, row, column, keypoint


def decode_poses(heads: PoseHeads, limits: PoseLimits) -> tuple[NDArray[np.float64], Poses]:
    """Decode all poses of a frame, best root first.

    Returns the keypoints (N, 17, 2), x and y in network px, as doubles, and the same as Poses in network px.
    ``kernels/poses.c`` does the work if built, otherwise Python; both give the same numbers.
    """
    search = compiled.decode_poses if compiled.LIBRARY else _search_in_python
    keypoints, joint_scores, scores = search(heads, limits)
    poses = Poses(keypoints.astype(np.float32), joint_scores.astype(np.float32), scores.astype(np.float32))
    return keypoints, poses


def decode_single_pose(
    scores: NDArray[np.float32], short_offsets: NDArray[np.float32], *, stride: int
) -> tuple[NDArray[np.float64], Poses]:
    """Decode a single pose from the best cell of each keypoint. Returns the same as decode_poses.

    scores: (h, w, 17), 0 to 1, after the sigmoid. short_offsets: (h, w, 34) network px.
    Raises EngineError for implausible offsets.
    """
    check_offsets("short_offsets", short_offsets)
    height, width, _ = scores.shape
    cells = scores.reshape(height * width, _JOINTS)
    best = cells.argmax(axis=0)
    joints = np.arange(_JOINTS)
    offsets = short_offsets.reshape(height * width, 2 * _JOINTS)[best].astype(np.float64)
    x = best % width * stride + offsets[joints, joints + _JOINTS]
    y = best // width * stride + offsets[joints, joints]
    joint_scores = cells[best, joints]
    keypoints = np.stack([x, y], axis=1)[None]
    score = np.array([joint_scores.astype(np.float64).mean()], np.float32)
    return keypoints, Poses(keypoints.astype(np.float32), joint_scores[None].astype(np.float32), score)


def _search_in_python(
    heads: PoseHeads, limits: PoseLimits
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Keypoints (N, 17, 2) network px, their scores (N, 17), the people's (N,)."""
    candidates = _find_candidates(heads.scores, limits.score_threshold)
    nms_radius_squared = limits.nms_radius * limits.nms_radius
    tree = _Walker(heads)
    found = np.zeros((limits.max_people, _JOINTS, 2), np.float64)
    joint_scores = np.zeros((limits.max_people, _JOINTS), np.float64)
    scores: list[float] = []
    while len(scores) < limits.max_people and candidates:
        score, row, column, joint = _pop(candidates)
        root = tree.short_offset_target(row, column, joint)
        count = len(scores)
        if (((found[:count, joint] - root) ** 2).sum(axis=1) <= nms_radius_squared).any():
            continue  # non-maximum suppression: this person is known already
        points, joint_scores[count] = tree.walk(root, joint, score)
        found[count] = points
        distances = ((found[:count] - found[count]) ** 2).sum(axis=2)
        fresh = ~(distances <= nms_radius_squared).any(axis=0)
        scores.append(float(sum(joint_scores[count][fresh])) / _JOINTS)
    count = len(scores)
    return found[:count], joint_scores[:count], np.array(scores, np.float64)


class _Walker:
    """Walks a person's tree of keypoints from a root, by displacements and short offsets."""

    def __init__(self, heads: PoseHeads) -> None:
        # Single numbers are read from memoryviews several times faster than from arrays.
        self._scores, self._offsets, self._fwd, self._bwd = (_flatten(head) for head in heads.arrays)
        self._stride, self._width = heads.stride, heads.scores.shape[1]
        self._last_row, self._last_column = heads.scores.shape[0] - 1, heads.scores.shape[1] - 1

    def short_offset_target(self, row: int, column: int, joint: int) -> tuple[float, float]:
        """(x, y) network px: the cell's position plus its short offset for a joint."""
        at = (row * self._width + column) * 2 * _JOINTS + joint
        return column * self._stride + self._offsets[at + _JOINTS], row * self._stride + self._offsets[at]

    def walk(
        self, root: tuple[float, float], joint: int, score: float
    ) -> tuple[list[tuple[float, float]], list[float]]:
        """All 17 keypoints (x, y) and their scores: up the tree to the nose first, then down to the ankles."""
        points: list[tuple[float, float] | None] = [None] * _JOINTS
        scores = [0.0] * _JOINTS
        points[joint], scores[joint] = root, score
        for edge in reversed(range(len(POSE_TREE))):
            parent, child = POSE_TREE[edge]
            self._find_neighbor(points, scores, child, parent, edge, self._bwd)
        for edge, (parent, child) in enumerate(POSE_TREE):
            self._find_neighbor(points, scores, parent, child, edge, self._fwd)
        return [point for point in points if point is not None], scores

    def _find_neighbor(
        self,
        points: list[tuple[float, float] | None],
        scores: list[float],
        source: int,
        target: int,
        edge: int,
        displacements: memoryview[float],
    ) -> None:
        """Find a joint from its neighbor in the tree: add the displacement, then follow the short offsets twice."""
        start = points[source]
        if start is None or points[target] is not None:
            return
        row, column = self._cell(*start)
        at = (row * self._width + column) * 2 * len(POSE_TREE) + edge
        x, y = start[0] + displacements[at + len(POSE_TREE)], start[1] + displacements[at]
        for _ in range(_OFFSET_REFINE_STEPS):
            x, y = self.short_offset_target(*self._cell(x, y), target)
        row, column = self._cell(x, y)
        points[target], scores[target] = (x, y), self._scores[(row * self._width + column) * _JOINTS + target]

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the cell nearest to a point, on the grid."""
        row, column = int(y / self._stride + 0.5), int(x / self._stride + 0.5)  # below 0 it is clamped all the same
        return min(max(row, 0), self._last_row), min(max(column, 0), self._last_column)


def _flatten(array: NDArray[np.float32]) -> memoryview[float]:
    """The numbers of a contiguous array, one after the other."""
    return memoryview(np.ascontiguousarray(array, np.float32).reshape(-1))  # type: ignore[arg-type]


def _find_candidates(scores: NDArray[np.float32], score_threshold: float) -> list[Candidate]:
    """Peaks of the 3 × 3 window that reach the threshold, in the reference's heap; equal scores are all peaks."""
    peaks = cv2.dilate(np.ascontiguousarray(scores), np.ones((3, 3), np.uint8)).reshape(scores.shape)
    # In doubles: a float32 score that was rounded below the threshold must stay below it.
    cells = np.argwhere((scores.astype(np.float64) >= score_threshold) & (scores >= peaks))
    heap: list[Candidate] = []
    for row, column, joint in cells.tolist():
        _push(heap, (float(scores[row, column, joint]), row, column, joint))
    return heap


def _swap(heap: list[Candidate], first: int, second: int) -> None:
    heap[first], heap[second] = heap[second], heap[first]


def _push(heap: list[Candidate], candidate: Candidate) -> None:
    """Push to a heap with children 2k and 2k+1 of node k, counted from 0; pops ties in the reference's order."""
    heap.append(candidate)
    node = len(heap) - 1
    while node > 0 and heap[node // 2][0] < heap[node][0]:
        _swap(heap, node // 2, node)
        node //= 2


def _pop(heap: list[Candidate]) -> Candidate:
    """Remove and return the best candidate."""
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
