"""Write a trained network's files and compare each with its source on photos."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import keras
import numpy as np

from ..catalog import Preprocessing
from ..decode import decode_poses, sigmoid
from ..decoder_inputs import PoseHeads, PoseLimits
from ..errors import ModelFileError, SettingsError
from ..formats import Kind, ModelSource
from ..settings import Size
from ..types import Poses
from .conversion import convert_model
from .evaluation import iou, keypoints_found
from .frames import Image, Sample
from .keras_network import backbone_of, load_published, runner, shift_person_score
from .labels import LABEL_HEADS, LABEL_SLICES, SCORES, Array
from .teacher import Teacher, network_size, open_heads
from .tfjs_writer import write_graph_model
from .train_config import CONFIG_NAME, TrainSettings, preprocessing_of, read_settings
from .trainer import BEST, CHECKPOINT, Trainer, list_photos
from .validation import THRESHOLD, best_threshold, person_scores, person_truth

Form = Literal["tfjs", "tflite", "onnx", "saved_model", "edgetpu"]
Quantize = Literal["none", "float16", "int8"]

OFFERED: Final[Mapping[Form, tuple[Quantize, ...]]] = {
    "tfjs": ("none", "float16"),
    "tflite": ("none", "float16", "int8"),
    "onnx": ("none",),
    "saved_model": ("none",),
    "edgetpu": ("int8",),
}
TOLERANCE: Final[Mapping[Quantize, float]] = {"none": 1e-3, "float16": 0.05, "int8": math.inf}
"""Maximum difference from the source, as a share of a head's range; int8 is judged by its results instead."""
LEAST_ALIKE: Final = {"mask_iou": 0.5, "parts_alike": 0.5, "keypoints_found": 0.5}
"""Minimum agreement of a file with its source; below it the file is broken. The table shows the agreement."""
_ENOUGH: Final = 100
"""Minimum number of positions or keypoints for a meaningful share."""
_SHARD: Final = "group1-shard1of1.bin"
_LONG_SIDE: Final = 257


@dataclass(frozen=True)
class Written:
    """One written file: size including weights, and difference from its source as a share of a head's range.

    scores_differ: maximum difference of a person, part or keypoint probability. mask_iou: person mask against the
    source's, over all photos. parts_alike: share of positions with the same part where both see a person.
    keypoints_found: share of the source's confident keypoints that the file finds (PCK).
    """

    path: Path
    size: int
    differs: float
    scores_differ: float
    mask_iou: float
    parts_alike: float
    keypoints_found: float


@dataclass
class Exportable:
    """A network to write.

    at(stride): builds it folded. preprocessing: of images. settings: the run's.
    """

    at: Callable[[int], keras.Model]
    preprocessing: Preprocessing
    settings: TrainSettings | None = None

    def best_threshold(self, samples: Sequence[Sample]) -> float:
        """Find the person score that separates people best on photos."""
        run = runner(self.at(16), self.preprocessing)
        return best_threshold((person_scores(run, sample.image), person_truth(sample)) for sample in samples)

    def shifted(self, threshold: float) -> Exportable:
        """Shift the person score so that `threshold` becomes 0.7, BodyPix's default."""

        def at(stride: int) -> keras.Model:
            model = self.at(stride)
            shift_person_score(model, threshold, THRESHOLD)
            return model

        return Exportable(at, self.preprocessing, self.settings)


def open_exportable(source: Path, config: Path | None = None) -> Exportable:
    """Read a run's folder or configuration, a checkpoint, or a published model.json.

    config: the run's configuration, if it is not beside the checkpoint. Raises ModelFileError.
    """
    if source.suffix == ".json":
        preprocessing = preprocessing_of(backbone_of(load_published(source)))
        return Exportable(lambda stride: load_published(source, stride), preprocessing)
    if source.suffix in (".yaml", ".yml"):
        config, source = source, read_settings(source).output
    folder = source if source.is_dir() else source.parent
    if source.is_dir():
        source = folder / BEST if (folder / BEST).exists() else folder / CHECKPOINT
    if not source.exists():
        raise ModelFileError(
            f"There is no checkpoint {str(source)!r}; name a run's folder, its checkpoint or its YAML."
        )
    settings = read_settings(_config_of(source, config))
    trainer = Trainer(settings)
    trainer.restore(source)
    return Exportable(trainer.averaged, settings.preprocessing, settings)


