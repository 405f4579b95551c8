"""Train a network from random or published weights: `bodyseg train CONFIG.yaml`.

The run is a function of its settings: the frames of a step depend on (seed, step) alone, and a checkpoint holds all
that the optimiser knows, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import csv
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import cv2
import keras
import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bodyseg_ros.errors import MediaError, ModelFileError, SettingsError
from bodyseg_ros.training.data import Augmentation, Frames, Image, Photo, PhotoFolder, Sample, read_image, read_mask
from bodyseg_ros.training.evaluate import iou, person_mask
from bodyseg_ros.training.labels import LABEL_HEADS, Array
from bodyseg_ros.training.losses import LossWeights, PersonLabLoss
from bodyseg_ros.training.network import build_network, fold_batch_norm, load_published
from bodyseg_ros.training.teacher import label_all, label_path

logger = logging.getLogger(__name__)


class Stage(BaseModel):
    """A stretch of the run with one frame size; the learning rate goes linearly from its first value to its last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, description="Optimiser steps.")
    size: int = Field(161, ge=33, description="Frame side, network px: a multiple of 16 plus 1.")
    batch: int = Field(32, ge=1, description="Frames per step.")
    learning_rate: tuple[float, float] = Field((2e-3, 2e-3), description="At the stage's start and at its end.")


class TrainSettings(BaseModel):
    """Everything that decides the outcome of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    folders: list[PhotoFolder] = Field(description="Photos to learn from.")
    held_out: float = Field(0.07, ge=0, lt=1, description="Share of photos to validate on, by hash of the name.")
    teacher: Path | None = Field(None, description="Published model.json whose outputs are the labels.")
    teacher_stride: Literal[8, 16] = Field(8, description="The teacher's output stride.")
    teacher_long_sides: list[int] = Field([481, 289], description="Photo sizes the teacher sees, network px.")
    cache: Path = Field(Path("cache"), description="Folder of the teacher's labels.")
    output: Path = Field(Path("run"), description="Folder of checkpoints, logs and sheets.")
    backbone: Literal["mobilenet", "resnet50"] = Field("mobilenet", description="The network's trunk.")
    multiplier: float = Field(0.5, ge=0.25, le=1, description="Width of the MobileNet.")
    stages: list[Stage] = Field(min_length=1, description="The run, stage by stage.")
    warmup: int = Field(200, ge=0, description="Steps in which the learning rate rises from 0.")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's.")
    average: float = Field(0.99, ge=0, lt=1, description="Momentum of the weights' moving average, which is exported.")
    mixed_precision: bool = Field(False, description="Compute in float16, for GPUs.")
    augmentation: Augmentation = Field(Augmentation(), description="How frames differ from photos.")
    losses: LossWeights = Field(LossWeights(), description="How much each head counts.")
    validate_every: int = Field(250, ge=1, description="Steps between validations, log lines and sheets.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    patience: int = Field(0, ge=0, description="Stop after so many validations without a better one; 0: never.")
    seed: int = Field(1, ge=0, description="Of weights and frames.")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> tuple[Stage, float]:
        """Give the stage and the learning rate of a step."""
        start = 0
        for stage in self.stages:
            if step < start + stage.steps:
                first, last = stage.learning_rate
                rate = first + (last - first) * (step - start) / stage.steps
                return stage, rate * min(1.0, (step + 1) / max(1, self.warmup))
            start += stage.steps
        raise SettingsError(f"step {step!r} is past the run's {self.steps} steps")


def read_settings(path: Path) -> TrainSettings:
    """Read a run's YAML; its relative paths are relative to the file."""
    try:
        settings = TrainSettings.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as err:
        raise SettingsError(f"{str(path)!r} is no training configuration: {err}") from err
    base = path.parent

    def rooted(folder: PhotoFolder) -> PhotoFolder:
        masks = base / folder.masks if folder.masks else None
        return folder.model_copy(update={"photos": base / folder.photos, "masks": masks})

    return settings.model_copy(
        update={
            "folders": [rooted(folder) for folder in settings.folders],
            "teacher": base / settings.teacher if settings.teacher else None,
            "cache": base / settings.cache,
            "output": base / settings.output,
        }
    )


