"""How well people are harmonized: color difference and PSNR where the answer is known. Does not need Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .harmony_composites import Array, Composite, Image, Person, Tints, make_composite, paste

__all__ = ["HarmonyScore", "Recolor", "score"]

Recolor = Callable[[Image, Image], Image]
"""(H, W, 3) uint8 RGB and mask (H, W) of 0 and 1 → the picture with other colors, (H, W, 3) uint8."""
_SEED = 7
_MOST_DB = 60.0
"""PSNR of equal pictures."""


@dataclass(frozen=True)
class HarmonyScore:
    """Means over composites, of people's pixels alone.

    psnr_db: of RGB. delta_e: CIE 1976. before: the composite as it is; tinted: after harmonization. untouched: what
    harmonization does to photos whose people have their own colors.
    """

    composites: int
    psnr_db_before: float
    psnr_db_tinted: float
    delta_e_before: float
    delta_e_tinted: float
    delta_e_untouched: float


def score(recolor: Recolor, people: Sequence[Person], tints: Tints) -> HarmonyScore:
    """Measure on one composite of each photo, the same at each call, and on the photo itself."""
    random = np.random.default_rng(_SEED)
    rows = []
    for person in people:
        tinted, untouched = make_composite(person, tints, random), paste(person, person.image)
        answers = [(one, recolor(one.image, one.mask)) for one in (tinted, untouched)]
        before, (after, same) = _figures(tinted, tinted.image), (_figures(*answer) for answer in answers)
        rows.append((before[0], after[0], before[1], after[1], same[1]))
    return HarmonyScore(len(rows), *np.mean(rows, axis=0).tolist())


def _figures(composite: Composite, image: Image) -> tuple[float, float]:
    """(PSNR in dB, ΔE) of a picture's people."""
    colors, truth = image[composite.person], composite.truth[composite.person]
    error = float(np.square(colors.astype(np.float32) - truth).mean()) / 255**2
    difference = float(np.linalg.norm(_lab(colors) - _lab(truth), axis=-1).mean())
    return min(_MOST_DB, -10 * float(np.log10(max(error, 1e-9)))), difference


def _lab(colors: Image) -> Array:
    lab = cv2.cvtColor(colors[None].astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return np.asarray(lab[0], np.float32)