def check_photos(source: Path, config: Path | None = None) -> None:
    """Raise SettingsError if no photos were held out to check files on; called before any slow work."""
    settings = None if source.suffix == ".json" else read_settings(_config_of(source, config))
    if settings is None or not any(photo.held_out for photo in list_photos(settings)):
        what = "A published model has" if settings is None else "The run has"
        raise SettingsError(f"{what} no held-out photos to check the files on: name some with --photos.")


def _config_of(source: Path, config: Path | None) -> Path:
    if source.suffix in (".yaml", ".yml"):
        return source
    config = config or (source if source.is_dir() else source.parent) / CONFIG_NAME
    if not config.exists():
        raise ModelFileError(
            f"There is no training configuration {str(config)!r}; name a run's folder, its checkpoint or its YAML."
        )
    return config


def check_offered(form: Form, quantize: Quantize) -> None:
    """Raise SettingsError for a format that does not support the precision."""
    if quantize not in OFFERED[form]:
        raise SettingsError(
            f"quantize is {quantize!r}, but {form} is written with {' or '.join(OFFERED[form])}; "
            f"{quantize} comes with {' and '.join(name for name in OFFERED if quantize in OFFERED[name])}."
        )


def check_size(size: Size, strides: Sequence[int]) -> None:
    """Raise SettingsError for an input size that does not fit an output stride."""
    for stride in strides:
        if (size.width - 1) % stride or (size.height - 1) % stride:
            raise SettingsError(
                f"The input size is {size.width}x{size.height}, but at stride {stride} each side must be a multiple of "
                f"{stride} plus 1, such as {20 * stride + 1}x{15 * stride + 1}."
            )


def export(
    network: Exportable,
    folder: Path,
    form: Form,
    quantize: Quantize,
    photos: Sequence[Image],
    strides: Sequence[int],
    fixed_size: Size | None = None,
) -> Iterator[Written]:
    """Write a network's file for each output stride and check it on the photos, (H, W, 3) uint8 RGB.

    tfjs files share their weights. int8 is calibrated with the photos. edgetpu: the tflite file for its compiler, with
    an input of fixed_size. Raises SettingsError for a format that does not support the precision, ModelFileError for a
    file that differs too much from its source.
    """
    check_offered(form, quantize)
    if not photos:
        raise SettingsError("There are no photos to check the files with: give a folder of photos.")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [_picture(photo, fixed_size) for photo in photos]
    for stride in strides:
        model = network.at(stride)
        tensors = [_normal(p, network.preprocessing) for p in pictures]
        path = _write(model, folder, form, quantize, stride, tensors, fixed_size)
        with open_heads(str(path.absolute()), stride) as run:
            yield _checked(path, run, runner(model, network.preprocessing), pictures, TOLERANCE[quantize], stride)


def _write(
    model: keras.Model,
    folder: Path,
    form: Form,
    quantize: Quantize,
    stride: int,
    tensors: Sequence[Array],
    fixed_size: Size | None,
) -> Path:
    if form == "tfjs":
        path = folder / f"model-stride{stride}.json"
        write_graph_model(model, path, _SHARD, "float16" if quantize == "float16" else "float32")
        return path
    names = {
        "tflite": f"model-stride{stride}-{'float32' if quantize == 'none' else quantize}.tflite",
        "onnx": f"model-stride{stride}.onnx",
        "saved_model": f"saved_model-stride{stride}",
    }
    if fixed_size:
        names["edgetpu"] = f"model-stride{stride}-{fixed_size.width}x{fixed_size.height}.tflite"
    with tempfile.TemporaryDirectory() as draft:
        source = Path(draft) / "model.json"
        write_graph_model(model, source, _SHARD, "float32")
        kind: Kind = "tflite" if form == "edgetpu" else form
        return convert_model(
            ModelSource(source, "tfjs"), kind, folder / names[form], quantize, tensors,
            fixed_size=fixed_size, byte_tensors=form == "edgetpu",
        ).path  # fmt: skip


