"""Write a TensorFlow graph as a tfjs GraphModel: model.json and a shard of weights beside it.

Format: tfjs-core 2.8 ``src/io/types.ts``; affine quantization as ``decodeWeights`` in ``src/io/io_utils.ts`` undoes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..formats.graph_function import NetworkGraph
from ..formats.graphdef import node_of
from ..formats.runtime import load_tensorflow

__all__ = ["Precision", "write_network_graph", "write_tfjs"]

Precision = Literal["float32", "float16", "uint8"]
_SHARD: Final = "group1-shard1of1.bin"
#: Types of tfjs by NumPy's name; 64-bit integers are stored as int32, as tfjs' own converter does.
_TYPES: Final = {"float32": "float32", "int32": "int32", "int64": "int32", "bool": "bool"}


def write_network_graph(network: NetworkGraph, folder: Path, precision: Precision = "float32") -> Path:
    """Write a checked graph to a folder, and return its model.json. Tensor names stay as they are.

    precision: of weights with two or more dimensions. Depthwise weights are always float32: folding makes them large,
    and their sums cancel.
    """
    tf = load_tensorflow()
    definition = _data_flow(network)
    depthwise = _depthwise_weights(definition)
    weights: dict[str, NDArray[Any]] = {}
    stored: dict[str, Precision] = {}
    for node in definition.node:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            weights[node.name] = value
            small = value.dtype != np.float32 or value.ndim < 2 or node.name in depthwise
            stored[node.name] = "float32" if small else precision
    folder.mkdir(parents=True, exist_ok=True)
    signature = {
        "inputs": {network.picture.name: {"name": f"{network.picture.name}:0"}},
        "outputs": {node_of(tensor): {"name": tensor} for tensor in network.outputs.values()},
    }
    write_tfjs(definition, weights, stored, folder / "model.json", _SHARD, signature)
    return folder / "model.json"


def write_tfjs(
    definition: Any,
    weights: Mapping[str, NDArray[Any]],
    stored: Mapping[str, Precision],
    path: Path,
    shard: str,
    signature: Mapping[str, Any] | None = None,
) -> None:
    """Write a GraphDef to `path`, and the values of its Const nodes, by name, to a shard beside it.

    stored: precision by name. signature: input and outputs by name; without it, tfjs takes the graph's ends.
    """
    from google.protobuf import json_format

    for node in definition.node:
        if node.op == "Const" and node.name in weights:
            tensor = node.attr["value"].tensor
            for field in [field for field, _ in tensor.ListFields() if field.name not in ("dtype", "tensor_shape")]:
                tensor.ClearField(field.name)
    manifest, data = [], []
    for name, value in weights.items():
        entry: dict[str, Any] = {"name": name, "shape": list(value.shape), "dtype": _TYPES[value.dtype.name]}
        coded, how = _coded(value, stored[name])
        manifest.append(entry | ({"quantization": how} if how else {}))
        data.append(coded.tobytes())
    (path.parent / shard).write_bytes(b"".join(data))
    content = {
        "format": "graph-model",
        "generatedBy": "bodyseg_ros",
        "modelTopology": json_format.MessageToDict(definition),
        "weightsManifest": [{"paths": [shard], "weights": manifest}],
    }
    path.write_text(json.dumps(content | ({"signature": signature} if signature else {}), separators=(",", ":")))


def _coded(value: NDArray[Any], precision: Precision) -> tuple[NDArray[Any], dict[str, Any]]:
    """The stored values of a weight, and the manifest's entry that undoes it."""
    if value.dtype == np.int64:
        return value.astype(np.int32), {}
    if precision == "float32":
        return value, {}
    if precision == "float16":
        return value.astype(np.float16), {"dtype": "float16", "original_dtype": "float32"}
    low, high = float(value.min()), float(value.max())
    scale = (high - low) / 255 or 1.0
    steps = np.rint((value.astype(np.float64) - low) / scale)
    return steps.astype(np.uint8), {"dtype": "uint8", "scale": scale, "min": low, "original_dtype": "float32"}


def _data_flow(network: NetworkGraph) -> Any:
    """The nodes that outputs need, without control inputs: tfjs has no assertions."""
    nodes = {node.name: node for node in network.graph.node}
    queue, needed = [node_of(tensor) for tensor in network.outputs.values()], set()
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += [node_of(source) for source in nodes[name].input if not source.startswith("^")]
    flow = type(network.graph)(versions=network.graph.versions)
    flow.node.extend(node for node in network.graph.node if node.name in needed)
    for node in flow.node:
        data = [source for source in node.input if not source.startswith("^")]
        del node.input[:]
        node.input.extend(data)
    return flow


def _depthwise_weights(graph: Any) -> set[str]:
    """Names of the constants that are depthwise weights, directly or through an Identity."""
    nodes = {node.name: node for node in graph.node}
    found = set()
    for node in graph.node:
        if node.op == "DepthwiseConv2dNative":
            name = node_of(node.input[1])
            while nodes[name].op == "Identity":
                name = node_of(nodes[name].input[0])
            found.add(name)
    return found
