"""How good a model's masks are, on photos somebody labelled. Needs no TensorFlow."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError
from ..media import read_photo

__all__ = ["Labelled", "Score", "labelled_photos", "score", "summary"]

_COCO_PERSON: Final = 1
_PHOTOS: Final = ("photos", "images")


@dataclass(frozen=True)
class Labelled:
    """One photo and its true person mask, read when asked for."""

    photo: Path
    mask: Callable[[], NDArray[np.bool_]]

    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        return read_photo(self.photo)


@dataclass(frozen=True)
class Score:
    """Person pixels of one photo: in both masks, in either, in the true one; and all its pixels."""

    name: str
    intersection: int
    union: int
    true: int
    pixels: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where nobody is and nobody was seen."""
        return self.intersection / self.union if self.union else 1.0


def score(name: str, person: NDArray[Any], truth: NDArray[np.bool_]) -> Score:
    """Compare a person mask with the true one; both (H, W), true where a person is."""
    if person.shape != truth.shape:
        (have_h, have_w), (want_h, want_w) = truth.shape, person.shape
        raise MediaError(f"The label of {name!r} is {have_w}×{have_h}, but the photo is {want_w}×{want_h}.")
    seen = person.astype(bool)
    both, either = np.count_nonzero(seen & truth), np.count_nonzero(seen | truth)
    return Score(name, int(both), int(either), int(np.count_nonzero(truth)), truth.size)


def summary(scores: Sequence[Score]) -> dict[str, float]:
    """What the scores of many photos come to, by name; NaN where no photo is of the kind."""
    people = [one for one in scores if one.true]
    empty = [one for one in scores if not one.true]
    union, pixels = sum(one.union for one in scores), sum(one.pixels for one in empty)
    return {
        "IoU, all pixels together": sum(one.intersection for one in scores) / union if union else math.nan,
        f"IoU, mean of {len(people)} photos with people": mean(one.iou for one in people) if people else math.nan,
        f"share of pixels taken for people, {len(empty)} photos with nobody": sum(one.union for one in empty) / pixels
        if pixels
        else math.nan,
    }


def labelled_photos(folder: Path) -> list[Labelled]:
    """The labelled photos of a folder, in the order of their names.

    Either `photos/` (or `images/`) beside `masks/` with a PNG of the same stem, person where it is above 127;
    or COCO: `images/` beside `panoptic/` PNGs (id = R + 256 G + 65536 B) and a JSON whose segments_info say
    which ids are category 1, person. Raises MediaError for any other folder.
    """
    photos = next((folder / name for name in _PHOTOS if (folder / name).is_dir()), None)
    found: list[Labelled] = []
    if photos is not None and (folder / "panoptic").is_dir():
        found = list(_coco_panoptic(photos, folder / "panoptic", _segments(folder)))
    elif photos is not None and (folder / "masks").is_dir():
        found = list(_masks(photos, folder / "masks"))
    if found:
        return found
    raise MediaError(
        f"The folder {str(folder)!r} holds no labelled photos; it needs photos/ (or images/) and masks/ with PNGs of "
        "the same names, or COCO's images/, panoptic/ and a panoptic JSON."
    )


def _masks(photos: Path, masks: Path) -> Iterator[Labelled]:
    for mask in sorted(masks.glob("*.png")):
        photo = next(iter(sorted(photos.glob(f"{mask.stem}.*"))), None)
        if photo is None:
            raise MediaError(f"The mask {str(mask)!r} has no photo of the same name in {str(photos)!r}.")
        yield Labelled(photo, partial(_grey_mask, mask))


def _segments(folder: Path) -> Mapping[str, list[Mapping[str, Any]]]:
    """Panoptic file name → its segments, from the first JSON of the folder that has them."""
    for path in sorted(folder.glob("*.json")):
        tree = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and all("segments_info" in entry for entry in tree.get("annotations", [{}])):
            return {entry["file_name"]: entry["segments_info"] for entry in tree["annotations"]}
    raise MediaError(f"The folder {str(folder)!r} has panoptic/ but no JSON with segments_info.")


def _coco_panoptic(photos: Path, panoptic: Path, segments: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Labelled]:
    for name, entries in sorted(segments.items()):
        photo = photos / Path(name).with_suffix(".jpg").name
        people = [entry["id"] for entry in entries if entry["category_id"] == _COCO_PERSON]
        if photo.exists():
            yield Labelled(photo, partial(_panoptic_mask, panoptic / name, people))


def _grey_mask(path: Path) -> NDArray[np.bool_]:
    return np.greater(_read(path, cv2.IMREAD_GRAYSCALE), 127)


def _panoptic_mask(path: Path, people: Sequence[int]) -> NDArray[np.bool_]:
    blue, green, red = np.moveaxis(_read(path, cv2.IMREAD_COLOR).astype(np.int64), 2, 0)
    return np.isin(red + 256 * green + 65536 * blue, people)


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise MediaError(f"The label {str(path)!r} is not a readable picture.")
    return np.asarray(picture, np.uint8)
