"""Read facts from a .tflite file's FlatBuffer.

Source: LiteRT 2.1, ``tflite/schema/schema.fbs`` (the fields' numbers), and the FlatBuffers binary format.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from pathlib import Path
from typing import Final

from ..errors import ModelFileError
from .model_source import MAX_NODES, FileFacts, GraphNode, TensorFacts, read_file

__all__ = ["read_tflite", "tflite_facts", "tflite_nodes"]

#: TensorType → NumPy's name.
_DTYPES: Final = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}  # fmt: skip
_CUSTOM: Final = 32
#: The op WHILE is unbounded.
_WHILE: Final = 119
#: Below it, old files store the op number in another field.
_OLD_OPS: Final = 127
_MOST_VALUES: Final = 2**28


def read_tflite(path: Path) -> FileFacts:
    """Read inputs, outputs and ops of a .tflite file. Raises ModelFileError if it is not a .tflite file, or damaged.

    Tensor names come from the file's signature, if any. Op names come from LiteRT's schema if installed, otherwise
    they are numbers; custom ops have their own names.
    """
    return tflite_facts(read_file(path), path)


def tflite_facts(data: bytes, path: Path) -> FileFacts:
    """The same from the file's bytes; path: for the error's text."""
    if data[4:8] != b"TFL3":
        raise ModelFileError(f"The file {str(path)!r} is not a TFLite file: bad header.")
    try:
        model = _Table(data, _unpack(data, "<I", 0))
        facts = _facts(model)
        loops = any(_number(code) == _WHILE for code in model.tables(1))
    except (struct.error, UnicodeDecodeError, IndexError, OverflowError) as err:
        raise ModelFileError(f"The tflite model {str(path)!r} is damaged or truncated: {err}.") from err
    if loops:
        raise ModelFileError(
            f"The tflite model {str(path)!r} has the op 'WHILE', which may never end; export the network without loops."
        )
    return facts


def tflite_nodes(path: Path) -> tuple[list[GraphNode], list[str]]:
    """Return a checked file's ops, and the ids of its inputs."""
    data = read_file(path)
    tflite_facts(data, path)
    model = _Table(data, _unpack(data, "<I", 0))
    codes, graph = [_op(code) for code in model.tables(1)], model.tables(2)[0]

    def tensors(table: _Table, field: int) -> tuple[str, ...]:
        return tuple(str(int(index)) for index in table.numbers(field, "i"))

    nodes = [
        GraphNode(codes[operator.number(0, "I")], tensors(operator, 1), tensors(operator, 2))
        for operator in graph.tables(3)
    ]
    return nodes, list(tensors(graph, 1))


class _Table:
    """A FlatBuffers table at a place of the file; its fields by number."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - _unpack(data, "<i", at)
        if self._fields < 0:
            raise IndexError(f"a table at {at} points before the file")
        self._size = _unpack(data, "<H", self._fields)

    def number(self, field: int, code: str, default: int = 0) -> int:
        """A scalar, by its struct code."""
        at = self._place(field)
        return _unpack(self._data, f"<{code}", at) if at else default

    def text(self, field: int) -> str:
        """A string; '' if there is none."""
        at = self._target(field)
        length = _unpack(self._data, "<I", at) if at else 0
        return self._data[at + 4 : at + 4 + length].decode() if at else ""

    def numbers(self, field: int, code: str) -> tuple[float, ...]:
        """A vector of scalars; () if there is none."""
        at = self._target(field)
        length = _bounded(_unpack(self._data, "<I", at)) if at else 0
        return struct.unpack_from(f"<{length}{code}", self._data, at + 4) if at else ()

    def table(self, field: int) -> _Table | None:
        """A table inside of this one."""
        at = self._target(field)
        return _Table(self._data, at) if at else None

    def tables(self, field: int) -> list[_Table]:
        """A vector of tables; [] if there is none."""
        at = self._target(field)
        length = _bounded(_unpack(self._data, "<I", at)) if at else 0
        places = range(at + 4, at + 4 + 4 * length, 4)
        return [_Table(self._data, place + _unpack(self._data, "<I", place)) for place in places]

    def check_bytes(self, field: int) -> None:
        """Raise IndexError unless a vector of bytes is inside the file."""
        at = self._target(field)
        if at and at + 4 + _unpack(self._data, "<I", at) > len(self._data):
            raise IndexError("its weights end after the end of the file")

    def _place(self, field: int) -> int:
        """Offset of a field's value; 0 if absent."""
        slot = 4 + 2 * field
        offset = _unpack(self._data, "<H", self._fields + slot) if slot < self._size else 0
        return self._at + offset if offset else 0

    def _target(self, field: int) -> int:
        at = self._place(field)
        return at + _unpack(self._data, "<I", at) if at else 0


def _unpack(data: bytes, code: str, at: int) -> int:
    value: int = struct.unpack_from(code, data, at)[0]
    return value


def _bounded(length: int) -> int:
    if length > MAX_NODES:
        raise IndexError(f"a list of {length:,} entries")
    return length


def _facts(model: _Table) -> FileFacts:
    for buffer in model.tables(4):
        buffer.check_bytes(0)
    graph = model.tables(2)[0]
    tensors = graph.tables(0)
    for tensor in tensors:
        size = math.prod(abs(int(side)) for side in tensor.numbers(0, "i"))
        if size > _MOST_VALUES:
            raise OverflowError(f"the tensor {tensor.text(3)!r} has {size:,} values")
    named: list[dict[int, str]] = [{}, {}]  # of inputs, of outputs: tensor's number → name in the signature
    signatures = model.tables(7)
    if len(signatures) == 1:
        for kind, names in enumerate(named):
            names.update({entry.number(1, "I"): entry.text(0) for entry in signatures[0].tables(kind)})
    inputs, outputs = (
        tuple(_tensor(tensors[int(index)], names.get(int(index), "")) for index in graph.numbers(field, "i"))
        for field, names in ((1, named[0]), (2, named[1]))
    )
    codes = [_op(code) for code in model.tables(1)]
    return FileFacts(inputs, outputs, Counter(codes[operator.number(0, "I")] for operator in graph.tables(3)))


def _tensor(tensor: _Table, name: str) -> TensorFacts:
    sides = tensor.numbers(7, "i") or tensor.numbers(0, "i")
    quantization = tensor.table(4)
    scales = quantization.numbers(2, "f") if quantization else ()
    zeros = quantization.numbers(3, "q") if quantization else ()
    return TensorFacts(
        name or tensor.text(3),
        _DTYPES.get(tensor.number(1, "b"), "unknown"),
        tuple(None if side < 0 else int(side) for side in sides),
        float(scales[0]) if scales else 0.0,
        int(zeros[0]) if zeros else 0,
    )


def _number(code: _Table) -> int:
    """Number of an op, in files of either age."""
    old = code.number(0, "b")
    return max(old if old < _OLD_OPS else 0, code.number(3, "i"))


def _op(code: _Table) -> str:
    number = _number(code)
    return code.text(1) if number == _CUSTOM else _op_names().get(number, f"op {number}")


def _op_names() -> dict[int, str]:
    try:
        from ai_edge_litert.schema_py_generated import BuiltinOperator
    except ImportError:
        return {}
    return {number: name for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
