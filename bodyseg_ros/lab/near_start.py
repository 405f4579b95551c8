"""Training near the start: each weight is its start plus a change in units of its channel's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from .labels import Array

NEW_HEAD_SCALE: Final[Mapping[str, float]] = {"long_offsets": 16.0}
"""Size of a head's weights if no start gives one: offsets are in network px, other heads are logits."""


@dataclass(frozen=True)
class Anchor:
    """A variable's anchor: its start, the unit of its change, and the decay of the change per learning rate."""

    start: Array
    unit: Array
    pull: float


def channel_size(layer: keras.layers.Layer, values: Sequence[Array]) -> list[Array]:
    """Compute the unit of change of each weight of a folded layer: RMS of its output channel; for biases, of all
    biases.

    values: kernel and bias. Returns arrays that broadcast against them.
    """
    kernel, bias = values
    axes = (0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
    size = np.sqrt(np.mean(np.square(kernel), axis=axes, keepdims=True))
    return [size, np.sqrt(np.mean(np.square(bias), keepdims=True))]


class NearStart(keras.optimizers.Adam):  # type: ignore[misc]  # Keras has no types
    """Adam on the changes from a start, with decoupled decay of the changes: weight = start + unit · change.

    anchors: one per variable, by its path.
    """

    def __init__(self, anchors: Mapping[str, Anchor], **options: Any) -> None:
        super().__init__(**options)
        self._anchors = anchors
        self._held: list[tuple[Any, Any, float]] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state of variables; each has its anchor."""
        super().build(variables)
        self._held = [
            (ops.convert_to_tensor(anchor.start), ops.convert_to_tensor(anchor.unit), anchor.pull)
            for anchor in (self._anchors[variable.path] for variable in variables)
        ]

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Apply one update. The gradient with respect to a change is the weight's gradient times the unit."""
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        units = [self._held[self._get_variable_index(variable)][1] for variable in variables]
        super().apply([g if g is None else g * unit for g, unit in zip(grads, units, strict=True)], variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable."""
        start, unit, pull = self._held[self._get_variable_index(variable)]
        before = ops.copy(variable)
        super().update_step(gradient, variable, learning_rate)
        step = (ops.convert_to_tensor(variable) - before) * unit
        self.assign(variable, before + step - ops.cast(learning_rate, before.dtype) * pull * (before - start))
