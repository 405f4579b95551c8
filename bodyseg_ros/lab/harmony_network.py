"""The harmonization network: color histograms of people and of the rest → one change of color, as a 3-D table.

The change is a polynomial of degree two in R, G and B, so 30 numbers say all and nothing can blur. As in CDTNet (Cong
et al., High-Resolution Image Harmonization via Collaborative Dual Transformations, 2022) it is found on a small picture
and applied to the whole one.
"""

from __future__ import annotations

import tempfile
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from ..formats.runtime import load_tensorflow

Array = npt.NDArray[np.float32]

BINS: Final = 7
"""Of each channel of a histogram; a color counts for its eight neighbors, trilinear."""
HISTOGRAM_VALUES: Final = 2 * BINS**3 + 1
"""Square roots of both histograms' shares, and the share of the picture that people fill."""
TABLE_STEPS: Final = 9
"""Entries of the table along each axis: between them a quadratic is off by 1/512 of its bend at most."""
_TERMS: Final = 10
_WIDTH: Final = 192
_LEAST: Final = 1e-6
_PLACES: Final = np.arange(BINS, dtype=np.float32)
#: sRGB (D65) → XYZ over the white point, and its curve → Lab: IEC 61966-2-1 and CIE 1976.
_TO_XYZ: Final = (
    np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    / np.array([[0.950456], [1.0], [1.088754]])
).astype(np.float32)
_TO_LAB: Final = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]], np.float32)


