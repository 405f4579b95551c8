"""Layers that round weights and activations to 8 bits in training, so that a network learns to live with it.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
arXiv:1712.05877, section 3. Grids as tflite has them: weights symmetric per output channel, activations one range per
tensor. Rounding passes gradients on as if it were not there.
"""

from __future__ import annotations

from typing import Any, Final

import keras
from keras import ops

_LARGEST_WEIGHT: Final = 127
_STEPS: Final = 255
_MOMENTUM: Final = 0.95
_LEAST: Final = 1e-6


def round_weights(kernel: Any, axes: tuple[int, ...]) -> Any:
    """Round a kernel to -127 … 127 steps; axes: those that share a step, all but the output channels'."""
    step = ops.maximum(ops.max(ops.abs(kernel), axis=axes, keepdims=True), _LEAST) / _LARGEST_WEIGHT
    return _through(kernel, ops.round(kernel / step) * step)


def round_activations(x: Any, low: Any, high: Any) -> Any:
    """Round to 256 values from low to high, with 0 among them; values beyond are cut off, and get no gradient."""
    step = ops.maximum(high - low, _LEAST) / _STEPS
    zero = ops.round(-low / step)
    cut = ops.clip(x, -zero * step, (_STEPS - zero) * step)
    return _through(cut, ops.round(cut / step) * step)


def _through(x: Any, rounded: Any) -> Any:
    return x + ops.stop_gradient(rounded - x)


class RoundedActivation(keras.layers.Layer):  # type: ignore[misc]
    """Rounds to the range of its input, a moving average that is learned in training."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the range: lowest and highest value; 0 and 0 before the first batch."""
        self.low = self.add_weight(shape=(), initializer="zeros", trainable=False, name="low")
        self.high = self.add_weight(shape=(), initializer="zeros", trainable=False, name="high")

    def call(self, x: Any, training: bool = False) -> Any:
        """Round; in training the range follows the batch."""
        if training:
            new = ops.cast(ops.equal(self.high, self.low), "float32")
            follow = new + (1 - new) * (1 - _MOMENTUM)
            self.low.assign(self.low + follow * (ops.stop_gradient(ops.minimum(ops.min(x), 0.0)) - self.low))
            self.high.assign(self.high + follow * (ops.stop_gradient(ops.maximum(ops.max(x), 0.0)) - self.high))
        return round_activations(x, self.low, self.high)


class RoundedConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution with rounded weights."""

    def call(self, x: Any) -> Any:
        """Convolve and add the bias."""
        kernel = round_weights(self.kernel, (0, 1, 2))
        return ops.conv(x, kernel, self.strides, self.padding, dilation_rate=self.dilation_rate) + self.bias


class RoundedDepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution with rounded weights."""

    def call(self, x: Any) -> Any:
        """Convolve and add the bias."""
        kernel = round_weights(self.kernel, (0, 1))
        return ops.depthwise_conv(x, kernel, self.strides, self.padding, dilation_rate=self.dilation_rate) + self.bias


class RoundedConv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """A transposed convolution with rounded weights."""

    def call(self, x: Any) -> Any:
        """Convolve and add the bias."""
        kernel = round_weights(self.kernel, (0, 1, 3))
        return ops.conv_transpose(x, kernel, self.strides, self.padding) + self.bias
