"""Losses of portrait networks: the mask's cross-entropy, its border, and agreement over texture.

Source of border and agreement: Zhang et al., "PortraitNet", https://doi.org/10.1016/j.cag.2019.03.007, section 3.2.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from keras import ops

from .annotations import Mask
from .labels import Array
from .losses import cross_entropy
from .portrait_config import PortraitRun

_FOCUS: Final = 2.0
"""Exponent of the focal loss, which makes easy pixels count less (arXiv:1708.02002)."""
_BORDER_PX: Final = 3


def border_of(mask: Mask) -> Array:
    """Pixels that touch the mask's border from either side: (H, W) float32, 1 on the border."""
    flat, square = mask.astype(np.uint8), np.ones((_BORDER_PX, _BORDER_PX), np.uint8)
    return np.asarray(cv2.dilate(flat, square) != cv2.erode(flat, square), np.float32)


def focal_loss(label: Any, logit: Any) -> Any:
    """Elementwise cross-entropy, times how wrong the probability is, squared."""
    probability = ops.sigmoid(logit)
    wrong = label * (1 - probability) + (1 - label) * probability
    return wrong**_FOCUS * cross_entropy(label, logit)


def divergence(logit: Any, other: Any) -> Any:
    """Elementwise Kullback-Leibler divergence of a mask from another one, both as logits, in nats.

    The first one is taken as it is: only the other one learns.
    """
    logit = ops.stop_gradient(logit)
    probability = ops.sigmoid(logit)
    return cross_entropy(probability, other) - cross_entropy(probability, logit)


class PortraitLoss:
    """Scalar loss of logits (N, S, S, 1 or 2) against labels (N, S, S, 2): mask and border, each 0 or 1.

    With copies, the batch's second half is the first one with other textures.
    """

    def __init__(self, run: PortraitRun) -> None:
        self.weights, self._copies = run.losses, run.copies
        self.__name__ = "portrait_loss"

    def __call__(self, labels: Any, logits: Any) -> Any:
        """Return the weighted sum of all terms."""
        mask = logits[..., :1]
        total = self.weights.mask * ops.mean(cross_entropy(labels[..., :1], mask))
        if self.weights.boundary:
            total = total + self.weights.boundary * ops.mean(focal_loss(labels[..., 1:], logits[..., 1:]))
        if self.weights.consistency and self._copies:
            pairs = ops.reshape(mask, (2, -1, *mask.shape[1:]))
            total = total + self.weights.consistency * ops.mean(divergence(pairs[0], pairs[1]))
        return total
