"""Train a network from random or published weights: `bodyseg train CONFIG.yaml`.

The run is a function of its settings: the frames of a step depend on (seed, step) alone, and a checkpoint holds all
that the optimiser knows, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from ..catalog import choose_card, find_model
from ..errors import ModelFileError, SettingsError
from ..media import read_photo, write_photo
from ..settings import ModelSettings
from .frames import Frames, Image, Sample
from .keras_network import build_network, fold_batch_norm, load_published, runner, unfold
from .labels import LABEL_HEADS, Array
from .losses import PersonLabLoss
from .photo_folders import Photo
from .run_log import RunLog
from .teacher import label_all, label_path
from .train_config import CONFIG_NAME, LossWeights, TrainSettings, write_settings
from .validation import prediction_sheet, validate

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.npz"
BEST = "best.npz"
"""The state with the best validation, kept where patience is set."""


class Watcher(Protocol):
    """Who is told how a run goes, and may end it."""

    def labelled(self, done: int, total: int) -> None:
        """Note that the teacher has labelled so many photos."""

    def stepped(self, step: int, settings: TrainSettings, loss: float) -> None:
        """Note that a step of the run was taken."""

    def stop(self) -> bool:
        """Whether to leave a checkpoint and end."""


class Nobody:
    """Watches nothing."""

    def labelled(self, done: int, total: int) -> None:
        """Do nothing."""

    def stepped(self, step: int, settings: TrainSettings, loss: float) -> None:
        """Do nothing."""

    def stop(self) -> bool:
        """Say no."""
        return False


def run(settings: TrainSettings, watcher: Watcher | None = None) -> bool:
    """Label the photos and train as the configuration says, or go on with it. Gives whether it is done."""
    watcher = watcher or Nobody()
    photos = list_photos(settings)
    if not label_all(settings, photos, watcher.labelled, watcher.stop):
        return False
    samples = load_samples([photo for photo in photos if not photo.held_out], settings.cache)
    if not settings.teacher:
        settings = settings.model_copy(update={"losses": annotated_losses(settings.losses, photos)})
    held_out = [photo for photo in photos if photo.held_out]
    annotated = [photo for photo in held_out if photo.mask or photo.people]
    return train(settings, samples, load_samples(annotated or held_out, settings.cache), watcher)


def list_photos(settings: TrainSettings) -> list[Photo]:
    """List every photo of the run's folders, those held out too."""
    return [photo for folder in settings.folders for photo in folder.read(settings.held_out, settings.cache)]


def annotated_losses(losses: LossWeights, photos: Sequence[Photo]) -> LossWeights:
    """Switch off the losses of heads that no annotation labels: parts, and without keypoints all that rest on them."""
    without = {"parts": 0.0}
    if not any(person.keypoints is not None for photo in photos for person in photo.people or ()):
        without |= {"heatmaps": 0.0, "short_offsets": 0.0, "displacements": 0.0, "long_offsets": 0.0}
    return losses.model_copy(update=without)


def held_out_samples(settings: TrainSettings) -> list[Sample]:
    """Load every photo that the run does not learn from."""
    return load_samples([photo for photo in list_photos(settings) if photo.held_out], settings.cache)


def load_samples(photos: Sequence[Photo], cache: Path) -> list[Sample]:
    """Read photos, masks and cached labels into memory; a repeated photo is in the list as often as it says."""
    samples = []
    for photo in photos:
        image = read_photo(photo.image)
        person = photo.person(*image.shape[:2])
        mask = None if person is None else person.astype(np.uint8) * np.uint8(255)
        samples += [Sample(image, np.load(label_path(cache, photo)), mask)] * photo.repeat
    return samples


class Trainer:
    """A network, its optimiser and the step they have reached."""

    def __init__(self, settings: TrainSettings) -> None:
        keras.utils.set_random_seed(settings.seed)
        keras.mixed_precision.set_global_policy("mixed_float16" if settings.mixed_precision else "float32")
        self.settings = settings
        facts = settings.preprocessing
        self._scale, self._offset = np.asarray(facts.scale, np.float32), np.asarray(facts.offset, np.float32)
        self.network = build_network(settings.backbone, settings.multiplier)
        packed = keras.layers.Concatenate(dtype="float32")([self.network.output[head] for head in LABEL_HEADS])
        keras.mixed_precision.set_global_policy("float32")
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
        loss = self.model.train_on_batch(images * self._scale + self._offset, labels)
        self.step += 1
        return float(loss)

    def start_from(self, name: str, frames: Frames) -> None:
        """Take the weights of a card or a model.json; frames are what batch norms are set by."""
        settings = ModelSettings(**{"model_path" if "/" in name else "model": name})
        _, source = find_model(choose_card(settings), settings)
        stage, _ = self.settings.at(0)
        images, _ = frames.batch(0, max(16, stage.batch), stage.size)
        folded = load_published(source.path)
        theirs, ours = (
            (model.name, model.get_layer("heatmaps").weights[0].shape[2]) for model in (folded, self.network)
        )
        if theirs != ours:
            raise SettingsError(
                f"start is {name!r}, a {theirs[0]} with {theirs[1]} features, but the run's network is a {ours[0]} "
                f"with {ours[1]}: set backbone and multiplier to the start's."
            )
        unfold(folded, self.network, images * self._scale + self._offset)

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
            shapes = [saved[f"v{i}"].shape for i in range(len(saved.files) - 1)]
            if shapes != [tuple(variable.shape) for variable in variables]:
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
    watcher: Watcher | None = None,
) -> bool:
    """Run, or go on with, the training, whose losses the watcher is told. Gives whether it is done."""
    watcher = watcher or Nobody()
    settings.output.mkdir(parents=True, exist_ok=True)
    write_settings(settings, settings.output / CONFIG_NAME)
    trainer, frames = Trainer(settings), Frames(samples, settings.augmentation, settings.seed)
    checkpoint = settings.output / CHECKPOINT
    if checkpoint.exists():
        trainer.restore(checkpoint)
        logger.info("going on from step %d", trainer.step)
    elif settings.start:
        trainer.start_from(settings.start, frames)
    log, losses = RunLog(settings.output, trainer.step), [0.0][:0]
    if _enough(settings, log):
        return True
    for images, labels in batches(frames, settings, trainer.step):
        losses.append(trainer.train_on(images, labels))
        watcher.stepped(trainer.step, settings, losses[-1])
        last, stopped = trainer.step == settings.steps, watcher.stop()
        if trainer.step % settings.checkpoint_every == 0 or last or stopped:
            trainer.save(checkpoint)
        if trainer.step % settings.validate_every == 0 or last:
            _validate(trainer, held_out, log, float(np.mean(losses)))
            losses.clear()
            if _enough(settings, log):
                logger.info("no improvement in %d validations: stopping at step %d", settings.patience, trainer.step)
                trainer.save(checkpoint)
                return True
        if stopped:
            return last
    return True


def _enough(settings: TrainSettings, log: RunLog) -> bool:
    return bool(settings.patience) and log.since_best() >= settings.patience


def _validate(trainer: Trainer, held_out: Sequence[Sample], log: RunLog, loss: float) -> None:
    """Write the log's line and the sheet; keep the best state where patience may end the run after it."""
    settings = trainer.settings
    network = runner(trainer.averaged(), settings.preprocessing)
    log.write(trainer.step, settings.at(trainer.step - 1)[1], loss, validate(network, held_out))
    if held_out:
        write_photo(settings.output / "sheet.png", prediction_sheet(network, held_out))
    if settings.patience and log.since_best() == 0:
        trainer.save(settings.output / BEST)
