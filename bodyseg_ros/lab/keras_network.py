"""BodyPix's and PoseNet's networks as Keras 3 models: one definition for training, fine-tuning and export.

MobileNetV1: arXiv:1704.04861 with the strides of tfjs-models posenet 2.2.2 ``src/mobilenet.ts``. ResNet50: slim's
``resnet_v1_50``, which BodyPix 2 was trained with. Heads: PersonLab, arXiv:1803.08225.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from ..catalog import Preprocessing
from ..errors import ModelFileError, SettingsError
from ..formats.tfjs import read_weights
from ..networks.heads import HEAD_CHANNELS
from .labels import LABEL_HEADS, Array
from .train_config import Backbone, HeadContext

Task = Literal["bodypix", "posenet"]

HEADS: dict[Task, dict[str, int]] = {
    "bodypix": {head: HEAD_CHANNELS[head] for head in LABEL_HEADS} | {"part_offsets": 48},
    "posenet": {
        head: HEAD_CHANNELS[head] for head in ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")
    },
}

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

PUBLISHED_TRUNKS: dict[Backbone, str] = {"mobilenet": "MobilenetV1", "resnet50": "resnet_v1_50"}

MOBILENET_FILTERS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)
MOBILENET_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
RESNET_STEM = 64
RESNET_BLOCKS = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
BATCH_NORM_EPSILON = 1e-3


class _Builder:
    """Remaining stride of a backbone: when it is used up, convolutions dilate instead."""

    def __init__(self, output_stride: int, folded: bool) -> None:
        self.left = output_stride
        self.rate = 1
        self.folded = folded

    def stride(self, wanted: int) -> tuple[int, int]:
        """Return (stride, dilation) of the next layer, which asks for this stride."""
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


def _relu6(x: Any, name: str | None = None) -> Any:
    return keras.layers.ReLU(max_value=6, name=name)(x)


def _mobilenet(x: Any, build: _Builder, multiplier: float) -> Any:
    """(N, H, W, 3) in [-1, 1] → (N, h, w, 512 · multiplier)."""
    filters = [max(8, int(f * multiplier)) for f in MOBILENET_FILTERS]
    stride, rate = build.stride(MOBILENET_STRIDES[0])
    x = _relu6(build.conv(x, "Conv2d_0", filters[0], 3, stride, rate))
    for i in range(1, len(filters)):
        stride, rate = build.stride(MOBILENET_STRIDES[i])
        x = _relu6(build.depthwise(x, f"Conv2d_{i}_depthwise", stride, rate))
        x = _relu6(build.conv(x, f"Conv2d_{i}_pointwise", filters[i], 1), block_output(i))
    return x


def block_output(block: int) -> str:
    """Name of the layer that outputs a MobileNetV1 block."""
    return f"Conv2d_{block}_relu"


def _resnet50(x: Any, build: _Builder, multiplier: float) -> Any:
    """(N, H, W, 3) minus the mean color → (N, h, w, 2048 · multiplier). As in slim's v1, a block strides in its last
    unit.
    """
    stride, rate = build.stride(2)
    x = keras.layers.ReLU()(build.conv(x, "conv1", int(RESNET_STEM * multiplier), 7, stride, rate))
    stride, _ = build.stride(2)
    x = keras.layers.MaxPooling2D(3, stride, "same", name="pool1")(x)
    for b, (full, units, block_stride) in enumerate(RESNET_BLOCKS, 1):
        filters = int(full * multiplier)
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
            x = keras.layers.ReLU()(keras.layers.Add()([shortcut, y]))
    return x


def build_network(
    backbone: Backbone = "mobilenet",
    multiplier: float = 0.5,
    output_stride: int = 16,
    *,
    task: Task = "bodypix",
    folded: bool = False,
    context: HeadContext | None = None,
) -> keras.Model:
    """Build the network: input (N, H, W, 3) float32, normalized; output a dict of (N, h, w, c) by head name.

    H and W are multiples of the output stride plus 1. ``folded``: convolutions have a bias and no batch norm, as
    published and exported. ``context``: person and part heads see the neighborhood of a position. Weights fit every
    stride.
    """
    if output_stride not in (8, 16, 32):
        raise SettingsError(f"output_stride is {output_stride!r}, but it must be one of 8, 16, 32.")
    if not 0.25 <= multiplier <= 1.0:
        raise SettingsError(f"multiplier is {multiplier!r}, but it must be a number from 0.25 to 1.")
    image = keras.Input((None, None, 3), name="sub_2")
    trunk = _mobilenet if backbone == "mobilenet" else _resnet50
    build = _Builder(output_stride, folded)
    features = trunk(image, build, multiplier)
    outputs = {}
    for head, channels in HEADS[task].items():
        width = context.widths.get(head, 0) if context else 0
        seen = _with_context(features, head, width, context.kernel, build.rate) if context and width else features
        outputs[head] = keras.layers.Conv2D(channels, 1, name=head, kernel_initializer=_head_initializer(head))(seen)
    if "part_offsets" in outputs:
        outputs["part_offsets"] = keras.ops.clip(outputs["part_offsets"], 0.0, 1.0)
    return keras.Model(image, outputs, name=f"{task}_{backbone}")


def _with_context(x: Any, head: str, width: int, kernel: int, rate: int) -> Any:
    """Let a head see each position's neighborhood: 1×1, depthwise, 1×1, with ReLU6, dilated as the trunk."""
    x = _relu6(keras.layers.Conv2D(width, 1, name=f"{head}_context_in", kernel_initializer="he_normal")(x))
    spread = keras.layers.DepthwiseConv2D(
        kernel, padding="same", dilation_rate=rate, name=f"{head}_context_depthwise",
        depthwise_initializer=keras.initializers.RandomNormal(stddev=1 / kernel),
    )  # fmt: skip
    return _relu6(
        keras.layers.Conv2D(width, 1, name=f"{head}_context_out", kernel_initializer="he_normal")(_relu6(spread(x)))
    )


