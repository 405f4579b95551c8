"""Every model file of a folder on real photos: one picture of all, and a table of person IoU and latency.

    python benchmark/models.py --output out/models      # needs the shared data: $BODYSEG_SHARED, default ../shared

Writes sheet-PHOTO.png for each photo, and models.md and models.json: what each file is taken for, person IoU on the
labeled photos, and the median time of the bare network on each engine that can run the file, for a 640×480 frame.
`--runs 0` times nothing, `--labeled ''` scores nothing, `--only TEXT` takes the files whose path holds it, and paints
no sheets; figures of an earlier run in the same folder are then kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import bodyseg_ros as bodyseg
from bodyseg_ros.effects import compose_all, contact_sheet
from bodyseg_ros.effects.drawing import Overlay, OverlaySettings, Skeleton, SkeletonSettings
from bodyseg_ros.errors import BodysegError
from bodyseg_ros.lab.evaluation import Tally
from bodyseg_ros.lab.labeled import labeled_photos
from bodyseg_ros.media import read_photo, write_photo
from bodyseg_ros.plugins import load_plugin, plugin_names
from bodyseg_ros.types import Frame, Wanted

SHARED = Path(os.environ.get("BODYSEG_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
#: Names that stand for a model, other files belong to one of them.
INDEX = re.compile(r"model(-stride\d+)?\.json|.+\.(pb|tflite|onnx|h5)")
FRAME_PX = (640, 480)
#: Photos are no video: so far apart that no network takes one for the frame after another.
FAR_APART_NS = 10**11


def model_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if INDEX.fullmatch(path.name))


def load(path: Path, threads: int, engine: str = "auto") -> bodyseg.Model:
    stride = re.search(r"stride(8|16|32)", f"{path.parent.name}/{path.stem}")
    options = {"output_stride": int(stride.group(1))} if stride else {}
    return bodyseg.load(model_path=str(path), engine=engine, threads=threads, **options)


def drawn(model: bodyseg.Model, image: NDArray[np.uint8], stamp_ns: int) -> NDArray[np.uint8]:
    """Person and skeletons over the photo, as far as the network knows them."""
    frame = Frame(image, stamp_ns)
    wanted = model.network.offers & (Wanted.PERSON | Wanted.POSES)
    layers = (Overlay(OverlaySettings()), Skeleton(SkeletonSettings()))
    return compose_all([layer for layer in layers if layer.needs in wanted], frame, model.run(frame, wanted))


def person_iou(model: bodyseg.Model, folder: Path) -> float:
    """All photos' pixels together; NaN for a network without masks."""
    if Wanted.PERSON not in model.network.offers:
        return math.nan
    tally = Tally()
    for index, labeled in enumerate(labeled_photos(folder)):
        image, truth = labeled.read()
        tally.add(labeled.photo.name, model.run(Frame(image, index * FAR_APART_NS), Wanted.PERSON), truth)
    return tally.figures["person IoU"]


def latencies(path: Path, image: NDArray[np.uint8], runs: int, threads: int) -> dict[str, float | str]:
    """Engine → median ms, or why it cannot run the file, of every engine that reads the format."""
    found: dict[str, float | str] = {}
    with load(path, threads) as model:
        kind = model.network.card.format
    for name in plugin_names("engines"):
        plugin = load_plugin("engines", name)
        if kind not in plugin.formats or "none" in plugin.formats:
            continue
        try:
            with load(path, threads, name) as model:
                tensor = model.network.prepare(Frame(image)).tensor
                times = []
                for _ in range(runs + 3):
                    began = time.perf_counter()
                    model.engine.run(tensor)
                    times.append(1e3 * (time.perf_counter() - began))
                found[name] = float(np.median(times[3:]))
        except BodysegError as err:
            found[name] = str(err)
    return found


def markdown(rows: dict[str, dict[str, Any]], threads: int) -> str:
    engines = sorted({engine for row in rows.values() for engine in row.get("ms", {})})
    lines = [
        f"Median ms of the bare network for a {FRAME_PX[0]}×{FRAME_PX[1]} frame, {threads or os.cpu_count()} threads.",
        "",
    ]
    lines += [f"| file | taken for | input | person IoU | {' | '.join(engines)} |", "|---" * (4 + len(engines)) + "|"]
    for name, row in rows.items():
        if "error" in row:
            lines.append(f"| {name} | – | does not run | |{' |' * len(engines)}")
            continue
        iou = "–" if row.get("iou") is None else f"{row['iou']:.3f}"
        shown = [row.get("ms", {}).get(engine, "–") for engine in engines]
        cells = [cell if isinstance(cell, str) else f"{cell:.1f}" for cell in shown]
        cells = [cell if len(cell) < 8 else "fails" for cell in cells]
        lines.append(f"| {name} | {row['card']} | {row['input']} | {iou} | {' | '.join(cells)} |")
    lines += [f"\n{name}: {row['error']}" for name, row in rows.items() if "error" in row]
    for name, row in rows.items():
        lines += [f"\n{name}, {engine}: {ms}" for engine, ms in row.get("ms", {}).items() if isinstance(ms, str)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Every model file of a folder on real photos.")
    parser.add_argument("--models", type=Path, default=SHARED / "models")
    photos = [SHARED / "media/photos" / name for name in ("portrait.jpg", "pexels-jack-sparrow-4046265.jpg")]
    parser.add_argument("--photos", type=Path, nargs="+", default=photos)
    parser.add_argument("--labeled", default=str(SHARED / "eval/coco_train2017_people"))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0, help="0: one per core")
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    report = args.output / "models.json"
    rows: dict[str, dict[str, Any]] = json.loads(report.read_text()) if report.exists() else {}
    images = {path: read_photo(path) for path in args.photos}
    frame = np.asarray(cv2.resize(next(iter(images.values())), FRAME_PX, interpolation=cv2.INTER_AREA), np.uint8)
    sheets: dict[Path, dict[str, NDArray[np.uint8]]] = {path: {"photo": image} for path, image in images.items()}
    for path in model_files(args.models):
        name = str(path.relative_to(args.models))
        if args.only not in name:
            continue
        row = rows.setdefault(name, {})
        row.pop("error", None)
        try:
            with load(path, args.threads) as model:
                row["card"], row["device"] = model.network.card.name, model.engine.device
                row["input"] = "×".join(str(side) for side in model.network.prepare(Frame(frame)).tensor.shape[1:])
                for index, (photo, image) in enumerate(images.items()):
                    sheets[photo][name] = drawn(model, image, index * FAR_APART_NS)
                if args.labeled:
                    iou = person_iou(model, Path(args.labeled))
                    row["iou"] = None if math.isnan(iou) else iou
            if args.runs:
                row["ms"] = latencies(path, frame, args.runs, args.threads)
        except BodysegError as err:
            rows[name] = {"error": str(err)}
        print(name, rows[name], flush=True)
        report.write_text(json.dumps(rows, indent=2) + "\n")
        (args.output / "models.md").write_text(markdown(rows, args.threads))
    for photo, tiles in sheets.items():
        tiles = {f"...{caption[-38:]}" if len(caption) > 41 else caption: tile for caption, tile in tiles.items()}
        if not args.only:
            write_photo(args.output / f"sheet-{photo.stem}.png", contact_sheet(tiles, columns=5))


if __name__ == "__main__":
    main()
