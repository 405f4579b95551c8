"""What an .onnx file says of itself, read from its protocol buffer.

Source: ONNX 1.16, ``onnx/onnx.proto`` (the fields' numbers), and the protocol buffers wire format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import ModelFileError
from .model_source import FileFacts, TensorFacts, read_file

__all__ = ["onnx_facts", "read_onnx"]

#: TensorProto.DataType → NumPy's name.
_DTYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
#: Fields' numbers.
_MODEL_GRAPH, _MODEL_OPSETS = 7, 8
_GRAPH_NODES, _GRAPH_WEIGHTS, _GRAPH_INPUTS, _GRAPH_OUTPUTS = 1, 5, 11, 12
_NODE_OP, _NODE_ATTRIBUTES, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = (5, 10), (6, 11)
_WEIGHT_NAME, _WEIGHT_EXTERNAL = 8, 13


def read_onnx(path: Path) -> FileFacts:
    """Inputs, outputs and ops of an .onnx file. Raises ModelFileError if it is none, damaged, or not whole.

    Ops of other domains than ONNX's own are named 'domain::op'.
    """
    return onnx_facts(read_file(path), path)


def onnx_facts(data: bytes, path: Path) -> FileFacts:
    """The same from the file's bytes; path: for the error's text."""
    try:
        model = _Message(memoryview(data))
        graphs, versions = list(model.messages(_MODEL_GRAPH)), list(model.messages(_MODEL_OPSETS))
        if len(graphs) != 1 or not versions:
            raise ValueError("it holds no graph, or no version of its ops")
        facts, away = _facts(graphs[0]), next(_external(graphs[0]), None)
    except (ValueError, IndexError, RecursionError) as err:
        raise ModelFileError(f"The file {str(path)!r} is no ONNX model, or it is damaged or cut off: {err}.") from err
    if away is not None:
        raise ModelFileError(
            f"The ONNX model {str(path)!r} keeps its weights {away!r} in another file; save it as one file."
        )
    return facts


class _Message:
    """A protocol buffer's fields, in their order: (number, a whole number or bytes)."""

    def __init__(self, data: memoryview) -> None:
        self._fields = list(_split(data))

    def messages(self, field: int) -> Iterator[_Message]:
        """The messages of a repeated field."""
        return (_Message(value) for value in self.values(field) if isinstance(value, memoryview))

    def message(self, field: int) -> _Message:
        """The one message of a field, empty where it is not set."""
        return next(self.messages(field), _Message(memoryview(b"")))

    def text(self, field: int) -> str:
        """A string, '' where it is not set."""
        value = next(iter(self.values(field)), None)
        return bytes(value).decode() if isinstance(value, memoryview) else ""

    def number(self, field: int) -> int:
        """A whole number, 0 where it is not set."""
        value = next(iter(self.values(field)), 0)
        return value if isinstance(value, int) else 0

    def values(self, field: int) -> list[int | memoryview]:
        """What stands in a field."""
        return [value for number, value in self._fields if number == field]


def _split(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0 or kind not in (0, 1, 2, 5):
            raise ValueError(f"no field begins with {key}")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        length, at = _varint(data, at) if kind == 2 else ((8, at) if kind == 1 else (4, at))
        if at + length > len(data):
            raise ValueError("a field goes on after the end")
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
    # Files before ONNX's version 4 list weights among the inputs.
    weights = {weight.text(_WEIGHT_NAME) for weight in graph.messages(_GRAPH_WEIGHTS)}
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


def _external(graph: _Message) -> Iterator[str]:
    """Names of weights that lie in other files, in inner graphs too."""
    attributes = [entry for node in graph.messages(_GRAPH_NODES) for entry in node.messages(_NODE_ATTRIBUTES)]
    constants = [tensor for entry in attributes for field in _ATTRIBUTE_TENSORS for tensor in entry.messages(field)]
    for weight in (*graph.messages(_GRAPH_WEIGHTS), *constants):
        if weight.values(_WEIGHT_EXTERNAL):
            yield weight.text(_WEIGHT_NAME)
    for entry in attributes:
        for field in _ATTRIBUTE_GRAPHS:
            for inner in entry.messages(field):
                yield from _external(inner)
