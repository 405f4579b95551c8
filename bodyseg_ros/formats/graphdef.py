"""Frozen graphs: read, and checked before TensorFlow sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from .model_source import MAX_MODEL_BYTES, MAX_NODES, read_file
from .runtime import load_tensorflow

__all__ = ["ALLOWED_OPS", "GraphFile", "check_constants", "check_graph", "node_of", "parse_graph", "read_frozen"]

_OPS: Final = """
Abs Add AddN AddV2 All Any ArgMax ArgMin Assert AvgPool BatchToSpaceND BiasAdd BiasAddV1 BroadcastTo Cast Ceil
ClipByValue Concat ConcatV2 Const Conv2D Conv2DBackpropInput DepthToSpace DepthwiseConv2dNative Div DivNoNan Elu
Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
FusedDepthwiseConv2dNative Gather GatherNd GatherV2 Greater GreaterEqual Identity IdentityN LeakyRelu Less LessEqual
Log LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool Maximum Mean Min Minimum MirrorPad Mul Neg NoOp
NotEqual OnesLike Pack Pad PadV2 Placeholder Pow Prelu Prod Range Rank RealDiv Reciprocal Relu Relu6 Reshape
ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt Select SelectV2 Selu Shape ShapeN Sigmoid Size Slice
Softmax Softplus SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StopGradient
StridedSlice Sub Sum Tanh Tile TopKV2 Transpose Unpack ZerosLike _FusedConv2D
"""
#: Allowed ops. None of them accesses files, the network, Python or other processes.
ALLOWED_OPS: Final = frozenset(_OPS.split())
#: TensorFlow's own limit.
_MAX_RANK: Final = 254


@dataclass(frozen=True)
class GraphFile:
    """A graph as stored: GraphDef, and the input and output names of its signature, if any."""

    path: Path
    graph: Any
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def read_frozen(path: Path) -> GraphFile:
    """A frozen graph (.pb). Raises ModelFileError."""
    return GraphFile(path, parse_graph(path))


def parse_graph(path: Path) -> Any:
    """The GraphDef in a file. Raises ModelFileError if it is none."""
    data = read_file(path)
    graph = load_tensorflow().compat.v1.GraphDef()
    from google.protobuf.message import DecodeError

    try:
        graph.ParseFromString(data)
    except DecodeError as err:
        raise ModelFileError(
            f"The model file {str(path)!r} is not a TensorFlow graph, or is truncated: {err}."
        ) from err
    return graph


def node_of(reference: str) -> str:
    """The node that an input such as '^name' or 'name:1' speaks of."""
    return reference.removeprefix("^").partition(":")[0]


def check_graph(graph: Any, path: Path) -> None:
    """Raise ModelFileError unless a GraphDef is a plain network.

    That is: known ops only, names once, every input there, no cycle, and constants of a bearable size.
    """
    if not graph.node:
        raise ModelFileError(f"The model file {str(path)!r} contains no network: its graph is empty.")
    if len(graph.node) > MAX_NODES:
        raise ModelFileError(
            f"The graph of {str(path)!r} has {len(graph.node):,} nodes; at most {MAX_NODES:,} are run."
        )
    inputs: dict[str, list[str]] = {}
    for node in graph.node:
        if node.op not in ALLOWED_OPS:
            raise ModelFileError(
                f"The node {node.name!r} of {str(path)!r} has the op {node.op!r}, which is not an allowed op; the "
                "file is not run."
            )
        if node.name in inputs:
            raise ModelFileError(f"The graph of {str(path)!r} has the node {node.name!r} twice.")
        inputs[node.name] = [node_of(reference) for reference in node.input]
    for name, sources in inputs.items():
        for source in sources:
            if source not in inputs:
                raise ModelFileError(
                    f"The node {name!r} of {str(path)!r} takes its input from {source!r}, which is missing."
                )
    _check_acyclic(inputs, path)
    check_constants(graph.node, path)


def _check_acyclic(inputs: Mapping[str, list[str]], path: Path) -> None:
    waiting = {name: len(sources) for name, sources in inputs.items()}
    users: dict[str, list[str]] = {name: [] for name in inputs}
    for name, sources in inputs.items():
        for source in sources:
            users[source].append(name)
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        name = ready.pop()
        del waiting[name]
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if waiting:
        raise ModelFileError(f"The graph of {str(path)!r} has a cycle at the node {next(iter(waiting))!r}.")


def check_constants(nodes: Iterable[Any], path: Path) -> None:
    """Raise ModelFileError if a tensor in the nodes is of no plain type, or all together are too large.

    A few bytes can declare a tensor of terabytes, filled with one value.
    """
    tf = load_tensorflow()
    from tensorflow.core.framework import types_pb2 as types

    plain = set(types.DataType.values()) - {types.DT_RESOURCE, types.DT_VARIANT, types.DT_INVALID}
    total = 0
    for node in nodes:
        for attr in node.attr.values():
            for tensor in [attr.tensor] if attr.HasField("tensor") else attr.list.tensor:
                sizes = [dim.size for dim in tensor.tensor_shape.dim]
                vague = tensor.tensor_shape.unknown_rank or len(sizes) > _MAX_RANK or min(sizes, default=0) < 0
                if vague or tensor.dtype not in plain:
                    raise ModelFileError(
                        f"The node {node.name!r} of {str(path)!r} has a tensor without a known type and shape."
                    )
                total += math.prod(sizes) * int(tf.as_dtype(tensor.dtype).size)
                if total > MAX_MODEL_BYTES:
                    raise ModelFileError(
                        f"The node {node.name!r} of {str(path)!r} has a tensor of {'×'.join(map(str, sizes))}: "
                        f"the weights then exceed the limit of {MAX_MODEL_BYTES:,} bytes that are read."
                    )
