"""Build a TensorFlow function, image to named tensors, from model files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from ..settings import Size
from .graphdef import GraphFile, check_graph, node_of, read_frozen
from .model_source import FileFacts, GraphNode, ModelSource, TensorFacts
from .output_stride import set_output_stride
from .rewrite import expand
from .runtime import first_line, load_tensorflow
from .saved_model import read_saved_model
from .tfjs import read_graph_model, read_graph_model_v1

__all__ = ["READERS", "NetworkGraph", "OpenedModel", "graph_facts", "graph_nodes", "open_model", "read_graph"]

_log = logging.getLogger(__name__)

READERS: Final[Mapping[str, Callable[[Path], GraphFile]]] = {
    "tfjs": read_graph_model,
    "tfjs-v1": read_graph_model_v1,
    "frozen": read_frozen,
    "saved_model": read_saved_model,
}

#: Image size for the tensor size check, if the file leaves it open, and the maximum number of values per tensor: 256
#: MiB, ten times the need of the largest network.
_PROBE_PX: Final = 65
_PROBE_CHANNELS: Final = 3
_MAX_ELEMENTS: Final = 2**26

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class OpenedModel:
    """A network that TensorFlow can run.

    function: takes one tensor, returns tensors by the names in `outputs`; traced once, for any height and width that
    the file leaves open. input, dtype, shape: the input's tensor name, NumPy dtype name and shape, with None for open
    sides. outputs: name → shape, () if unknown.
    """

    function: Callable[[Any], Mapping[str, Any]]
    input: str
    dtype: str
    shape: Shape
    outputs: Mapping[str, Shape]


def open_model(
    source: ModelSource,
    *,
    compile_with_xla: bool = False,
    keep_dilations: bool = False,
    cut_input: bool = False,
    fixed_size: Size | None = None,
) -> OpenedModel:
    """Read, check and build a model of format tfjs, tfjs-v1, frozen or saved_model, cut down to the outputs asked for.

    keep_dilations: for a graph that is written and not run: dilated convolutions run on some CPUs alone. cut_input: as
    in read_graph(). fixed_size: of the image, in place of open sides.
    Raises ModelFileError that names the file and the node, tensor or op; MissingDependencyError without TensorFlow.
    """
    part = read_graph(source, cut_input=cut_input)
    graph = expand(part.graph, source.path, keep_dilations=keep_dilations)
    return _built(replace(part, graph=graph), fixed_size, source.path, compile_with_xla)


def graph_facts(source: ModelSource) -> FileFacts:
    """Describe a model of format tfjs, tfjs-v1 or frozen. Raises the errors of open_model().

    Does not start TensorFlow's runtime, so the engine can still set the thread count.
    """
    part = read_graph(source)
    tf = load_tensorflow()
    ops = Counter(node.op for node in part.graph.node if node.op not in ("Const", "Placeholder"))
    graph = expand(part.graph, source.path)
    try:
        with tf.Graph().as_default():
            tensor = tf.compat.v1.placeholder(part.picture.attr["dtype"].type, _picture_shape(tf, part.picture))
            found = _imported(tf, graph, part.picture, part.outputs, tensor)
    except (ValueError, TypeError, KeyError, RuntimeError, tf.errors.OpError) as err:
        raise _refused(source.path, err) from err
    picture = TensorFacts(part.picture.name, tensor.dtype.name, _shape(tensor.shape))
    outputs = tuple(TensorFacts(name, one.dtype.name, _shape(one.shape)) for name, one in found.items())
    return FileFacts((picture,), outputs, ops)


def graph_nodes(source: ModelSource) -> tuple[list[GraphNode], list[str]]:
    """Return the ops of a model of format tfjs, tfjs-v1, frozen or saved_model without constants, and its input's name.

    Raises the errors of open_model().
    """
    part = read_graph(source)
    nodes = [
        GraphNode(node.op, tuple(node_of(name) for name in node.input if not name.startswith("^")), (node.name,))
        for node in part.graph.node
        if node.op not in ("Const", "Placeholder")
    ]
    return nodes, [part.picture.name]


@dataclass(frozen=True)
class NetworkGraph:
    """The requested part of a file: a GraphDef, its input node, and name → tensor 'node:index'."""

    graph: Any
    picture: Any
    outputs: Mapping[str, str]


def read_graph(source: ModelSource, *, cut_input: bool = False) -> NetworkGraph:
    """Read and check a file, and cut it down to the outputs asked for.

    cut_input: the input asked for may be in the middle of the graph, which then starts there. Raises ModelFileError.
    """
    reader = READERS.get(source.format)
    if reader is None:
        raise ModelFileError(
            f"The model {str(source.path)!r} has the format {source.format!r}; TensorFlow runs {', '.join(READERS)}."
        )
    file = reader(source.path)
    if source.any_stride:
        set_output_stride(file.graph, source.output_stride, source.path)
    check_graph(file.graph, source.path)
    nodes = {node.name: node for node in file.graph.node}
    inner = node_of(source.input) if cut_input else ""
    if inner in nodes and nodes[inner].op != "Const":
        nodes[inner] = _placeholder(nodes[inner])
    picture = _picture(nodes, source.input or file.input, source.path)
    outputs = _outputs(nodes, source.outputs, file.outputs, source.path)
    return NetworkGraph(_cut(file.graph, nodes, outputs, picture, source.path), nodes[picture], outputs)


def _placeholder(node: Any) -> Any:
    """An input in the place of a node."""
    if node.op == "Placeholder":
        return node
    made = type(node)(name=node.name, op="Placeholder")
    made.attr["dtype"].type = node.attr["T"].type or load_tensorflow().float32.as_datatype_enum
    made.attr["shape"].shape.unknown_rank = True
    return made


def _picture(nodes: Mapping[str, Any], wanted: str, path: Path) -> str:
    """Find the input node."""
    holders = [name for name, node in nodes.items() if node.op == "Placeholder"]
    name = node_of(wanted) if wanted else holders[0] if len(holders) == 1 else ""
    if name not in holders:
        what = f"no input {wanted!r}" if wanted else "not one input but several or none"
        raise ModelFileError(f"The model {str(path)!r} has {what}; its inputs are {', '.join(holders) or 'none'}.")
    return name


def _outputs(
    nodes: Mapping[str, Any], wanted: Mapping[str, str], signature: Mapping[str, str], path: Path
) -> dict[str, str]:
    """Name → tensor 'node:index' of the outputs: the requested ones, the signature's, or all end nodes."""
    used = {node_of(reference) for node in nodes.values() for reference in node.input}
    silent = ("Assert", "Const", "NoOp", "Placeholder")
    ends = {name: name for name, node in nodes.items() if name not in used and node.op not in silent}
    chosen = {name: signature.get(tensor, tensor) for name, tensor in wanted.items()} or signature or ends
    if not chosen:
        raise ModelFileError(f"The model {str(path)!r} computes nothing: it has no outputs.")
    for tensor in chosen.values():
        if node_of(tensor) not in nodes:
            have = ", ".join([*signature, *ends][:12])
            raise ModelFileError(f"The model {str(path)!r} has no tensor {tensor!r}; its outputs are {have}.")
    return {name: tensor if ":" in tensor else f"{tensor}:0" for name, tensor in chosen.items()}


