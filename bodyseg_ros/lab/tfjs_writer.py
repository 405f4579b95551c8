"""Write a folded network as a tfjs GraphModel with the published names; formats.convert makes the other formats from
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import ModelFileError
from ..formats.runtime import load_tensorflow
from .keras_network import published_scope
from .labels import Array
from .tfjs_graph import Precision, write_tfjs

INPUT = "sub_2"


def tensor_name(network: keras.Model, head: str) -> str:
    """Tensor name of each head in the published files (tfjs-models body-pix 2.2.1)."""
    displacement = head.startswith("displacement")
    return f"{published_scope(network, head)}/BiasAdd" if displacement else f"float_{head}"


def _kind(operation: Any) -> str:
    """Map a layer to the operation it is written as."""
    kind = type(operation).__name__
    if kind not in ("InputLayer", "Conv2D", "DepthwiseConv2D", "ReLU", "MaxPooling2D", "Add", "Clip"):
        raise ModelFileError(f"A {kind} ({operation.name}) cannot be written: fold the network's batch norms first.")
    return kind


class _Graph:
    """Builds a network in the current TensorFlow graph; weights collects its constants by name."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        self.weights: dict[str, Array] = {}
        self._kinds = {operation: _kind(operation) for operation in network.operations}
        # Read now: inside a TensorFlow graph variables have no values.
        self._values = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}

    def build(self, image: Any) -> None:
        """Build all operations in order."""
        became = {id(self.network.input): image}
        for operation, kind in self._kinds.items():
            if kind != "InputLayer":
                inputs = operation.input if isinstance(operation.input, list) else [operation.input]
                became[id(operation.output)] = self._built(operation, [became[id(tensor)] for tensor in inputs])

    def _name_of(self, layer: Any) -> str:
        """Published name of a convolution's output."""
        if layer.name not in self.network.output:
            return f"{published_scope(self.network, layer.name)}/add"
        name = tensor_name(self.network, layer.name)
        return f"{name}_unclipped" if layer.name == "part_offsets" else name

    def _constant(self, name: str, value: Any) -> Any:
        tf = load_tensorflow()

        self.weights[name] = np.asarray(value, np.float32)
        return tf.constant(self.weights[name], name=name)

    def _built(self, operation: Any, inputs: Sequence[Any]) -> Any:
        tf = load_tensorflow()

        match self._kinds[operation]:
            case "Conv2D" | "DepthwiseConv2D":
                return self._convolution(operation, inputs[0])
            case "ReLU" if operation.max_value == 6:
                return tf.raw_ops.Relu6(features=inputs[0])
            case "ReLU":
                return tf.raw_ops.Relu(features=inputs[0])
            case "MaxPooling2D":
                sides = {"ksize": [1, *operation.pool_size, 1], "strides": [1, *operation.strides, 1]}
                return tf.raw_ops.MaxPool(input=inputs[0], padding="SAME", **sides)
            case "Add":
                return tf.raw_ops.AddV2(x=inputs[0], y=inputs[1])
        high = tf.raw_ops.Minimum(x=inputs[0], y=self._constant("clip_by_value/Minimum/y", 1))
        low = self._constant("clip_by_value/y", 0)
        return tf.raw_ops.Maximum(x=high, y=low, name=tensor_name(self.network, "part_offsets"))

    def _convolution(self, layer: Any, x: Any) -> Any:
        tf = load_tensorflow()

        kernel, bias = self._values[layer.name]
        scope, name = published_scope(self.network, layer.name), self._name_of(layer)
        options = {"strides": [1, *layer.strides, 1], "dilations": [1, *layer.dilation_rate, 1], "padding": "SAME"}
        if self._kinds[layer] == "DepthwiseConv2D":
            weights = self._constant(f"{scope}/depthwise_weights", kernel)
            x = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=weights, name=f"{name}/conv", **options)
            return tf.raw_ops.BiasAdd(value=x, bias=self._constant(f"{scope}/depthwise_bias", bias), name=name)
        weights = self._constant(f"{scope}/weights", kernel)
        x = tf.raw_ops.Conv2D(input=x, filter=weights, name=f"{name}/conv", **options)
        return tf.raw_ops.BiasAdd(value=x, bias=self._constant(f"{scope}/Conv2D_bias", bias), name=name)


def _stored(name: str, precision: Precision) -> Precision:
    """How a weight is stored: depthwise weights as float32, because folding makes them large and their sums cancel."""
    return "float32" if "/depthwise_" in name else precision


def write_graph_model(network: keras.Model, path: Path, shard: str, precision: Precision = "float16") -> None:
    """Write a folded network as a tfjs GraphModel: model.json at `path` and a weight shard beside it.

    Models of two strides share the shard, as published ones do, because their weights are equal.
    """
    tf = load_tensorflow()
    graph, built = tf.Graph(), _Graph(network)
    with graph.as_default():
        built.build(tf.compat.v1.placeholder(tf.float32, (1, None, None, 3), name=INPUT))
    stored = {name: _stored(name, precision) for name in built.weights}
    write_tfjs(graph.as_graph_def(), built.weights, stored, path, shard)
