"""Frames for timing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError
from ..model import Model
from ..settings import Size
from ..types import Frame, Wanted

__all__ = ["noise", "people_frames", "read_numbers", "read_sizes", "resized"]

Picture = NDArray[np.uint8]


def read_sizes(text: str, flag: str) -> list[tuple[int, int]]:
    """Parse comma-separated WIDTHxHEIGHT into (width, height). Raises SettingsError."""
    try:
        sizes = [Size.parse(one) for one in text.split(",")]
    except ValueError as err:
        raise SettingsError(f"{flag} is {text!r}, but it must be {err}, comma-separated.") from err
    return [(size.width, size.height) for size in sizes]


def read_numbers(text: str, flag: str) -> list[int]:
    """Parse comma-separated integers from 0 to 99. Raises SettingsError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(re.fullmatch(r"\d{1,2}", word) for word in words):
        raise SettingsError(f"{flag} is {text!r}, but it must be integers from 0 to 99, comma-separated.")
    return [int(word) for word in words]


def noise(width: int, height: int) -> Frame:
    """Make a frame of random pixels, always the same."""
    return Frame(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def people_frames(
    model: Model, photo: Picture, sizes: Sequence[tuple[int, int]], counts: Sequence[int]
) -> Iterator[tuple[int | None, Frame]]:
    """Make (people, frame) for each size: the photo's first person, as often as each count says, on gray.

    Without counts, (None, the photo). Raises SettingsError if no person is detected in the photo.
    """
    person = _cut_out_person(model, photo) if any(counts) else photo[:1, :1]
    for width, height in sizes:
        if not counts:
            yield None, Frame(resized(photo, width, height))
        for count in counts:
            yield count, Frame(_pasted(person, count, width, height))


def resized(picture: Picture, width: int, height: int) -> Picture:
    """Resize the image; area average when it shrinks."""
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut_out_person(model: Model, photo: Picture) -> Picture:
    """Cut out the photo's first person with a margin, as a rectangle."""
    result = model.segment(photo, Wanted.POSES | Wanted.INSTANCES)
    first = np.equal(result.instances, 0) if result.instances is not None else np.zeros((0, 0), np.bool_)
    if not first.any():
        raise SettingsError("--people needs a photo with a detected person; use another one.")
    rows, columns = np.nonzero(first)
    margin = round(0.05 * (np.ptp(rows) + 1))
    top, left = max(0, int(rows.min()) - margin), max(0, int(columns.min()) - margin)
    return photo[top : int(rows.max()) + margin + 1, left : int(columns.max()) + margin + 1]


def _pasted(person: Picture, count: int, width: int, height: int) -> Picture:
    """Arrange `count` copies of the person on gray, as large as possible."""
    canvas = np.full((height, width, 3), 128, np.uint8)
    if not count:
        return canvas
    tall, wide = person.shape[:2]
    grids = [(columns, math.ceil(count / columns)) for columns in range(1, count + 1)]
    columns, rows = max(grids, key=lambda grid: min(width / grid[0] / wide, height / grid[1] / tall))
    scale = min(width / columns / wide, height / rows / tall)
    patch = resized(person, max(1, int(wide * scale)), max(1, int(tall * scale)))
    for index in range(count):
        top, left = index // columns * (height // rows), index % columns * (width // columns)
        canvas[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    return canvas
