"""Write a network that TensorFlow can read as SavedModel, tflite or ONNX."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..errors import ModelFileError, SettingsError
from ..formats.graph_function import OpenedModel, open_model
from ..formats.model_source import Kind, ModelSource, Quantize, short_name
from ..formats.runtime import first_line, load_tensorflow
from .onnx_writer import write_onnx

__all__ = ["convert_model"]


def convert_model(
    source: ModelSource, kind: Kind, path: Path, quantize: Quantize = "none", calibration: Iterable[NDArray[Any]] = ()
) -> ModelSource:
    """Write the network of `source` to `path`, in place of what is there; a picture size left open stays open.

    Outputs keep the last word of their tensors' names: 'MobilenetV1/heatmap_2/BiasAdd' becomes 'heatmap_2'. quantize:
    dynamic stores weights in a byte, float16 in two, int8 computes with bytes too and needs `calibration`, tensors
    as the network takes them. Raises SettingsError, ModelFileError, MissingDependencyError.
    """
    if quantize != "none" and kind != "tflite":
        raise SettingsError(f"--quantize is {quantize!r}, but it must be none for {kind}: only tflite is quantised.")
    tensors = list(calibration)
    if quantize == "int8" and not tensors:
        raise SettingsError("int8 needs photos to calibrate with: name a folder of them by --calibration.")
    opened = open_model(source, keep_dilations=kind != "saved_model")
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
            draft.write_bytes(_tflite(Path(folder) / "saved_model", quantize, tensors, source.path))
        if path.is_dir():
            shutil.rmtree(path)
        draft.rename(path)
    return ModelSource(path, kind, outputs=names, output_stride=source.output_stride)


def _write_saved_model(opened: OpenedModel, names: Mapping[str, str], folder: Path) -> None:
    tf = load_tensorflow()
    shape = [*opened.shape[:-1], opened.shape[-1] or 3]  # files of 2018 do not even say that pictures have colours
    spec = tf.TensorSpec(shape, opened.dtype, name=short_name(opened.input))

    def serve(picture: Any) -> dict[str, Any]:
        return {names[output]: tensor for output, tensor in opened.function(picture).items()}

    module = tf.Module()
    module.serve = tf.function(serve, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def _tflite(folder: Path, quantize: Quantize, calibration: list[NDArray[Any]], path: Path) -> bytes:
    tf = load_tensorflow()
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif quantize == "int8":
        converter.representative_dataset = lambda: ([tensor] for tensor in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    try:
        return bytes(converter.convert())
    except Exception as err:  # the converter's own errors have no base of their own
        lacking = re.search(r"TF Select ops: (.*)", str(err))
        reason = f"LiteRT has no {lacking.group(1)} of this kind" if lacking else first_line(err)
        raise ModelFileError(f"The model {str(path)!r} cannot be written as tflite: {reason}.") from err
