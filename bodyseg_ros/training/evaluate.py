"""Score networks on labelled photos: person IoU, part agreement, keypoints, mask borders."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from bodyseg_ros.geometry import network_size, padded_geometry, resize_padded, to_source, upsample
from bodyseg_ros.training.labels import Array

Run = Callable[[Array], Mapping[str, Array]]
"""(1, H, W, 3) float32 in [-1, 1] → tensors (1, h, w, c) by head."""
Mask = npt.NDArray[np.bool_]


def person_mask(
    run: Run, image: npt.NDArray[np.uint8], long_side: int, threshold: float = 0.7, stride: int = 16
) -> Mask:
    """Segment (H, W, 3) uint8 RGB as the reference does, its long side brought to long_side network px → (H, W) bool."""
    return person_scores(run, image, long_side, stride) > np.float32(threshold)


def person_scores(run: Run, image: npt.NDArray[np.uint8], long_side: int, stride: int = 16) -> Array:
    """Give the person probability of every pixel: (H, W) float32."""
    height, width = image.shape[:2]
    geometry = padded_geometry(height, width, *network_size(height, width, long_side / max(height, width), stride))
    outputs = run(resize_padded(image, geometry)[None] / np.float32(127.5) - 1)
    logits = upsample(outputs["segments"][0], geometry)
    return to_source(1 / (1 + np.exp(-logits)), geometry)[..., 0]


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union; two empty masks agree."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0
