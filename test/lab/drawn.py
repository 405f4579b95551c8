"""Pictures of people that are bright upright boxes, and a configuration that learns them in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from bodyseg_ros.lab.annotations import Person, annotate
from bodyseg_ros.lab.frames import Sample
from bodyseg_ros.lab.labels import LABEL_CHANNELS

HEIGHT, WIDTH = 97, 81


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8, mask (H, W) bool, and two of 17 keypoints (17, 3)."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    x, y = int(rng.integers(5, 35)), int(rng.integers(5, 30))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + 60, x : x + 35] = True
    image[mask] += 150
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[0], keypoints[5] = (x + 17, y + 8, 2), (x + 30, y + 20, 2)
    return image, mask, keypoints


def drawn_sample(seed: int) -> Sample:
    image, mask, keypoints = drawn(seed)
    nothing = np.zeros((HEIGHT // 8 + 1, WIDTH // 8 + 1, LABEL_CHANNELS), np.float32)
    soft = annotate(nothing, [Person(lambda: mask, keypoints)], HEIGHT, WIDTH)
    return Sample(image, soft.astype(np.float16), mask.astype(np.uint8) * 255)


def values(**changes: Any) -> dict[str, Any]:
    """A run of 12 steps, as its YAML holds it."""
    tiny = {
        "folders": [],
        "multiplier": 0.25,
        "stages": [{"steps": 12, "size": 65, "batch": 4, "learning_rate": [4e-3, 1e-3]}],
        "warmup": 2,
        "augmentation": {"long_side": [70, 120], "paste_long_side": [40, 90]},
        "validate_every": 12,
        "checkpoint_every": 6,
    }
    return tiny | changes


def write_run(folder: Path, **changes: Any) -> Path:
    """Eight photos with masks and the YAML of a run on them, which is given."""
    for seed in range(8):
        image, mask, _ = drawn(seed)
        for name, picture in (("photos", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{seed}.png"), picture)
    path = folder / "train.yaml"
    folders = [{"photos": "photos", "masks": "masks"}]
    path.write_text(yaml.safe_dump(values(folders=folders, **({"held_out": 0.3} | changes))))
    return path
