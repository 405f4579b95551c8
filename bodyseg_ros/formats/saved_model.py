"""SavedModel folders: checked before loading, then frozen.

Loading runs the ops that restore variables, so these are checked like the network itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from .graphdef import ALLOWED_OPS, GraphFile, check_constants, node_of
from .model_source import MAX_MODEL_BYTES, FileFacts, TensorFacts, read_file
from .runtime import first_line, load_tensorflow

__all__ = ["read_saved_model", "saved_model_facts"]

_RESTORING: Final = """
AssignVariableOp PartitionedCall PlaceholderWithDefault ReadVariableOp RestoreV2 StatefulPartitionedCall VarHandleOp
"""
#: What restores variables and calls functions, besides a network's own ops; nothing that writes.
_PLUMBING: Final = frozenset(_RESTORING.split())
_SIGNATURE: Final = "serving_default"
#: What is run when a SavedModel is loaded or serves.
_RUN_SIGNATURES: Final = (_SIGNATURE, "__saved_model_init_op")
_RUN_COLLECTIONS: Final = ("saved_model_main_op", "legacy_init_op", "main_op")
#: Allowed SavedModel objects: no assets and no resources, which run code when loaded.
_KINDS: Final = frozenset(
    {"user_object", "variable", "function", "bare_concrete_function", "constant", "captured_tensor"}
)


def read_saved_model(path: Path) -> GraphFile:
    """The `serving_default` signature of a SavedModel's folder as a frozen graph. Raises ModelFileError."""
    tf = load_tensorflow()
    meta = _meta_graph(path)
    _check_meta_graph(meta, path)
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        _check_files(path)
        _check_variables(tf, path)
        loaded = tf.saved_model.load(str(path))  # it owns the variables
        serving = loaded.signatures[_SIGNATURE]
        frozen = convert_variables_to_constants_v2(serving)
        # Both lists are in the order of the sorted names.
        names = sorted(serving.structured_outputs)
        outputs = {name: tensor.name for name, tensor in zip(names, frozen.outputs, strict=True)}
    except ModelFileError:
        raise
    except Exception as err:  # the loader's own errors are of every kind
        raise ModelFileError(f"The SavedModel {str(path)!r} cannot be loaded: {first_line(err)}.") from err
    pictures = [tensor.name for tensor in frozen.inputs]
    graph = frozen.graph.as_graph_def()
    return GraphFile(path, graph, pictures[0] if len(pictures) == 1 else "", outputs)


def saved_model_facts(path: Path) -> FileFacts:
    """Read the `serving_default` signature without loading the SavedModel. Raises ModelFileError."""
    tf = load_tensorflow()
    meta = _meta_graph(path)
    signature = meta.signature_def[_SIGNATURE]
    # "Placeholder" and the plumbing are how a SavedModel is served, not what the network computes.
    silent = _PLUMBING | {"Const", "NoOp", "Placeholder"}
    ops = Counter(node.op for node in _run(meta, path) if node.op not in silent)

    def facts(tensors: Mapping[str, Any]) -> tuple[TensorFacts, ...]:
        return tuple(_facts(tf, name, tensors[name]) for name in sorted(tensors))

    return FileFacts(facts(signature.inputs), facts(signature.outputs), ops)


def _facts(tf: Any, name: str, info: Any) -> TensorFacts:
    shape = info.tensor_shape
    sides = () if shape.unknown_rank else tuple(None if side.size < 0 else side.size for side in shape.dim)
    return TensorFacts(name, tf.as_dtype(info.dtype).name, sides)


def _meta_graph(path: Path) -> Any:
    """The part of saved_model.pb that serves."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = SavedModel()
    try:
        content.ParseFromString(read_file(path / "saved_model.pb"))
    except DecodeError as err:
        raise ModelFileError(f"The file saved_model.pb in {str(path)!r} is damaged: {err}.") from err
    for meta in content.meta_graphs:
        if "serve" in meta.meta_info_def.tags and _SIGNATURE in meta.signature_def:
            return meta
    raise ModelFileError(f"The SavedModel {str(path)!r} has no signature {_SIGNATURE!r} under the tag 'serve'.")


def _check_files(path: Path) -> None:
    """Check that all files are inside the folder and within the size limit."""
    folder, total = path.resolve(), 0
    for file in path.rglob("*"):
        if not file.resolve().is_relative_to(folder):
            raise ModelFileError(
                f"The file {file.name!r} of {str(path)!r} is outside the model's folder; it is not read."
            )
        total += file.stat().st_size
    if total > MAX_MODEL_BYTES:
        raise ModelFileError(f"The SavedModel {str(path)!r} has {total:,} bytes; at most {MAX_MODEL_BYTES:,} are read.")


def _check_variables(tf: Any, path: Path) -> None:
    """Check the variables' declared size against the limit."""
    if not (path / "variables").is_dir():
        return
    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    types = reader.get_variable_to_dtype_map()
    total = sum(math.prod(shape) * types[name].size for name, shape in reader.get_variable_to_shape_map().items())
    if total > MAX_MODEL_BYTES:
        raise ModelFileError(
            f"The variables of {str(path)!r} are declared as {total:,} bytes; at most {MAX_MODEL_BYTES:,} are read."
        )


def _check_meta_graph(meta: Any, path: Path) -> None:
    """Raise ModelFileError if anything that loading or serving runs is not a plain network or its restoring."""
    for item in meta.object_graph_def.nodes:
        kind = item.WhichOneof("kind")
        if kind not in _KINDS or item.saveable_objects:
            raise ModelFileError(
                f"The SavedModel {str(path)!r} has an object of kind {kind!r}, which runs code on loading; it is "
                "not loaded. Export only the network."
            )
    checked = _run(meta, path)
    for node in checked:
        if node.op not in ALLOWED_OPS | _PLUMBING:
            raise ModelFileError(
                f"The node {node.name!r} of {str(path)!r} has the op {node.op!r}, which is not an allowed op; the "
                "file is not run."
            )
    check_constants(checked, path)


def _run(meta: Any, path: Path) -> list[Any]:
    """Every node that restoring, initializing or serving runs, those inside of functions too."""
    functions = {item.signature.name: list(item.node_def) for item in meta.graph_def.library.function}
    nodes = {node.name: node for node in meta.graph_def.node}
    queue = [tensor.name for key in _RUN_SIGNATURES for tensor in meta.signature_def[key].outputs.values()]
    queue += [name for key in _RUN_COLLECTIONS for name in meta.collection_def[key].node_list.value]
    queue += [meta.saver_def.restore_op_name] if meta.saver_def.restore_op_name else []
    found: dict[int, Any] = {}
    called: list[str] = []
    while queue or called:
        if called:
            batch = functions.get(called.pop(), [])
        else:
            name = node_of(queue.pop())
            if name not in nodes:
                raise ModelFileError(
                    f"The SavedModel {str(path)!r} refers to a node {name!r} that is not in its graph."
                )
            batch = [nodes[name]]
            queue += nodes[name].input if id(nodes[name]) not in found else []
        for node in batch:
            if id(node) not in found:
                found[id(node)] = node
                called += [attr.func.name for attr in node.attr.values() if attr.HasField("func")]
                called += [function.name for attr in node.attr.values() for function in attr.list.func]
    return list(found.values())
