"""Write a trained portrait network as files for engines, each with its model card, and check them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
import yaml

from ..catalog import Card, Preprocessing, card_beside
from ..errors import ModelFileError, SettingsError
from ..formats.model_source import ModelSource, Quantize
from ..formats.runtime import load_tensorflow
from ..model import load
from ..types import Frame, Wanted
from .conversion import convert_model
from .evaluation import iou
from .frames import Image
from .portrait_config import PortraitRun, is_portrait_run, read_portrait_run
from .portrait_frames import normalized
from .portrait_networks import MASK
from .portrait_trainer import PortraitTrainer, at_size, predict, stretched
from .train_config import CONFIG_NAME
from .trainer import CHECKPOINT

PortraitForm = Literal["tfjs", "tflite", "onnx"]

OFFERED: Final[Mapping[PortraitForm, tuple[Quantize, ...]]] = {
    "tfjs": ("none", "float16"),
    "tflite": ("none", "float16", "int8"),
    "onnx": ("none",),
}
_INPUT: Final = "picture"
_LEAST_ALIKE: Final = 0.5
"""Least mask IoU of a file with its network; below it the file is broken."""


@dataclass(frozen=True)
class WrittenPortrait:
    """One written file: size, B, weights included; its card; mean IoU of its masks with the network's own."""

    path: Path
    card: Path
    size: int
    mask_iou: float


def open_portrait(source: Path, config: Path | None = None) -> tuple[PortraitRun, keras.Model] | None:
    """Read a run's folder, its configuration or its checkpoint; None where it is no portrait network's.

    config: the run's configuration, if it is not beside the checkpoint. Returns the run and its folded network. Raises
    ModelFileError without a checkpoint.
    """
    if source.suffix in (".yaml", ".yml"):
        config = source
    elif config is None:
        config = (source if source.is_dir() else source.parent) / CONFIG_NAME
    if not config.exists() or not is_portrait_run(config):
        return None
    run = read_portrait_run(config)
    checkpoint = source if source.suffix == ".npz" else run.output / CHECKPOINT
    if not checkpoint.exists():
        raise ModelFileError(f"There is no checkpoint {str(checkpoint)!r}: train the run first.")
    trainer = PortraitTrainer(run)
    trainer.restore(checkpoint)
    return run, trainer.exported()


def check_portrait_form(form: str, quantize: str) -> None:
    """Raise SettingsError for a format that portrait networks are not written in, or not with that precision."""
    if form not in OFFERED:
        raise SettingsError(f"to is {form!r}, but a portrait network is written as {', '.join(OFFERED)}.")
    precisions = next(offered for name, offered in OFFERED.items() if name == form)
    if quantize not in precisions:
        raise SettingsError(f"quantize is {quantize!r}, but {form} is written with {' or '.join(precisions)}.")


def export_portrait(
    run: PortraitRun,
    network: keras.Model,
    folder: Path,
    form: PortraitForm,
    quantize: Quantize,
    photos: Sequence[Image],
) -> WrittenPortrait:
    """Write a folded network and its card, and compare its masks on photos, (H, W, 3) uint8 RGB, with the network's.

    int8 is calibrated with the photos. Raises SettingsError without photos or for a precision that the format does not
    have, ModelFileError for a file that is broken.
    """
    check_portrait_form(form, quantize)
    if not photos:
        raise SettingsError("There are no photos to check the file with: name some with --photos.")
    precision = "" if form == "onnx" else f"-{'float32' if quantize == 'none' else quantize}"
    ending = "-tfjs" if form == "tfjs" else f".{form}"
    path = folder / f"{run.network.replace('_', '-')}-{run.size}{precision}{ending}"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as draft:
        source = Path(draft) / "network.pb"
        source.write_bytes(frozen_graph(network))
        graph = ModelSource(source, "frozen", _INPUT, {MASK: f"{MASK}:0"})
        tensors = calibration(run, photos) if quantize == "int8" else ()
        written = convert_model(graph, form, path, quantize, tensors)
    card = portrait_card(run, written.path, form)
    beside = card_beside(written.path)
    beside.write_text(yaml.safe_dump(card.model_dump(mode="json", exclude_defaults=True), sort_keys=False))
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    alike = _alike(run, network, written.path, photos)
    if not alike >= _LEAST_ALIKE:
        raise ModelFileError(
            f"The written file {str(path)!r} differs from its network: their masks have an IoU of {alike:.3f}, less "
            f"than {_LEAST_ALIKE}."
        )
    return WrittenPortrait(path, beside, sum(file.stat().st_size for file in files), alike)


