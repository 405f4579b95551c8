"""People of photos for harmonization: read, masked, and reduced. Does not need Keras."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from ..errors import MediaError
from ..media import read_photo
from ..model import Model, load
from ..types import Frame, Wanted
from .harmony_composites import LEAST_PERSON, MOST_PERSON, Person
from .harmony_config import HarmonySettings
from .photo_folders import Photo

__all__ = ["Advance", "People", "read_people"]

logger = logging.getLogger(__name__)

Advance = Callable[[str, int, int, str], None]
"""Told the stage of a run, how much of it is done, of how much, and remarks."""
_LONG_SIDE_PX: Final = 256
"""Photos are kept no larger; the network's own input is much smaller."""


@dataclass(frozen=True)
class People:
    """Photos to learn from, and photos to measure on."""

    known: list[Person]
    held_out: list[Person]


def read_people(settings: HarmonySettings, advance: Advance, *, held_out_only: bool = False) -> People:
    """Read the photos in which people fill neither too little nor too much. Raises MediaError if none is left."""
    photos = [photo for folder in settings.folders if not folder.empty for photo in folder.read(settings.held_out)]
    photos = [photo for photo in photos if photo.held_out or not held_out_only]
    found = People([], [])
    with load(settings.masks_by) as model:
        for number, photo in enumerate(photos, 1):
            person = _read(photo, model)
            if person is not None:
                (found.held_out if photo.held_out else found.known).append(person)
            advance("photos", number, len(photos), "")
    if not found.known and not found.held_out:
        share = f"{LEAST_PERSON:.0%} to {MOST_PERSON:.0%}"
        raise MediaError(f"None of the {len(photos)} photos has people in {share} of it.")
    logger.info("%d photos to learn from, %d to measure on", len(found.known), len(found.held_out))
    return found


def _read(photo: Photo, model: Model) -> Person | None:
    """Read a photo and its mask; None if people fill too little or too much of it."""
    image = read_photo(photo.image)
    mask = photo.person(*image.shape[:2])
    if mask is None:
        mask = np.asarray(model.run(Frame(image), Wanted.PERSON).person, np.bool_)
    if not LEAST_PERSON < mask.mean() < MOST_PERSON:
        return None
    scale = min(1.0, _LONG_SIDE_PX / max(mask.shape))
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return Person(np.asarray(small, np.uint8), np.asarray(inside, np.uint8))
