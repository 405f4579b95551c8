"""Train a network from random or published weights: `bodyseg train CONFIG.yaml`.

The run is a function of its settings: the frames of a step depend on (seed, step) only, and a checkpoint holds the full
optimizer state, so an interrupted run continues as if it had not stopped.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from ..catalog import choose_card, find_model
from ..catalog.checksums import sha256_of
from ..decode import sigmoid
from ..errors import MediaError, ModelFileError, ModelNotFoundError, SettingsError
from ..media import read_photo, write_photo
from ..settings import ModelSettings
from .frames import Frames, Image, Sample
from .keras_network import block_output, build_network, fold_batch_norm, head_of, load_published, runner, unfold
from .labels import LABEL_HEADS, START_SLICES, Array, with_midpoints
from .losses import PersonLabLoss
from .near_start import NEW_HEAD_SCALE, Anchor, NearStart, channel_size
from .photo_folders import Photo
from .pool import FramePool, Layers, fill_pool, pool_blocks, pool_folder
from .run_log import RunLog
from .teacher import label_all, label_path
from .train_config import CONFIG_NAME, LAST_BLOCK, LossWeights, Stage, TrainSettings, same_optimizer, write_settings
from .validation import prediction_sheet, validate

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.npz"
BEST = "best.npz"
"""State with the best validation, kept if patience is set."""


class Watcher(Protocol):
    """Follows the progress of a run, and may stop it."""

    def labeled(self, done: int, total: int) -> None:
        """Called after each labeled photo."""

    def kept(self, done: int, total: int) -> None:
        """Called when frames of a pool were made."""

    def stepped(self, step: int, settings: TrainSettings, loss: float) -> None:
        """Called after each step."""

    def stop(self) -> bool:
        """Whether to save a checkpoint and stop."""


class Nobody:
    """Watches nothing."""

    def labeled(self, done: int, total: int) -> None:
        """Do nothing."""

    def kept(self, done: int, total: int) -> None:
        """Do nothing."""

    def stepped(self, step: int, settings: TrainSettings, loss: float) -> None:
        """Do nothing."""

    def stop(self) -> bool:
        """Say no."""
        return False


def run(settings: TrainSettings, watcher: Watcher | None = None) -> bool:
    """Label the photos and train by the configuration, or continue. Returns whether the run is complete."""
    watcher = watcher or Nobody()
    check_start(settings)
    photos = list_photos(settings)
    if not any(photo.held_out for photo in photos):
        logger.warning(
            "None of the %d photos is held out: nothing says how good the network is, and export needs --photos. "
            "Set held_out, or take more photos.",
            len(photos),
        )
    if not label_all(settings, photos, watcher.labeled, watcher.stop):
        return False
    samples = load_samples([photo for photo in photos if not photo.held_out], settings.cache)
    if not settings.teacher:
        settings = settings.model_copy(update={"losses": annotated_losses(settings.losses, photos)})
    held_out = [photo for photo in photos if photo.held_out]
    annotated = [photo for photo in held_out if photo.mask or photo.people]
    return train(settings, samples, load_samples(annotated or held_out, settings.cache), watcher)


def check_start(settings: TrainSettings) -> None:
    """Raise ModelNotFoundError or ModelFileError if a file of the start is missing or different."""
    if "/" not in settings.start:
        return
    start = Path(settings.start)
    for name in (start.name, *settings.start_sha256):
        path = start.with_name(name)
        if not path.exists():
            raise ModelNotFoundError(f"The start {str(path)!r} is not here. {settings.fetch}".strip())
        if settings.start_sha256.get(name, known := sha256_of(path)) != known:
            raise ModelFileError(
                f"{str(path)!r} is another file than the run started from: its sha256 is {known}, not "
                f"{settings.start_sha256[name]}. {settings.fetch}".strip()
            )


def list_photos(settings: TrainSettings) -> list[Photo]:
    """List all photos of the run's folders, including held-out ones."""
    for folder in settings.folders:
        if not folder.photos.exists():
            raise MediaError(f"The photos {str(folder.photos)!r} are not here. {settings.fetch}".strip())
    return [photo for folder in settings.folders for photo in folder.read(settings.held_out, settings.cache)]


def annotated_losses(losses: LossWeights, photos: Sequence[Photo]) -> LossWeights:
    """Disable the losses of heads without annotations: parts, and without keypoints all pose heads."""
    without = {"parts": 0.0, "part_choice": 0.0}
    if not any(person.keypoints is not None for photo in photos for person in photo.people or ()):
        without |= {"heatmaps": 0.0, "short_offsets": 0.0, "displacements": 0.0, "long_offsets": 0.0}
    return losses.model_copy(update=without)


