"""Write a network that TensorFlow can read as SavedModel, tflite, ONNX or tfjs GraphModel."""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from ..errors import ModelFileError, SettingsError
from ..formats.graph_function import OpenedModel, open_model, read_graph
from ..formats.graphdef import node_of
from ..formats.model_source import Kind, ModelSource, Quantize, short_name
from ..formats.rewrite import expand
from ..formats.runtime import first_line, load_tensorflow
from ..settings import Size
from .onnx_writer import write_onnx
from .tfjs_graph import Precision, write_network_graph

__all__ = ["convert_model"]


#: How each format may store weights.
_QUANTIZED: Final[Mapping[Kind, tuple[Quantize, ...]]] = {
    "tflite": ("none", "dynamic", "float16", "int8"),
    "tfjs": ("none", "dynamic", "float16"),
    "onnx": ("none",),
    "saved_model": ("none",),
}
_TFJS_PRECISIONS: Final[Mapping[Quantize, Precision]] = {"none": "float32", "float16": "float16", "dynamic": "uint8"}
_DEPTHWISE_CONV_2D: Final = 4
"""BuiltinOperator of TensorFlow Lite's schema."""


def convert_model(
    source: ModelSource,
    kind: Kind,
    path: Path,
    quantize: Quantize = "none",
    calibration: Iterable[NDArray[Any]] = (),
    *,
    fixed_size: Size | None = None,
    cut_input: bool = False,
    byte_tensors: bool = False,
) -> ModelSource:
    """Write the network of `source` to `path`, overwriting it; an open input size stays open.

    Outputs are named by the last word of their tensors: 'MobilenetV1/heatmap_2/BiasAdd' becomes 'heatmap_2'. In a tfjs
    folder all tensors keep their names.

    quantize: dynamic stores weights in one byte, float16 in two; int8 also computes in bytes and needs `calibration`,
    tensors as the network takes them. fixed_size: of the input, which then is not open. cut_input: the source's input
    may be in the middle of its graph. byte_tensors: input and outputs of an int8 file are bytes too, as accelerators
    need them. Raises SettingsError, ModelFileError, MissingDependencyError.
    """
    if quantize not in _QUANTIZED[kind]:
        raise SettingsError(f"--quantize is {quantize!r}, but for {kind} it must be {' or '.join(_QUANTIZED[kind])}.")
    if kind == "tfjs":
        return _write_tfjs_folder(source, path, _TFJS_PRECISIONS[quantize], cut_input)
    tensors = list(calibration)
    if quantize == "int8" and not tensors:
        raise SettingsError("int8 needs calibration photos: give a folder with --calibration.")
    opened = open_model(source, keep_dilations=kind != "saved_model", cut_input=cut_input, fixed_size=fixed_size)
    names = {output: short_name(source.outputs.get(output, output)) for output in opened.outputs}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        if kind == "onnx":
            write_onnx(opened, names, draft, source.path)
        elif kind == "saved_model":
            _write_saved_model(opened, names, draft)
        else:
            _write_saved_model(opened, names, Path(folder) / "saved_model")
            draft.write_bytes(_tflite(Path(folder) / "saved_model", quantize, tensors, source.path, byte_tensors))
        if path.is_dir():
            shutil.rmtree(path)
        draft.rename(path)
    return ModelSource(path, kind, outputs=names, output_stride=source.output_stride)


def _write_tfjs_folder(source: ModelSource, path: Path, precision: Precision, cut_input: bool) -> ModelSource:
    network = read_graph(source, cut_input=cut_input)
    network = replace(network, graph=expand(network.graph, source.path, keep_dilations=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_network_graph(network, Path(folder) / path.name, precision)
        if path.is_dir():
            shutil.rmtree(path)
        (Path(folder) / path.name).rename(path)
    names = {name: node_of(tensor) for name, tensor in network.outputs.items()}
    return ModelSource(path / "model.json", "tfjs", network.picture.name, names, source.output_stride)


def _write_saved_model(opened: OpenedModel, names: Mapping[str, str], folder: Path) -> None:
    tf = load_tensorflow()
    shape = [
        *opened.shape[:-1],
        opened.shape[-1] or 3,
    ]  # files from 2018 do not even state the number of color channels
    spec = tf.TensorSpec(shape, opened.dtype, name=short_name(opened.input))

    def serve(picture: Any) -> dict[str, Any]:
        return {names[output]: tensor for output, tensor in opened.function(picture).items()}

    module = tf.Module()
    module.serve = tf.function(serve, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def _tflite(folder: Path, quantize: Quantize, calibration: list[NDArray[Any]], path: Path, byte_tensors: bool) -> bytes:
    tf = load_tensorflow()
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    if quantize not in ("none", "float16"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "int8":
        converter.representative_dataset = lambda: ([tensor] for tensor in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if byte_tensors:
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    try:
        full = bytes(converter.convert()) if quantize == "float16" else b""
        if quantize == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        written = bytes(converter.convert())
        return _with_depthwise(written, full) if full else written
    except Exception as err:  # the converter's errors have no common base class
        lacking = re.search(r"TF Select ops: (.*)", str(err))
        reason = f"LiteRT has no {lacking.group(1)} of this kind" if lacking else first_line(err)
        raise ModelFileError(f"The model {str(path)!r} cannot be written as tflite: {reason}.") from err


def _with_depthwise(half: bytes, full: bytes) -> bytes:
    """Make a float16 tflite file whose depthwise weights are those of the float32 file of the same network.

    Folding makes depthwise weights large, and their sums cancel. Rounding them causes most of a float16 file's error.
    """
    load_tensorflow()
    from tensorflow.lite.tools import flatbuffer_utils

    model, exact = (flatbuffer_utils.read_model_from_bytearray(bytearray(data)) for data in (half, full))
    (graph,), (exact_graph,) = model.subgraphs, exact.subgraphs
    unused = set()
    for ours, theirs in zip(_depthwise(model), _depthwise(exact), strict=True):
        for place in (1, 2):  # kernel and bias
            tensor, weights = graph.tensors[ours.inputs[place]], exact_graph.tensors[theirs.inputs[place]]
            unused.add(int(ours.inputs[place]))
            buffer = copy.copy(exact.buffers[weights.buffer])
            tensor.buffer = len(model.buffers)
            model.buffers.append(buffer)
    graph.operators = [o for o in graph.operators if not unused.intersection(int(index) for index in o.outputs)]
    used = {int(index) for operator in graph.operators for index in operator.inputs if index >= 0}
    used |= {int(index) for index in (*graph.outputs, *graph.inputs)}
    kept = {graph.tensors[index].buffer for index in used}  # equal weights share one
    for index, tensor in enumerate(graph.tensors):
        if index not in used and tensor.buffer not in kept:
            model.buffers[tensor.buffer].data = None  # the rounded weights, now unused
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _depthwise(model: Any) -> list[Any]:
    """Return the depthwise convolutions of a tflite file, in order."""
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [o for o in model.subgraphs[0].operators if codes[o.opcodeIndex] == _DEPTHWISE_CONV_2D]