def histograms(image: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> Array:
    """Compute what the network sees of (h, w, 3) uint8 RGB and its mask (h, w) of 0 and 1: (687,) float32."""
    place = image.reshape(-1, 3).T.astype(np.float32) * np.float32((BINS - 1) / 255)
    low = np.minimum(place.astype(np.intp), BINS - 2)
    shares = np.stack([1 - (place - low), place - low])  # (lower or upper bin, channel, pixel)
    first = ((np.equal(mask.reshape(-1), 0) * BINS + low[0]) * BINS + low[1]) * BINS + low[2]
    counts = np.zeros(2 * BINS**3)
    for red, green, blue in np.ndindex(2, 2, 2):
        share = shares[red, 0] * shares[green, 1] * shares[blue, 2]
        counts += np.bincount(first + (red * BINS + green) * BINS + blue, share, len(counts))
    people = np.count_nonzero(mask)
    sums = np.maximum([[people], [mask.size - people]], _LEAST)
    return np.append(np.sqrt(counts.reshape(2, -1) / sums), people / mask.size).astype(np.float32)


@keras.saving.register_keras_serializable("bodyseg_ros")
class Histograms(layers.Layer):  # type: ignore[misc]
    """histograms() of a picture (b, h, w, 4), RGB and mask from 0 to 1: (b, 687)."""

    def call(self, picture: Any) -> Any:
        """Each channel's hat functions at the bins; of red and green their products, of these with blue the sums."""
        count = picture.shape[1] * picture.shape[2]
        flat = ops.reshape(picture, (-1, count, 4))
        red, green, blue = (ops.relu(1 - ops.abs(flat[..., i : i + 1] * (BINS - 1) - _PLACES)) for i in range(3))
        pairs = ops.reshape(ops.expand_dims(red, 3) * ops.expand_dims(green, 2), (-1, count, BINS**2))
        found = []
        for share in (flat[..., 3:], 1 - flat[..., 3:]):
            sums = ops.matmul(ops.transpose(pairs, (0, 2, 1)), blue * share)
            total = ops.maximum(ops.sum(share, axis=1, keepdims=True), _LEAST)
            found.append(ops.reshape(ops.sqrt(ops.relu(sums) / total), (-1, BINS**3)))
        return ops.concatenate([*found, ops.mean(flat[..., 3], axis=1, keepdims=True)], axis=-1)


def terms(colors: Any) -> Any:
    """Return the polynomial's terms 1, R, G, B, R², G², B², RG, GB, BR of colors (..., 3): (..., 10)."""
    rolled = ops.concatenate([colors[..., 1:], colors[..., :1]], axis=-1)
    return ops.concatenate([ops.ones_like(colors[..., :1]), colors, colors * colors, colors * rolled], axis=-1)


@keras.saving.register_keras_serializable("bodyseg_ros")
class ChangeColors(layers.Layer):  # type: ignore[misc]
    """Apply polynomials (b, 10, 3) to colors (b, n, 3)."""

    def call(self, change: Any, colors: Any) -> Any:
        """Return the changed colors, which may lie beyond 0 and 1."""
        return colors + ops.matmul(terms(colors), change)


def build_network(dropout: float = 0.0) -> keras.Model:
    """Build histograms (b, 687) → weights of the change's polynomials (b, 10, 3); untrained it changes nothing."""
    seen = keras.Input((HISTOGRAM_VALUES,), name="histograms")
    x = layers.BatchNormalization(momentum=0.9, name="normal")(seen)
    for number in (1, 2):
        x = layers.Dropout(dropout)(layers.Dense(_WIDTH, activation="relu", name=f"dense{number}")(x))
    x = layers.Dense(3 * _TERMS, kernel_initializer="zeros", name="change")(x)
    return keras.Model(seen, layers.Reshape((_TERMS, 3))(x), name="harmony")


def learner(network: keras.Model) -> keras.Model:
    """Build the model that is trained: histograms and colors (b, n, 3) → changed colors (b, n, 3)."""
    before = keras.Input((None, 3), name="colors")
    return keras.Model([network.input, before], ChangeColors()(network.output, before))


def with_table(network: keras.Model, side: int) -> keras.Model:
    """Build the model that is shipped: picture (b, side, side, 4) → table (b, n, n, n, 3) of new colors from 0 to 1."""
    picture = keras.Input((side, side, 4), name="picture", batch_size=1)
    change = network(Histograms()(picture))
    changed = ChangeColors()(change, grid().reshape(1, -1, 3))
    steps = (TABLE_STEPS,) * 3
    return keras.Model(picture, layers.Reshape((*steps, 3))(ops.clip(changed, 0, 1)))


def grid() -> Array:
    """Colors at which a table has its entries: (n, n, n, 3) float32, RGB from 0 to 1; the first axis is red."""
    steps = np.linspace(0, 1, TABLE_STEPS, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)


def to_lab(colors: Any) -> Any:
    """Convert sRGB (..., 3) from 0 to 1 to CIE Lab, L from 0 to 100."""
    colors = ops.clip(colors, 0, 1)
    bright = ops.power((ops.maximum(colors, 0.04045) + 0.055) / 1.055, 2.4)
    xyz = ops.matmul(ops.where(colors > 0.04045, bright, colors / 12.92), _TO_XYZ.T)
    root = ops.power(ops.maximum(xyz, 0.008856), 1 / 3)
    curve = ops.where(xyz > 0.008856, root, 7.787 * xyz + 16 / 116)
    return ops.matmul(curve, _TO_LAB.T) - np.array([16, 0, 0], np.float32)


def color_loss(truth: Any, guess: Any) -> Any:
    """Mean ΔE (CIE 1976) of colors (b, n, 3), and how far they lie beyond 0 and 1, per sample: (b,).

    The distance itself, not its square: where people may fit already, the best guess is no change at all.
    """
    squares = ops.sum(ops.square(to_lab(truth) - to_lab(guess)), axis=-1)
    beyond = ops.sum(ops.abs(guess - ops.clip(guess, 0, 1)), axis=-1)
    return ops.mean(ops.sqrt(squares + 0.01) + 100 * beyond, axis=-1)


def tflite_bytes(network: keras.Model, side: int) -> bytes:
    """Convert with_table() to a tflite file with weights of two bytes. Needs TensorFlow as Keras' backend."""
    tf = load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        with_table(network, side).export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())