def run(config: Path, report: Callable[[int, int, float], None] = lambda step, steps, loss: None) -> Path:
    """Train as the configuration says; report(step, steps, loss) after every step. Gives the run's folder."""
    settings = read_settings(config)
    photos = [photo for folder in settings.folders for photo in folder.read(settings.held_out)]
    if settings.teacher is not None:
        teacher = runner(load_published(settings.teacher, settings.teacher_stride))
        label_all(teacher, photos, settings.teacher_long_sides, settings.cache)
    samples = load_samples([photo for photo in photos if not photo.held_out], settings.cache)
    held_out = load_samples([photo for photo in photos if photo.held_out and photo.mask], settings.cache)
    train(settings, samples, held_out, lambda step, loss: report(step, settings.steps, loss))
    return settings.output


def load_samples(photos: Sequence[Photo], cache: Path) -> list[Sample]:
    """Read photos, masks and cached labels into memory; a repeated photo is in the list as often as it says."""
    samples = []
    for photo in photos:
        path = label_path(cache, photo)
        if not path.exists():
            raise MediaError(f"{str(photo.image)!r} has no labels in {str(cache)!r}: run the teacher first")
        mask = read_mask(photo.mask) if photo.mask else None
        samples += [Sample(read_image(photo.image), np.load(path), mask)] * photo.repeat
    return samples


class Trainer:
    """A network, its optimiser and the step they have reached."""

    def __init__(self, settings: TrainSettings) -> None:
        keras.utils.set_random_seed(settings.seed)
        keras.mixed_precision.set_global_policy("mixed_float16" if settings.mixed_precision else "float32")
        self.settings = settings
        self.network = build_network(settings.backbone, settings.multiplier)
        packed = keras.layers.Concatenate(dtype="float32")([self.network.output[head] for head in LABEL_HEADS])
        self.model = keras.Model(self.network.input, packed)
        self.optimizer = keras.optimizers.AdamW(
            weight_decay=settings.weight_decay, global_clipnorm=5.0, use_ema=True, ema_momentum=settings.average
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        # XLA takes minutes to compile this for a CPU and gains nothing there.
        jit: bool | str = "auto" if keras.backend.backend() == "jax" else False
        self.model.compile(self.optimizer, loss=PersonLabLoss(settings.losses), jit_compile=jit)
        self.optimizer.build(self.model.trainable_variables)
        self.step = 0

    def train_on(self, images: Image, labels: Array) -> float:
        """Take one step on frames (N, S, S, 3) uint8 and their labels; give the loss."""
        _, rate = self.settings.at(self.step)
        self.optimizer.learning_rate.assign(rate)
        loss = self.model.train_on_batch(images.astype(np.float32) / 127.5 - 1, labels)
        self.step += 1
        return float(loss)

    def averaged(self, output_stride: int = 16) -> keras.Model:
        """Give the folded network with the averaged weights."""
        kept = [variable.numpy() for variable in self.model.trainable_variables]
        if self.step:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)
        folded = build_network(self.settings.backbone, self.settings.multiplier, output_stride, folded=True)
        fold_batch_norm(self.network, folded)
        for variable, value in zip(self.model.trainable_variables, kept, strict=True):
            variable.assign(value)
        return folded

    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.optimizer.variables]

    def save(self, path: Path) -> None:
        """Write a checkpoint; the file is whole or not there."""
        partial = path.with_suffix(".part.npz")
        np.savez(partial, step=self.step, **{f"v{i}": v.numpy() for i, v in enumerate(self._variables())})
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        with np.load(path) as saved:
            variables = self._variables()
            if len(saved.files) != len(variables) + 1:
                raise ModelFileError(
                    f"{str(path)!r} is a checkpoint of another network; remove it or set another output"
                )
            for i, variable in enumerate(variables):
                variable.assign(saved[f"v{i}"])
            self.step = int(saved["step"])


