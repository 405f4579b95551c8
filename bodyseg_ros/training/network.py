"""BodyPix's and PoseNet's networks as Keras 3 models: one definition to train, fine-tune and export.

MobileNetV1 follows arXiv:1704.04861 with the strides of tfjs-models posenet 2.2.2 ``src/mobilenet.ts``; ResNet50 is the
slim ``resnet_v1_50`` that BodyPix 2 was trained with; the heads are those of PersonLab, arXiv:1803.08225.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.formats.tfjs import read_weights

Backbone = Literal["mobilenet", "resnet50"]

BODYPIX_HEADS = {
    "segments": 1,
    "part_heatmaps": 24,
    "heatmaps": 17,
    "short_offsets": 34,
    "displacement_fwd": 32,
    "displacement_bwd": 32,
    "long_offsets": 34,
    "part_offsets": 48,
}
POSENET_HEADS = {"heatmaps": 17, "short_offsets": 34, "displacement_fwd": 32, "displacement_bwd": 32}
HEADS = {"bodypix": BODYPIX_HEADS, "posenet": POSENET_HEADS}

# Each head's variable scope in the published files.
PUBLISHED_HEADS = {
    "segments": "segment_2",
    "part_heatmaps": "part_heatmap_2",
    "heatmaps": "heatmap_2",
    "short_offsets": "offset_2",
    "displacement_fwd": "displacement_fwd_2",
    "displacement_bwd": "displacement_bwd_2",
    "long_offsets": "embedding_2",
    "part_offsets": "part_offset_2",
}

MOBILENET_FILTERS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)
MOBILENET_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
RESNET_BLOCKS = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
BATCH_NORM_EPSILON = 1e-3


class _Builder:
    """Layers of one backbone, with the stride still allowed: beyond it convolutions dilate instead."""

    def __init__(self, output_stride: int, folded: bool) -> None:
        self.left = output_stride
        self.rate = 1
        self.folded = folded

    def stride(self, wanted: int) -> tuple[int, int]:
        """Give (stride, dilation) of the next layer that would like this stride."""
        rate = self.rate
        if wanted > self.left:
            self.rate *= wanted
            return 1, rate
        self.left //= wanted
        return wanted, rate

    def conv(self, x: Any, name: str, filters: int, size: int, stride: int = 1, rate: int = 1) -> Any:
        x = keras.layers.Conv2D(
            filters, size, stride, "same", dilation_rate=rate, use_bias=self.folded, name=name,
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        return self.norm(x, name)

    def depthwise(self, x: Any, name: str, stride: int, rate: int) -> Any:
        x = keras.layers.DepthwiseConv2D(
            3, stride, "same", dilation_rate=rate, use_bias=self.folded, name=name,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=0.3),
        )(x)  # fmt: skip
        return self.norm(x, name)

    def norm(self, x: Any, name: str) -> Any:
        if self.folded:
            return x
        return keras.layers.BatchNormalization(momentum=0.99, epsilon=BATCH_NORM_EPSILON, name=f"{name}_norm")(x)


def _relu6(x: Any) -> Any:
    return keras.layers.ReLU(max_value=6)(x)


def mobilenet(x: Any, build: _Builder, multiplier: float) -> Any:
    """(N, H, W, 3) in [-1, 1] → (N, h, w, 512 · multiplier)."""
    filters = [max(8, int(f * multiplier)) for f in MOBILENET_FILTERS]
    stride, rate = build.stride(MOBILENET_STRIDES[0])
    x = _relu6(build.conv(x, "Conv2d_0", filters[0], 3, stride, rate))
    for i in range(1, len(filters)):
        stride, rate = build.stride(MOBILENET_STRIDES[i])
        x = _relu6(build.depthwise(x, f"Conv2d_{i}_depthwise", stride, rate))
        x = _relu6(build.conv(x, f"Conv2d_{i}_pointwise", filters[i], 1))
    return x


def resnet50(x: Any, build: _Builder) -> Any:
    """(N, H, W, 3) minus the channel means → (N, h, w, 2048); slim's v1: a block strides in its last unit."""
    stride, rate = build.stride(2)
    x = keras.layers.ReLU()(build.conv(x, "conv1", 64, 7, stride, rate))
    stride, _ = build.stride(2)
    x = keras.layers.MaxPooling2D(3, stride, "same", name="pool1")(x)
    for b, (filters, units, block_stride) in enumerate(RESNET_BLOCKS, 1):
        for u in range(1, units + 1):
            stride, rate = build.stride(block_stride if u == units else 1)
            scope = f"block{b}_unit_{u}"
            shortcut = x
            if u == 1:
                shortcut = build.conv(x, f"{scope}_shortcut", filters * 4, 1, stride)
            elif stride > 1:
                shortcut = keras.layers.MaxPooling2D(1, stride, "same")(x)
            y = keras.layers.ReLU()(build.conv(x, f"{scope}_conv1", filters, 1))
            y = keras.layers.ReLU()(build.conv(y, f"{scope}_conv2", filters, 3, stride, rate))
            y = build.conv(y, f"{scope}_conv3", filters * 4, 1)
            x = keras.layers.ReLU()(shortcut + y)
    return x