def held_out_samples(settings: TrainSettings) -> list[Sample]:
    """Load the held-out photos."""
    return load_samples([photo for photo in list_photos(settings) if photo.held_out], settings.cache)


def load_samples(photos: Sequence[Photo], cache: Path) -> list[Sample]:
    """Read photos, masks and cached labels into memory; a repeated photo is listed several times."""
    samples = []
    for photo in photos:
        image = read_photo(photo.image)
        person = photo.person(*image.shape[:2])
        mask = None if person is None else person.astype(np.uint8) * np.uint8(255)
        samples += [Sample(image, np.load(label_path(cache, photo), mmap_mode="r"), mask)] * photo.repeat
    return samples


class Trainer:
    """A network, its optimizer and the current step."""

    def __init__(self, settings: TrainSettings) -> None:
        keras.utils.set_random_seed(settings.seed)
        self.settings = settings
        facts = settings.preprocessing
        self._scale, self._offset = np.asarray(facts.scale, np.float32), np.asarray(facts.offset, np.float32)
        keras.mixed_precision.set_global_policy("mixed_float16" if settings.mixed_precision else "float32")
        self.network = build_network(
            settings.backbone, settings.multiplier, folded=settings.near_start, context=settings.context
        )
        self._packed = keras.layers.Concatenate(dtype="float32")([self.network.output[head] for head in LABEL_HEADS])
        keras.mixed_precision.set_global_policy("float32")
        self.step = 0
        self.stage = settings.stages[0]
        self._anchors = _weights_of(self.network)
        self._new_heads: set[str] = set()
        self._start: keras.Model | None = None
        self._enter(self.stage)

    def train_on(self, inputs: Image | Array, labels: Array) -> float:
        """Do one step on frames (N, S, S, 3) uint8, or on outputs of frozen layers; return the loss."""
        stage, rate = self.settings.at(self.step)
        if not same_optimizer(stage, self.stage):
            self._average()
            self._enter(stage)
        self.stage = stage
        if inputs.dtype == np.uint8:
            if self._start is not None and self.settings.losses.start_pose:
                labels = np.concatenate([labels, self.start_pose(np.asarray(inputs, np.uint8))], axis=-1)
            inputs = inputs * self._scale + self._offset
        self.optimizer.learning_rate.assign(rate)
        loss = self.model.train_on_batch(inputs, labels)
        self.step += 1
        return float(loss)

    def _enter(self, stage: Stage) -> None:
        """Set up a stage: the layers to train, and a new optimizer."""
        trained = [layer for layer in self.network.layers if layer.weights and self._is_trained(layer.name, stage)]
        for layer in self.network.layers:
            layer.trainable = layer in trained or not layer.weights
        source = self.network.input
        if stage.frames:
            source = self.network.get_layer(block_output(stage.first_block - 1)).output
        self.model = keras.Model(source, self._packed)
        self.optimizer = self._optimizer(stage, trained)
        # XLA takes minutes to compile this for a CPU, without a gain.
        jit: bool | str = "auto" if keras.backend.backend() == "jax" else False
        self.model.compile(self.optimizer, loss=PersonLabLoss(self.settings.losses), jit_compile=jit)
        self.optimizer.build(self.model.trainable_variables)
        self.stage = stage

    def _is_trained(self, layer: str, stage: Stage) -> bool:
        if not self.settings.near_start:
            return True
        head = head_of(layer)
        if head is not None:
            # part_offsets has no labels; while the trunk is frozen, the start's own heads are kept.
            kept = stage.first_block > LAST_BLOCK and self._new_heads and head not in self._new_heads
            return head != "part_offsets" and not kept
        number = re.match(r"Conv2d_(\d+)", layer)
        return stage.first_block == 0 or (number is not None and int(number[1]) >= stage.first_block)

    def _optimizer(self, stage: Stage, trained: Sequence[keras.layers.Layer]) -> keras.Optimizer:
        settings = self.settings
        options = {"global_clipnorm": 5.0, "use_ema": True, "ema_momentum": settings.average}
        if not settings.near_start:
            optimizer = keras.optimizers.AdamW(weight_decay=settings.weight_decay, **options)
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            return optimizer
        anchors: dict[str, Anchor] = {}
        for layer in trained:
            head = head_of(layer.name)
            values = self._anchors[layer.name]
            units, pulls = channel_size(layer, values), [stage.pull] * 2
            if head in self._new_heads:
                units = [np.full(1, stage.head_rate * NEW_HEAD_SCALE.get(head, 1.0), np.float32)] * 2
                values, pulls = [np.zeros_like(value) for value in values], [settings.weight_decay, 0.0]
            for variable, value, unit, pull in zip(layer.weights, values, units, pulls, strict=True):
                anchors[variable.path] = Anchor(value, np.asarray(unit, np.float32), pull)
        return NearStart(anchors, **options)

    def start_from(self, name: str, frames: Frames) -> None:
        """Take the weights of a card or a model.json; frames initialize batch norms.

        Heads that the file lacks, or has in another shape, stay random; that is logged.
        """
        chosen = ModelSettings(**{"model_path" if "/" in name else "model": name})
        _, source = find_model(choose_card(chosen), chosen)
        folded = load_published(source.path)
        theirs, ours = (
            (model.name.partition("_")[2], model.get_layer("heatmaps").weights[0].shape[2])
            for model in (folded, self.network)
        )
        if theirs != ours:
            raise SettingsError(
                f"start is {name!r}, a {theirs[0]} with {theirs[1]} features, but the run's network is a {ours[0]} "
                f"with {ours[1]}: set backbone and multiplier to the start's."
            )
        self._new_heads = _missing_heads(folded, self.network)
        if self._new_heads:
            logger.info("%s has no %s of this shape: they begin random", name, ", ".join(sorted(self._new_heads)))
        if self.settings.near_start:
            for layer in folded.layers:
                if layer.weights and head_of(layer.name) not in self._new_heads:
                    self.network.get_layer(layer.name).set_weights(layer.get_weights())
            self._hold()
        else:
            stage, _ = self.settings.at(0)
            images, _ = frames.batch(0, max(16, stage.batch), stage.size)
            unfold(folded, self.network, images * self._scale + self._offset)

    def _hold(self) -> None:
        """Make the current weights the anchors of training."""
        self._anchors = _weights_of(self.network)
        self._start = build_network(self.settings.backbone, self.settings.multiplier, task="posenet", folded=True)
        for layer in self._start.layers:
            if layer.weights:
                layer.set_weights(self._anchors[layer.name])
        self._enter(self.stage)

    def start_pose(self, images: Image) -> Array:
        """Outputs of the frozen start's pose heads for frames (N, S, S, 3) uint8, packed: (N, g, g, 115) float32."""
        assert self._start is not None
        return _pack_pose(self._start(images * self._scale + self._offset, training=False))

    def frozen_layers(self, blocks: Sequence[int]) -> Layers:
        """Make a function of frames that returns block outputs and the start's pose heads."""
        assert self._start is not None
        start = self._start
        inner = keras.Model(start.input, [[start.get_layer(block_output(b)).output for b in blocks], start.output])

        def run(images: Image) -> tuple[Mapping[int, Array], Array]:
            given, pose = inner(images * self._scale + self._offset, training=False)
            return {b: keras.ops.convert_to_numpy(v) for b, v in zip(blocks, given, strict=True)}, _pack_pose(pose)

        return run

    def _average(self) -> None:
        """Replace the current weights by their average."""
        if self.step:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)
        if self._trunk_is_still():
            # New heads are anchored at their weights before the trunk moved.
            self._anchors |= {n: w for n, w in _weights_of(self.network).items() if head_of(n) in self._new_heads}

    def _trunk_is_still(self) -> bool:
        before = 0
        for stage in self.settings.stages:
            if stage.first_block <= LAST_BLOCK:
                return self.step <= before
            before += stage.steps
        return True

    def averaged(self, output_stride: int = 16, change: float | None = None) -> keras.Model:
        """Return the folded network with averaged weights; change overrides the settings' share of it."""
        kept = [variable.numpy() for variable in self.model.trainable_variables]
        if self.step:
            self.optimizer.finalize_variable_values(self.model.trainable_variables)
        settings = self.settings
        folded = build_network(
            settings.backbone, settings.multiplier, output_stride, folded=True, context=settings.context
        )
        fold_batch_norm(self.network, folded)
        for variable, value in zip(self.model.trainable_variables, kept, strict=True):
            variable.assign(value)
        share = settings.change if change is None else change
        if settings.near_start and not self._trunk_is_still():
            for layer in folded.layers:
                if layer.weights:
                    pairs = zip(self._anchors[layer.name], layer.get_weights(), strict=True)
                    layer.set_weights([start + np.float32(share) * (value - start) for start, value in pairs])
        return folded

    def _variables(self) -> list[keras.Variable]:
        return [*self.network.variables, *self.optimizer.variables]

    def save(self, path: Path) -> None:
        """Write a checkpoint atomically."""
        partial = path.with_suffix(".part.npz")
        held: dict[str, Any] = {}
        if self.settings.near_start:
            held = {f"a{i}": value for i, value in enumerate(v for layer in self._anchors.values() for v in layer)}
            held["new_heads"] = np.array(sorted(self._new_heads), np.str_)
        values = {f"v{i}": v.numpy() for i, v in enumerate(self._variables())}
        np.savez(partial, step=self.step, **values, **held)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        with np.load(path) as saved:
            step = int(saved["step"])
            self.stage, _ = self.settings.at(max(0, step - 1))
            if "new_heads" in saved:
                self._new_heads = set(saved["new_heads"].tolist())
                flat = iter([saved[f"a{i}"] for i in range(sum(1 for n in saved.files if re.match(r"a\d", n)))])
                anchors = {name: [next(flat) for _ in values] for name, values in self._anchors.items()}
                for name, values in anchors.items():
                    self.network.get_layer(name).set_weights(values)
                self._hold()
            elif self.step == 0:
                self._enter(self.stage)
            variables = self._variables()
            shapes = [saved[f"v{i}"].shape for i in range(sum(1 for name in saved.files if re.match(r"v\d", name)))]
            if shapes != [tuple(variable.shape) for variable in variables]:
                raise ModelFileError(
                    f"{str(path)!r} is a checkpoint of another network; remove it or set another output"
                )
            for i, variable in enumerate(variables):
                variable.assign(saved[f"v{i}"])
            self.step = step


