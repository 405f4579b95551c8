"""Labels from annotations: COCO's people with masks and keypoints; frames of videos."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bodyseg_ros.body import POSE_TREE
from bodyseg_ros.errors import MediaError
from bodyseg_ros.training.data import Photo
from bodyseg_ros.training.labels import LABEL_CHANNELS, LABEL_SLICES, Array, sample_grid

DISC_RADIUS = 32.0
"""Photo px around a keypoint where its heatmap is 1: PersonLab's R at a long side of about 400 px."""


@dataclass(frozen=True)
class Person:
    """One annotated person: mask (H, W) bool; keypoints (17, 3) x, y in photo px and visible or not, or None."""

    mask: npt.NDArray[np.bool_]
    keypoints: npt.NDArray[np.float32] | None = None


def read_coco(annotations: Path, images: Path) -> Iterator[tuple[Photo, list[Person]]]:
    """Read a COCO instances or keypoints json: every photo with its people, crowds left out."""
    from pycocotools import mask as rle

    content = _read_json(annotations)
    people: dict[int, list[Any]] = defaultdict(list)
    for entry in content.get("annotations", []):
        if entry["category_id"] == 1 and not entry.get("iscrowd"):
            people[entry["image_id"]].append(entry)
    for image in content["images"]:
        height, width, found = image["height"], image["width"], []
        for entry in people[image["id"]]:
            shape = entry["segmentation"]
            packed = rle.merge(rle.frPyObjects(shape, height, width)) if isinstance(shape, list) else shape
            if isinstance(packed["counts"], list):
                packed = rle.frPyObjects(packed, height, width)
            keypoints = np.array(entry.get("keypoints") or [], np.float32).reshape(-1, 3)
            found.append(Person(rle.decode(packed).astype(bool), keypoints if len(keypoints) == 17 else None))
        yield Photo(images / image["file_name"], empty=not found), found


def annotated_labels(people: Sequence[Person], height: int, width: int, stride: int = 8) -> Array:
    """Labels (h, w, 174) of annotated people on a photo's grid, offsets in photo px; parts are not annotated: 0."""
    h, w = (height - 1) // stride + 1, (width - 1) // stride + 1
    labels = np.zeros((h, w, LABEL_CHANNELS), np.float32)
    y, x = np.meshgrid(np.linspace(0, height - 1, h), np.linspace(0, width - 1, w), indexing="ij")
    nearest = np.full((h, w, 17), np.inf)
    for person in people:
        inside = sample_grid(person.mask[..., None].astype(np.float32), h, w)[..., 0]
        np.maximum(labels[..., 0], inside, out=labels[..., 0])
        if person.keypoints is not None:
            _add_keypoints(labels, nearest, person.keypoints, inside > 0.5, y, x)
    return labels


def _add_keypoints(
    labels: Array,
    nearest: npt.NDArray[np.float64],
    keypoints: npt.NDArray[np.float32],
    inside: npt.NDArray[np.bool_],
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
) -> None:
    """Write one person's keypoint labels: each position belongs to the nearest keypoint of its kind."""
    seen = keypoints[:, 2] > 0
    discs = np.zeros((*y.shape, 17), bool)
    for k in np.flatnonzero(seen).tolist():
        away_y, away_x = keypoints[k, 1] - y, keypoints[k, 0] - x
        distance = np.hypot(away_y, away_x)
        discs[..., k] = disc = (distance < DISC_RADIUS) & (distance < nearest[..., k])
        nearest[..., k][disc] = distance[disc]
        labels[..., LABEL_SLICES["heatmaps"].start + k][disc] = 1
        _write_offset(labels, "short_offsets", k, 17, disc, away_y, away_x)
        _write_offset(labels, "long_offsets", k, 17, inside, away_y, away_x)
    for edge, (parent, child) in enumerate(POSE_TREE):
        if seen[parent] and seen[child]:
            bone = (keypoints[child] - keypoints[parent]).astype(np.float64)
            step_y, step_x = np.full_like(y, bone[1]), np.full_like(x, bone[0])
            _write_offset(labels, "displacement_fwd", edge, 16, discs[..., parent], step_y, step_x)
            _write_offset(labels, "displacement_bwd", edge, 16, discs[..., child], -step_y, -step_x)


def _write_offset(
    labels: Array, head: str, channel: int, count: int, where: npt.NDArray[np.bool_], y: Any, x: Any
) -> None:
    first = LABEL_SLICES[head].start + channel
    labels[..., first][where] = y[where]
    labels[..., first + count][where] = x[where]


def save_video_frames(video: Path, folder: Path, every: int = 30) -> int:
    """Write every n-th frame of a video to a folder of photos to train on; give how many."""
    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise MediaError(f"{str(video)!r} cannot be read as a video")
    folder.mkdir(parents=True, exist_ok=True)
    index = written = 0
    while capture.grab():
        if index % every == 0:
            ok, frame = capture.retrieve()
            written += ok and cv2.imwrite(str(folder / f"{video.stem}_{index:06d}.jpg"), frame)
        index += 1
    capture.release()
    return written


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as err:
        raise MediaError(f"{str(path)!r} is no readable COCO json: {err}") from err
