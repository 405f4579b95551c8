"""Composites to learn harmonization from: people of a photo in other colors, pasted over themselves.

The photo itself is the answer, or the photo as another light would color it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Array = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
#: RGB → YIQ (NTSC, 1953), whose last two axes are turned for another hue.
_TO_YIQ: Final = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], np.float32)
#: Share of a picture that people may fill: else there is too little of them, or of their surroundings, to compare.
LEAST_PERSON: Final = 0.03
MOST_PERSON: Final = 0.8
_WHITE: Final = np.float32(255)
_TRIES: Final = 5
#: Masks of more pixels are compared without their edge.
_ENOUGH: Final = 256


class Tints(BaseModel):
    """How strongly colors of people are changed: standard deviations of normal draws."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exposure: float = Field(0.35, ge=0, description="Of the logarithm of all channels' common factor.")
    gamma: float = Field(0.25, ge=0, description="Of the logarithm of gamma.")
    temperature: float = Field(0.15, ge=0, description="Of the logarithm of red's factor, and of blue's with minus.")
    green: float = Field(0.05, ge=0, description="Of the logarithm of green's factor.")
    saturation: float = Field(0.3, ge=0, description="Of the logarithm of the distance from gray.")
    contrast: float = Field(0.2, ge=0, description="Of the logarithm of the distance from the person's mean.")
    hue_degrees: float = Field(6, ge=0, description="Of the turn of the hue.")
    chance: float = Field(0.6, gt=0, le=1, description="Probability of each of these changes.")


@dataclass(frozen=True)
class Tint:
    """One change of colors. Factors are 1 and angles 0 where nothing changes."""

    exposure: float = 1.0
    gamma: float = 1.0
    temperature: float = 1.0
    green: float = 1.0
    saturation: float = 1.0
    contrast: float = 1.0
    hue_degrees: float = 0.0

    def apply(self, colors: Array, center: float = 0.5) -> Array:
        """Change colors (..., 3) float32, RGB from 0 to 1. center: the gray that more contrast leaves as it is."""
        gains = np.array([self.temperature, self.green, 1 / self.temperature], np.float32) * self.exposure
        changed = np.clip(colors * gains, 0, 1) ** self.gamma
        changed = center + (changed - center) * self.contrast
        gray = (changed @ _LUMA)[..., None]
        changed = gray + (changed - gray) * self.saturation
        if self.hue_degrees:
            cos, sin = np.cos(np.radians(self.hue_degrees)), np.sin(np.radians(self.hue_degrees))
            turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
            changed = changed @ (np.linalg.inv(_TO_YIQ) @ turn @ _TO_YIQ).T.astype(np.float32)
        return np.clip(changed, 0, 1).astype(np.float32)


def draw_tint(tints: Tints, random: np.random.Generator) -> Tint:
    """Draw a change of colors; at least one of its parts changes something."""
    names = [name for name in Tints.model_fields if name != "chance"]
    chosen = random.random(len(names)) < tints.chance
    chosen[random.integers(len(names))] = True
    deviations = random.normal(size=len(names)).clip(-2.5, 2.5) * chosen
    drawn = {name: float(value * getattr(tints, name)) for name, value in zip(names, deviations, strict=True)}
    return Tint(**{name: value if name == "hue_degrees" else float(np.exp(value)) for name, value in drawn.items()})


@dataclass(frozen=True)
class Person:
    """A photo and its people: image (H, W, 3) uint8 RGB; mask (H, W) uint8, 1 where a person is."""

    image: Image
    mask: Image


@dataclass(frozen=True)
class Composite:
    """A photo whose people have other colors.

    image: (H, W, 3) uint8 RGB; mask: (H, W) uint8, 1 where a network is told that a person is. truth: the photo.
    person: (H, W) bool, where colors are compared.
    """

    image: Image
    mask: Image
    truth: Image
    person: npt.NDArray[np.bool_]


def make_composite(person: Person, tints: Tints, random: np.random.Generator, rough: bool = False) -> Composite:
    """Recolor the people of a photo, the whole photo behind them, or both in two ways.

    Where only the surroundings change, people look natural, and yet have to change with them. rough: what is recolored
    ends somewhere near the person's edge, and so does the mask, as masks that a network finds.
    """
    which = random.integers(3)
    photo = person if which == 0 else recolor_photo(person, draw_tint(tints, random))
    people = person if which == 1 else recolor_photo(person, draw_tint(tints, random))
    return paste(photo, people.image, random if rough else None)


def paste(photo: Person, people: Image, random: np.random.Generator | None = None) -> Composite:
    """Put the people of `people`, the photo in other colors, into the photo. random: both edges are drawn, near it."""
    pasted = seen = photo.mask
    if random is not None:
        pasted, seen = _shift(photo.mask, int(random.integers(0, 5))), _shift(photo.mask, int(random.integers(-1, 2)))
    truth = photo.image.astype(np.float32)
    share = cv2.blur(pasted.astype(np.float32), (3, 3))[..., None]
    image = np.rint(truth + (people - truth) * share).astype(np.uint8)
    inside = cv2.erode(photo.mask, np.ones((3, 3), np.uint8)) if photo.mask.sum() > _ENOUGH else photo.mask
    where = np.greater(inside if inside.any() else photo.mask, 0)
    return Composite(image, seen, photo.image, where)


def crop(person: Person, side: int, random: np.random.Generator) -> Person:
    """Cut out a random part with some of the person and of the rest, mirrored or not, stretched to side × side px."""
    height, width = person.mask.shape
    image, mask = person.image, person.mask
    for _ in range(_TRIES):
        tall, wide = (max(8, int(length * random.uniform(0.55, 1.0))) for length in (height, width))
        top, left = int(random.integers(height - tall + 1)), int(random.integers(width - wide + 1))
        inside = person.mask[top : top + tall, left : left + wide]
        if LEAST_PERSON < inside.mean() < MOST_PERSON:
            image, mask = person.image[top : top + tall, left : left + wide], inside
            break
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    share = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
    if random.random() < 0.5:
        small, share = small[:, ::-1], share[:, ::-1]
    return Person(np.ascontiguousarray(small, np.uint8), np.ascontiguousarray(share, np.uint8))


def recolor_photo(person: Person, tint: Tint) -> Person:
    """Recolor a whole photo, as another camera or light would: people still fit."""
    truth = person.image.astype(np.float32) / _WHITE
    changed = tint.apply(truth, float((truth @ _LUMA).mean()))
    return Person(np.rint(changed * 255).astype(np.uint8), person.mask)


def _shift(mask: Image, pixels: int) -> Image:
    """Grow a mask by so many pixels, or shrink it; a mask that would vanish or fill the image stays."""
    if pixels == 0:
        return mask
    kernel = np.ones((2 * abs(pixels) + 1,) * 2, np.uint8)
    moved = (cv2.dilate if pixels > 0 else cv2.erode)(mask, kernel)
    return np.asarray(moved if moved.any() and not moved.all() else mask, np.uint8)
