"""Score what models see on labelled photos, and against each other. Needs no Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from ..body import PART_NAMES
from ..types import Poses, Result
from .annotations import Mask
from .labels import Array

#: A reference keypoint is sure from this score on, and found if ours is this near, as a share of the person's size.
SURE_SCORE: Final = 0.5
NEAR: Final = 0.1
_TOLERANCE: Final = 0.01


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; two empty masks agree."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def border_f(mask: Mask, truth: Mask) -> float:
    """F-score of a mask's border against the true one; a border pixel counts within 1 % of the picture's diagonal.

    Source: the F-measure of DAVIS (Perazzi et al., CVPR 2016, section 5), with distances in place of dilation.
    """
    reach = max(1.0, _TOLERANCE * float(np.hypot(*truth.shape)))
    ours, theirs = _border(mask), _border(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float((_distance_to(theirs)[ours] <= reach).mean())
    recall = float((_distance_to(ours)[theirs] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _border(mask: Mask) -> Mask:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return np.asarray(mask & (cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0), np.bool_)


def _distance_to(border: Mask) -> Array:
    return np.asarray(cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def keypoints_found(ours: Poses, reference: Poses) -> tuple[int, int]:
    """How many of the reference's sure keypoints some person of ours has nearby, and how many there are (PCK).

    Near is a tenth of the larger side of the box around the person's sure keypoints; a person's best match counts.
    """
    hits = sure = 0
    for keypoints, scores in zip(reference.keypoints, reference.keypoint_scores, strict=True):
        seen = scores > SURE_SCORE
        if seen.sum() < 2:
            continue
        reach = NEAR * float(np.ptp(keypoints[seen], axis=0).max())
        sure += int(seen.sum())
        if len(ours):
            near = np.linalg.norm(ours.keypoints - keypoints, axis=-1) <= reach
            hits += int((near & seen).sum(axis=1).max())
    return hits, sure


@dataclass
class Tally:
    """What a model's masks, parts and poses come to over many photos; a figure is NaN where nothing was compared.

    ious: photo → IoU, of photos with people. average_precision: COCO's keypoint AP, set where there are keypoints.
    """

    ious: dict[str, float] = field(default_factory=dict)
    average_precision: float = math.nan
    _borders: list[float] = field(default_factory=list)
    _inside: int = 0
    _either: int = 0
    _false: int = 0
    _empty: int = 0
    _parts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, len(PART_NAMES)), np.int64))
    _shared: int = 0
    _keypoints: tuple[int, int] = (0, 0)

    def add(self, name: str, result: Result, truth: Mask, reference: Result | None = None) -> None:
        """Count one photo; its true mask (H, W), and what the reference model sees in it."""
        if result.person is not None:
            self._add_person(name, result.person == 1, truth)
        if reference is None:
            return
        if result.parts is not None and reference.parts is not None:
            self._add_parts(result.parts, reference.parts)
        if result.poses is not None and reference.poses is not None:
            hits, sure = keypoints_found(result.poses, reference.poses)
            self._keypoints = self._keypoints[0] + hits, self._keypoints[1] + sure

    def _add_person(self, name: str, person: Mask, truth: Mask) -> None:
        inside, either = np.count_nonzero(person & truth), np.count_nonzero(person | truth)
        self._inside, self._either = self._inside + int(inside), self._either + int(either)
        if truth.any():
            self.ious[name] = int(inside) / int(either)
            self._borders.append(border_f(person, truth))
        else:
            self._false, self._empty = self._false + int(either), self._empty + truth.size

    def _add_parts(self, parts: npt.NDArray[np.int8], reference: npt.NDArray[np.int8]) -> None:
        count = len(PART_NAMES)
        both = parts[parts == reference]
        for row, found in enumerate((both, parts, reference)):
            self._parts[row] += np.bincount(found[found >= 0], minlength=count)
        self._shared += int(np.count_nonzero((parts >= 0) & (reference >= 0)))

    @property
    def figures(self) -> dict[str, float]:
        """Every figure by name, 0 to 1."""
        both, ours, theirs = self._parts
        either = ours + theirs - both
        seen = theirs > 0
        return {
            "person IoU": _share(self._inside, self._either),
            "person IoU, mean": _mean(list(self.ious.values())),
            "border F": _mean(self._borders),
            "false person": _share(self._false, self._empty),
            "part agreement": _share(both.sum(), self._shared),
            "part IoU, mean": _mean((both[seen] / either[seen]).tolist()),
            "PCK": _share(*self._keypoints),
            "keypoint AP": self.average_precision,
        }

    @property
    def part_ious(self) -> dict[str, float]:
        """Part → IoU with the reference's, all photos together; parts that the reference saw."""
        both, ours, theirs = self._parts
        return {name: _share(both[i], ours[i] + theirs[i] - both[i]) for i, name in enumerate(PART_NAMES) if theirs[i]}


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else math.nan


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
