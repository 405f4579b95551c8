"""Decode networks with one output per pixel: DeepLab and portrait networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..decode import sigmoid
from ..errors import EngineError, SettingsError
from ..geometry import Geometry

__all__ = ["class_indices", "class_scores", "labels_to_source", "scores_to_source"]


def class_indices(names: tuple[str, ...], card: Card, parameter: str) -> list[int]:
    """Return the channels of the named classes. Raises SettingsError for a name that the card does not have."""
    for name in names:
        if name not in card.classes:
            have = ", ".join(card.classes) or "none"
            raise SettingsError(f"Parameter {parameter} has {name!r}, but the classes of {card.name} are: {have}.")
    return [card.classes.index(name) for name in names]


def class_scores(outputs: Mapping[str, NDArray[Any]], card: Card, geometry: Geometry) -> NDArray[Any]:
    """Return the only output: (h, w, classes) float32 probabilities, or (h, w) uint8 labels.

    Raises EngineError unless there is one output, with the card's classes and the input's size, without NaN or
    infinity.
    """
    shapes = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
    kind = "class numbers" if card.scores == "labels" else f"{card.scores} of {len(card.classes)} classes"
    height, width = geometry.input_height, geometry.input_width
    channels = 1 if card.scores == "labels" else len(card.classes)
    values = next(iter(outputs.values())) if len(outputs) == 1 else np.empty(0)
    if values.size != height * width * channels:
        raise EngineError(
            f"The network must have one output, {kind} for {height}×{width} pixels as {card.name} says, but its "
            f"outputs are {shapes or 'none'}. Is it a model of this card?"
        )
    if card.scores == "labels":
        return _read_labels(values.reshape(height, width), card)
    first = card.layout == "nchw" and values.ndim == 4
    shaped = np.moveaxis(values[0], 0, 2) if first else values.reshape(height, width, channels)
    scores = np.asarray(np.ascontiguousarray(shaped), np.float32)
    if not np.isfinite(scores).all():
        raise EngineError("The network's output contains NaN or infinity; the frame is unusable. Check the model file.")
    return scores if card.scores == "probabilities" else _to_probabilities(scores)


def _read_labels(values: NDArray[Any], card: Card) -> NDArray[np.uint8]:
    if values.min() < 0 or values.max() >= len(card.classes):
        raise EngineError(
            f"The network output the class {int(values.max())}, but {card.name} has {len(card.classes)} classes, "
            "counted from 0."
        )
    return values.astype(np.uint8)


def _to_probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    if logits.shape[2] == 1:
        return sigmoid(logits)
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(shares / shares.sum(axis=2, keepdims=True), np.float32)


def scores_to_source(scores: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Resize a map (h, w) of network pixels to source px (H, W), bilinear; the inverse of stretching the frame."""
    resized = cv2.resize(scores, (geometry.width, geometry.height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32)


def labels_to_source(labels: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Resize labels (h, w) of network pixels to source px (H, W), nearest neighbor."""
    size = (geometry.width, geometry.height)
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
