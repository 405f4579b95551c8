"""The reference implementation's own outputs, as tests read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bodyseg_ros.geometry import Geometry


@dataclass(frozen=True)
class Case:
    """One photo with one set of options."""

    name: str
    image: np.ndarray
    config: dict[str, Any]
    poses: dict[str, list[dict[str, Any]]]
    arrays: Path

    def __getitem__(self, key: str) -> np.ndarray:
        with np.load(self.arrays) as arrays:
            return arrays[key]

    def __contains__(self, key: str) -> bool:
        with np.load(self.arrays) as arrays:
            return key in arrays

    @property
    def options(self) -> dict[str, Any]:
        """The options that differ from the reference's defaults."""
        return self.config["config"]

    @property
    def stride(self) -> int:
        return self.config["outputStride"]

    @property
    def geometry(self) -> Geometry:
        """As the reference reports it, not as this project computes it."""
        padding = self.config["padding"]
        return Geometry(
            self.config["height"],
            self.config["width"],
            *self.config["internalResolutionHeightAndWidth"],
            pad_top=padding["top"],
            pad_bottom=padding["bottom"],
            pad_left=padding["left"],
            pad_right=padding["right"],
        )


def bodypix_cases(shared: Path) -> Iterator[Case]:
    for path in sorted((shared / "golden/bodypix").glob("*/*.json")):
        yield load_case(shared, path)


def load_case(shared: Path, path: Path) -> Case:
    tree = json.loads(path.read_text())
    config = tree["config"]
    image = cv2.imread(str(shared / "golden/inputs" / f"{config['image']}.png"))[..., ::-1]
    poses = {}
    for key, value in tree.items():
        if key == "segmentPerson":
            poses["all"] = value["allPoses"]
        elif key == "segmentMultiPerson":
            poses["people"] = [person["pose"] for person in value]
    name = f"{path.parent.name}/{path.stem}"
    return Case(name, np.ascontiguousarray(image), config, poses, path.with_suffix(".npz"))


def pose_arrays(poses: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 17, 2) x and y, (N, 17) keypoint scores, (N,) scores, doubles."""
    points = [[(k["position"]["x"], k["position"]["y"]) for k in pose["keypoints"]] for pose in poses]
    scores = [[k["score"] for k in pose["keypoints"]] for pose in poses]
    return (
        np.array(points, np.float64).reshape(-1, 17, 2),
        np.array(scores, np.float64).reshape(-1, 17),
        np.array([pose["score"] for pose in poses], np.float64),
    )
