"""Decode heads to source-size maps with TensorFlow, on the network's device.

The arithmetic equals the NumPy decoders': two neighbors and a weight per row and column, in float32. It avoids matrix
products, which GPUs round to fewer digits, and argmax, whose choice on ties is undefined in TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART, PART_NAMES
from ..geometry import Geometry, Taps, aligned_taps, source_taps
from ..types import MAP_CONFIDENCE, MAP_PARTS, MAP_PERSON, MapsWanted

__all__ = ["MapMaker"]

#: Source rows whose 24 part scores are in memory at once: 24 MB at 1920 columns, a few times that while computed.
_STRIP: Final = 128


class MapMaker:
    """Traced once for all sizes; the resize taps of the last few sizes are cached on the device."""

    def __init__(self, tf: Any, *, compile_with_xla: bool) -> None:
        self._tf = tf
        index, weight = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.float32)
        taps = (index, index, weight, weight)
        strips = tuple(tf.TensorSpec([None, _STRIP], spec.dtype) for spec in taps)
        grid = [1, None, None]
        traced = {"autograph": False, "jit_compile": compile_with_xla or None}
        self._confidence = tf.function(
            self._as_confidence, input_signature=[tf.TensorSpec([*grid, 1]), (taps,) * 4], **traced
        )
        self._parts = tf.function(
            self._as_parts,
            input_signature=[tf.TensorSpec([*grid, len(PART_NAMES)]), (taps,) * 4, strips, tf.TensorSpec([None, None])],
            **traced,
        )
        self._resizes = lru_cache(maxsize=8)(self._on_device)

    def with_maps(self, outputs: Mapping[str, Any], wanted: MapsWanted) -> dict[str, Any]:
        """Add the wanted maps to the network's tensors; drop part logits that became a map.

        Tensors with wrong shapes or NaN are returned unchanged, and the network reports the error.
        """
        tf, tensors = self._tf, dict(outputs)
        segments = next((name for name in outputs if wanted.segments.search(name)), "")
        parts = next((name for name in outputs if wanted.part_heatmaps.search(name)), "")
        shape = tuple(outputs[segments].shape) if segments else ()
        if len(shape) != 4 or (shape[0], shape[3]) != (1, 1):
            return tensors
        taps, strips = self._resizes(wanted.geometry, shape[1], shape[2])
        confidence = self._confidence(outputs[segments], taps)
        person = confidence > np.float32(wanted.threshold)
        tensors[MAP_PERSON] = tf.cast(person, tf.uint8)
        if wanted.confidence:
            tensors[MAP_CONFIDENCE] = confidence
        if wanted.parts and parts and outputs[parts].shape == (*shape[:3], len(PART_NAMES)):
            best, usable = self._parts(outputs[parts], taps, strips, tf.cast(person, tf.float32))
            if usable:
                tensors[MAP_PARTS] = best
                del tensors[parts]
        return tensors

    def _on_device(self, geometry: Geometry, height: int, width: int) -> tuple[Any, Any]:
        """Taps from a grid to the network's rows and columns, from there to the source's; its rows in strips too."""
        rows, columns = source_taps(geometry)
        aligned = aligned_taps(height, geometry.input_height), aligned_taps(width, geometry.input_width)
        missing = -geometry.height % _STRIP

        def strips(values: NDArray[Any]) -> NDArray[Any]:
            return np.pad(values, (0, missing)).reshape(-1, _STRIP)

        taps = tuple(tuple(self._tf.constant(values) for values in _arrays(axis)) for axis in (*aligned, rows, columns))
        return taps, tuple(self._tf.constant(strips(values)) for values in _arrays(rows))

    def _scores(self, logits: Any, rows: Any, columns: Any) -> Any:
        """Logits (1, h, w, C) to scores at network px (input_height, input_width, C)."""
        tf = self._tf
        upsampled = self._resized(self._resized(logits[0], columns, 1), rows, 0)
        return tf.math.reciprocal(1.0 + tf.exp(-tf.maximum(upsampled, -80.0)))

    def _resized(self, array: Any, taps: Any, axis: int) -> Any:
        """One axis of (rows, columns, C) by taps."""
        tf, (lower, upper, lower_weight, upper_weight) = self._tf, taps
        shape = [-1 if place == axis else 1 for place in range(3)]
        below = tf.gather(array, lower, axis=axis) * tf.reshape(lower_weight, shape)
        return below + tf.gather(array, upper, axis=axis) * tf.reshape(upper_weight, shape)

    def _as_confidence(self, segments: Any, taps: Any) -> Any:
        scores = self._scores(segments, *taps[:2])
        return self._resized(self._resized(scores, taps[3], 1), taps[2], 0)[..., 0]

    def _as_parts(self, part_heatmaps: Any, taps: Any, strips: Any, person: Any) -> tuple[Any, Any]:
        """(H, W) int8 part ids, and whether all logits are finite. Floats until the end: each GPU has their ops."""
        tf, scores = self._tf, self._scores(part_heatmaps, *taps[:2])
        ids = tf.range(float(len(PART_NAMES)))

        def best_of(rows: Any) -> Any:
            found = self._resized(self._resized(scores, rows, 0), taps[3], 1)
            best = tf.reduce_max(found, axis=2, keepdims=True)
            return tf.reduce_min(tf.where(found >= best, ids, float(len(PART_NAMES))), axis=2)

        best = tf.map_fn(best_of, strips, parallel_iterations=1, fn_output_signature=tf.float32)
        best = tf.reshape(best, [-1, tf.shape(person)[1]])[: tf.shape(person)[0]]
        parts = tf.cast(tf.where(person > 0.0, best, float(NO_PART)), tf.int8)
        return parts, tf.reduce_all(tf.math.is_finite(part_heatmaps))


def _arrays(taps: Taps) -> tuple[NDArray[Any], ...]:
    """Indices as int64: TensorFlow keeps int32 off the GPU."""
    return taps.lower.astype(np.int64), taps.upper.astype(np.int64), taps.lower_weight, taps.upper_weight
