"""One small network of two heads, written for every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bodyseg_ros.formats import ModelSource, load_tensorflow

tf = load_tensorflow()

NAMES = ("float_segments", "float_heatmaps")
OUTPUTS = {"segments": "float_segments", "heatmaps": "float_heatmaps"}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def network(picture: Any) -> dict[str, Any]:
    """Two convolutions of stride 2 and a head of 1 and of 17 channels on them."""
    x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(picture, random(3, 3, 3, 8), 2, "SAME"), random(8)))
    x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(x, random(3, 3, 8, 8, seed=1), 2, "SAME"), random(8, seed=1)))
    heads = (tf.nn.conv2d(x, random(1, 1, 8, channels, seed=2), 1, "SAME") for channels in (1, 17))
    return dict(zip(NAMES, heads, strict=True))


def frozen(folder: Path) -> ModelSource:
    with tf.Graph().as_default() as graph:
        for name, head in network(tf.compat.v1.placeholder(tf.float32, [1, None, None, 3], "sub_2")).items():
            tf.identity(head, name)
    (folder / "small.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return ModelSource(folder / "small.pb", "frozen", outputs=OUTPUTS)


def tflite(folder: Path, kind: str = "float32", size: int | None = None) -> ModelSource:
    """kind: float32, float16 (weights) or uint8 (all of it). size: side of the picture, None for any."""
    signature = tf.TensorSpec([1, size, size, 3], tf.float32, "sub_2")
    module = tf.Module()
    module.serve = tf.function(network, input_signature=[signature])
    serve = module.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve], module)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "uint8":
        converter.representative_dataset = lambda: ([picture(size or 33, size or 33, seed)] for seed in range(4))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = folder / f"small-{kind}.tflite"
    path.write_bytes(converter.convert())
    return ModelSource(path, "tflite", outputs=OUTPUTS)


def onnx(folder: Path) -> ModelSource:
    from onnx import TensorProto, checker, helper, numpy_helper, save

    weights = {
        "w0": random(3, 3, 3, 8).transpose(3, 2, 0, 1), "b0": random(8),
        "w1": random(3, 3, 8, 8, seed=1).transpose(3, 2, 0, 1), "b1": random(8, seed=1),
        "float_segments_w": random(1, 1, 8, 1, seed=2).transpose(3, 2, 0, 1),
        "float_heatmaps_w": random(1, 1, 8, 17, seed=2).transpose(3, 2, 0, 1),
        "zero": np.float32(0), "six": np.float32(6),
    }  # fmt: skip
    pads = {"strides": [2, 2], "auto_pad": "SAME_UPPER"}
    nodes = [
        helper.make_node("Transpose", ["sub_2"], ["x0"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x0", "w0", "b0"], ["y0"], **pads),
        helper.make_node("Clip", ["y0", "zero", "six"], ["x1"]),
        helper.make_node("Conv", ["x1", "w1", "b1"], ["y1"], **pads),
        helper.make_node("Clip", ["y1", "zero", "six"], ["x2"]),
    ]
    for name in NAMES:
        nodes.append(helper.make_node("Conv", ["x2", f"{name}_w"], [f"{name}_first"]))
        nodes.append(helper.make_node("Transpose", [f"{name}_first"], [name], perm=[0, 2, 3, 1]))
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small", [info("sub_2", TensorProto.FLOAT, [1, "h", "w", 3])],
        [info(name, TensorProto.FLOAT, [1, "r", "c", k]) for name, k in zip(NAMES, (1, 17), strict=True)],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(folder / "small.onnx"))
    return ModelSource(folder / "small.onnx", "onnx", outputs=OUTPUTS)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
