"""Train a portrait network: `bodyseg train CONFIG.yaml`, where the configuration names a network.

The run is a function of its settings, and a checkpoint holds all of its state, so an interrupted run goes on as if it
had not stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import keras
import numpy as np

from ..effects import contact_sheet
from ..errors import MediaError, ModelFileError, ModelNotFoundError
from ..media import read_photo, write_photo
from ..networks.prepare import stretch_image
from .annotations import Mask
from .evaluation import iou
from .frames import Image
from .labels import Array
from .photo_folders import Photo
from .portrait_config import PortraitRun, PortraitStage, write_portrait_run
from .portrait_frames import Portrait, PortraitFrames, normalized
from .portrait_losses import PortraitLoss
from .portrait_networks import ENCODER, Form, build_portrait, fold_norms, named_weights, take_weights
from .run_log import RunLog
from .train_config import CONFIG_NAME
from .trainer import CHECKPOINT

logger = logging.getLogger(__name__)

_SHOWN = 12
_BATCH = 32


class PortraitWatcher(Protocol):
    """Follows the progress of a run, and may stop it."""

    def progressed(self, step: int, steps: int, loss: float, learning_rate: float, batch: int) -> None:
        """Called after each step."""

    def stop(self) -> bool:
        """Whether to save a checkpoint and stop."""


def train_portrait(run: PortraitRun, watcher: PortraitWatcher | None = None) -> bool:
    """Train by the configuration, or continue. Returns whether the run is complete.

    Raises MediaError for photos without masks, ModelNotFoundError or ModelFileError for the start.
    """
    photos = list_portraits(run)
    frames = PortraitFrames([one for photo in photos if not photo.held_out for one in _load(photo)], run)
    held_out = [one for photo in photos if photo.held_out for one in _load(photo)]
    if not held_out:
        logger.warning("None of the %d photos is held out: nothing says how good the network is.", len(photos))
    run.output.mkdir(parents=True, exist_ok=True)
    write_portrait_run(run, run.output / CONFIG_NAME)
    trainer, checkpoint = PortraitTrainer(run), run.output / CHECKPOINT
    if checkpoint.exists():
        trainer.restore(checkpoint)
        logger.info("going on from step %d", trainer.step)
    elif run.start:
        trainer.start_from(Path(run.start))
    log, losses = RunLog(run.output, trainer.step), [0.0][:0]
    while trainer.step < run.steps:
        stage = run.at(trainer.step)
        losses.append(trainer.train_on(*frames.batch(trainer.step, stage.batch)))
        last, stopped = trainer.step == run.steps, False
        if watcher is not None:
            watcher.progressed(trainer.step, run.steps, losses[-1], trainer.learning_rate, stage.batch)
            stopped = watcher.stop()
        if trainer.step % run.validate_every == 0 or last:
            score = validate_portraits(trainer.network, held_out, run)
            log.write(trainer.step, trainer.learning_rate, float(np.mean(losses)), score)
            losses.clear()
            trainer.judge(score)
            if held_out:
                write_photo(run.output / "sheet.png", _sheet(trainer.network, held_out, run))
        if trainer.step % run.checkpoint_every == 0 or last or stopped:
            trainer.save(checkpoint)
        if stopped:
            return last
    return True


def list_portraits(run: PortraitRun) -> list[Photo]:
    """List all photos of the run's folders, including held-out ones. Raises MediaError for one without a mask."""
    photos = [photo for folder in run.folders for photo in folder.read(run.held_out, run.output)]
    for photo in photos:
        if not photo.labeled:
            raise MediaError(
                f"The photo {str(photo.image)!r} has no mask: portrait networks learn from masks alone. Give its "
                "folder masks, coco, or empty: true."
            )
    return photos


def held_out_portraits(run: PortraitRun) -> list[Portrait]:
    """Load the photos that are held out."""
    return [one for photo in list_portraits(run) if photo.held_out for one in _load(photo)]