def _checked(
    path: Path, run: Teacher, source: Teacher, pictures: Sequence[Array], tolerance: float, stride: int
) -> Written:
    """Compare a file with its source. Raises ModelFileError if a head or a result differs by more than allowed."""
    differs = scores = 0.0
    masks: list[list[np.bool_]] = [[], []]
    alike, both, found, sure = 0, 0, 0, 0
    for picture in pictures:
        ours, theirs = run(picture), source(picture)
        for head in LABEL_HEADS:
            difference = float(np.abs(ours[head] - theirs[head]).max() / max(1.0, float(np.abs(theirs[head]).max())))
            if not difference <= tolerance:  # NaN counts as different
                raise ModelFileError(
                    f"The written file {str(path)!r} differs from its source: {head} by {difference:.3g} of its range, "
                    f"more than {tolerance}."
                )
            differs = max(differs, difference)
            if LABEL_SLICES[head].stop <= SCORES.stop:
                scores = max(scores, float(np.abs(sigmoid(ours[head]) - sigmoid(theirs[head])).max()))
        people = [sigmoid(heads["segments"])[..., 0] > THRESHOLD for heads in (ours, theirs)]
        for flat, person in zip(masks, people, strict=True):
            flat.extend(person.ravel())
        same = ours["part_heatmaps"].argmax(-1) == theirs["part_heatmaps"].argmax(-1)
        shared = people[0] & people[1]
        alike, both = alike + int((same & shared).sum()), both + int(shared.sum())
        hits = keypoints_found(_poses(ours, stride), _poses(theirs, stride))
        found, sure = found + hits[0], sure + hits[1]
    size = sum(file.stat().st_size for file in _files(path))
    common = {
        "mask_iou": iou(np.array(masks[0]), np.array(masks[1])),
        "parts_alike": alike / both if both else 1.0,
        "keypoints_found": found / sure if sure else 1.0,
    }
    compared = {"mask_iou": len(masks[0]), "parts_alike": both, "keypoints_found": sure}
    for name, value in common.items():
        if value < LEAST_ALIKE[name] and compared[name] >= _ENOUGH:
            raise ModelFileError(
                f"The written file {str(path)!r} differs from its source: {name} is {value:.3f}, less than "
                f"{LEAST_ALIKE[name]}."
            )
    return Written(path, size, differs, scores, **common)


def _poses(heads: Mapping[str, Array], stride: int) -> Poses:
    """Find the people in the network's input, network px."""
    offsets = (heads["short_offsets"], heads["displacement_fwd"], heads["displacement_bwd"])
    _, poses = decode_poses(PoseHeads(sigmoid(heads["heatmaps"]), *offsets, stride), PoseLimits(10, 0.3, 20.0))
    return poses


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.rglob("*") if file.is_file()]
    return [path, path.with_name(_SHARD)] if path.suffix == ".json" else [path]


def _picture(photo: Image, fixed_size: Size | None) -> Array:
    """Convert (H, W, 3) uint8 RGB to (1, h, w, 3) float32 of a size that networks accept."""
    height, width = network_size(photo.shape[0], photo.shape[1], _LONG_SIDE)
    if fixed_size:
        height, width = fixed_size.height, fixed_size.width
    return np.asarray(cv2.resize(photo, (width, height)), np.float32)[None]


def _normal(picture: Array, preprocessing: Preprocessing) -> Array:
    return picture * np.asarray(preprocessing.scale, np.float32) + np.asarray(preprocessing.offset, np.float32)