def _weights_of(network: keras.Model) -> dict[str, list[Array]]:
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def _missing_heads(start: keras.Model, network: keras.Model) -> set[str]:
    """Heads that a start lacks, or has in another shape."""
    shapes = [
        {name: [value.shape for value in weights] for name, weights in _weights_of(model).items() if head_of(name)}
        for model in (start, network)
    ]
    return {str(head_of(name)) for name, shape in shapes[1].items() if shapes[0].get(name) != shape}


def _pack_pose(outputs: Mapping[str, Any]) -> Array:
    """The pose heads' tensors as labels: keypoint probabilities, then offsets."""
    heads = {head: keras.ops.convert_to_numpy(outputs[head]) for head in START_SLICES}
    heads["heatmaps"] = sigmoid(heads["heatmaps"])
    return np.concatenate(list(heads.values()), axis=-1)


def batches(
    frames: Frames, settings: TrainSettings, first: int, pools: Mapping[tuple[int, int], FramePool], ahead: int = 3
) -> Iterator[tuple[Image | Array, Array]]:
    """Make the batches of each step from the first on, some in advance on threads, in order."""
    fine = frames.finer()

    def make(step: int) -> tuple[Image | Array, Array]:
        stage, _ = settings.at(step)
        if stage.frames:
            pool = pools[stage.frames, stage.size]
            return pool.batch(step, stage.batch, stage.first_block - 1, stage.midpoints)
        if stage.midpoints:
            images, labels = fine.batch(step, stage.batch, stage.size)
            return images, with_midpoints(labels)
        return frames.batch(step, stage.batch, stage.size)

    with ThreadPoolExecutor(2) as threads:
        waiting: deque[Future[tuple[Image | Array, Array]]] = deque()
        for step in range(first, settings.steps):
            waiting.append(threads.submit(make, step))
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
    """Run or continue the training, reporting to the watcher. Returns whether it is complete."""
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
    pools = _pools(trainer, frames, watcher)
    if pools is None:
        return False
    log, losses = RunLog(settings.output, trainer.step), [0.0][:0]
    if _enough(settings, log):
        return True
    for inputs, labels in batches(frames, settings, trainer.step, pools):
        losses.append(trainer.train_on(inputs, labels))
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


