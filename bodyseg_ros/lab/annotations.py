"""Manual labels: COCO masks and keypoints."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..body import KEYPOINT_NAMES, POSE_TREE
from ..dependencies import missing_package
from ..errors import MediaError
from .labels import LABEL_SLICES, Array, sample_grid

Mask = npt.NDArray[np.bool_]
COCO_PERSON: Final = 1
DISC_RADIUS: Final = 0.08
"""Radius of a keypoint's heatmap as a share of the photo's long side: PersonLab's 32 px at 400."""
_JOINTS: Final = len(KEYPOINT_NAMES)


@dataclass(frozen=True)
class Person:
    """One annotated person.

    mask(): (H, W) bool. keypoints: (17, 3) x, y in photo px and 0 if not labeled, or None.
    """

    mask: Callable[[], Mask]
    keypoints: npt.NDArray[np.float32] | None = None


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises MediaError if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise MediaError(f"The annotations {str(path)!r} are not readable JSON: {err}.") from err


def read_coco(annotations: Path) -> Iterator[tuple[int, str, tuple[Person, ...]]]:
    """Read a COCO instances or keypoints JSON: id, file name and people of every photo; crowds are left out."""
    content = read_json(annotations)
    try:
        people: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for entry in content.get("annotations", []):
            if entry["category_id"] == COCO_PERSON and not entry.get("iscrowd"):
                people[entry["image_id"]].append(entry)
        for image in content["images"]:
            size = image["height"], image["width"]
            yield image["id"], image["file_name"], tuple(_person(entry, *size) for entry in people[image["id"]])
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise MediaError(f"{str(annotations)!r} is not a COCO instances or keypoints JSON: {err!r}.") from err


def _person(entry: Mapping[str, Any], height: int, width: int) -> Person:
    keypoints = np.array(entry.get("keypoints") or [], np.float32).reshape(-1, 3)
    mask = partial(_decoded, entry["segmentation"], height, width)
    return Person(mask, keypoints if len(keypoints) == _JOINTS else None)


def _decoded(shape: Any, height: int, width: int) -> Mask:
    """Convert COCO polygons or run lengths to (H, W) bool."""
    try:
        from pycocotools import mask as rle
    except ModuleNotFoundError as err:
        raise missing_package("Reading COCO's masks", err, "bodyseg_ros[train]") from err
    packed = shape
    if isinstance(shape, list):
        packed = rle.merge(rle.frPyObjects(shape, height, width))
    elif isinstance(shape["counts"], list):
        packed = rle.frPyObjects(shape, height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how its arrays behave under NumPy 2
        return np.asarray(rle.decode(packed), np.bool_)


def union_mask(people: Sequence[Person], height: int, width: int) -> Mask:
    """Union of all masks: (H, W) bool."""
    mask = np.zeros((height, width), np.bool_)
    for person in people:
        mask |= person.mask()
    return mask


def annotate(labels: Array, people: Sequence[Person], height: int, width: int) -> Array:
    """Write annotated people into labels (h, w, 174) of a photo (height, width); offsets in photo px.

    Replaces the person channel, and heatmaps and offsets where a person with keypoints is. Heads without annotations,
    such as parts, keep their labels.
    """
    h, w = labels.shape[:2]
    labels = labels.copy()
    labels[..., 0] = 0
    grid = np.stack(np.meshgrid(np.linspace(0, height - 1, h), np.linspace(0, width - 1, w), indexing="ij"), axis=-1)
    insides = [sample_grid(person.mask()[..., None].astype(np.float32), h, w)[..., 0] for person in people]
    for person, inside in zip(people, insides, strict=True):
        np.maximum(labels[..., 0], inside, out=labels[..., 0])
        if person.keypoints is not None:
            labels[inside > 0.5, LABEL_SLICES["heatmaps"]] = 0
    # Offsets reach further than heatmaps, so that they are complete where a frame interpolates between positions.
    radius = DISC_RADIUS * max(height, width)
    nearest = np.full((h, w, _JOINTS), 2 * radius)
    for person, inside in zip(people, insides, strict=True):
        if person.keypoints is not None:
            _write_keypoints(labels, nearest, radius, person.keypoints, inside > 0.5, grid)
    return labels


def _write_keypoints(
    labels: Array,
    nearest: npt.NDArray[np.float64],
    radius: float,
    keypoints: npt.NDArray[np.float32],
    inside: Mask,
    grid: npt.NDArray[np.float64],
) -> None:
    """Write one person's keypoints; each position belongs to the nearest keypoint of its type."""
    seen = keypoints[:, 2] > 0
    near = np.zeros_like(nearest, np.bool_)
    for k in np.flatnonzero(seen).tolist():
        away = keypoints[k, 1::-1] - grid
        distance = np.hypot(away[..., 0], away[..., 1])
        near[..., k] = ours = distance < nearest[..., k]
        nearest[..., k][ours] = distance[ours]
        labels[..., LABEL_SLICES["heatmaps"].start + k][distance < radius] = 1
        _write_offset(labels, "short_offsets", k, ours, away)
        _write_offset(labels, "long_offsets", k, inside, away)
    for edge, (parent, child) in enumerate(POSE_TREE):
        if seen[parent] and seen[child]:
            bone = np.broadcast_to(keypoints[child, 1::-1] - keypoints[parent, 1::-1], grid.shape)
            _write_offset(labels, "displacement_fwd", edge, near[..., parent], bone)
            _write_offset(labels, "displacement_bwd", edge, near[..., child], -bone)


def _write_offset(labels: Array, head: str, channel: int, where: Mask, offset: npt.NDArray[np.floating]) -> None:
    """Set one (y, x) offset channel of a head inside a mask."""
    part = LABEL_SLICES[head]
    half = (part.stop - part.start) // 2
    labels[..., part.start + channel][where] = offset[..., 0][where]
    labels[..., part.start + half + channel][where] = offset[..., 1][where]
