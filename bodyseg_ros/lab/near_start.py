"""Training that stays near its start: each weight is its start plus a change in units of its channel's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from .labels import Array

NEW_HEAD_SCALE: Final[Mapping[str, float]] = {"long_offsets": 16.0}
"""Size of a head's weights where no start tells it: offsets are in network px, the others are logits."""


@dataclass(frozen=True)
class Anchor:
    """What a variable is held by: its start, the unit of its change, and what share of the change decays per rate."""

    start: Array
    unit: Array
    pull: float


def channel_size(layer: keras.layers.Layer, values: Sequence[Array]) -> list[Array]:
    """The unit in which each weight of a folded layer changes: RMS of its output channel, of all biases for a bias.

    values: kernel and bias. Gives arrays that broadcast against them.
    """
    kernel, bias = values
    axes = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
    size = np.sqrt(np.mean(np.square(kernel), axis=axes, keepdims=True))
    return [size, np.sqrt(np.mean(np.square(bias), keepdims=True))]


class NearStart(keras.optimizers.Adam):  # type: ignore[misc]  # Keras has no types
    """Adam on the changes from a start, with a decoupled decay of them: weight = start + unit · change.

    anchors: one of each variable, in the order of build().
    """

    def __init__(self, anchors: Mapping[str, Anchor], **options: Any) -> None:
        super().__init__(**options)
        self._held = {
            path: (ops.convert_to_tensor(anchor.start), ops.convert_to_tensor(anchor.unit), anchor.pull)
            for path, anchor in anchors.items()
        }

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take a step; a gradient by a change is the one by its weight times the unit."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        super().apply(
            [g if g is None else g * self._held[v.path][1] for g, v in zip(grads, variables, strict=True)], variables
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable."""
        start, unit, pull = self._held[variable.path]
        before = ops.copy(variable.value)
        super().update_step(gradient, variable, learning_rate)
        step = (variable.value - before) * unit - ops.cast(learning_rate, before.dtype) * pull * (before - start)
        self.assign(variable, before + step)