def batches(frames: Frames, settings: TrainSettings, first: int, ahead: int = 3) -> Iterator[tuple[Image, Array]]:
    """Make the batches of each step from the first on, some ahead in threads, in order."""

    def make(step: int) -> tuple[Image, Array]:
        stage, _ = settings.at(step)
        return frames.batch(step, stage.batch, stage.size)

    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[tuple[Image, Array]]] = deque()
        for step in range(first, settings.steps):
            waiting.append(pool.submit(make, step))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def train(
    settings: TrainSettings,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Trainer:
    """Run, or go on with, the training; report(step, loss) is called after every step."""
    settings.output.mkdir(parents=True, exist_ok=True)
    checkpoint = settings.output / "checkpoint.npz"
    trainer = Trainer(settings)
    if checkpoint.exists():
        trainer.restore(checkpoint)
        logger.info("going on from step %d", trainer.step)
    log = RunLog(settings.output, trainer.step)
    frames = Frames(samples, settings.augmentation, settings.seed)
    losses: list[float] = []
    for images, labels in batches(frames, settings, trainer.step):
        losses.append(trainer.train_on(images, labels))
        report(trainer.step, losses[-1])
        last = trainer.step == settings.steps
        if trainer.step % settings.checkpoint_every == 0 or last:
            trainer.save(checkpoint)
        if trainer.step % settings.validate_every == 0 or last:
            network = trainer.averaged()
            iou = validate(network, held_out)
            log.write(trainer.step, settings.at(trainer.step - 1)[1], float(np.mean(losses)), iou)
            write_sheet(network, held_out, settings.output / "sheet.png")
            losses.clear()
            if settings.patience and log.since_best() >= settings.patience:
                logger.info("no better for %d validations: stopping at step %d", settings.patience, trainer.step)
                break
    return trainer


def runner(network: keras.Model) -> Callable[[Array], dict[str, Array]]:
    """Make a network a function of one array, (1, H, W, 3) float32 in [-1, 1] → arrays by head."""

    def run(tensor: Array) -> dict[str, Array]:
        outputs = network(tensor, training=False)
        return {head: np.asarray(keras.ops.convert_to_numpy(value)) for head, value in outputs.items()}

    return run


def validate(network: keras.Model, samples: Sequence[Sample]) -> float:
    """Mean person IoU on held-out photos: against their masks, else against the teacher."""
    run = runner(network)
    return float(np.mean([iou(person_mask(run, s.image, 385), person_truth(s)) for s in samples])) if samples else 0.0


def person_truth(sample: Sample) -> npt.NDArray[np.bool_]:
    """(H, W) bool: the annotated person, or else where the teacher is more sure than not."""
    if sample.mask is not None:
        return sample.mask > 127
    height, width = sample.image.shape[:2]
    return cv2.resize(sample.labels[..., 0].astype(np.float32), (width, height)) > 0.5


def write_sheet(network: keras.Model, samples: Sequence[Sample], path: Path, side: int = 256) -> None:
    """Write a picture of the first held-out photos with what the network takes for a person in green."""
    run, tiles = runner(network), []
    for sample in samples[:12]:
        tinted = sample.image.copy()
        tinted[person_mask(run, sample.image, 385)] //= 2
        tinted[..., 1] += np.where(person_mask(run, sample.image, 385), 100, 0).astype(np.uint8)
        tiles.append(cv2.resize(np.hstack([sample.image, tinted]), (2 * side, side)))
    if tiles:
        rows = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles) - 1, 2)] or tiles
        cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


class RunLog:
    """The run's table: log.csv, and TensorBoard's files where TensorFlow is the backend."""

    COLUMNS = ("step", "seconds", "learning_rate", "loss", "person_iou")

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / "log.csv"
        self.rows: list[dict[str, str]] = []
        if step and self.path.exists():
            with self.path.open() as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.started = time.monotonic() - before
        self.board = _tensorboard(folder)

    def write(self, step: int, learning_rate: float, loss: float, person_iou: float) -> None:
        """Add a line."""
        seconds = time.monotonic() - self.started
        values = (step, f"{seconds:.0f}", f"{learning_rate:.3g}", f"{loss:.4f}", f"{person_iou:.4f}")
        self.rows.append({name: str(value) for name, value in zip(self.COLUMNS, values, strict=True)})
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        logger.info("step %d: loss %.4f, person IoU %.4f", step, loss, person_iou)
        self.board(step, {"learning_rate": learning_rate, "loss": loss, "person_iou": person_iou})

    def since_best(self) -> int:
        """Validations since the best one."""
        scores = [float(row["person_iou"]) for row in self.rows]
        return len(scores) - 1 - int(np.argmax(scores))


def _tensorboard(folder: Path) -> Callable[[int, dict[str, float]], None]:
    """Open an event file: TFRecords of Event messages, which need TensorBoard to be read, not to be written."""
    if keras.backend.backend() != "tensorflow":
        return lambda step, values: None
    import tensorflow as tf
    from tensorflow.core.framework.summary_pb2 import Summary
    from tensorflow.core.util.event_pb2 import Event

    started = time.time()
    writer = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{started:.0f}"))
    writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())

    def write(step: int, values: dict[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        writer.write(Event(wall_time=time.time(), step=step, summary=summary).SerializeToString())
        writer.flush()

    return write
