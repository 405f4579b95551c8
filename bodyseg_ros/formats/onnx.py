"""Read facts from an .onnx file's protocol buffer.

Source: ONNX 1.16, ``onnx/onnx.proto`` (the fields' numbers), and the protocol buffers wire format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ..errors import ModelFileError
from .model_source import MAX_NODES, FileFacts, GraphNode, TensorFacts, read_file

__all__ = ["onnx_facts", "onnx_nodes", "read_onnx"]

#: TensorProto.DataType → NumPy's name.
_DTYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
#: Fields' numbers.
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_TRAINING_GRAPHS = (1, 2)
_GRAPH_NODES, _GRAPH_WEIGHTS, _GRAPH_INPUTS, _GRAPH_OUTPUTS, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_FUNCTION_NODES, _FUNCTION_DEFAULTS = 7, 11
_NODE_INPUTS, _NODE_OUTPUTS, _NODE_OP, _NODE_ATTRIBUTES, _NODE_DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_SPARSE_TENSORS = (1, 2)
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
#: Ops with unbounded loops.
_UNBOUNDED: Final = frozenset({"Loop", "SequenceMap"})


def read_onnx(path: Path) -> FileFacts:
    """Read inputs, outputs and ops of an .onnx file. Raises ModelFileError if it is not ONNX, damaged or truncated.

    Ops outside ONNX's own domain are named 'domain::op'.
    """
    return onnx_facts(read_file(path), path)


def onnx_facts(data: bytes, path: Path) -> FileFacts:
    """The same from the file's bytes; path: for the error's text."""
    try:
        model = _Message(memoryview(data))
        graphs, versions = list(model.messages(_MODEL_GRAPH)), list(model.messages(_MODEL_OPSETS))
        if len(graphs) != 1 or not versions:
            raise ValueError("it has no graph, or no opset version")
        facts, away = _facts(graphs[0]), next(_external_in_model(model), None)
        unbounded = next((op for op in _ops_of_model(model) if op in _UNBOUNDED), None)
    except (ValueError, IndexError, RecursionError) as err:
        raise ModelFileError(
            f"The file {str(path)!r} is not an ONNX model, or is damaged or truncated: {err}."
        ) from err
    if away is not None:
        raise ModelFileError(
            f"The ONNX model {str(path)!r} stores its weights {away!r} in another file; save it as one file."
        )
    if unbounded is not None:
        raise ModelFileError(
            f"The ONNX model {str(path)!r} has the op {unbounded!r}, which may never end; export the network "
            "without loops."
        )
    return facts


def onnx_nodes(path: Path) -> tuple[list[GraphNode], list[str]]:
    """Return a checked file's ops, and the names of its inputs."""
    data = read_file(path)
    inputs = [tensor.name for tensor in onnx_facts(data, path).inputs]
    graph = _Message(memoryview(data)).message(_MODEL_GRAPH)
    nodes = [
        GraphNode(node.text(_NODE_OP), node.texts(_NODE_INPUTS), node.texts(_NODE_OUTPUTS))
        for node in graph.messages(_GRAPH_NODES)
    ]
    return nodes, inputs


class _Message:
    """Yield a protocol buffer's fields in order: (number, integer or bytes)."""

    def __init__(self, data: memoryview) -> None:
        self._fields = list(_split(data))

    def messages(self, field: int) -> Iterator[_Message]:
        """The messages of a repeated field."""
        return (_Message(value) for value in self.values(field) if isinstance(value, memoryview))

    def message(self, field: int) -> _Message:
        """Return the field's message, empty if not set."""
        return next(self.messages(field), _Message(memoryview(b"")))

    def text(self, field: int) -> str:
        """Return a string, '' if not set."""
        value = next(iter(self.values(field)), None)
        return bytes(value).decode() if isinstance(value, memoryview) else ""

    def texts(self, field: int) -> tuple[str, ...]:
        """Return the strings of a repeated field."""
        return tuple(bytes(value).decode() for value in self.values(field) if isinstance(value, memoryview))

    def number(self, field: int) -> int:
        """Return an integer, 0 if not set."""
        value = next(iter(self.values(field)), 0)
        return value if isinstance(value, int) else 0

    def values(self, field: int) -> list[int | memoryview]:
        """Return a field's value."""
        return [value for number, value in self._fields if number == field]


