"""Merge results of single people into one result of the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART, SKELETON
from ..person import VISIBLE_SCORE, Box, Person
from ..types import Poses, Result, Wanted
from .windows import Window

__all__ = ["Close", "place"]

_NOBODY: Final = -1


@dataclass(frozen=True)
class Close:
    """A person as the first network found them, their window, and what the second network found in it."""

    person: Person
    window: Window
    found: Result

    @cached_property
    def pose(self) -> int | None:
        """Index of the pose in the window whose box overlaps most with the person's; None if none overlaps."""
        if self.found.poses is None or not len(self.found):
            return None
        shares = [_overlap(self.person.box, self._box_of(pose)) for pose in self.found]
        best = int(np.argmax(shares))
        return best if shares[best] > 0 else None

    @cached_property
    def mask(self) -> NDArray[np.bool_] | None:
        """(h, w) in px of the cut-out: this person's pixels; None if the second network makes no masks."""
        if self.found.instances is not None:
            return None if self.pose is None else self.found.instances == self.pose
        return None if self.found.person is None else self.found.person > 0

    def _box_of(self, pose: Person) -> Box:
        box = pose.box if pose.box[2] else pose.box_above(0)
        corners = self.window.to_image(np.array(box, np.float32).reshape(2, 2))
        left, top, right, bottom = np.rint(corners).astype(int).ravel().tolist()
        return left, top, right, bottom


def place(first: Result, people: Sequence[Close], makes: Wanted, wanted: Wanted) -> Result:
    """Put what the second network found into the first network's result.

    Keypoints are replaced where the second network found the person; masks, confidence and parts where it `makes` them.
    People that it did not see or find keep what the first network found, and so does the person mask outside the
    windows. A pixel that several people claim belongs to the one whose skeleton is nearest.
    """
    result = first
    if makes & Wanted.POSES and first.poses is not None:
        result = replace(result, poses=_place_poses(first.poses, people))
    if not makes & Wanted.PERSON:
        return result
    owners = _place_masks(first, people)
    person = (owners != _NOBODY).view(np.uint8)
    if first.person is not None:
        person |= _outside(first.person, people)
    parts = first.parts
    if makes & Wanted.PARTS:
        parts = _place_parts(first, people, owners)
    elif parts is not None:
        parts = np.where(person, parts, np.int8(NO_PART))
    return replace(
        result,
        person=person if wanted & Wanted.PERSON else None,
        instances=owners if wanted & Wanted.INSTANCES else None,
        confidence=_place_confidence(first, people) if makes & wanted & Wanted.CONFIDENCE else None,
        parts=parts,
    )


def _place_poses(poses: Poses, people: Sequence[Close]) -> Poses:
    keypoints, scores = poses.keypoints.copy(), poses.keypoint_scores.copy()
    for close in people:
        if close.pose is not None:
            found = close.found[close.pose]
            keypoints[close.person.index] = close.window.to_image(found.keypoints)
            scores[close.person.index] = found.keypoint_scores
    return replace(poses, keypoints=keypoints, keypoint_scores=scores)


def _outside(mask: NDArray[np.uint8], people: Sequence[Close]) -> NDArray[np.uint8]:
    """The mask (H, W) outside all windows whose person the second network masked: nobody looked closer there."""
    mask = mask.copy()
    for close in people:
        if close.mask is not None:
            mask[close.window.inside((mask.shape[0], mask.shape[1]))] = 0
    return mask


def _place_masks(first: Result, people: Sequence[Close]) -> NDArray[np.int16]:
    """(H, W): index of the person that a pixel belongs to."""
    owners = np.full(first.size, _NOBODY, np.int16)
    claims = [
        (close, close.window.put_back(close.mask.view(np.uint8), first.size))
        for close in people
        if close.mask is not None
    ]
    seen = [close.person.index for close, _ in claims]
    if first.instances is not None:
        owners[:] = np.where(np.isin(first.instances, seen), np.int16(_NOBODY), first.instances)
    count = np.zeros(first.size, np.uint8)
    for close, mask in claims:
        count[close.window.inside(first.size)] += mask
    nearest = np.full(first.size, np.inf, np.float32)
    for close, mask in claims:
        there = close.window.inside(first.size)
        mine = mask > 0
        if (count[there][mine] > 1).any():
            away = _distance(close, mask.shape, there)
            mine &= away < nearest[there]
            nearest[there][mine] = away[mine]
        owners[there][mine] = close.person.index
    return owners


def _distance(close: Close, size: tuple[int, ...], there: tuple[slice, slice]) -> NDArray[np.float32]:
    """Distance of each pixel in the window to the person's skeleton, or to the middle of their box, px."""
    canvas = np.full(size, 255, np.uint8)
    corner = np.array([there[1].start, there[0].start], np.float32)
    points = np.clip(np.rint(close.person.keypoints - corner), -(2**14), 2**14).astype(int)
    seen = close.person.keypoint_scores >= VISIBLE_SCORE
    for start, end in SKELETON:
        if seen[start] and seen[end]:
            cv2.line(canvas, points[start].tolist(), points[end].tolist(), 0, 1)
    for point in points[seen].tolist():
        cv2.circle(canvas, point, 0, 0, -1)
    if canvas.all():
        left, top, right, bottom = close.person.box
        middle = np.rint(np.array([(left + right) / 2, (top + bottom) / 2]) - corner).astype(int)
        cv2.circle(canvas, middle.tolist(), 0, 0, -1)
    return np.asarray(cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _place_parts(first: Result, people: Sequence[Close], owners: NDArray[np.int16]) -> NDArray[np.int8]:
    parts = (
        np.full(first.size, NO_PART, np.int8)
        if first.parts is None
        else np.where(owners != _NOBODY, first.parts, NO_PART)
    )
    for close in people:
        if close.found.parts is not None:
            there = close.window.inside(first.size)
            mine = owners[there] == close.person.index
            parts[there][mine] = close.window.put_back(close.found.parts, first.size)[mine]
    return np.asarray(parts, np.int8)


def _place_confidence(first: Result, people: Sequence[Close]) -> NDArray[np.float32]:
    """Maximum probability over all windows."""
    confidence = np.zeros(first.size, np.float32)
    for close in people:
        if close.found.confidence is not None:
            there = close.window.inside(first.size)
            np.maximum(
                confidence[there], close.window.put_back(close.found.confidence, first.size), out=confidence[there]
            )
    return confidence


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across, down = (max(min(one[end], other[end]) - max(one[end - 2], other[end - 2]), 0) for end in (2, 3))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return across * down / max(areas - across * down, 1)
