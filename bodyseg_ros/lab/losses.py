"""PersonLab's losses (arXiv:1803.08225, sections 3.1 to 3.3) with soft labels.

Cross-entropy for person, parts and keypoints; Huber for offsets, near their keypoint only, long offsets inside people
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from .labels import (
    BODY,
    CHILDREN,
    LABEL_CHANNELS,
    LABEL_SLICES,
    MIDPOINT_CHANNELS,
    MIDPOINTS,
    PARENTS,
    START_CHANNELS,
    START_SLICES,
)
from .train_config import LossWeights

BODY_SLICES = {head: LABEL_SLICES[head] for head in ("segments", "part_heatmaps")}


def cross_entropy(probability: Any, logit: Any) -> Any:
    """Elementwise sigmoid cross-entropy of logits and soft targets."""
    return ops.softplus(logit) - logit * probability


def choice_entropy(probability: Any, logit: Any) -> Any:
    """Softmax cross-entropy over the last axis; targets are sigmoid probabilities renormalized by softmax."""
    probability = ops.clip(probability, 1e-4, 1 - 1e-4)
    target = ops.softmax(ops.log(probability) - ops.log(1 - probability), axis=-1)
    return -ops.sum(target * ops.log_softmax(logit, axis=-1), axis=-1)


def huber(error: Any) -> Any:
    """Quadratic up to 1, then linear."""
    size = ops.abs(error)
    return ops.where(size < 1, 0.5 * size * size, size - 0.5)


def _offset_loss(labels: Any, outputs: Any, weight: Any, unit: float) -> Any:
    """Weighted mean Huber of one offset head; weight (N, h, w, K) for channels y0…yK−1, x0…xK−1."""
    weight = ops.concatenate([weight, weight], axis=-1)
    return ops.sum(weight * huber((outputs - labels) / unit)) / (ops.sum(weight) + 1.0)


def _known(offsets: Any) -> Any:
    """1 where a keypoint's offset (y0…, x0…) is labeled, 0 where both are exactly 0: (N, h, w, 2K) → (N, h, w, K)."""
    y, x = ops.split(offsets, 2, axis=-1)
    return ops.cast(ops.logical_or(ops.not_equal(y, 0), ops.not_equal(x, 0)), offsets.dtype)


class PersonLabLoss:
    """Scalar loss of packed outputs (N, h, w, 174) against packed labels of the same shape, offsets in network px."""

    def __init__(self, weights: LossWeights) -> None:
        self.weights = weights
        self.__name__ = "personlab_loss"

    def __call__(self, labels: Any, outputs: Any) -> Any:
        """Return the weighted sum of all terms."""
        total = self._weighted(self.terms(labels, outputs))
        further = labels.shape[-1] - LABEL_CHANNELS
        if further in (MIDPOINT_CHANNELS, MIDPOINT_CHANNELS + START_CHANNELS):
            total = total + self._between(labels, outputs)
        if further not in (START_CHANNELS, MIDPOINT_CHANNELS + START_CHANNELS):
            return total
        # The last channels are the frozen start's pose heads.
        label, output = _by_head(labels[..., -START_CHANNELS:], START_SLICES), _by_head(outputs, LABEL_SLICES)
        own = self._pose_terms(label, output)
        return total + self.weights.start_pose * self._weighted(own)

    def _weighted(self, terms: Mapping[str, Any]) -> Any:
        return sum(getattr(self.weights, name) * term for name, term in terms.items())

    def _between(self, labels: Any, outputs: Any) -> Any:
        """Person and part loss at the midpoints, where masks are interpolated; mean over the three midpoints."""
        right = (outputs[:, :, :-1, BODY] + outputs[:, :, 1:, BODY]) / 2
        below = (outputs[:, :-1, :, BODY] + outputs[:, 1:, :, BODY]) / 2
        middle = (right[:, :-1] + right[:, 1:]) / 2
        total = 0.0
        for place, output in enumerate((right, below, middle)):
            first = LABEL_CHANNELS + place * BODY.stop
            label = labels[:, : output.shape[1], : output.shape[2], first : first + BODY.stop]
            body = self._body_terms(_by_head(label, BODY_SLICES), _by_head(output, BODY_SLICES))
            total += self._weighted(body) / MIDPOINTS
        return total

    def terms(self, labels: Any, outputs: Any) -> dict[str, Any]:
        """Return each term before weighting."""
        label, output = _by_head(labels, LABEL_SLICES), _by_head(outputs, LABEL_SLICES)
        person = label["segments"]
        long_offsets = _offset_loss(
            label["long_offsets"], output["long_offsets"], person * _known(label["long_offsets"]), 64.0
        )
        return self._body_terms(label, output) | self._pose_terms(label, output) | {"long_offsets": long_offsets}

    def _body_terms(self, label: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
        person = label["segments"]
        parts = ops.sum(cross_entropy(label["part_heatmaps"], output["part_heatmaps"]), axis=-1, keepdims=True)
        body = person + 0.02
        surely = person * ops.cast(person > 0.3, person.dtype)
        choice = ops.expand_dims(choice_entropy(label["part_heatmaps"], output["part_heatmaps"]), axis=-1)
        return {
            "segments": ops.mean(cross_entropy(person, output["segments"])),
            "parts": ops.sum(body * parts) / ops.sum(body),
            "part_choice": ops.sum(surely * choice) / (ops.sum(surely) + 1.0),
        }

    def _pose_terms(self, label: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
        heat = label["heatmaps"]
        near = heat * ops.cast(heat > 0.3, heat.dtype)
        return {
            "heatmaps": ops.mean(ops.sum((1 + 3 * heat) * cross_entropy(heat, output["heatmaps"]), axis=-1)),
            "short_offsets": _offset_loss(label["short_offsets"], output["short_offsets"], near, 16.0),
            "displacements": _offset_loss(
                label["displacement_fwd"], output["displacement_fwd"], ops.take(near, PARENTS, axis=-1), 32.0
            )
            + _offset_loss(
                label["displacement_bwd"], output["displacement_bwd"], ops.take(near, CHILDREN, axis=-1), 32.0
            ),
        }


def _by_head(packed: Any, slices: Mapping[str, slice]) -> dict[str, Any]:
    return {head: packed[..., part] for head, part in slices.items()}
