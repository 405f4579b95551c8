"""Replace device-specific ops by portable ones.

tfjs files have fused convolutions, which TensorFlow supports only on CPUs, and tfjs' own Prelu. Dilated depthwise
convolutions need oneDNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from .runtime import first_line, load_tensorflow

__all__ = ["expand"]

Builder = Callable[[Any, Any, Sequence[Any]], Any]  # tensorflow, node, inputs → output

#: Fused op → function of tf.nn.
_ACTIVATIONS: Final = {"Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
#: Default of TensorFlow's LeakyRelu and of its fused convolutions.
_LEAKY_ALPHA: Final = 0.2


def expand(graph: Any, path: Path, *, keep_dilations: bool = False) -> Any:
    """Return a GraphDef without fused, dilated depthwise and tfjs-only nodes; drops device names and hints.

    Keeps all node names; a replaced node's name goes to the last node of its replacement. keep_dilations: keep unfused
    dilated convolutions, for graphs that are written, not run. Raises ModelFileError.
    """
    tf = load_tensorflow()
    plain = tf.compat.v1.GraphDef(versions=graph.versions)
    for node in graph.node:
        builder = None if keep_dilations and node.op == "DepthwiseConv2dNative" else _builder(node)
        if builder is None:
            plain.node.append(node)
            continue
        try:
            plain.node.extend(_expanded(tf, node, builder))
        except (ValueError, TypeError, IndexError, tf.errors.OpError) as err:
            raise ModelFileError(
                f"The node {node.name!r} ({node.op}) of {str(path)!r} cannot be built: {first_line(err)}."
            ) from err
    for node in plain.node:
        node.device = ""
        for hint in [name for name in node.attr if name.startswith("_")]:
            del node.attr[hint]
    return plain


def _builder(node: Any) -> Builder | None:
    if node.op in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
        return _fused
    if node.op == "DepthwiseConv2dNative" and _dilated(node):
        return _depthwise
    if node.op == "Prelu":
        return lambda tf, _node, inputs: _prelu(tf, inputs[0], inputs[1])
    return None


def _expanded(tf: Any, node: Any, builder: Builder) -> list[Any]:
    """Trace a node's replacement in a separate graph and prefix its node names with the node's."""
    inputs = [reference for reference in node.input if not reference.startswith("^")]
    with tf.Graph().as_default() as scratch:
        holders = [tf.compat.v1.placeholder(node.attr["T"].type, None, f"in{index}") for index in range(len(inputs))]
        tf.identity(builder(tf, node, holders), "out")
    names = {f"in{index}": reference for index, reference in enumerate(inputs)} | {"out": node.name}
    built = [part for part in scratch.as_graph_def().node if part.op != "Placeholder"]
    for part in built:
        for index, reference in enumerate(part.input):
            part.input[index] = names.get(reference) or f"{node.name}/expanded/{reference}"
        part.name = names.get(part.name) or f"{node.name}/expanded/{part.name}"
        part.input.extend(reference for reference in node.input if reference.startswith("^"))
    return built


def _fused(tf: Any, node: Any, inputs: Sequence[Any]) -> Any:
    """Convolution, then the ops it is fused with: BiasAdd and an activation."""
    builder = _conv if node.op == "_FusedConv2D" else _depthwise
    result = builder(tf, node, inputs)
    extra = list(inputs[2:])
    for op in [name.decode("latin1") for name in node.attr["fused_ops"].list.s]:
        if op in ("BiasAdd", "Prelu"):
            if not extra:
                raise ValueError(f"its input for the fused op {op!r} is missing")
            argument = extra.pop(0)
            result = _prelu(tf, result, argument) if op == "Prelu" else tf.nn.bias_add(result, argument, _format(node))
        elif op == "LeakyRelu":
            alpha = node.attr["leakyrelu_alpha"].f if "leakyrelu_alpha" in node.attr else _LEAKY_ALPHA
            result = tf.nn.leaky_relu(result, alpha)
        elif op in _ACTIVATIONS:
            result = getattr(tf.nn, _ACTIVATIONS[op])(result)
        else:
            known = ", ".join(["BiasAdd", "Prelu", "LeakyRelu", *_ACTIVATIONS])
            raise ValueError(f"the fused op {op!r} is unknown; known are {known}")
    return result


def _prelu(tf: Any, tensor: Any, slopes: Any) -> Any:
    return tf.nn.relu(tensor) + slopes * tf.minimum(tensor, 0)


def _conv(tf: Any, node: Any, inputs: Sequence[Any]) -> Any:
    return tf.raw_ops.Conv2D(
        input=inputs[0],
        filter=inputs[1],
        strides=_ints(node, "strides"),
        padding=node.attr["padding"].s.decode("latin1"),
        explicit_paddings=list(node.attr["explicit_paddings"].list.i),
        data_format=_format(node),
        dilations=_ints(node, "dilations"),
    )


def _depthwise(tf: Any, node: Any, inputs: Sequence[Any]) -> Any:
    """A dilated convolution becomes an undilated one of every rate-th pixel: space to batch and back."""
    picture, filters = inputs[0], inputs[1]
    padding, strides, rates = node.attr["padding"].s.decode("latin1"), _ints(node, "strides"), _ints(node, "dilations")
    if not _dilated(node):
        explicit = list(node.attr["explicit_paddings"].list.i)
        return tf.raw_ops.DepthwiseConv2dNative(
            input=picture, filter=filters, strides=strides, padding=padding, explicit_paddings=explicit,
            data_format=_format(node),
        )  # fmt: skip
    if padding not in ("SAME", "VALID") or _format(node) != "NHWC" or strides != [1, 1, 1, 1]:
        raise ValueError("with dilations, only strides of 1, SAME or VALID padding and NHWC are possible")
    rate = tf.constant(rates[1:3])
    around = (tf.shape(filters)[:2] - 1) * rate if padding == "SAME" else tf.zeros(2, tf.int32)
    extra = -(tf.shape(picture)[1:3] + around) % rate
    spread = tf.space_to_batch(picture, rate, tf.stack([around // 2, around - around // 2 + extra], 1))
    result = tf.raw_ops.DepthwiseConv2dNative(input=spread, filter=filters, strides=strides, padding="VALID")
    return tf.batch_to_space(result, rate, tf.stack([tf.zeros_like(extra), extra], 1))


def _dilated(node: Any) -> bool:
    return any(rate != 1 for rate in _ints(node, "dilations"))


def _ints(node: Any, name: str) -> list[int]:
    """Strides or dilations of a node, four numbers; 1 by default."""
    return list(node.attr[name].list.i) if name in node.attr and node.attr[name].list.i else [1, 1, 1, 1]


def _format(node: Any) -> str:
    return node.attr["data_format"].s.decode("latin1") if "data_format" in node.attr else "NHWC"