def build_network(
    backbone: Backbone = "mobilenet",
    multiplier: float = 0.5,
    output_stride: int = 16,
    *,
    task: Literal["bodypix", "posenet"] = "bodypix",
    folded: bool = False,
) -> keras.Model:
    """Build the network: input (N, H, W, 3) float32, already normalised; output a dict of (N, h, w, c) by head name.

    H and W are any multiple of the output stride plus 1. With ``folded`` each convolution has a bias and no batch norm:
    the form that is published and exported. Weights of one stride fit every other.
    """
    if output_stride not in (8, 16, 32):
        raise SettingsError(f"output_stride {output_stride!r} is not one of 8, 16, 32")
    if backbone == "mobilenet" and not 0.25 <= multiplier <= 1.0:
        raise SettingsError(f"multiplier {multiplier!r} is outside 0.25 to 1.00")
    image = keras.Input((None, None, 3), name="sub_2")
    build = _Builder(output_stride, folded)
    features = mobilenet(image, build, multiplier) if backbone == "mobilenet" else resnet50(image, build)
    outputs = {
        head: keras.layers.Conv2D(channels, 1, name=head, kernel_initializer=_head_initializer(head))(features)
        for head, channels in HEADS[task].items()
    }
    if "part_offsets" in outputs:
        outputs["part_offsets"] = keras.ops.clip(outputs["part_offsets"], 0.0, 1.0)
    return keras.Model(image, outputs, name=f"{task}_{backbone}")


def _head_initializer(head: str) -> str:
    """Start from random weights; from zeros where nothing trains them."""
    return "zeros" if head == "part_offsets" else "glorot_uniform"


def load_published(model_json: Path, output_stride: int = 16) -> keras.Model:
    """Build the folded network that a published MobileNetV1 tfjs file holds, with its weights."""
    weights = read_weights(model_json)
    by_layer = {_layer_of(name): value for name, value in weights.items() if name.startswith("MobilenetV1/")}
    if ("Conv2d_0", "weights") not in by_layer:
        raise ModelFileError(f"{str(model_json)!r} holds no MobilenetV1/Conv2d_0/weights: not a MobileNetV1 of BodyPix")
    multiplier = by_layer["Conv2d_0", "weights"].shape[-1] / MOBILENET_FILTERS[0]
    task: Literal["bodypix", "posenet"] = "bodypix" if ("segment_2", "weights") in by_layer else "posenet"
    model = build_network("mobilenet", multiplier, output_stride, task=task, folded=True)
    for layer in model.layers:
        if layer.weights:
            scope = PUBLISHED_HEADS.get(layer.name, layer.name)
            kernel = "depthwise_weights" if scope.endswith("depthwise") else "weights"
            layer.set_weights([by_layer[scope, kernel], by_layer[scope, "bias"]])
    return model


def _layer_of(name: str) -> tuple[str, str]:
    """Split a published variable name into its layer and "weights", "depthwise_weights" or "bias"."""
    *_, scope, leaf = name.split("/")
    return scope, "bias" if leaf.lower().endswith("bias") or leaf == "biases" else leaf


def shift_person_score(folded: keras.Model, threshold: float, wanted: float = 0.7) -> None:
    """Move the person logit so that what scored threshold scores wanted: the published default is then the best one."""
    kernel, bias = folded.get_layer("segments").get_weights()
    logit = np.log(wanted / (1 - wanted)) - np.log(threshold / (1 - threshold))
    folded.get_layer("segments").set_weights([kernel, bias + np.float32(logit)])


def fold_batch_norm(model: keras.Model, folded: keras.Model) -> keras.Model:
    """Copy a trained network into a folded one of any stride, each batch norm multiplied into its convolution."""
    for layer in folded.layers:
        if not layer.weights:
            continue
        source = model.get_layer(layer.name)
        values = source.get_weights()
        try:
            norm = model.get_layer(f"{layer.name}_norm")
        except ValueError:
            layer.set_weights(values)
            continue
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        shape = (-1, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (-1,)
        layer.set_weights([values[0] * scale.reshape(shape), beta - mean * scale])
    return folded
