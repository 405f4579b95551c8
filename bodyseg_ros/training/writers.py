"""Write a folded network as SavedModel, tflite, tfjs GraphModel or ONNX, under the published names."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from ..errors import MissingDependencyError, ModelFileError, SettingsError
from ..formats.runtime import load_tensorflow
from .labels import Array
from .network import HEADS, published_scope

Precision = Literal["float32", "float16", "int8"]

INPUT = "sub_2"


def tensor_name(network: keras.Model, head: str) -> str:
    """Name of a head's tensor in the published files (tfjs-models body-pix 2.2.1)."""
    displacement = head.startswith("displacement")
    return f"{published_scope(network, head)}/BiasAdd" if displacement else f"float_{head}"


def short_name(name: str) -> str:
    """Turn a tensor's name into one that a signature may have."""
    return name.removesuffix("/BiasAdd").split("/")[-1]


def write_saved_model(network: keras.Model, folder: Path) -> None:
    """Write a SavedModel: input "sub_2" (1, H, W, 3), outputs by the heads' published names."""
    tf = load_tensorflow()
    if keras.backend.backend() != "tensorflow":
        raise SettingsError(
            f"KERAS_BACKEND is {keras.backend.backend()!r}, but SavedModel and tflite files are written by TensorFlow: "
            "export without it, the checkpoint is the same."
        )
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((1, None, None, 3), tf.float32, name=INPUT)]
    heads = sorted(network.output)

    def in_order(image: Any) -> list[Any]:
        outputs = network(image, training=False)
        return [outputs[head] for head in heads]

    flat = tf.function(in_order, input_signature=signature)
    # With its weights as constants the graph needs no tracked variables, and tflite can fold them.
    frozen = convert_variables_to_constants_v2(flat.get_concrete_function())
    names = [short_name(tensor_name(network, head)) for head in heads]
    module = tf.Module()
    module.serve = tf.function(lambda image: dict(zip(names, frozen(image), strict=True)), input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def write_tflite(
    network: keras.Model, path: Path, precision: Precision = "float32", calibration: Iterable[Array] = ()
) -> None:
    """Write a tflite file that takes any input size.

    float16 stores weights in half their size; int8 needs tensors (1, H, W, 3), normalised, to calibrate with.
    """
    tf = load_tensorflow()

    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(network, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        elif precision == "int8":
            tensors = list(calibration)
            if not tensors:
                raise SettingsError("int8 needs photos to calibrate with: name a folder of them.")
            converter.representative_dataset = lambda: ([tensor] for tensor in tensors)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        path.write_bytes(converter.convert())


def _kind(operation: Any) -> str:
    """Tell the operations apart that BodyPix's networks are made of."""
    kind = type(operation).__name__
    if kind not in ("InputLayer", "Conv2D", "DepthwiseConv2D", "ReLU", "MaxPooling2D", "Add", "Clip"):
        raise ModelFileError(f"A {kind} ({operation.name}) cannot be written: fold the network's batch norms first.")
    return kind


class _Walk:
    """Visits a network's operations in order, each with what its inputs became."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network
        self.kinds = {operation: _kind(operation) for operation in network.operations}
        # Read now: inside a TensorFlow graph variables have no values.
        self.values = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}

    def run(self, image: Any) -> dict[str, Any]:
        """Give what each head became."""
        became = {id(self.network.input): image}
        for operation, kind in self.kinds.items():
            if kind != "InputLayer":
                inputs = operation.input if isinstance(operation.input, list) else [operation.input]
                became[id(operation.output)] = self.visit(operation, [became[id(tensor)] for tensor in inputs])
        return {head: became[id(tensor)] for head, tensor in self.network.output.items()}

    def visit(self, operation: Any, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError

    def name_of(self, layer: Any) -> str:
        """The published name of what a convolution gives."""
        if layer.name not in self.network.output:
            return f"{published_scope(self.network, layer.name)}/add"
        name = tensor_name(self.network, layer.name)
        return f"{name}_unclipped" if layer.name == "part_offsets" else name


class _GraphWalk(_Walk):
    """Builds the network in the current TensorFlow graph; weights collects its constants by name."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__(network)
        self.weights: dict[str, Array] = {}

    def constant(self, name: str, value: Any) -> Any:
        tf = load_tensorflow()

        self.weights[name] = np.asarray(value, np.float32)
        return tf.constant(self.weights[name], name=name)

    def visit(self, operation: Any, inputs: Sequence[Any]) -> Any:
        tf = load_tensorflow()

        match self.kinds[operation]:
            case "Conv2D" | "DepthwiseConv2D":
                return self.convolve(operation, inputs[0])
            case "ReLU" if operation.max_value == 6:
                return tf.raw_ops.Relu6(features=inputs[0])
            case "ReLU":
                return tf.raw_ops.Relu(features=inputs[0])
            case "MaxPooling2D":
                sides = {"ksize": [1, *operation.pool_size, 1], "strides": [1, *operation.strides, 1]}
                return tf.raw_ops.MaxPool(input=inputs[0], padding="SAME", **sides)
            case "Add":
                return tf.raw_ops.AddV2(x=inputs[0], y=inputs[1])
        high = tf.raw_ops.Minimum(x=inputs[0], y=self.constant("clip_by_value/Minimum/y", 1))
        low = self.constant("clip_by_value/y", 0)
        return tf.raw_ops.Maximum(x=high, y=low, name=tensor_name(self.network, "part_offsets"))

    def convolve(self, layer: Any, x: Any) -> Any:
        tf = load_tensorflow()

        kernel, bias = self.values[layer.name]
        scope, name = published_scope(self.network, layer.name), self.name_of(layer)
        options = {"strides": [1, *layer.strides, 1], "dilations": [1, *layer.dilation_rate, 1], "padding": "SAME"}
        if self.kinds[layer] == "DepthwiseConv2D":
            weights = self.constant(f"{scope}/depthwise_weights", kernel)
            x = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=weights, name=f"{name}/conv", **options)
            return tf.raw_ops.BiasAdd(value=x, bias=self.constant(f"{scope}/depthwise_bias", bias), name=name)
        weights = self.constant(f"{scope}/weights", kernel)
        x = tf.raw_ops.Conv2D(input=x, filter=weights, name=f"{name}/conv", **options)
        return tf.raw_ops.BiasAdd(value=x, bias=self.constant(f"{scope}/Conv2D_bias", bias), name=name)


def write_graph_model(network: keras.Model, path: Path, shard: str, precision: Precision = "float16") -> None:
    """Write a folded network as tfjs GraphModel: model.json at path and the weights in a shard beside it.

    Models of two strides share the shard, as the published ones do, since their weights are the same.
    """
    tf = load_tensorflow()
    from google.protobuf import json_format

    graph, walk = tf.Graph(), _GraphWalk(network)
    with graph.as_default():
        walk.run(tf.compat.v1.placeholder(tf.float32, (1, None, None, 3), name=INPUT))
    definition = graph.as_graph_def()
    for node in definition.node:
        if node.op == "Const":
            node.attr["value"].tensor.ClearField("tensor_content")
            node.attr["value"].tensor.ClearField("float_val")
    stored = {name: value.astype(precision) for name, value in walk.weights.items()}
    (path.parent / shard).write_bytes(b"".join(value.tobytes() for value in stored.values()))
    extra = {"quantization": {"dtype": "float16", "original_dtype": "float32"}} if precision == "float16" else {}
    manifest = [{"name": n, "shape": list(v.shape), "dtype": "float32", **extra} for n, v in stored.items()]
    content = {
        "format": "graph-model",
        "generatedBy": "bodyseg_ros",
        "modelTopology": json_format.MessageToDict(definition),
        "weightsManifest": [{"paths": [shard], "weights": manifest}],
    }
    path.write_text(json.dumps(content, separators=(",", ":")))


class _OnnxWalk(_Walk):
    """Collects ONNX nodes and constants, NCHW; what a visit gives is a tensor's name."""

    def __init__(self, network: keras.Model) -> None:
        from onnx import numpy_helper

        super().__init__(network)
        self.nodes: list[Any] = []
        limits = (("zero", 0), ("one", 1), ("six", 6))
        self.constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in limits]

    def node(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def visit(self, operation: Any, inputs: Sequence[Any]) -> Any:
        name = operation.name
        match self.kinds[operation]:
            case "Conv2D" | "DepthwiseConv2D":
                return self.convolve(operation, inputs[0])
            case "ReLU" if operation.max_value == 6:
                return self.node("Clip", [*inputs, "zero", "six"], name)
            case "ReLU":
                return self.node("Relu", inputs, name)
            case "MaxPooling2D":
                (size, _), strides = operation.pool_size, list(operation.strides)
                return self.node(
                    "MaxPool", inputs, name, kernel_shape=[size] * 2, strides=strides, pads=[size // 2] * 4
                )
            case "Add":
                return self.node("Add", inputs, name)
        return self.node("Clip", [*inputs, "zero", "one"], name)

    def convolve(self, layer: Any, x: str) -> str:
        from onnx import numpy_helper

        kernel, bias = self.values[layer.name]
        # Keras: (h, w, in, out), depthwise (h, w, channel, 1); ONNX: (out, in / groups, h, w).
        deep = self.kinds[layer] == "DepthwiseConv2D"
        kernel = np.ascontiguousarray(kernel.transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1)))
        self.constants.append(numpy_helper.from_array(kernel, f"{layer.name}/w"))
        self.constants.append(numpy_helper.from_array(bias, f"{layer.name}/b"))
        # TensorFlow's SAME padding of sides k·stride + 1: the same on every edge.
        pads = [(size - 1) * rate // 2 for size, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True)] * 2
        return self.node(
            "Conv", [x, f"{layer.name}/w", f"{layer.name}/b"], f"{layer.name}/conv", strides=list(layer.strides),
            dilations=list(layer.dilation_rate), group=kernel.shape[0] if deep else 1, pads=pads,
        )  # fmt: skip


def write_onnx(network: keras.Model, path: Path) -> None:
    """Write a folded network as ONNX, opset 17: input and outputs NHWC under the published names."""
    try:
        import onnx
        from onnx import helper
    except ModuleNotFoundError as err:
        raise MissingDependencyError(
            "ONNX files are written by the package 'onnx', which is not installed. Install it with: "
            "pip install 'bodyseg_ros[train]'"
        ) from err
    walk = _OnnxWalk(network)
    found = walk.run(walk.node("Transpose", [INPUT], "nchw", perm=[0, 3, 1, 2]))
    outputs = []
    for head, tensor in found.items():
        name = walk.node("Transpose", [tensor], tensor_name(network, head), perm=[0, 2, 3, 1])
        shape: list[str | int | None] = [1, "h", "w", HEADS["bodypix"][head]]
        outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    image = helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, [1, "H", "W", 3])
    graph = helper.make_graph(walk.nodes, network.name, [image], outputs, walk.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
