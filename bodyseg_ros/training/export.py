"""Write a trained network as tflite, SavedModel, ONNX or tfjs GraphModel, and check each file against its source."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import keras
import numpy as np

from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.training.data import Image
from bodyseg_ros.training.labels import Array
from bodyseg_ros.training.network import PUBLISHED_HEADS
from bodyseg_ros.training.teacher import network_size as training_size

logger = logging.getLogger(__name__)

Precision = Literal["float32", "float16", "int8"]
Kind = Literal["tfjs", "saved_model", "onnx", "float32", "float16", "int8"]
"""What can be written; the three precisions are tflite files."""
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "float16": 0.05, "int8": 0.5}
"""Largest difference from the source, as a share of a head's range."""
INPUT = "sub_2"
TENSOR_NAMES = {
    "segments": "float_segments",
    "part_heatmaps": "float_part_heatmaps",
    "heatmaps": "float_heatmaps",
    "short_offsets": "float_short_offsets",
    "long_offsets": "float_long_offsets",
    "part_offsets": "float_part_offsets",
    "displacement_fwd": "MobilenetV1/displacement_fwd_2/BiasAdd",
    "displacement_bwd": "MobilenetV1/displacement_bwd_2/BiasAdd",
}
"""Head → name of its tensor in the published files (tfjs-models body-pix 2.2.1, bodypix/mobilenet/float)."""


def _short(name: str) -> str:
    """Turn a tensor's name into one that a signature may have."""
    return name.removesuffix("/BiasAdd").split("/")[-1]


def write_saved_model(network: keras.Model, folder: Path) -> None:
    """Write a SavedModel: input "sub_2" (1, H, W, 3), outputs by the heads' published names."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec((1, None, None, 3), tf.float32, name=INPUT)]
    heads = sorted(network.output)

    def in_order(image: Any) -> list[Any]:
        outputs = network(image, training=False)
        return [outputs[head] for head in heads]

    flat = tf.function(in_order, input_signature=signature)
    # With its weights as constants the graph needs no tracked variables, and tflite can fold them.
    frozen = convert_variables_to_constants_v2(flat.get_concrete_function())
    names = [_short(TENSOR_NAMES[head]) for head in heads]
    module = tf.Module()
    module.serve = tf.function(lambda image: dict(zip(names, frozen(image), strict=True)), input_signature=signature)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def write_tflite(
    network: keras.Model, path: Path, precision: Precision = "float32", calibration: Iterable[Array] = ()
) -> None:
    """Write a tflite file that takes any input size.

    float16 stores weights in half their size; int8 needs tensors (1, H, W, 3) in [-1, 1] to calibrate with.
    """
    import tensorflow as tf

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
                raise SettingsError("int8 needs photos to calibrate with: name a folder of them")
            converter.representative_dataset = lambda: ([tensor] for tensor in tensors)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        path.write_bytes(converter.convert())


def write_graph_model(network: keras.Model, path: Path, shard: str, precision: Precision = "float16") -> None:
    """Write a folded MobileNet as tfjs GraphModel: model.json at path and the weights in a shard beside it.

    Models of two strides share the shard, as the published ones do, since their weights are the same.
    """
    import tensorflow as tf
    from google.protobuf import json_format

    if precision == "int8":
        raise SettingsError("precision 'int8' is not one that GraphModels are written in: take float16 or float32")
    values = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    graph = tf.Graph()
    with graph.as_default():
        weights = _build_graph(network, values)
    definition = graph.as_graph_def()
    for node in definition.node:
        if node.op == "Const":
            node.attr["value"].tensor.ClearField("tensor_content")
            node.attr["value"].tensor.ClearField("float_val")
    stored = {name: value.astype(precision) for name, value in weights.items()}
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


def _build_graph(network: keras.Model, values: Mapping[str, list[Any]]) -> dict[str, Array]:
    """Build the network in the current TensorFlow graph under the published names; give its weights by name."""
    import tensorflow as tf

    weights: dict[str, Array] = {}

    def constant(name: str, value: Any) -> Any:
        weights[name] = np.asarray(value, np.float32)
        return tf.constant(weights[name], name=name)

    def convolve(x: Any, layer: Any, scope: str, name: str) -> Any:
        kernel, bias = values[layer.name]
        options = {"strides": [1, *layer.strides, 1], "dilations": [1, *layer.dilation_rate, 1], "padding": "SAME"}
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = constant(f"{scope}/depthwise_weights", kernel)
            x = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, name=f"{name}/conv", **options)
            bias = constant(f"{scope}/depthwise_bias", bias)
        else:
            kernel = constant(f"{scope}/weights", kernel)
            x = tf.raw_ops.Conv2D(input=x, filter=kernel, name=f"{name}/conv", **options)
            bias = constant(f"{scope}/Conv2D_bias", bias)
        return tf.raw_ops.BiasAdd(value=x, bias=bias, name=name)

    x = tf.compat.v1.placeholder(tf.float32, (1, None, None, 3), name=INPUT)
    for layer in trunk(network):
        scope = f"MobilenetV1/{layer.name}"
        x = tf.raw_ops.Relu6(features=convolve(x, layer, scope, f"{scope}/add"), name=f"{scope}/Relu6")
    for head in network.output:
        clipped, name = head == "part_offsets", TENSOR_NAMES[head]
        scope = f"MobilenetV1/{PUBLISHED_HEADS[head]}"
        y = convolve(x, network.get_layer(head), scope, f"{name}_unclipped" if clipped else name)
        if clipped:
            y = tf.raw_ops.Minimum(x=y, y=constant("clip_by_value/Minimum/y", 1), name="clip_by_value/Minimum")
            tf.raw_ops.Maximum(x=y, y=constant("clip_by_value/y", 0), name=name)
    return weights


def trunk(network: keras.Model) -> list[Any]:
    """List a folded MobileNet's convolutions from the picture to the heads."""
    convolutions = [layer for layer in network.layers if layer.weights and layer.name not in network.output]
    if not convolutions or convolutions[0].name != "Conv2d_0":
        raise ModelFileError(f"the network {network.name!r} is no MobileNet; write it as SavedModel or tflite")
    return convolutions


