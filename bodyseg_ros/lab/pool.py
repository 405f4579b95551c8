"""Frames made once: their labels and the outputs of a start's frozen layers, stored on disk.

A stage that trains the last layers then costs only these layers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from .frames import Frames, Image
from .labels import LABEL_CHANNELS, Array, with_midpoints
from .train_config import TrainSettings

Half = npt.NDArray[np.float16]
Layers = Callable[[Image], tuple[Mapping[int, Array], Array]]
"""Maps frames (N, S, S, 3) uint8 to the output of each wanted block, and to the start's pose heads (N, g, g, 115)."""
_BATCH: Final = 16
_FIRST_STEP: Final = 2**31
"""Step numbers of pool frames, beyond those of any run."""
_DONE: Final = "done.json"


def pool_blocks(settings: TrainSettings) -> dict[tuple[int, int], list[int]]:
    """List the pools of a run: (frames, size) → blocks whose outputs its stages read."""
    pools: dict[tuple[int, int], set[int]] = {}
    for stage in settings.stages:
        if stage.frames:
            pools.setdefault((stage.frames, stage.size), set()).add(stage.first_block - 1)
    return {key: sorted(blocks) for key, blocks in pools.items()}


def pool_folder(settings: TrainSettings, frames: int, size: int, blocks: Sequence[int]) -> Path:
    """Folder of a pool; it differs if any setting differs that its frames depend on."""
    names = {"folders", "held_out", "start", "teacher", "teacher_stride", "teacher_long_sides", "augmentation", "seed"}
    facts = settings.model_dump(mode="json", include=names) | {"frames": frames, "size": size, "blocks": list(blocks)}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return settings.cache / f"frames-{digest}"


class FramePool:
    """Batches from a pool's folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._labels = np.load(folder / "labels.npy", mmap_mode="r")
        self._blocks = {
            int(p.stem.removeprefix("block_")): np.load(p, mmap_mode="r") for p in folder.glob("block_*.npy")
        }
        self._midpoints = np.load(folder / "midpoints.npy", mmap_mode="r")
        self._seed = seed

    def batch(self, step: int, count: int, block: int, midpoints: bool = False) -> tuple[Array, Array]:
        """Read a batch: a block's outputs, and labels with the start's pose, float32.

        Every frame is used once before one repeats; step counts from the stage's start.
        """
        total = len(self._labels)
        epoch, place = divmod(step * count, total)
        order = np.random.default_rng((self._seed, epoch)).permutation(total)
        if place + count > total:
            order = np.concatenate([order, np.random.default_rng((self._seed, epoch + 1)).permutation(total)])
        chosen = np.sort(order[place : place + count])
        labels = self._labels[chosen].astype(np.float32)
        if midpoints:
            between = self._midpoints[chosen].astype(np.float32)
            labels = np.concatenate([labels[..., :LABEL_CHANNELS], between, labels[..., LABEL_CHANNELS:]], axis=-1)
        return self._blocks[block][chosen].astype(np.float32), labels


def fill_pool(
    folder: Path,
    frames: Frames,
    count: int,
    size: int,
    layers: Layers,
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Make a pool's frames, or continue. Returns whether it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / _DONE
    done = int(json.loads(note.read_text())) if note.exists() else 0
    files: dict[str, Half] = {}
    fine = frames.finer()
    with ThreadPoolExecutor(1) as thread:

        def make(first: int) -> Future[tuple[Image, Array]]:
            return thread.submit(fine.batch, _FIRST_STEP + first // _BATCH, min(_BATCH, count - first), size)

        coming = make(done) if done < count else None
        while coming is not None:
            images, labels = coming.result()
            first, done = done, done + len(images)
            coming = make(done) if done < count else None
            outputs, pose = layers(images)
            labels = with_midpoints(labels)
            made = {"labels": np.concatenate([labels[..., :LABEL_CHANNELS], pose], axis=-1)}
            made |= {"midpoints": labels[..., LABEL_CHANNELS:]} | {f"block_{b}": v for b, v in outputs.items()}
            for name, values in made.items():
                if name not in files:
                    files[name] = _open(folder / f"{name}.npy", (count, *values.shape[1:]), new=first == 0)
                files[name][first:done] = values
            stopped = stop()
            if done % (16 * _BATCH) == 0 or done == count or stopped:
                note.write_text(json.dumps(done))
            report(done, count)
            if stopped:
                return False
    return True


def _open(path: Path, shape: tuple[int, ...], new: bool) -> Half:
    if new:
        return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    return np.lib.format.open_memmap(path, mode="r+")
