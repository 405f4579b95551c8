"""Write a TensorFlow graph of convolutions (MobileNet, ResNet, DeepLab, and their heads) as ONNX.

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
_POOLS: Final = {"MaxPool": "MaxPool", "AvgPool": "AveragePool"}
_NORMS: Final = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_OTHERS: Final = (
    "Placeholder", "Const", "Identity", "NoOp", "Conv2D", "DepthwiseConv2dNative", "Relu6", "ResizeBilinear",
    "ConcatV2", "SpaceToBatchND", "BatchToSpaceND", "Conv2DBackpropInput",
)  # fmt: skip
_FIXED_SIZE: Final[Mapping[str, slice]] = {"ResizeBilinear": slice(0, 1), "Conv2DBackpropInput": slice(1, 3)}
"""Inputs of ops whose other input only says the size of their output."""


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
    operations = _needed(opened.function.graph)  # type: ignore[attr-defined]
    strange = sorted({op.type for op in operations} - {*_PLAIN, *_BINARY, *_POOLS, *_NORMS, *_OTHERS})
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
        #: Output of a SpaceToBatchND → its op: the convolution after it is a dilated one.
        self._spread: dict[str, Any] = {}
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
            case "Conv2DBackpropInput":
                self._transposed(operation, own)
            case _ if kind in _POOLS:
                size = list(operation.get_attr("ksize"))[1:3]
                self._emit(_POOLS[kind], [self.became[inputs[0]]], own, kernel_shape=size, **_window(operation))
            case _ if kind in _NORMS:
                self._norm(operation, own)
            case "ResizeBilinear":
                self._resize(operation, own)
            case "ConcatV2":
                *parts, axis = inputs
                first = _CHANNELS_FIRST.index(int(self._values[axis]) % 4)
                self._emit("Concat", [self.became[name] for name in parts], own, axis=first)
            case "SpaceToBatchND":
                self._spread[own] = operation
            case "BatchToSpaceND":
                self.became[own] = self.became[inputs[0]]
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
        constant = self._constant(f"{own}_weights", weights)
        if picture in self._spread:
            window = self._dilated_window(self._spread[picture], operation)
            picture = self._spread[picture].inputs[0].name
        else:
            window = _window(operation) | {"dilations": list(operation.get_attr("dilations"))[1:3]}
        self._emit("Conv", [self.became[picture], constant], own, group=groups, **window)

    def _transposed(self, operation: Any, own: str) -> None:
        """Write a transposed convolution whose kernel is as large as its stride: no two of its windows overlap."""
        _, kernel, picture = (tensor.name for tensor in operation.inputs)
        weights = self._values[kernel].transpose(3, 2, 0, 1)  # (h, w, out, in) → (in, out, h, w)
        strides = list(operation.get_attr("strides"))[1:3]
        if list(weights.shape[2:]) != strides or list(operation.get_attr("dilations")) != [1] * 4:
            raise ModelFileError(
                f"The transposed convolution {operation.name!r} cannot be written as ONNX: its kernel is "
                f"{weights.shape[2]}×{weights.shape[3]} and its stride {strides[0]}×{strides[1]}; they must be equal."
            )
        self._emit(
            "ConvTranspose", [self.became[picture], self._constant(f"{own}_weights", weights)], own, strides=strides
        )

    def _dilated_window(self, before: Any, operation: Any) -> dict[str, Any]:
        """Padding and dilations of a convolution between a SpaceToBatchND and its BatchToSpaceND."""
        users = operation.outputs[0].consumers()
        try:
            block, pads = (self._values[tensor.name] for tensor in before.inputs[1:])
            (after,) = users
            crops = load_tensorflow().get_static_value(after.inputs[2])
            plain = after.type == "BatchToSpaceND" and operation.get_attr("padding") == b"VALID"
            plain = plain and list(operation.get_attr("strides")) == [1] * 4 and not crops[:, 0].any()
        except (KeyError, ValueError, TypeError):  # sizes that are not known, or several users
            plain = False
        if not plain:
            raise ModelFileError(
                f"The dilated convolution {operation.name!r} cannot be written as ONNX for an input of any size: give "
                "one with --input-size."
            )
        ends = pads[:, 1] - crops[:, 1]
        return {"pads": [*map(int, pads[:, 0]), *map(int, ends)], "dilations": list(map(int, block))}

    def _norm(self, operation: Any, own: str) -> None:
        if operation.get_attr("is_training"):
            raise ModelFileError(f"The batch norm {operation.name!r} is in training mode; freeze the graph first.")
        picture, *facts = (tensor.name for tensor in operation.inputs)
        constants = [self._constant(f"{name}_constant", self._values[name]) for name in facts]
        epsilon = operation.get_attr("epsilon")
        self._emit("BatchNormalization", [self.became[picture], *constants], own, epsilon=epsilon)

    def _resize(self, operation: Any, own: str) -> None:
        from onnx import numpy_helper

        sides = operation.outputs[0].shape.as_list()
        if None in sides:
            raise ModelFileError(
                f"The resizing {operation.name!r} cannot be written as ONNX for an input of any size: give one with "
                "--input-size."
            )
        how = "asymmetric"
        for option, name in (("align_corners", "align_corners"), ("half_pixel_centers", "half_pixel")):
            how = name if operation.get_attr(option) else how
        sizes = np.array([sides[i] for i in _CHANNELS_FIRST], np.int64)
        self.constants.append(numpy_helper.from_array(sizes, f"{own}_sizes"))
        inputs = [self.became[operation.inputs[0].name], "", "", f"{own}_sizes"]
        self._emit("Resize", inputs, own, mode="linear", coordinate_transformation_mode=how)

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


def _needed(graph: Any) -> list[Any]:
    """Ops that the outputs need, in order; not those that only compute the size of a resizing, which is fixed."""
    queue, found = [tensor.op for tensor in graph.outputs], set()
    while queue:
        operation = queue.pop()
        if operation.name not in found:
            found.add(operation.name)
            inputs = list(operation.inputs)[_FIXED_SIZE.get(operation.type, slice(None))]
            queue += [tensor.op for tensor in inputs]
    return [operation for operation in graph.get_operations() if operation.name in found]


def _window(operation: Any) -> dict[str, Any]:
    """Read strides and padding of a convolution or pooling."""
    padding = operation.get_attr("padding").decode()
    if padding not in ("SAME", "VALID") or operation.get_attr("data_format") != b"NHWC":
        raise ModelFileError(f"The padding or layout of {operation.name!r} cannot be written as ONNX here.")
    auto_pad = "SAME_UPPER" if padding == "SAME" else "VALID"
    return {"strides": list(operation.get_attr("strides"))[1:3], "auto_pad": auto_pad}
