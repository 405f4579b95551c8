"""Soft labels for every head from a network that is already trained, computed once and cached.

The distillation target of a pixel is the teacher's probability, not its decision. Offsets are kept in photo pixels, so
that they can be moved with the photo.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bodyseg_ros.decode.masks import sigmoid
from bodyseg_ros.training.data import Photo, read_image, read_mask
from bodyseg_ros.training.labels import (
    CHILDREN,
    LABEL_CHANNELS,
    LABEL_HEADS,
    LABEL_SLICES,
    PARENTS,
    SCORES,
    Array,
    sample_grid,
    transform_offsets,
)

logger = logging.getLogger(__name__)

Teacher = Callable[[Array], Mapping[str, Array]]
"""(1, H, W, 3) float32 in [-1, 1] → tensors (1, h, w, c) by head."""


def network_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Height and width of the network's picture: multiples of 16 plus 1, the longer one nearest to long_side."""
    scale = (long_side - 1) / max(height, width)
    return max(2, round(height * scale / 16)) * 16 + 1, max(2, round(width * scale / 16)) * 16 + 1


def predict(teacher: Teacher, image: npt.NDArray[np.uint8], long_side: int) -> Array:
    """Label a photo at one scale: (H, W, 3) uint8 RGB → (h, w, 174) float32, offsets in photo px."""
    height, width = image.shape[:2]
    net_h, net_w = network_size(height, width, long_side)
    picture = cv2.resize(image, (net_w, net_h), interpolation=cv2.INTER_LINEAR)
    outputs = teacher(picture[None].astype(np.float32) / 127.5 - 1)
    labels = np.concatenate([outputs[head][0] for head in LABEL_HEADS], axis=-1, dtype=np.float32)
    labels[..., SCORES] = sigmoid(labels[..., SCORES])
    transform_offsets(labels, np.diag([(width - 1) / (net_w - 1), (height - 1) / (net_h - 1)]).astype(np.float32))
    return labels


def confidence(labels: Array) -> Array:
    """How far each channel of (..., 174) labels means something: an offset does where its keypoint or person is."""
    weights = np.ones_like(labels)
    heat = labels[..., LABEL_SLICES["heatmaps"]]
    weights[..., LABEL_SLICES["short_offsets"]] = np.tile(heat, 2)
    weights[..., LABEL_SLICES["displacement_fwd"]] = np.tile(heat[..., PARENTS], 2)
    weights[..., LABEL_SLICES["displacement_bwd"]] = np.tile(heat[..., CHILDREN], 2)
    weights[..., LABEL_SLICES["long_offsets"]] = labels[..., LABEL_SLICES["segments"]]
    return weights


def soft_labels(teacher: Teacher, image: npt.NDArray[np.uint8], long_sides: Sequence[int]) -> Array:
    """Label a photo at several scales and average them on the grid of the first; offsets count by their confidence."""
    first = predict(teacher, image, long_sides[0])
    weights = confidence(first) + 1e-3
    total, mass = first * weights, weights
    for long_side in long_sides[1:]:
        labels = sample_grid(predict(teacher, image, long_side), *first.shape[:2])
        weights = confidence(labels) + 1e-3
        total, mass = total + labels * weights, mass + weights
    return np.asarray(total / mass, np.float32)


def limit_to_mask(labels: Array, mask: npt.NDArray[np.uint8]) -> Array:
    """Mix an annotated person mask, (H, W) uint8 of 0 or 255, into the labels.

    The person becomes the geometric mean of mask and teacher: nothing outside the mask, more than the teacher dared
    inside, and little where only the annotator saw a person (bags, held things).
    """
    h, w = labels.shape[:2]
    size = 2 * (max(1, mask.shape[0] // h // 2)) + 1
    smooth = cv2.blur(mask, (size, size)).astype(np.float32)[..., None] / 255
    inside = sample_grid(smooth, h, w)
    mixed = labels.copy()
    mixed[..., :1] = np.sqrt(labels[..., :1] * inside)
    return mixed


def label_path(cache: Path, photo: Photo) -> Path:
    """Give the file of a photo's labels."""
    return cache / f"{hashlib.sha256(str(photo.image).encode()).hexdigest()[:24]}.npy"


def label_all(teacher: Teacher, photos: Iterable[Photo], long_sides: Sequence[int], cache: Path) -> None:
    """Write the labels of every photo to the cache, (h, w, 174) float16 each; those already there are kept."""
    cache.mkdir(parents=True, exist_ok=True)
    for photo in photos:
        path = label_path(cache, photo)
        if path.exists():
            continue
        image = read_image(photo.image)
        if photo.empty:
            h, w = network_size(image.shape[0], image.shape[1], long_sides[0])
            labels = np.zeros(((h - 1) // 8 + 1, (w - 1) // 8 + 1, LABEL_CHANNELS), np.float32)
        else:
            labels = soft_labels(teacher, image, long_sides)
            if photo.mask is not None:
                labels = limit_to_mask(labels, read_mask(photo.mask))
        partial = path.with_suffix(".part.npy")
        np.save(partial, labels.astype(np.float16))
        partial.replace(path)
        logger.info("labelled %s", photo.image)
