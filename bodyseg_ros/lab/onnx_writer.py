"""Write a TensorFlow graph of plain convolutions (MobileNet, ResNet and their heads) as ONNX.

Semantics: TensorFlow's and ONNX's operator references (ONNX opset 17). Inputs and outputs stay channels last; inside,
the graph is channels first, as ONNX convolutions require.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..dependencies import missing_package
from ..errors import ModelFileError
from ..formats.graph_function import OpenedModel
from ..formats.runtime import load_tensorflow

__all__ = ["write_onnx"]

_OPSET: Final = 17
_CHANNELS_FIRST: Final = (0, 3, 1, 2)
_CHANNELS_LAST: Final = (0, 2, 3, 1)
#: Elementwise TensorFlow ops → ONNX's.
_PLAIN: Final = {"Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh"}
_BINARY: Final = {
    "BiasAdd": "Add", "Add": "Add", "AddV2": "Add", "Sub": "Sub", "Mul": "Mul", "Minimum": "Min", "Maximum": "Max",
}  # fmt: skip
_OTHERS: Final = ("Placeholder", "Const", "Identity", "NoOp", "Conv2D", "DepthwiseConv2dNative", "Relu6", "MaxPool")


def write_onnx(opened: OpenedModel, names: Mapping[str, str], path: Path, source: Path) -> None:
    """Write a network; its function's outputs get these names in the file.

    source: for error messages. Raises ModelFileError for an unsupported op or layout, MissingDependencyError without
    onnx.
    """
    try:
        import onnx
        from onnx import helper
    except ModuleNotFoundError as err:
        raise missing_package("Writing an ONNX file", err, "onnx") from err
    operations = opened.function.graph.get_operations()  # type: ignore[attr-defined]
    strange = sorted({op.type for op in operations} - {*_PLAIN, *_BINARY, *_OTHERS})
    if strange or opened.dtype != "float32" or len(opened.shape) != 4:
        what = f"its ops {', '.join(strange)}" if strange else f"a picture of {opened.dtype} {opened.shape}"
        raise ModelFileError(
            f"The model {str(source)!r} cannot be written as ONNX: {what} is not supported. Convolutional networks are."
        )
    graph = _Graph(opened.input, opened.function.inputs[0].name)  # type: ignore[attr-defined]
    for operation in operations:
        graph.add(operation)
    outputs = []
    for name, tensor in opened.function.structured_outputs.items():  # type: ignore[attr-defined]
        graph.node("Transpose", [graph.became[tensor.name]], names[name], perm=_CHANNELS_LAST)
        sides = [1, f"{names[name]}_h", f"{names[name]}_w", tensor.shape[-1]]
        outputs.append(helper.make_tensor_value_info(names[name], onnx.TensorProto.FLOAT, sides))
    sides = [1, opened.shape[1] or "H", opened.shape[2] or "W", opened.shape[3] or 3]
    picture = helper.make_tensor_value_info(opened.input, onnx.TensorProto.FLOAT, sides)
    made = helper.make_graph(graph.nodes, "network", [picture], outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Graph:
    """The ONNX graph under construction.

    became: TensorFlow's tensor name → ONNX's, channels first.
    """

    def __init__(self, picture: str, tensor: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.became: dict[str, str] = {}
        self._values: dict[str, NDArray[Any]] = {}
        self._emit("Transpose", [picture], tensor, perm=_CHANNELS_FIRST)

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return self.nodes[-1]

    def add(self, operation: Any) -> None:
        """Convert one TensorFlow op; its inputs are converted already."""
        kind, inputs = operation.type, [tensor.name for tensor in operation.inputs]
        if kind in ("NoOp", "Placeholder"):
            return
        own = operation.outputs[0].name
        match kind:
            case "Const":
                self._values[own] = load_tensorflow().make_ndarray(operation.get_attr("value"))
            case "Identity" if inputs[0] in self._values:
                self._values[own] = self._values[inputs[0]]
            case "Identity":
                self.became[own] = self.became[inputs[0]]
            case "Conv2D" | "DepthwiseConv2dNative":
                self._convolution(operation, own)
            case "MaxPool":
                size = list(operation.get_attr("ksize"))[1:3]
                self._emit("MaxPool", [self.became[inputs[0]]], own, kernel_shape=size, **_window(operation))
            case "Relu6":
                limits = [self._constant(f"{own}_{limit}", np.array(limit, np.float32)) for limit in (0, 6)]
                self._emit("Clip", [self.became[inputs[0]], *limits], own)
            case _ if kind in _BINARY:
                self._emit(_BINARY[kind], [self._operand(name) for name in inputs], own)
            case _:
                self._emit(_PLAIN[kind], [self.became[inputs[0]]], own)

    def _emit(self, kind: str, inputs: Sequence[str], own: str, **attributes: Any) -> None:
        self.became[own] = f"{own}_nchw"
        self.node(kind, inputs, self.became[own], **attributes)

    def _convolution(self, operation: Any, own: str) -> None:
        picture, kernel = (tensor.name for tensor in operation.inputs)
        weights, groups = self._values[kernel], 1
        if operation.type == "Conv2D":
            weights = weights.transpose(3, 2, 0, 1)  # (h, w, in, out) → (out, in, h, w)
        else:
            height, width, groups, multiplier = weights.shape
            weights = weights.transpose(2, 3, 0, 1).reshape(groups * multiplier, 1, height, width)
        dilations = list(operation.get_attr("dilations"))[1:3]
        constant = self._constant(f"{own}_weights", weights)
        window = _window(operation) | {"dilations": dilations, "group": groups}
        self._emit("Conv", [self.became[picture], constant], own, **window)

    def _operand(self, name: str) -> str:
        """Return a tensor, or a constant operand, (c,) or a scalar."""
        if name not in self._values:
            return self.became[name]
        value = self._values[name]
        if value.ndim > 1:
            raise ModelFileError(f"A constant of shape {value.shape} ({name}) cannot be written as ONNX here.")
        return self._constant(f"{name}_constant", value.reshape(-1, 1, 1) if value.ndim else value)

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if all(have.name != name for have in self.constants):
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name


def _window(operation: Any) -> dict[str, Any]:
    """Read strides and padding of a convolution or pooling."""
    padding = operation.get_attr("padding").decode()
    if padding not in ("SAME", "VALID") or operation.get_attr("data_format") != b"NHWC":
        raise ModelFileError(f"The padding or layout of {operation.name!r} cannot be written as ONNX here.")
    auto_pad = "SAME_UPPER" if padding == "SAME" else "VALID"
    return {"strides": list(operation.get_attr("strides"))[1:3], "auto_pad": auto_pad}
