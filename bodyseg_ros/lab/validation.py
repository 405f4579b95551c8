"""Validation of a network in training on held-out photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ..decode import confidence_map
from ..effects import contact_sheet
from ..geometry import network_size, padded_geometry
from ..networks.prepare import resize_padded
from .annotations import Mask
from .evaluation import iou
from .frames import Sample
from .labels import Array

Run = Callable[[Array], Mapping[str, Array]]
"""(1, H, W, 3) float32, RGB 0 to 255 → tensors (h, w, c) by head."""
THRESHOLD = 0.7
"""BodyPix's default person threshold."""
_LONG_SIDE = 385
_SHOWN = 12


def person_scores(run: Run, image: npt.NDArray[np.uint8], long_side: int = _LONG_SIDE, stride: int = 16) -> Array:
    """Compute the person probability of every pixel of an (H, W, 3) uint8 RGB photo: (H, W) float32."""
    height, width = image.shape[:2]
    geometry = padded_geometry(height, width, *network_size(height, width, long_side / max(height, width), stride))
    return confidence_map(run(resize_padded(image, geometry)[None])["segments"], geometry)


def person_truth(sample: Sample) -> Mask:
    """Return the annotated person mask, (H, W) bool; without one, where the teacher's probability is above 0.5."""
    if sample.mask is not None:
        return sample.mask > 127
    height, width = sample.image.shape[:2]
    return np.greater(cv2.resize(sample.labels[..., 0].astype(np.float32), (width, height)), 0.5)


def validate(run: Run, samples: Sequence[Sample]) -> float:
    """Mean person IoU on photos, against their masks or else the teacher; 0 without photos."""
    scores = [iou(person_scores(run, s.image) > THRESHOLD, person_truth(s)) for s in samples]
    return float(np.mean(scores)) if scores else 0.0


def best_threshold(scored: Iterable[tuple[Array, Mask]]) -> float:
    """Find the threshold of person scores (H, W) with the highest IoU over all pixels of all photos."""
    thresholds = np.linspace(0.1, 0.9, 33)
    inside, either = np.zeros(33, np.int64), np.zeros(33, np.int64)
    for scores, truth in scored:
        masks = [scores > threshold for threshold in thresholds]
        inside += [np.count_nonzero(mask & truth) for mask in masks]
        either += [np.count_nonzero(mask | truth) for mask in masks]
    return float(thresholds[np.argmax(inside / np.maximum(either, 1))])


def prediction_sheet(run: Run, samples: Sequence[Sample]) -> npt.NDArray[np.uint8]:
    """Draw the first photos, each beside the network's person mask in green: (H, W, 3) uint8 RGB."""
    pictures: dict[str, npt.NDArray[np.uint8]] = {}
    for number, sample in enumerate(samples[:_SHOWN], 1):
        person = person_scores(run, sample.image) > THRESHOLD
        tinted = sample.image.copy()
        tinted[person] = tinted[person] // 2 + np.array([0, 100, 0], np.uint8)
        pictures |= {f"{number}": sample.image, f"{number}: person": tinted}
    return contact_sheet(pictures, columns=6, tile_width_px=200)