def _pools(trainer: Trainer, frames: Frames, watcher: Watcher) -> dict[tuple[int, int], FramePool] | None:
    """Make the frames that stages keep, if missing; None if the watcher stopped it."""
    settings, pools = trainer.settings, {}
    for (count, size), blocks in pool_blocks(settings).items():
        folder = pool_folder(settings, count, size, blocks)
        layers = trainer.frozen_layers(blocks)
        if not fill_pool(folder, frames, count, size, layers, watcher.kept, watcher.stop):
            return None
        pools[count, size] = FramePool(folder, settings.seed)
    return pools


def _enough(settings: TrainSettings, log: RunLog) -> bool:
    return bool(settings.patience) and log.since_best() >= settings.patience


def _validate(trainer: Trainer, held_out: Sequence[Sample], log: RunLog, loss: float) -> None:
    """Write the log line and the sheet; keep the best state if patience may end the run."""
    settings = trainer.settings
    network = runner(trainer.averaged(), settings.preprocessing)
    log.write(trainer.step, settings.at(trainer.step - 1)[1], loss, validate(network, held_out))
    if held_out:
        write_photo(settings.output / "sheet.png", prediction_sheet(network, held_out))
    if settings.patience and log.since_best() == 0:
        trainer.save(settings.output / BEST)