def head_of(layer: str) -> str | None:
    """Head that a layer belongs to; None for the trunk."""
    head = layer.partition("_context_")[0]
    return head if head in PUBLISHED_HEADS else None


def _head_initializer(head: str) -> str:
    """Random initial weights; zeros for heads that are not trained."""
    return "zeros" if head == "part_offsets" else "glorot_uniform"


def backbone_of(network: keras.Model) -> Backbone:
    """Return the trunk's type of a network built here."""
    return "resnet50" if network.name.endswith("resnet50") else "mobilenet"


def published_scope(network: keras.Model, layer: str) -> str:
    """Variable scope of a layer in the published files: MobilenetV1/Conv2d_0."""
    name = re.sub(r"^(block\d)_(unit_\d)_(\w+)$", r"\1/\2/bottleneck_v1/\3", layer)
    head = head_of(layer)
    if head:
        name = PUBLISHED_HEADS[head] + layer.removeprefix(head)
    return f"{PUBLISHED_TRUNKS[backbone_of(network)]}/{name}"


def load_published(model_json: Path, output_stride: int = 16) -> keras.Model:
    """Build the folded network of a published tfjs file, MobileNetV1 or ResNet50, with its weights.

    A layer's kernel is the weight of rank 4 in its scope, its bias the one of rank 1, whatever their names after
    folding. Heads may have a context, as in files written here.
    """
    by_scope = _weights_by_scope(model_json)
    for backbone, trunk in PUBLISHED_TRUNKS.items():
        stem, full = ("Conv2d_0", MOBILENET_FILTERS[0]) if backbone == "mobilenet" else ("conv1", RESNET_STEM)
        if f"{trunk}/{stem}" in by_scope:
            multiplier = by_scope[f"{trunk}/{stem}"][0].shape[-1] / full
            task: Task = "bodypix" if f"{trunk}/segment_2" in by_scope else "posenet"
            context = _context_of(by_scope, trunk)
            model = build_network(backbone, multiplier, output_stride, task=task, folded=True, context=context)
            break
    else:
        raise ModelFileError(f"{str(model_json)!r} is not a MobileNetV1 or ResNet50 of BodyPix or PoseNet.")
    for layer in model.layers:
        if layer.weights:
            weights = by_scope.get(published_scope(model, layer.name), [])
            if [value.shape for value in weights] != [tuple(variable.shape) for variable in layer.weights]:
                raise ModelFileError(
                    f"{str(model_json)!r} has {[v.shape for v in weights]} for {layer.name}, not kernel and bias of "
                    f"{[tuple(variable.shape) for variable in layer.weights]}."
                )
            layer.set_weights(weights)
    return model