def _load(photo: Photo) -> list[Portrait]:
    """Read a photo and its mask; a repeated photo several times."""
    image = read_photo(photo.image)
    mask = photo.person(*image.shape[:2])
    return [Portrait(image, np.zeros(image.shape[:2], np.bool_) if mask is None else mask)] * photo.repeat


class PortraitTrainer:
    """A network, its optimizer, the current step, and what the plateau remembers."""

    def __init__(self, run: PortraitRun) -> None:
        keras.utils.set_random_seed(run.seed)
        self.run = run
        self.step = 0
        self._cut, self._best, self._waited = 1.0, -1.0, 0
        self.stage = run.stages[0]
        self.folded = False
        self.network = self._build("trained")
        self._enter(self.stage)

    @property
    def learning_rate(self) -> float:
        """The stage's, lowered by the plateau."""
        least = self.run.plateau.least if self.run.plateau else 0.0
        return max(min(self.stage.learning_rate, least), self.stage.learning_rate * self._cut)

    def train_on(self, inputs: Array, labels: Array) -> float:
        """Do one step on inputs and labels as PortraitFrames makes them; return the loss."""
        stage = self.run.at(self.step)
        if stage is not self.stage:
            self._enter(stage)
        self.optimizer.learning_rate.assign(self.learning_rate)
        loss = self.network.train_on_batch(inputs, labels)
        self.step += 1
        return float(loss)

    def judge(self, score: float) -> None:
        """Lower the learning rate where validations, higher is better, bring no gain."""
        if self.run.plateau is None:
            return
        self._waited = 0 if score > self._best else self._waited + 1
        self._best = max(self._best, score)
        if self._waited >= self.run.plateau.patience:
            self._cut *= self.run.plateau.factor
            self._waited = 0
            logger.info("no gain in %d validations: learning rate %.2g", self.run.plateau.patience, self.learning_rate)

    def exported(self) -> keras.Model:
        """Return the folded network, without the border's head."""
        weights = named_weights(self.network)
        network = build_portrait(self.run, "folded")
        take_weights(network, weights if self.folded else fold_norms(weights))
        return network

    def _build(self, form: Form) -> keras.Model:
        return build_portrait(self.run, form, boundary=self.run.losses.boundary > 0)

    def _enter(self, stage: PortraitStage) -> None:
        """Set up a stage: the network's form, the layers to train, a new optimizer."""
        if stage.quantize and not self.folded:
            folded = fold_norms(named_weights(self.network))
            self.network, self.folded = self._build("rounded"), True
            take_weights(self.network, folded)
        for layer in self.network.layers:
            layer.trainable = stage.train == "all" or not layer.name.startswith(ENCODER)
        self.optimizer = keras.optimizers.Adam(stage.learning_rate, global_clipnorm=5.0)
        # XLA takes minutes to compile this for a CPU, without a gain.
        jit: bool | str = "auto" if keras.backend.backend() == "jax" else False
        self.network.compile(self.optimizer, loss=PortraitLoss(self.run), jit_compile=jit)
        self.optimizer.build(self.network.trainable_variables)
        if stage is not self.stage:
            self._cut, self._waited = 1.0, 0
        self.stage = stage

    def start_from(self, path: Path) -> None:
        """Take the weights of another run's folder or checkpoint, by layer; those that do not fit stay random.

        Raises ModelNotFoundError, or ModelFileError where none fits.
        """
        path = path / CHECKPOINT if path.is_dir() else path
        if not path.exists():
            raise ModelNotFoundError(f"The start {str(path)!r} is not here: name a run's folder or its checkpoint.")
        with np.load(path) as saved:
            weights = _saved_weights(saved)
        if self.folded:
            weights = fold_norms(weights)
        left = take_weights(self.network, weights)
        if len(left) == len(named_weights(self.network)):
            raise ModelFileError(f"The start {str(path)!r} is of another network: none of its layers fits.")
        if left:
            logger.info("%s has no %s of this shape: they begin random", path, ", ".join(left))

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        partial = path.with_suffix(".part.npz")
        held: dict[str, Any] = {
            f"w/{name}/{i}": value
            for name, values in named_weights(self.network).items()
            for i, value in enumerate(values)
        }
        held |= {f"o{i}": v.numpy() for i, v in enumerate(self.optimizer.variables)}
        np.savez(partial, step=self.step, plateau=(self._cut, self._best, self._waited), **held)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises ModelFileError if it is of another network."""
        with np.load(path) as saved:
            step = int(saved["step"])
            self._enter(self.run.at(max(0, step - 1)))
            left = take_weights(self.network, _saved_weights(saved))
            state = [saved[f"o{i}"] for i in range(sum(name.startswith("o") for name in saved.files))]
            ours = self.optimizer.variables
            if left or [value.shape for value in state] != [tuple(variable.shape) for variable in ours]:
                raise ModelFileError(
                    f"{str(path)!r} is a checkpoint of another network; remove it or set another output"
                )
            for variable, value in zip(ours, state, strict=True):
                variable.assign(value)
            self.step = step
            cut, best, waited = saved["plateau"]
            self._cut, self._best, self._waited = float(cut), float(best), int(waited)


def _saved_weights(saved: Any) -> dict[str, list[Array]]:
    """Weights by layer of an open checkpoint."""
    weights: dict[str, list[Array]] = {}
    for key in saved.files:  # in the order in which they were saved
        if key.startswith("w/"):
            weights.setdefault(key.split("/")[1], []).append(saved[key])
    return weights


def predict(network: keras.Model, images: Sequence[Image], run: PortraitRun) -> list[Array]:
    """Person probability of each photo (H, W, 3) uint8 RGB in the network's size: (S, S) float32, no mask before."""
    size, found = run.size, []
    for first in range(0, len(images), _BATCH):
        small = np.stack([stretched(image, size) for image in images[first : first + _BATCH]])
        empty = np.zeros(small.shape[:3], np.float32) if run.previous_mask else None
        logits = keras.ops.convert_to_numpy(network(normalized(small, empty), training=False))
        found += [np.asarray(mask, np.float32) for mask in 1 / (1 + np.exp(-logits[..., 0]))]
    return found


