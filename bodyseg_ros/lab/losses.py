"""PersonLab's losses (arXiv:1803.08225, sections 3.1 to 3.3) against soft labels.

Cross-entropy on person, parts and keypoints; Huber on offsets, counted only where they mean something: near their
keypoint, long offsets inside people.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from .labels import CHILDREN, LABEL_SLICES, PARENTS
from .train_config import LossWeights


def cross_entropy(probability: Any, logit: Any) -> Any:
    """Elementwise sigmoid cross-entropy of logits to soft targets."""
    return ops.softplus(logit) - logit * probability


def huber(error: Any) -> Any:
    """Quadratic up to 1, then linear."""
    size = ops.abs(error)
    return ops.where(size < 1, 0.5 * size * size, size - 0.5)


def _offset_loss(labels: Any, outputs: Any, weight: Any, unit: float) -> Any:
    """Weighted mean Huber of one offset head; weight (N, h, w, K) for channels y0…yK−1, x0…xK−1."""
    weight = ops.concatenate([weight, weight], axis=-1)
    return ops.sum(weight * huber((outputs - labels) / unit)) / (ops.sum(weight) + 1.0)


def _known(offsets: Any) -> Any:
    """1 where a keypoint's offset (y0…, x0…) is labelled, 0 where both are exactly 0: (N, h, w, 2K) → (N, h, w, K)."""
    y, x = ops.split(offsets, 2, axis=-1)
    return ops.cast(ops.logical_or(ops.not_equal(y, 0), ops.not_equal(x, 0)), offsets.dtype)


class PersonLabLoss:
    """Scalar loss of packed outputs (N, h, w, 174) against packed labels of the same shape, offsets in network px."""

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights
        self.__name__ = "personlab_loss"

    def __call__(self, labels: Any, outputs: Any) -> Any:
        """Give the weighted sum of all terms."""
        terms = self.terms(labels, outputs)
        return sum(getattr(self.weights, name) * term for name, term in terms.items())

    def terms(self, labels: Any, outputs: Any) -> dict[str, Any]:
        """Give each term before its weight."""
        label = {head: labels[..., part] for head, part in LABEL_SLICES.items()}
        output = {head: outputs[..., part] for head, part in LABEL_SLICES.items()}
        person, heat = label["segments"], label["heatmaps"]
        near = heat * ops.cast(heat > 0.3, heat.dtype)
        parts = ops.sum(cross_entropy(label["part_heatmaps"], output["part_heatmaps"]), axis=-1, keepdims=True)
        body = person + 0.02
        return {
            "segments": ops.mean(cross_entropy(person, output["segments"])),
            "parts": ops.sum(body * parts) / ops.sum(body),
            "heatmaps": ops.mean(ops.sum((1 + 3 * heat) * cross_entropy(heat, output["heatmaps"]), axis=-1)),
            "short_offsets": _offset_loss(label["short_offsets"], output["short_offsets"], near, 16.0),
            "displacements": _offset_loss(
                label["displacement_fwd"], output["displacement_fwd"], ops.take(near, PARENTS, axis=-1), 32.0
            )
            + _offset_loss(
                label["displacement_bwd"], output["displacement_bwd"], ops.take(near, CHILDREN, axis=-1), 32.0
            ),
            "long_offsets": _offset_loss(
                label["long_offsets"], output["long_offsets"], person * _known(label["long_offsets"]), 64.0
            ),
        }