def _split(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = count = 0
    while at < len(data):
        count += 1
        if count > MAX_NODES:
            raise ValueError(f"a message has more than {MAX_NODES:,} fields")
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (0, 1, 2, 5):
            raise ValueError(f"no field starts with {key}")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        length, at = _varint(data, at) if kind == 2 else ((8, at) if kind == 1 else (4, at))
        if at + length > len(data):
            raise ValueError("a field ends after the end of the file")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """(number, place after it)."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")


def _facts(graph: _Message) -> FileFacts:
    # Files before ONNX IR version 4 list weights as inputs.
    weights = {weight.text(_TENSOR_NAME) for weight in graph.messages(_GRAPH_WEIGHTS)}
    inputs = tuple(_tensor(entry) for entry in graph.messages(_GRAPH_INPUTS))
    ops = Counter(
        f"{node.text(_NODE_DOMAIN)}::{node.text(_NODE_OP)}".removeprefix("ai.onnx::").removeprefix("::")
        for node in graph.messages(_GRAPH_NODES)
    )
    outputs = tuple(_tensor(entry) for entry in graph.messages(_GRAPH_OUTPUTS))
    return FileFacts(tuple(entry for entry in inputs if entry.name not in weights), outputs, ops)


def _tensor(info: _Message) -> TensorFacts:
    """ValueInfoProto: name, and type → tensor type → element type and shape."""
    kind = info.message(2).message(1)
    sides = tuple(side.number(1) or None for side in kind.message(2).messages(1))
    return TensorFacts(info.text(1), _DTYPES.get(kind.number(1), "unknown"), sides)


def _ops_of_model(model: _Message) -> Iterator[str]:
    """The op of every node, in inner graphs and functions too."""
    for node in _nodes_of_model(model):
        yield node.text(_NODE_OP)


def _nodes_of_model(model: _Message) -> Iterator[_Message]:
    for graph in _top_graphs(model):
        yield from _nodes_below(graph.messages(_GRAPH_NODES))
    for function in model.messages(_MODEL_FUNCTIONS):
        yield from _nodes_below(function.messages(_FUNCTION_NODES))


def _nodes_below(nodes: Iterable[_Message]) -> Iterator[_Message]:
    """These nodes, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for graph in _inner_graphs(node.messages(_NODE_ATTRIBUTES)):
            yield from _nodes_below(graph.messages(_GRAPH_NODES))


def _inner_graphs(attributes: Iterable[_Message]) -> Iterator[_Message]:
    for attribute in attributes:
        for field in _ATTRIBUTE_GRAPHS:
            yield from attribute.messages(field)


def _top_graphs(model: _Message) -> Iterator[_Message]:
    yield from model.messages(_MODEL_GRAPH)
    for training in model.messages(_MODEL_TRAINING):
        for field in _TRAINING_GRAPHS:
            yield from training.messages(field)


def _external_in_model(model: _Message) -> Iterator[str]:
    """Names of tensors stored in other files: weights, sparse ones, those in attributes, graphs and functions."""
    for graph in _top_graphs(model):
        yield from _external_in_graph(graph)
    for function in model.messages(_MODEL_FUNCTIONS):
        yield from _external_in_attributes(function.messages(_FUNCTION_DEFAULTS))
        for node in function.messages(_FUNCTION_NODES):
            yield from _external_in_attributes(node.messages(_NODE_ATTRIBUTES))


def _external_in_graph(graph: _Message) -> Iterator[str]:
    yield from _external(graph.messages(_GRAPH_WEIGHTS))
    yield from _external(_dense(graph.messages(_GRAPH_SPARSE)))
    for node in graph.messages(_GRAPH_NODES):
        yield from _external_in_attributes(node.messages(_NODE_ATTRIBUTES))


def _external_in_attributes(attributes: Iterable[_Message]) -> Iterator[str]:
    for attribute in attributes:
        for field in _ATTRIBUTE_TENSORS:
            yield from _external(attribute.messages(field))
        for field in _ATTRIBUTE_SPARSE:
            yield from _external(_dense(attribute.messages(field)))
        for graph in _inner_graphs([attribute]):
            yield from _external_in_graph(graph)


def _dense(sparse: Iterable[_Message]) -> Iterator[_Message]:
    """Yield the tensors of sparse tensors."""
    for tensor in sparse:
        for field in _SPARSE_TENSORS:
            yield from tensor.messages(field)


def _external(tensors: Iterable[_Message]) -> Iterator[str]:
    for tensor in tensors:
        if tensor.values(_TENSOR_EXTERNAL) or tensor.number(_TENSOR_LOCATION):
            yield tensor.text(_TENSOR_NAME)
