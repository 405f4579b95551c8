"""Small ONNX networks that find colored spots, in the form of pose and portrait networks, with an open batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Keypoint k is the brightest place of channel k mod 3: red, green, blue.
CHANNEL_OF = np.arange(17) % 3


def simcc(path: Path, batch: int | str = "n", size: tuple[int, int] = (256, 192)) -> Path:
    """Two vectors per keypoint, two bins per px, as RTMPose has them."""
    from onnx import TensorProto, helper

    nodes, outputs = [helper.make_node("Gather", ["input", "channels"], ["joints"], axis=1)], []
    for name, axis, length in (("simcc_x", 2, size[1]), ("simcc_y", 3, size[0])):
        nodes += [
            helper.make_node("ReduceMax", ["joints"], [f"{name}_max"], axes=[axis], keepdims=0),
            helper.make_node("Unsqueeze", [f"{name}_max", "last"], [f"{name}_deep"]),
            helper.make_node("Tile", [f"{name}_deep", "twice"], [f"{name}_double"]),
            helper.make_node("Reshape", [f"{name}_double", f"{name}_shape"], [name]),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 17, 2 * length]))
    weights = {
        "channels": CHANNEL_OF,
        "last": [3],
        "twice": [1, 1, 1, 2],
        "simcc_x_shape": [-1, 17, 2 * size[1]],
        "simcc_y_shape": [-1, 17, 2 * size[0]],
    }
    return _save(path, nodes, [batch, 3, *size], outputs, weights)


def heatmaps(path: Path, batch: int | str = "n", size: tuple[int, int] = (256, 192)) -> Path:
    """One map per keypoint at a quarter of the input's size."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Gather", ["input", "channels"], ["joints"], axis=1),
        helper.make_node("MaxPool", ["joints"], ["maps"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    shape = [batch, 17, size[0] // 4, size[1] // 4]
    output = helper.make_tensor_value_info("maps", TensorProto.FLOAT, shape)
    return _save(path, nodes, [batch, 3, *size], [output], {"channels": CHANNEL_OF})


def portrait(path: Path, side: int = 64) -> Path:
    """Logits of one class: positive where red is brighter than a half."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("Gather", ["input", "red"], ["mask"], axis=1)]
    output = helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, side, side])
    return _save(path, nodes, [1, 3, side, side], [output], {"red": [0]})


def _save(path: Path, nodes: list, shape: list, outputs: list, weights: dict) -> Path:
    from onnx import TensorProto, checker, helper, numpy_helper, save

    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    stored = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "spots", [picture], outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
    return path