def _cut(graph: Any, nodes: Mapping[str, Any], outputs: Mapping[str, str], picture: str, path: Path) -> Any:
    """Extract the part of a GraphDef needed for the outputs; the image must be its only input."""
    queue, needed = [node_of(tensor) for tensor in outputs.values()], set()
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += [node_of(reference) for reference in nodes[name].input]
    holders = sorted(name for name in needed if nodes[name].op == "Placeholder")
    if holders != [picture]:
        raise ModelFileError(
            f"The outputs of {str(path)!r} must depend only on the image {picture!r}, but they depend on "
            f"{', '.join(holders) or 'nothing'}."
        )
    part = type(graph)(versions=graph.versions)
    part.node.extend(nodes[node.name] for node in graph.node if node.name in needed)
    return part


def _built(part: NetworkGraph, fixed_size: Size | None, path: Path, compile_with_xla: bool) -> OpenedModel:
    tf = load_tensorflow()

    def network(tensor: Any) -> dict[str, Any]:
        return _imported(tf, part.graph, part.picture, part.outputs, tensor)

    try:
        spec = _picture_spec(part.picture, fixed_size)
        _check_sizes(tf, part.graph, part.picture.name, spec, path)
        function = tf.function(network, autograph=False, jit_compile=compile_with_xla or None)
        traced = function.get_concrete_function(spec)
    except (ValueError, TypeError, KeyError, RuntimeError, tf.errors.OpError) as err:
        raise _refused(path, err) from err
    shapes = {name: _shape(tensor.shape) for name, tensor in traced.structured_outputs.items()}
    return OpenedModel(traced, part.picture.name, spec.dtype.name, _shape(spec.shape), shapes)


def _imported(tf: Any, graph: Any, picture: Any, outputs: Mapping[str, str], tensor: Any) -> dict[str, Any]:
    """The graph's outputs by name, in the graph that is built now, computed from a tensor of it."""
    found = tf.graph_util.import_graph_def(graph, {f"{picture.name}:0": tensor}, list(outputs.values()), name="")
    return dict(zip(outputs, found, strict=True))


def _refused(path: Path, err: BaseException) -> ModelFileError:
    return ModelFileError(f"TensorFlow refuses the graph of {str(path)!r}: {first_line(err)}.")


def _check_sizes(tf: Any, graph: Any, picture: str, spec: Any, path: Path) -> None:
    """Raise ModelFileError if a tensor is huge for a small image: a padding or a tile can request terabytes."""
    with tf.Graph().as_default() as probe:
        sides = [_PROBE_PX if side is None else side for side in spec.shape.as_list()]
        channels = spec.shape[-1] or _PROBE_CHANNELS
        small = tf.compat.v1.placeholder(spec.dtype, [*sides[:-1], channels])
        try:
            tf.graph_util.import_graph_def(graph, {f"{picture}:0": small}, name="")
        except ValueError as err:
            _log.debug("%s is not tried with %s: %s", path, small.shape, first_line(err))  # runs at other sizes only
            return
    for operation in probe.get_operations():
        for tensor in operation.outputs:
            if (tensor.shape.num_elements() or 0) > _MAX_ELEMENTS:
                raise ModelFileError(
                    f"The node {operation.name!r} of {str(path)!r} makes a tensor of {tensor.shape} for an image "
                    f"of {small.shape}; at most {_MAX_ELEMENTS:,} values are allowed."
                )


def _picture_shape(tf: Any, picture: Any) -> Any:
    """The declared shape; any image size if the file declares none (v1 files declare a scalar)."""
    declared = tf.TensorShape(picture.attr["shape"].shape)
    return declared if declared.rank else tf.TensorShape([1, None, None, None])


def _picture_spec(picture: Any, fixed_size: Size | None) -> Any:
    """The input's shape and dtype."""
    tf = load_tensorflow()
    shape = _picture_shape(tf, picture)
    if fixed_size:
        shape = tf.TensorShape([1, fixed_size.height, fixed_size.width, shape[-1] or _PROBE_CHANNELS])
    return tf.TensorSpec(shape, picture.attr["dtype"].type)


def _shape(shape: Any) -> Shape:
    return () if shape.rank is None else tuple(shape.as_list())
