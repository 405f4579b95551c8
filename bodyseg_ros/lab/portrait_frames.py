"""Training frames of portrait networks, from photos and masks alone: placed, recolored, with a mask before.

Every frame is a function of (seed, step, index in the batch), so a run does not depend on interruptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from .annotations import Mask
from .frames import Augmentation, Image, recolor
from .labels import Array
from .portrait_config import PortraitRun, Priors
from .portrait_losses import border_of

_FRAME: Final = Augmentation()
TEXTURE: Final = Augmentation(color=1, gray=0.1, blur=0.5, noise=0.8, jpeg=0.4)
"""Light, color, sharpness, noise and compression of copies; a copy's outlines stay where they are."""


@dataclass(frozen=True)
class Portrait:
    """One photo in memory: (H, W, 3) uint8 RGB, and where people are, (H, W) bool."""

    image: Image
    mask: Mask


class PortraitFrames:
    """Training frames from photos with masks."""

    def __init__(self, portraits: Sequence[Portrait], run: PortraitRun) -> None:
        self._portraits, self._run = portraits, run

    def batch(self, step: int, count: int) -> tuple[Array, Array]:
        """Make inputs (N, S, S, 3 or 4), normalized, and labels (N, S, S, 2): mask and border, float32.

        N is count; with copies twice that, and the second half has the first half's frames with other textures.
        """
        frames = [self._frame(np.random.default_rng((self._run.seed, step, i))) for i in range(count)]
        images, copies, masks, priors = (np.stack(part) for part in zip(*frames, strict=True))
        labels = np.stack([masks.astype(np.float32), np.stack([border_of(mask) for mask in masks])], axis=-1)
        inputs = normalized(images, priors if self._run.previous_mask else None)
        if not self._run.copies:
            return inputs, labels
        others = normalized(copies, priors if self._run.previous_mask else None)
        return np.concatenate([inputs, others]), np.concatenate([labels, labels])

    def _frame(self, rng: np.random.Generator) -> tuple[Image, Image, Mask, Array]:
        """Make a frame (S, S, 3) uint8, its copy, its mask (S, S) bool, and the mask before (S, S) float32."""
        portrait = self._portraits[int(rng.integers(len(self._portraits)))]
        size = self._run.size
        matrix = self._placement(rng, *portrait.mask.shape)
        image = _warped(portrait.image, matrix, size, cv2.BORDER_REFLECT_101)
        mask = _warped(portrait.mask.astype(np.uint8), matrix, size, cv2.BORDER_CONSTANT) > 0
        prior = np.zeros((size, size), np.float32)
        if self._run.previous_mask is not None:
            prior = mask_before(rng, mask, self._run.previous_mask)
        copy = recolor(rng, image, TEXTURE) if self._run.copies else image
        return recolor(rng, image, _FRAME), copy, mask, prior

    def _placement(self, rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
        """Draw the 2×3 matrix from photo px to frame px: the photo stretched to the frame, then moved."""
        facts, size = self._run.augmentation, self._run.size
        stretch = np.array([[size / width, 0, 0], [0, size / height, 0], [0, 0, 1]])
        zoom = np.exp(rng.uniform(*np.log(facts.zoom)))
        moved = _turned(size, rng.uniform(-1, 1) * facts.turn_degrees, zoom)
        moved[:, 2] += rng.uniform(-1, 1, 2) * facts.shift * size
        if rng.random() < facts.mirror:
            stretch = np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1]]) @ stretch
        return np.asarray(moved @ stretch, np.float64)


def mask_before(rng: np.random.Generator, mask: Mask, priors: Priors) -> Array:
    """Draw the mask of the frame before, (S, S) float32: none, or the true one moved, with a soft edge."""
    size = len(mask)
    if rng.random() < priors.empty:
        return np.zeros((size, size), np.float32)
    moved = _turned(size, rng.uniform(-1, 1) * priors.turn_degrees, 1 + rng.uniform(-1, 1) * priors.zoom)
    moved[:, 2] += rng.uniform(-1, 1, 2) * priors.move * size
    warped = cv2.warpAffine(mask.astype(np.float32), moved, (size, size))
    return np.asarray(cv2.GaussianBlur(warped, (0, 0), size / 128), np.float32)


def normalized(images: Image, masks: Array | None) -> Array:
    """(N, S, S, 3) uint8 → (N, S, S, 3) float32, -1 to 1; with masks before (N, S, S) as a fourth channel."""
    pictures = images.astype(np.float32) / np.float32(127.5) - np.float32(1)
    return pictures if masks is None else np.concatenate([pictures, masks[..., None]], axis=-1)


def _turned(size: int, degrees: float, zoom: float) -> npt.NDArray[np.float64]:
    """2×3 matrix that rotates and enlarges around a frame's center."""
    return np.asarray(cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), degrees, zoom), np.float64)


def _warped(image: Image, matrix: npt.NDArray[np.float64], size: int, border: int) -> Image:
    """Warp a photo; large ones are shrunk first, to avoid aliasing."""
    factor = 1.0 / max(1.0, np.floor(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if factor < 1:
        before = image.shape[:2]
        image = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix @ np.diag([before[1] / image.shape[1], before[0] / image.shape[0], 1])
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), borderMode=border), np.uint8)
