"""Detect the model format at a path."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelFileError, ModelNotFoundError
from .model_source import ModelSource, check_regular

__all__ = ["detect"]

_BY_SUFFIX = {".json": "tfjs", ".pb": "frozen", ".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino"}
_KERAS = (".h5", ".hdf5", ".keras")


def detect(path: Path, output_stride: int) -> ModelSource:
    """Detect the model at `path`, a file or its folder.

    Search order in a folder: model-stride{output_stride}.json, model.json,
    tensorflowjs_model.pb (with its weights_manifest.json), saved_model.pb, or the only .pb, .tflite, .onnx or .xml.
    Raises ModelNotFoundError if there is nothing, ModelFileError for an unsupported file.
    """
    if path.is_symlink() and not path.exists():
        raise ModelNotFoundError(f"The link {str(path)!r} is a broken link or a loop; give a model file or folder.")
    if not path.exists():
        raise ModelNotFoundError(f"There is no model at {str(path)!r}; give a model file or its folder.")
    found = _in_folder(path, output_stride) if path.is_dir() else path
    if found.name == "saved_model.pb":
        return ModelSource(found.parent, "saved_model", output_stride=output_stride)
    if found.name in ("tensorflowjs_model.pb", "weights_manifest.json"):
        return ModelSource(found.with_name("tensorflowjs_model.pb"), "tfjs-v1", output_stride=output_stride)
    check_regular(found)
    kind = _BY_SUFFIX.get(found.suffix.lower())
    if found.suffix.lower() in _KERAS:
        raise ModelFileError(
            f"The file {str(found)!r} is a Keras file, which may contain Python code that runs on loading; it is "
            "refused. Export the network as a SavedModel, tflite or ONNX instead."
        )
    if kind is None:
        raise ModelFileError(
            f"The file {str(found)!r} is not a supported model file; supported files are named model.json, "
            f"tensorflowjs_model.pb, saved_model.pb, or end in {', '.join(_BY_SUFFIX)}."
        )
    return ModelSource(found, kind, output_stride=output_stride)


def _in_folder(folder: Path, output_stride: int) -> Path:
    """Find the model's main file in a folder."""
    names = (f"model-stride{output_stride}.json", "model.json", "tensorflowjs_model.pb", "saved_model.pb")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    others = sorted(entry for entry in folder.iterdir() if entry.suffix in _BY_SUFFIX)
    if len(others) == 1 and others[0].suffix != ".json":
        return others[0]
    have = ", ".join(entry.name for entry in others) or "none"
    raise ModelNotFoundError(
        f"The folder {str(folder)!r} has no model for output stride {output_stride}: none of {', '.join(names)}. "
        f"Model files found: {have}."
    )