def portrait_card(run: PortraitRun, path: Path, form: PortraitForm) -> Card:
    """Card of a written file: what its input and output mean."""
    return Card(
        name=card_beside(path).stem,
        title=f"{run.network}, {run.size} x {run.size}, trained here",
        network="portrait",
        format=form,
        file=path.name,
        preprocessing=Preprocessing(
            scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, previous_mask=run.previous_mask is not None
        ),
        input=_INPUT,
        input_size=(run.size, run.size),
        outputs={MASK: MASK},
        classes=("person",),
        scores="probabilities",
        licence="that of its photos and masks",
    )


def calibration(run: PortraitRun, photos: Sequence[Image]) -> list[Any]:
    """Inputs (1, S, S, 3 or 4) of photos; with a mask before, each once with none and once with a full one."""
    tensors = []
    for photo in photos:
        small = stretched(photo, run.size)[None]
        priors = [np.full(small.shape[:3], value, np.float32) for value in (0, 1)] if run.previous_mask else [None]
        tensors += [normalized(small, prior) for prior in priors]
    return tensors


def _alike(run: PortraitRun, network: keras.Model, path: Path, photos: Sequence[Image]) -> float:
    """Mean IoU of a file's masks, as this package runs it, with the network's."""
    scores = []
    with load(model_path=str(path.absolute())) as model:
        for index, (photo, mask) in enumerate(zip(photos, predict(network, photos, run), strict=True)):
            # A camera each, so that no photo is taken for the frame after another one.
            result = model.run(Frame(photo, frame_id=str(index)), Wanted.PERSON)
            assert result.person is not None
            scores.append(iou(result.person > 0, at_size(mask, photo.shape[:2])))
    return float(np.mean(scores))


def frozen_graph(network: keras.Model) -> bytes:
    """Write a folded network as a TensorFlow graph with constant weights; its output is a probability.

    Walks the network's operations, so networks trained with every backend of Keras can be written.
    """
    tf = load_tensorflow()
    weights = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
    graph = tf.Graph()
    with graph.as_default():
        picture = tf.compat.v1.placeholder(tf.float32, (1, *network.input.shape[1:]), name=_INPUT)
        became = {id(network.input): picture}
        for operation in network.operations:
            if type(operation).__name__ == "InputLayer":
                continue
            inputs = operation.input if isinstance(operation.input, list) else [operation.input]
            tensors = [became[id(tensor)] for tensor in inputs]
            became[id(operation.output)] = _written(operation, tensors, weights.get(operation.name, []))
        tf.sigmoid(became[id(network.output)], name=MASK)
    return bytes(graph.as_graph_def().SerializeToString())


def _written(layer: Any, inputs: list[Any], weights: list[Any]) -> Any:
    """Build one layer in the current graph."""
    tf = load_tensorflow()
    x = inputs[0]
    match type(layer).__name__:
        case "Conv2D" | "DepthwiseConv2D" | "Conv2DTranspose":
            return tf.nn.bias_add(_convolved(layer, x, weights[0]), weights[1])
        case "ReLU":
            return tf.nn.relu6(x) if layer.max_value == 6 else tf.nn.relu(x)
        case "Activation":  # hard sigmoid
            return tf.nn.relu6(x + 3.0) * tf.constant(1 / 6)
        case "Add":
            return tf.raw_ops.AddV2(x=x, y=inputs[1])
        case "Multiply":
            return x * inputs[1]
        case "Concatenate":
            return tf.concat(inputs, axis=-1)
        case "MaxPooling2D":
            return tf.nn.max_pool2d(x, layer.pool_size, layer.strides, "VALID")
        case "AveragePooling2D":
            return tf.nn.avg_pool2d(x, layer.pool_size, layer.strides, "VALID")
        case "UpSampling2D":
            sides = [side * times for side, times in zip(x.shape[1:3], layer.size, strict=True)]
            return tf.raw_ops.ResizeBilinear(images=x, size=sides, half_pixel_centers=True)
    raise ModelFileError(f"A {type(layer).__name__} ({layer.name}) cannot be written: fold the network first.")


def _convolved(layer: Any, x: Any, kernel: Any) -> Any:
    tf = load_tensorflow()
    strides = [1, *layer.strides, 1]
    match type(layer).__name__:
        case "Conv2D":
            return tf.nn.conv2d(x, kernel, strides, "SAME")
        case "DepthwiseConv2D":
            return tf.nn.depthwise_conv2d(x, kernel, strides, "SAME")
    sides = [1, *(side * stride for side, stride in zip(x.shape[1:3], layer.strides, strict=True)), kernel.shape[2]]
    return tf.nn.conv2d_transpose(x, kernel, sides, strides, "SAME")
