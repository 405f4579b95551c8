"""Labeled photos to measure models on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import MediaError
from ..media import read_photo
from .annotations import COCO_PERSON, Mask, Person, read_coco, read_json, union_mask
from .frames import Image
from .photo_folders import read_mask

__all__ = ["Labeled", "labeled_photos"]

_PHOTOS: Final = ("photos", "images")


People = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Labeled:
    """One photo and its true person mask, read on demand.

    keypoints: the COCO JSON with its keypoints, if there is one, and the photo's id in it. people: instance labels, if
    any: (H, W) int32, a person's number from 1, 0 nobody, -1 a crowd.
    """

    photo: Path
    mask: Callable[[], Mask]
    keypoints: tuple[Path, int] | None = None
    people: Callable[[], People] | None = None

    def read(self) -> tuple[Image, Mask]:
        """Read (H, W, 3) uint8 RGB and (H, W) bool. Raises MediaError if their sizes differ."""
        image, mask = read_photo(self.photo), self.mask()
        if image.shape[:2] != mask.shape:
            (have_h, have_w), (want_h, want_w) = mask.shape, image.shape[:2]
            raise MediaError(
                f"The label of {self.photo.name!r} is {have_w}×{have_h}, but the photo is {want_w}×{want_h}."
            )
        return image, mask


def labeled_photos(folder: Path) -> list[Labeled]:
    """List the labeled photos of a folder, sorted by name.

    The folder has `photos/` (or `images/`) beside `masks/`, with PNGs of the same stem, person above 127; or COCO's
    layout: `images/` beside a JSON of instances or keypoints, or beside `panoptic/` PNGs (id = R + 256 G + 65536 B) and
    a JSON whose segments_info marks category 1, person. Raises MediaError for any other folder.
    """
    photos = next((folder / name for name in _PHOTOS if (folder / name).is_dir()), None)
    found: list[Labeled] = []
    if photos is not None and (folder / "panoptic").is_dir():
        found = list(_coco_panoptic(photos, folder / "panoptic", _segments(folder)))
    elif photos is not None and (folder / "masks").is_dir():
        found = list(_masks(photos, folder / "masks"))
    elif photos is not None:
        found = [labeled for path in sorted(folder.glob("*.json")) for labeled in _coco(photos, path)]
    if found:
        return found
    raise MediaError(
        f"The folder {str(folder)!r} has no labeled photos; it needs photos/ (or images/) and masks/ with PNGs of "
        "the same names, or COCO's images/ and a JSON of instances or keypoints, or images/, panoptic/ and its JSON."
    )


def _masks(photos: Path, masks: Path) -> Iterator[Labeled]:
    for mask in sorted(masks.glob("*.png")):
        photo = next(iter(sorted(photos.glob(f"{mask.stem}.*"))), None)
        if photo is None:
            raise MediaError(f"The mask {str(mask)!r} has no photo of the same name in {str(photos)!r}.")
        yield Labeled(photo, partial(read_mask, mask))


def _coco(photos: Path, annotations: Path) -> Iterator[Labeled]:
    sizes = {image["id"]: (image["height"], image["width"]) for image in read_json(annotations).get("images", [])}
    for image, name, people in read_coco(annotations):
        if (photos / name).exists():
            marked = any(person.keypoints is not None for person in people)
            mask = partial(union_mask, people, *sizes[image])
            where = partial(_numbered, people, *sizes[image])
            yield Labeled(photos / name, mask, (annotations, image) if marked else None, where)


def _segments(folder: Path) -> Mapping[str, list[Mapping[str, Any]]]:
    """Panoptic file name → its segments, from the first JSON of the folder that has them."""
    for path in sorted(folder.glob("*.json")):
        tree = read_json(path)
        if isinstance(tree, dict) and all("segments_info" in entry for entry in tree.get("annotations", [{}])):
            return {entry["file_name"]: entry["segments_info"] for entry in tree["annotations"]}
    raise MediaError(f"The folder {str(folder)!r} has panoptic/ but no JSON with segments_info.")


def _coco_panoptic(photos: Path, panoptic: Path, segments: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Labeled]:
    for name, entries in sorted(segments.items()):
        photo = photos / Path(name).with_suffix(".jpg").name
        people = [entry for entry in entries if entry["category_id"] == COCO_PERSON]
        if photo.exists():
            where = partial(_panoptic_people, panoptic / name, people)
            yield Labeled(photo, partial(_somebody, where), people=where)


def _panoptic_people(path: Path, people: Sequence[Mapping[str, Any]]) -> People:
    ids = read_photo(path).astype(np.int64) @ np.array([1, 256, 65536])
    numbers = np.zeros(ids.shape, np.int32)
    for number, entry in enumerate(people, 1):
        numbers[ids == entry["id"]] = -1 if entry.get("iscrowd") else number
    return numbers


def _somebody(people: Callable[[], People]) -> Mask:
    return np.not_equal(people(), 0)


def _numbered(people: Sequence[Person], height: int, width: int) -> People:
    numbers = np.zeros((height, width), np.int32)
    for number, person in enumerate(people, 1):
        numbers[person.mask()] = number
    return numbers