def _weights_by_scope(model_json: Path) -> dict[str, list[Array]]:
    """Return scope → weights, highest rank first.

    A weight without a scope (Const_55) gets that of the convolution that reads it.
    """
    readers: dict[str, str] = {}
    content = json.loads(model_json.read_bytes())
    topology = content.get("modelTopology") if isinstance(content, dict) else None
    for node in topology.get("node", []) if isinstance(topology, dict) else []:
        if "conv2d" in node["op"].lower() or node["op"] == "BiasAdd":
            scope = "/".join(_once(node["name"]).split("/")[:2])
            readers |= {name: f"{scope}/{name}" for name in node.get("input", [])[1:] if "/" not in name}
    by_scope: dict[str, list[Array]] = {}
    for name, value in sorted(read_weights(model_json).items(), key=lambda item: -item[1].ndim):
        if value.ndim in (1, 4):
            by_scope.setdefault(_once(readers.get(name, name)).rpartition("/")[0], []).append(value)
    return by_scope


def _once(name: str) -> str:
    """Remove a doubled first scope from a published name."""
    return re.sub(r"^(MobilenetV1/)\1", r"\1", name)


def _context_of(by_scope: Mapping[str, Sequence[Array]], trunk: str) -> HeadContext | None:
    """Read the contexts of the person and part heads of a file."""
    widths, kernel = dict.fromkeys(HeadContext().widths, 0), 0
    for head in widths:
        scope = by_scope.get(f"{trunk}/{PUBLISHED_HEADS[head]}_context_depthwise")
        if scope:
            kernel, widths[head] = scope[0].shape[0], scope[0].shape[2]
    return HeadContext(**widths, kernel=kernel) if kernel else None


def runner(network: keras.Model, preprocessing: Preprocessing) -> Callable[[Array], dict[str, Array]]:
    """Make a function of an image, (1, H, W, 3) float32 RGB 0 to 255, that returns arrays (h, w, c) by head."""
    scale, offset = np.asarray(preprocessing.scale, np.float32), np.asarray(preprocessing.offset, np.float32)

    def run(picture: Array) -> dict[str, Array]:
        outputs = network(picture * scale + offset, training=False)
        return {head: np.asarray(keras.ops.convert_to_numpy(value))[0] for head, value in outputs.items()}

    return run


def shift_person_score(folded: keras.Model, threshold: float, wanted: float) -> None:
    """Shift the person logit so that the score `threshold` becomes `wanted`."""
    kernel, bias = folded.get_layer("segments").get_weights()
    logit = np.log(wanted / (1 - wanted)) - np.log(threshold / (1 - threshold))
    folded.get_layer("segments").set_weights([kernel, bias + np.float32(logit)])


def unfold(folded: keras.Model, model: keras.Model, pictures: Array) -> None:
    """Initialize a network with batch norms from a folded one, so that training can go on.

    pictures: (N, H, W, 3), normalized. Each batch norm gets its convolution's statistics on them, and the scale and
    shift that cancel these: the network's outputs are those of the folded one.
    """
    names = [layer.name for layer in folded.layers if layer.weights]
    layers = {layer.name: layer for layer in model.layers}
    for name in names:
        ours, theirs = layers.get(name), folded.get_layer(name)
        if head_of(name) and ours and [v.shape for v in ours.weights] == [v.shape for v in theirs.weights]:
            ours.set_weights(theirs.get_weights())
    normed = [name for name in names if not head_of(name)]
    watched = keras.Model(folded.input, [folded.get_layer(name).output for name in normed])
    for name, output in zip(normed, watched(pictures, training=False), strict=True):
        kernel, bias = folded.get_layer(name).get_weights()
        values = keras.ops.convert_to_numpy(output).reshape(-1, len(bias)) - bias
        mean, variance = values.mean(axis=0), values.var(axis=0)
        model.get_layer(name).set_weights([kernel])
        scale = np.sqrt(variance + BATCH_NORM_EPSILON)
        model.get_layer(f"{name}_norm").set_weights([scale, bias + mean, mean, variance])


def fold_batch_norm(model: keras.Model, folded: keras.Model) -> keras.Model:
    """Copy a trained network into a folded one of any stride, with batch norms multiplied into convolutions."""
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