def stretched(image: Image, size: int) -> Image:
    """Resize a photo to (size, size, 3), as the package does for a portrait network."""
    return stretch_image(image, size, size)


def validate_portraits(network: keras.Model, portraits: Sequence[Portrait], run: PortraitRun) -> float:
    """Mean person IoU on photos at their own size, threshold 0.5; 0 without photos."""
    found = predict(network, [portrait.image for portrait in portraits], run)
    scores = [iou(at_size(mask, one.mask.shape), one.mask) for mask, one in zip(found, portraits, strict=True)]
    return float(np.mean(scores)) if scores else 0.0


def at_size(mask: Array, shape: tuple[int, ...]) -> Mask:
    """Resize a mask's probability to a photo's (H, W), and decide at 0.5."""
    return np.greater(cv2.resize(mask, shape[1::-1], interpolation=cv2.INTER_LINEAR), 0.5)


def _sheet(network: keras.Model, portraits: Sequence[Portrait], run: PortraitRun) -> Image:
    """Draw the first photos, each beside the network's mask in green: (H, W, 3) uint8 RGB."""
    shown = portraits[:_SHOWN]
    pictures: dict[str, Image] = {}
    for number, (one, mask) in enumerate(zip(shown, predict(network, [p.image for p in shown], run), strict=True), 1):
        tinted, person = one.image.copy(), at_size(mask, one.mask.shape)
        tinted[person] = tinted[person] // 2 + np.array([0, 100, 0], np.uint8)
        pictures |= {f"{number}": one.image, f"{number}: person": tinted}
    return contact_sheet(pictures, columns=6, tile_width_px=200)
