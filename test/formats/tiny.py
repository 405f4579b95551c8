"""Tiny networks with random weights, written as the model files of every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bodyseg_ros.formats import load_tensorflow

tf = load_tensorflow()


def traced(build: Callable[[Any], None], name: str = "sub_2", dtype: Any = "float32") -> Any:
    """The GraphDef of what `build` makes of a picture."""
    with tf.Graph().as_default() as graph:
        build(tf.compat.v1.placeholder(dtype, [1, None, None, 3], name))
    return graph.as_graph_def()


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def small_network(picture: Any) -> None:
    """Two heads on one convolution."""
    features = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(picture, random(3, 3, 3, 4), 2, "SAME"), random(4)))
    tf.identity(tf.nn.conv2d(features, random(1, 1, 4, 1), 1, "SAME"), "float_segments")
    tf.identity(tf.nn.conv2d(features, random(1, 1, 4, 17), 1, "SAME"), "float_heatmaps")


def expected(picture: np.ndarray) -> np.ndarray:
    """What small_network's float_segments are, in NumPy."""
    height, width = picture.shape[1:3]
    rows, columns = (height + 1) // 2, (width + 1) // 2
    padded = np.pad(picture[0].astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    out = np.zeros((rows, columns, 4))
    for y in range(3):
        for x in range(3):
            out += padded[y : y + 2 * rows - 1 : 2, x : x + 2 * columns - 1 : 2] @ random(3, 3, 3, 4)[y, x]
    return np.clip(out + random(4), 0, 6) @ random(1, 1, 4, 1)[0, 0]


def split(graph: Any) -> tuple[dict[str, Any], list[dict[str, Any]], list[np.ndarray]]:
    """A graph's topology without its constants, their manifest entries, and their values."""
    from google.protobuf import json_format

    entries, values = [], []
    bare = type(graph)()
    bare.CopyFrom(graph)
    for node in bare.node:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            entries.append({"name": node.name, "shape": list(value.shape), "dtype": str(value.dtype)})
            values.append(value)
            tensor = node.attr["value"].tensor
            kept = type(tensor)(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
            tensor.CopyFrom(kept)
    return json_format.MessageToDict(bare), entries, values


def write_tfjs(folder: Path, graph: Any, quantize: str = "", shards: int = 1, **extra: Any) -> Path:
    """model.json and its shards; `quantize` to uint8, uint16 or float16."""
    topology, entries, values = split(graph)
    data = b""
    for entry, value in zip(entries, values, strict=True):
        if quantize and value.dtype == np.float32:
            if quantize == "float16":
                entry["quantization"] = {"dtype": "float16"}
                value = value.astype(np.float16)
            else:
                low, high, most = float(value.min()), float(value.max()), np.iinfo(quantize).max
                scale = (high - low) / most or 1.0
                entry["quantization"] = {"dtype": quantize, "scale": scale, "min": low}
                value = np.round((value.astype(np.float64) - low) / scale).astype(quantize)
        data += value.tobytes()
    names = [f"group1-shard{index + 1}of{shards}.bin" for index in range(shards)]
    step = -(-len(data) // shards)
    for index, name in enumerate(names):
        (folder / name).write_bytes(data[index * step : (index + 1) * step])
    content = {"format": "graph-model", "modelTopology": topology, **extra}
    content["weightsManifest"] = [{"paths": names, "weights": entries}]
    (folder / "model.json").write_text(json.dumps(content))
    return folder / "model.json"


def write_v1(folder: Path, graph: Any) -> Path:
    """tensorflowjs_model.pb, weights_manifest.json and a shard; the Placeholder has no shape, as in 2018."""
    from google.protobuf import json_format

    topology, entries, values = split(graph)
    bare = json_format.ParseDict(topology, type(graph)())
    for node in bare.node:
        if node.op == "Placeholder":
            del node.attr["shape"].shape.dim[:]
    (folder / "tensorflowjs_model.pb").write_bytes(bare.SerializeToString())
    (folder / "group1-shard1of1").write_bytes(b"".join(value.tobytes() for value in values))
    manifest = [{"paths": ["group1-shard1of1"], "weights": entries}]
    (folder / "weights_manifest.json").write_text(json.dumps(manifest))
    return folder / "tensorflowjs_model.pb"


def write_saved_model(folder: Path) -> Path:
    """small_network's segments with its weights in variables."""

    class Net(tf.Module):
        def __init__(self) -> None:
            self.filters, self.bias = tf.Variable(random(3, 3, 3, 4)), tf.Variable(random(4))
            self.head = tf.Variable(random(1, 1, 4, 1))

        @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), name="picture")])
        def serve(self, picture: Any) -> dict[str, Any]:
            features = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(picture, self.filters, 2, "SAME"), self.bias))
            return {"float_segments": tf.nn.conv2d(features, self.head, 1, "SAME"), "features": features}

    net = Net()
    tf.saved_model.save(net, str(folder), signatures=net.serve)
    return folder