def write_onnx(network: keras.Model, path: Path) -> None:
    """Write a folded MobileNet as ONNX, opset 17: input and outputs NHWC under the published names."""
    import onnx
    from onnx import helper, numpy_helper

    nodes: list[Any] = [helper.make_node("Transpose", [INPUT], ["nchw"], perm=[0, 3, 1, 2])]
    constants = [numpy_helper.from_array(np.array(v, np.float32), n) for n, v in (("zero", 0), ("one", 1), ("six", 6))]

    def convolve(x: str, layer: Any) -> str:
        kernel, bias = layer.get_weights()
        deep = isinstance(layer, keras.layers.DepthwiseConv2D)
        # Keras: (h, w, in, out), depthwise (h, w, channel, 1); ONNX: (out, in / groups, h, w).
        kernel = np.ascontiguousarray(kernel.transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1)))
        constants.append(numpy_helper.from_array(kernel, f"{layer.name}/w"))
        constants.append(numpy_helper.from_array(bias, f"{layer.name}/b"))
        nodes.append(
            helper.make_node(
                "Conv", [x, f"{layer.name}/w", f"{layer.name}/b"], [f"{layer.name}/conv"], strides=list(layer.strides),
                dilations=list(layer.dilation_rate), group=kernel.shape[0] if deep else 1, pads=_onnx_pads(layer),
            )
        )  # fmt: skip
        return f"{layer.name}/conv"

    x = "nchw"
    for layer in trunk(network):
        nodes.append(helper.make_node("Clip", [convolve(x, layer), "zero", "six"], [f"{layer.name}/relu6"]))
        x = f"{layer.name}/relu6"
    outputs = []
    for head in network.output:
        y = convolve(x, network.get_layer(head))
        if head == "part_offsets":
            nodes.append(helper.make_node("Clip", [y, "zero", "one"], ["clipped"]))
            y = "clipped"
        nodes.append(helper.make_node("Transpose", [y], [TENSOR_NAMES[head]], perm=[0, 2, 3, 1]))
        channels = network.get_layer(head).filters
        outputs.append(helper.make_tensor_value_info(TENSOR_NAMES[head], 1, [1, "h", "w", channels]))
    image = helper.make_tensor_value_info(INPUT, 1, [1, "H", "W", 3])
    graph = helper.make_graph(nodes, network.name, [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _onnx_pads(layer: Any) -> list[int]:
    """Give TensorFlow's SAME padding of sides k·stride + 1: the same on every edge."""
    reach = [(size - 1) * rate // 2 for size, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    return reach + reach


def check(
    run: Callable[[Array], Mapping[str, Array]], network: keras.Model, tensors: Iterable[Array], tolerance: float
) -> float:
    """Compare a file's outputs, by head, with its source on pictures (1, H, W, 3); give the largest difference.

    Differences count relative to the head's largest value. Raises ModelFileError beyond the tolerance.
    """
    worst = 0.0
    for tensor in tensors:
        source = network(tensor, training=False)
        written = run(tensor)
        for head, value in source.items():
            truth = keras.ops.convert_to_numpy(value)
            difference = float(np.abs(written[head] - truth).max() / max(1.0, float(np.abs(truth).max())))
            worst = max(worst, difference)
            if not difference <= tolerance:  # NaN differs
                raise ModelFileError(f"the written {head} differs by {difference:.3g} of its range from the source")
    return worst


def export(
    network_at: Callable[[int], keras.Model], folder: Path, kinds: Sequence[Kind], photos: Sequence[Image]
) -> None:
    """Write the chosen kinds of files of a network given by output stride, and check each on the photos.

    tfjs is written at strides 16 and 8, which share their weights; everything else at 16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network, tensors = network_at(16), [_tensor(photo) for photo in photos]
    for kind in kinds:
        if kind == "tfjs":
            for stride in (16, 8):
                path, source = folder / f"model-stride{stride}.json", network_at(stride)
                write_graph_model(source, path, "group1-shard1of1.bin")
                _log(path, check(_graph_runner(path), source, tensors, TOLERANCE["float16"]))
        elif kind == "saved_model":
            write_saved_model(network, folder / "saved_model")
            _log(folder / "saved_model", check(_saved_runner(folder / "saved_model"), network, tensors, 1e-3))
        elif kind == "onnx":
            write_onnx(network, folder / "model.onnx")
            _log(folder / "model.onnx", check(_onnx_runner(folder / "model.onnx"), network, tensors, 1e-3))
        else:
            path = folder / f"model-{kind}.tflite"
            write_tflite(network, path, kind, tensors)
            _log(path, check(tflite_runner(path), network, tensors, TOLERANCE[kind]))


def _log(path: Path, difference: float) -> None:
    logger.info("%s differs from its source by at most %.2g of a head's range", path, difference)


def _tensor(photo: Image, long_side: int = 257) -> Array:
    """(H, W, 3) uint8 RGB → (1, h, w, 3) in [-1, 1]."""
    height, width = training_size(photo.shape[0], photo.shape[1], long_side)
    return cv2.resize(photo, (width, height)).astype(np.float32)[None] / np.float32(127.5) - 1


def tflite_runner(path: Path, threads: int = 2) -> Callable[[Array], dict[str, Array]]:
    """Run a tflite file that write_tflite wrote: (1, H, W, 3) in [-1, 1] → arrays by head."""
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(str(path), num_threads=threads).get_signature_runner("serving_default")
    return lambda tensor: _by_head(signature(**{INPUT: tensor}))


def _graph_runner(path: Path) -> Callable[[Array], dict[str, Array]]:
    from bodyseg_ros.formats.base import ModelSource
    from bodyseg_ros.formats.opening import open_model

    opened = open_model(ModelSource(path, "tfjs", INPUT, TENSOR_NAMES))
    return lambda tensor: {head: np.asarray(value) for head, value in opened.function(tensor).items()}


def _saved_runner(folder: Path) -> Callable[[Array], dict[str, Array]]:
    import tensorflow as tf

    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return lambda tensor: _by_head({name: np.asarray(v) for name, v in serve(tf.constant(tensor)).items()})


def _onnx_runner(path: Path) -> Callable[[Array], dict[str, Array]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda tensor: _by_head(dict(zip(names, session.run(None, {INPUT: tensor}), strict=True)))


def _by_head(outputs: Mapping[str, Array]) -> dict[str, Array]:
    heads = {short: head for head, name in TENSOR_NAMES.items() for short in (name, _short(name))}
    return {heads[name]: value for name, value in outputs.items()}
