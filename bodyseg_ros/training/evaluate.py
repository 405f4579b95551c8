"""Score networks on labelled photos: person IoU, part agreement, keypoints, mask borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bodyseg_ros.decode.masks import confidence_map, sigmoid
from bodyseg_ros.decode.poses import decode_poses
from bodyseg_ros.geometry import Geometry, network_size, padded_geometry, resize_padded, to_source, upsample
from bodyseg_ros.training.labels import Array

Run = Callable[[Array], Mapping[str, Array]]
"""(1, H, W, 3) float32 in [-1, 1] → tensors (1, h, w, c) by head."""
Mask = npt.NDArray[np.bool_]


def person_mask(
    run: Run, image: npt.NDArray[np.uint8], long_side: int, threshold: float = 0.7, stride: int = 16
) -> Mask:
    """Segment (H, W, 3) uint8 RGB as the reference does, its long side at long_side network px → (H, W) bool."""
    return person_scores(run, image, long_side, stride) > np.float32(threshold)


def person_scores(run: Run, image: npt.NDArray[np.uint8], long_side: int, stride: int = 16) -> Array:
    """Give the person probability of every pixel: (H, W) float32."""
    outputs, geometry = _outputs(run, image, long_side, stride)
    return confidence_map(outputs["segments"], geometry)


def best_threshold(scored: Iterable[tuple[Array, Mask]]) -> float:
    """Give the threshold of person scores (H, W) with the highest IoU, all pixels of all photos together."""
    thresholds = np.linspace(0.1, 0.9, 33)
    inside, either = np.zeros(33, np.int64), np.zeros(33, np.int64)
    for scores, truth in scored:
        masks = [scores > threshold for threshold in thresholds]
        inside += [np.count_nonzero(mask & truth) for mask in masks]
        either += [np.count_nonzero(mask | truth) for mask in masks]
    return float(thresholds[np.argmax(inside / np.maximum(either, 1))])


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; two empty masks agree."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


@dataclass(frozen=True)
class Comparison:
    """A model's figures on one set of photos; part agreement and PCK are measured against a reference network."""

    person_iou: float
    """All pixels together."""
    person_iou_mean: float
    """Mean of the photos."""
    border_f: float
    """F-score of the mask's border, to 1 % of the picture's diagonal."""
    part_agreement: float
    """Share of the pixels inside the true person whose part is the reference's."""
    pck: float
    """Share of the reference's sure keypoints found within a tenth of the person's size."""


def compare(
    run: Run, reference: Run, photos: Iterable[tuple[npt.NDArray[np.uint8], Mask]], *, long_side: int = 513,
    threshold: float = 0.7, stride: int = 16, reference_stride: int = 8,
) -> Comparison:  # fmt: skip
    """Score a network on photos (H, W, 3) uint8 RGB with their true person masks (H, W) bool."""
    inside = either = agree = compared = hits = sure = 0
    means, borders = [], []
    for image, truth in photos:
        ours, geometry = _outputs(run, image, long_side, stride)
        theirs, their_geometry = _outputs(reference, image, long_side, reference_stride)
        mask = confidence_map(ours["segments"], geometry) > np.float32(threshold)
        inside, either = inside + _count(mask & truth), either + _count(mask | truth)
        means.append(iou(mask, truth))
        borders.append(border_f(mask, truth))
        same = (_parts(ours, geometry) == _parts(theirs, their_geometry))[truth]
        agree, compared = agree + _count(same), compared + same.size
        found, wanted = _keypoints_found(ours, theirs, stride, reference_stride)
        hits, sure = hits + found, sure + wanted
    return Comparison(
        person_iou=inside / max(1, either),
        person_iou_mean=float(np.mean(means)),
        border_f=float(np.mean(borders)),
        part_agreement=agree / max(1, compared),
        pck=hits / max(1, sure),
    )


def border_f(mask: Mask, truth: Mask, tolerance: float = 0.01) -> float:
    """F-score of a mask's border against the true one; a border pixel counts within tolerance · diagonal."""
    reach = max(1.0, tolerance * float(np.hypot(*truth.shape)))
    ours, theirs = _border(mask), _border(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float((_distance_to(theirs)[ours] <= reach).mean())
    recall = float((_distance_to(ours)[theirs] <= reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _border(mask: Mask) -> Mask:
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    return np.asarray(mask & (cv2.erode(padded, np.ones((3, 3), np.uint8))[1:-1, 1:-1] == 0), np.bool_)


def _distance_to(border: Mask) -> Array:
    return np.asarray(cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def _outputs(run: Run, image: npt.NDArray[np.uint8], long_side: int, stride: int) -> tuple[dict[str, Array], Geometry]:
    height, width = image.shape[:2]
    geometry = padded_geometry(height, width, *network_size(height, width, long_side / max(height, width), stride))
    outputs = run(resize_padded(image, geometry)[None] / np.float32(127.5) - 1)
    return {head: value[0] for head, value in outputs.items()}, geometry


def _parts(outputs: Mapping[str, Array], geometry: Geometry) -> npt.NDArray[np.intp]:
    parts = to_source(upsample(outputs["part_heatmaps"], geometry), geometry)
    return np.asarray(np.argmax(parts, axis=-1), np.intp)


def _keypoints_found(
    ours: Mapping[str, Array], theirs: Mapping[str, Array], stride: int, reference_stride: int
) -> tuple[int, int]:
    """Count the reference's keypoints above 0.5, and those that some person of ours has nearby."""
    mine, reference = (_people(o, s) for o, s in ((ours, stride), (theirs, reference_stride)))
    hits = sure = 0
    for keypoints, scores in zip(*reference, strict=True):
        seen = scores > 0.5
        if seen.sum() < 2:
            continue
        reach = 0.1 * float(np.ptp(keypoints[seen], axis=0).max())
        sure += int(seen.sum())
        if len(mine[0]):
            near = np.linalg.norm(mine[0] - keypoints, axis=-1) <= reach
            hits += int((near & seen).sum(axis=1).max())
    return hits, sure


def _people(outputs: Mapping[str, Array], stride: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Keypoints (N, 17, 2) in network px and their scores (N, 17)."""
    keypoints, poses = decode_poses(
        sigmoid(outputs["heatmaps"]), outputs["short_offsets"], outputs["displacement_fwd"],
        outputs["displacement_bwd"], stride=stride, max_detections=10, score_threshold=0.3, nms_radius=20,
    )  # fmt: skip
    return keypoints, poses.keypoint_scores
