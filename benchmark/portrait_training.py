"""What three ways of training portrait networks change: the configurations in examples/training, with and without.

Border F with and without the boundary loss, flicker with and without the consistency loss, IoU in int8 with and without
quantization-aware training; everything else, seeds and photos included, is the same. Flicker: pixels that change sides
between two copies of a photo with other light, color, sharpness and noise, as a share of the people's area. Photos:
train/ccp of the folder that BODYSEG_SHARED names (../shared), shrunk; drawn people where it is missing or with --drawn.
Some minutes each on two cores. Differences with their 95 % interval over photos (bootstrap).

An interval does not say how far two runs of other seeds are apart: --seed=2 trains all with that one.

Run all, or some: python benchmark/portrait_training.py boundary consistency quantization
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bodyseg_ros as bodyseg  # noqa: E402
from bodyseg_ros.lab.evaluation import border_f, iou  # noqa: E402
from bodyseg_ros.lab.frames import recolor  # noqa: E402
from bodyseg_ros.lab.labeled import labeled_photos  # noqa: E402
from bodyseg_ros.lab.portrait_config import PortraitRun, read_portrait_run  # noqa: E402
from bodyseg_ros.lab.portrait_export import export_portrait, open_portrait  # noqa: E402
from bodyseg_ros.lab.portrait_frames import TEXTURE, Portrait  # noqa: E402
from bodyseg_ros.lab.portrait_trainer import at_size, held_out_portraits, predict, train_portrait  # noqa: E402

PHOTOS, LONG_SIDE_PX, COPIES = 400, 192, 4
Figures = dict[str, list[float]]
Predict = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def people() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos (H, W, 3) uint8 RGB and masks (H, W) bool."""
    folder = Path(os.environ.get("BODYSEG_SHARED", ROOT.parent / "shared")) / "train" / "ccp"
    if "--drawn" in sys.argv or not folder.is_dir():
        yield from (drawn(np.random.default_rng(seed)) for seed in range(PHOTOS))
        return
    for labeled in labeled_photos(folder)[:PHOTOS]:
        yield labeled.read()


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A head and shoulders of some color before a background of blots."""
    size = LONG_SIDE_PX
    image = cv2.resize(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((size, size), np.uint8)
    x, y, wide = rng.integers(60, 130), rng.integers(50, 90), rng.integers(20, 34)
    cv2.ellipse(mask, (int(x), int(y)), (int(wide), int(wide * 1.3)), 0, 0, 360, 1, -1)
    cv2.ellipse(mask, (int(x), size), (int(wide * 2.2), int(size - y - wide)), 0, 0, 360, 1, -1)
    body = np.clip(rng.normal(rng.integers(40, 220, 3), 18, image.shape), 0, 255).astype(np.uint8)
    return np.where(mask[..., None] > 0, cv2.GaussianBlur(body, (0, 0), 1), image), mask > 0


def write_people(folder: Path) -> None:
    for number, (image, mask) in enumerate(people()):
        scale = LONG_SIDE_PX / max(mask.shape)
        shape = round(mask.shape[1] * scale), round(mask.shape[0] * scale)
        for name, picture in (("photos", image[..., ::-1]), ("masks", mask.astype(np.uint8) * 255)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            small = cv2.resize(np.ascontiguousarray(picture), shape, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / name / f"{number:04}.png"), small)


def trained(run: PortraitRun) -> tuple[PortraitRun, object]:
    train_portrait(run)
    opened = open_portrait(run.output)
    assert opened is not None
    return opened


def by_network(run: PortraitRun, network: object) -> Predict:
    return lambda images: predict(network, images, run)


def masks_of(find: Predict, portraits: Sequence[Portrait]) -> Figures:
    """Mean IoU and border F per photo."""
    found = find([one.image for one in portraits])
    pairs = [(at_size(mask, one.mask.shape), one.mask) for mask, one in zip(found, portraits, strict=True)]
    return {"IoU": [iou(*pair) for pair in pairs], "border F": [border_f(*pair) for pair in pairs]}


def flicker(find: Predict, portraits: Sequence[Portrait]) -> Figures:
    """Flicker per photo."""
    values = []
    for number, one in enumerate(portraits):
        rng = np.random.default_rng(number)
        masks = [mask > 0.5 for mask in find([recolor(rng, one.image, TEXTURE) for _ in range(COPIES)])]
        area = max(1.0, float(np.mean([mask.sum() for mask in masks])))
        values.append(float(np.mean([(masks[0] ^ mask).sum() for mask in masks[1:]])) / area)
    return {"flicker": values}


def in_int8(run: PortraitRun, network: object, portraits: Sequence[Portrait], folder: Path) -> Figures:
    """IoU of the int8 file with the truth."""
    images = [one.image for one in portraits]
    written = export_portrait(run, network, folder, "tflite", "int8", images[:32])
    with bodyseg.load(model_path=str(written.path)) as model:
        found = [model.run(bodyseg.Frame(one.image), bodyseg.Wanted.PERSON).person > 0 for one in portraits]
    pairs = list(zip(found, (one.mask for one in portraits), strict=True))
    return {"IoU in int8": [iou(*pair) for pair in pairs], "border F in int8": [border_f(*pair) for pair in pairs]}


def compare(name: str, folder: Path, seed: int) -> None:
    """Train with and without the effect, and print the figures."""
    path = folder / f"{name}.yaml"
    path.write_text((ROOT / "examples" / "training" / f"{name}.yaml").read_text())
    run = read_portrait_run(path).model_copy(update={"seed": seed})
    without: dict[str, object]
    if name == "quantization":
        without = {"stages": [stage.model_copy(update={"quantize": False}) for stage in run.stages]}
    else:
        without = {"losses": run.losses.model_copy(update={name: 0.0})}
    portraits, columns = held_out_portraits(run), {}
    for label, changes in (("without", without), ("with", {})):
        ours = run.model_copy(update=changes | {"output": folder / f"{name}-{label}"})
        opened = trained(ours)
        columns[label] = masks_of(by_network(*opened), portraits)
        if name == "consistency":
            columns[label] |= flicker(by_network(*opened), portraits)
        if name == "quantization":
            columns[label] |= in_int8(*opened, portraits, folder / f"{label}-int8")
    table = Table(
        name,
        "without",
        "with",
        "difference",
        title=f"{run.network}, {run.steps} steps, {len(portraits)} photos, seed {seed}",
    )
    for figure, values in columns["with"].items():
        table.add_row(
            figure,
            *(f"{np.mean(columns[label][figure]):.4f}" for label in ("without", "with")),
            interval(np.array(values) - np.array(columns["without"][figure])),
        )
    Console().print(table)


def interval(differences: np.ndarray) -> str:
    draws = np.random.default_rng(0).choice(differences, (2000, len(differences))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return f"{differences.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def main() -> None:
    seed = next((int(word.removeprefix("--seed=")) for word in sys.argv if word.startswith("--seed=")), 1)
    chosen = [word for word in sys.argv[1:] if not word.startswith("-")]
    with tempfile.TemporaryDirectory() as folder:
        write_people(Path(folder) / "people")
        for name in chosen or ("boundary", "consistency", "quantization"):
            compare(name, Path(folder), seed)


if __name__ == "__main__":
    main()
