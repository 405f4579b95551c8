"""Score models on labeled photos, and against each other. Does not need Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from ..body import PART_NAMES
from ..types import Poses, Result
from .annotations import Mask

Array = npt.NDArray[np.float64]
#: A reference keypoint counts from this score on. It is found if ours is this near, as a share of the person's size.
SURE_SCORE: Final = 0.5
NEAR: Final = 0.1
_TOLERANCE: Final = 0.01


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def border_f(mask: Mask, truth: Mask) -> float:
    """F-score of a mask's border against the true border; tolerance 1 % of the image diagonal.

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


def _distance_to(border: Mask) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def keypoints_found(ours: Poses, reference: Poses) -> tuple[int, int]:
    """Count the reference's confident keypoints, and those of them that one of our people has nearby (PCK).

    Nearby: within a tenth of the larger side of the box around the person's confident keypoints. A person's best match
    counts.
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


def panoptic_counts(instances: npt.NDArray[np.integer], truth: npt.NDArray[np.integer]) -> tuple[int, int, int, float]:
    """Count true positives, false positives and false negatives, and sum the IoU of true positives.

    instances: (H, W), a person's number or -1. truth: (H, W), a person's number from 1, 0 nobody, -1 ignored (a crowd).
    A match has IoU > .5 (Kirillov et al., arXiv:1801.00868). Predictions mostly inside a crowd are ignored.
    """
    ours, our_areas = np.unique(instances[instances >= 0], return_counts=True)
    theirs, their_areas = np.unique(truth[truth > 0], return_counts=True)
    found, found_iou, ignored, matched = 0, 0.0, 0, set()
    for number, area in zip(ours, our_areas, strict=True):
        below = truth[instances == number]
        crowd = int(np.count_nonzero(below < 0))
        best = 0.0
        for true, true_area in zip(theirs, their_areas, strict=True):
            inside = int(np.count_nonzero(below == true))
            share = inside / (int(area) - crowd + int(true_area) - inside)
            if share > 0.5:
                best = share
                matched.add(int(true))
        if best:
            found, found_iou = found + 1, found_iou + best
        elif crowd > 0.5 * area:
            ignored += 1
    return found, len(ours) - found - ignored, len(theirs) - len(matched), found_iou


_PARTS: Final = len(PART_NAMES)
#: Counts of each photo; every figure is a ratio of sums over photos.
_COUNTS: Final = (
    "inside", "either", "ours", "theirs", "with_people", "iou", "border", "false", "empty", "same_part", "any_part",
    "hits", "sure", "found", "wrong", "missed", "found_iou",
)  # fmt: skip
_INTERVAL: Final = (2.5, 97.5)
_DRAWS: Final = 1000


@dataclass
class Tally:
    """A model's scores for masks, parts, poses and instances over photos; NaN where nothing was compared.

    ious: photo → IoU, for photos with people. average_precision: COCO's keypoint AP, if there are keypoints.
    """

    ious: dict[str, float] = field(default_factory=dict)
    average_precision: float = math.nan
    _photos: list[Array] = field(default_factory=list)

    def add(
        self,
        name: str,
        result: Result,
        truth: Mask,
        reference: Result | None = None,
        people: npt.NDArray[np.integer] | None = None,
    ) -> None:
        """Add one photo: its true mask (H, W), the reference model's result, and its labeled people.

        people: as in panoptic_counts().
        """
        counts = dict.fromkeys(_COUNTS, 0.0)
        parts = np.zeros((3, _PARTS), np.int64)
        if result.person is not None:
            self._count_person(counts, name, result.person == 1, truth)
        if reference is not None and result.parts is not None and reference.parts is not None:
            parts = _part_pixels(result.parts, reference.parts)
            both = (result.parts >= 0) & (reference.parts >= 0)
            counts |= {"same_part": float(parts[0].sum()), "any_part": float(np.count_nonzero(both))}
        if reference is not None and result.poses is not None and reference.poses is not None:
            counts["hits"], counts["sure"] = map(float, keypoints_found(result.poses, reference.poses))
        if people is not None and result.instances is not None:
            names = ("found", "wrong", "missed", "found_iou")
            counts |= zip(names, map(float, panoptic_counts(result.instances, people)), strict=True)
        self._photos.append(np.concatenate([[counts[key] for key in _COUNTS], parts.ravel()]).astype(np.float64))

    def _count_person(self, counts: dict[str, float], name: str, person: Mask, truth: Mask) -> None:
        inside, either = float(np.count_nonzero(person & truth)), float(np.count_nonzero(person | truth))
        counts |= {"inside": inside, "either": either, "ours": float(person.sum()), "theirs": float(truth.sum())}
        if truth.any():
            self.ious[name] = inside / either
            counts |= {"with_people": 1, "iou": self.ious[name], "border": border_f(person, truth)}
        else:
            counts |= {"false": either, "empty": truth.size}

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name, 0 to 1."""
        return {name: float(value[0]) for name, value in self._figures(np.ones((1, len(self._photos)))).items()} | {
            "keypoint AP": self.average_precision
        }

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % interval of each figure by bootstrap over photos; without keypoint AP."""
        return _middles(self._drawn())

    def differences(self, other: Tally) -> dict[str, tuple[float, float]]:
        """95 % interval of each figure's difference to another model, by paired bootstrap over the same photos."""
        ours, theirs = self._drawn(), other._drawn()
        return _middles({name: values - theirs[name] for name, values in ours.items()})

    def _drawn(self) -> dict[str, Array]:
        count = len(self._photos)
        return self._figures(np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _DRAWS))

    def _figures(self, times: npt.NDArray[np.number]) -> dict[str, Array]:
        """Compute all figures with each photo weighted by a row of times (draws, photos).

        Returns name → (draws,).
        """
        sums = times @ np.array(self._photos).reshape(len(self._photos), len(_COUNTS) + 3 * _PARTS)
        of = dict(zip(_COUNTS, sums.T, strict=False))
        both, ours, theirs = sums[:, len(_COUNTS) :].reshape(-1, 3, _PARTS).transpose(1, 0, 2)
        shares = _shares(both, ours + theirs - both)
        return {
            "person IoU": _shares(of["inside"], of["either"]),
            "person IoU, mean": _shares(of["iou"], of["with_people"]),
            "precision": _shares(of["inside"], of["ours"]),
            "recall": _shares(of["inside"], of["theirs"]),
            "border F": _shares(of["border"], of["with_people"]),
            "person where nobody is": _shares(of["false"], of["empty"]),
            "part agreement": _shares(of["same_part"], of["any_part"]),
            "part IoU, mean": _shares(np.where(theirs > 0, shares, 0).sum(1), (theirs > 0).sum(1)),
            "PCK": _shares(of["hits"], of["sure"]),
            "people (PQ)": _shares(of["found_iou"], of["found"] + 0.5 * (of["wrong"] + of["missed"])),
        }

    @property
    def part_ious(self) -> dict[str, float]:
        """IoU of each part with the reference, over all photos; only parts that occur in the reference."""
        both, ours, theirs = np.sum(self._photos, axis=0)[len(_COUNTS) :].reshape(3, _PARTS)
        return {
            name: float(both[i] / (ours[i] + theirs[i] - both[i])) for i, name in enumerate(PART_NAMES) if theirs[i]
        }


def _part_pixels(parts: npt.NDArray[np.int8], reference: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Count pixels of each part: equal in both, in ours, in the reference. Returns (3, 24)."""
    every = (parts[parts == reference], parts, reference)
    return np.stack([np.bincount(found[found >= 0], minlength=_PARTS) for found in every])


def _shares(part: Any, whole: Any) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan), np.float64)


def _middles(drawn: dict[str, Array]) -> dict[str, tuple[float, float]]:
    """95 % interval of each figure's draws, without figures that are NaN in all draws."""
    there = {name: values[~np.isnan(values)] for name, values in drawn.items()}
    return {
        name: (float(low), float(high))
        for name, values in there.items()
        if len(values)
        for low, high in [np.percentile(values, _INTERVAL)]
    }
