"""Make training frames from photos, masks and labels: crop, scale, rotate, flip, recolor, paste people.

Every frame is a pure function of (seed, step, index in the batch), so a run does not depend on the number of threads or
on interruptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from .cloth import draw_cloth, hang_cloth
from .labels import LABEL_CHANNELS, LABEL_SLICES, MIRROR_ORDER, Array, sample_field, transform_offsets

Image = npt.NDArray[np.uint8]
_NOSE = LABEL_SLICES["heatmaps"].start
_CLOSE_UP = (0.3, 1.0)
"""Shoulder width of a close-up as a share of the frame."""
_LARGEST_ZOOM = 4.0
"""Maximum enlargement of photos, frame px per photo px: beyond it there is no detail."""


def _as_image(array: Any) -> Image:
    """Narrow the type of OpenCV's return values."""
    return np.asarray(array, np.uint8)


class Augmentation(BaseModel):
    """How training frames differ from photos. Probabilities are per frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    long_side: tuple[float, float] = Field((170, 800), description="Photo's long side, network px, log-uniform.")
    paste_long_side: tuple[float, float] = Field((60, 600), description="The same for photos that people are cut from.")
    aim: float = Field(
        0.8, ge=0, le=1, description=("Probability that the crop is centered on a person, if there is one.")
    )
    mirror: float = Field(0.5, ge=0, le=1, description="Probability of a left-right flip.")
    turn: float = Field(0.3, ge=0, le=1, description="Chance of a rotation.")
    turn_degrees: float = Field(20, ge=0, le=180, description="Largest rotation.")
    stretch: float = Field(0.1, ge=0, le=0.5, description="Maximum change of the aspect ratio.")
    paste: float = Field(0.25, ge=0, le=1, description="Probability that people are pasted in.")
    paste_at_most: int = Field(2, ge=1, le=8, description="Maximum number of people pasted into one frame.")
    head: float = Field(0, ge=0, le=1, description="Probability that a crop on a person is on the head.")
    close_up: float = Field(0, ge=0, le=1, description="Probability that head and shoulders fill the frame.")
    cloth: float = Field(
        0, ge=0, le=1, description=("Probability of drawn cloth alone, such as a flag; nobody is there.")
    )
    hung_cloth: float = Field(0, ge=0, le=1, description="Probability that drawn cloth hangs over part of the photo.")
    paste_on_cloth: float = Field(0.7, ge=0, le=1, description="Probability that people are pasted over drawn cloth.")
    dark: float = Field(0, ge=0, le=1, description="Probability of a dark image.")
    color: float = Field(0.8, ge=0, le=1, description="Probability of changed light, contrast and color.")
    gray: float = Field(0.05, ge=0, le=1, description="Probability of a gray image.")
    blur: float = Field(0.15, ge=0, le=1, description="Chance of blur.")
    noise: float = Field(0.15, ge=0, le=1, description="Chance of sensor noise.")
    jpeg: float = Field(0.15, ge=0, le=1, description="Probability of JPEG artifacts.")


@dataclass(frozen=True)
class Sample:
    """One photo in memory: image (H, W, 3) uint8 RGB, labels (h, w, 174) float16, mask (H, W) uint8 or None."""

    image: Image
    labels: npt.NDArray[np.float16]
    mask: Image | None


class Frames:
    """Training frames from labeled photos."""

    def __init__(self, samples: Sequence[Sample], augmentation: Augmentation, seed: int, stride: int = 16) -> None:
        self.samples = samples
        self.cut_outs = [i for i, sample in enumerate(samples) if sample.mask is not None]
        self.augmentation, self.seed, self.stride = augmentation, seed, stride

    def finer(self) -> Frames:
        """The same frames with labels at twice the resolution: every second position is one of ours."""
        return Frames(self.samples, self.augmentation, self.seed, self.stride // 2)

    def batch(self, step: int, count: int, size: int) -> tuple[Image, Array]:
        """Make frames (count, size, size, 3) uint8 RGB and labels (count, g, g, 174), g = (size − 1) / stride + 1."""
        frames = [self.frame(np.random.default_rng((self.seed, step, i)), size) for i in range(count)]
        return np.stack([image for image, _ in frames]), np.stack([labels for _, labels in frames])

    def frame(self, rng: np.random.Generator, size: int) -> tuple[Image, Array]:
        """Make one frame (size, size, 3) uint8 and its labels (g, g, 174) float32, offsets in network px."""
        augmentation, paste = self.augmentation, self.augmentation.paste
        kind = rng.random()
        if kind < augmentation.cloth:
            image, paste = draw_cloth(rng, size), augmentation.paste_on_cloth
            positions = (size - 1) // self.stride + 1
            labels = np.zeros((positions, positions, LABEL_CHANNELS), np.float32)
        else:
            sample = self.samples[int(rng.integers(len(self.samples)))]
            image, labels, _ = self._render(rng, sample, size, augmentation.long_side)
            if kind < augmentation.cloth + augmentation.hung_cloth:
                image, covered = hang_cloth(rng, image)
                labels[covered[:: self.stride, :: self.stride]] = 0
                paste = augmentation.paste_on_cloth
        if self.cut_outs and rng.random() < paste:
            for _ in range(rng.integers(1, augmentation.paste_at_most + 1)):
                cut_out = self.samples[self.cut_outs[rng.integers(len(self.cut_outs))]]
                layer = self._render(rng, cut_out, size, augmentation.paste_long_side)
                image, labels = _paste(image, labels, *layer, self.stride)
        return recolor(rng, image, augmentation), labels

    def _render(
        self, rng: np.random.Generator, sample: Sample, size: int, long_side: tuple[float, float]
    ) -> tuple[Image, Array, Array | None]:
        """Crop, scale, rotate and flip one photo.

        Returns image, labels, and alpha (size, size) in [0, 1] if it has a mask.
        """
        mirrored = rng.random() < self.augmentation.mirror
        matrix = self._placement(rng, sample, size, mirrored, long_side)
        image = _as_image(cv2.warpAffine(_shrink(sample.image, matrix), _shrunk(matrix), (size, size)))
        alpha: Array | None = None
        if sample.mask is not None:
            alpha = np.asarray(cv2.warpAffine(sample.mask, matrix, (size, size)), np.float32) / np.float32(255)
        return image, warp_labels(sample, matrix, size, self.stride, mirrored), alpha

    def _placement(
        self, rng: np.random.Generator, sample: Sample, size: int, mirrored: bool, long_side: tuple[float, float]
    ) -> Array:
        """Draw the 2×3 matrix from photo px to frame px (x, y)."""
        augmentation, (height, width) = self.augmentation, sample.image.shape[:2]
        low, high = np.log(long_side)
        scale = np.exp(rng.uniform(low, high)) / max(height, width)
        aspect = np.exp(rng.uniform(-1, 1) * augmentation.stretch)
        angle = 0.0
        if rng.random() < augmentation.turn:
            angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.turn_degrees)
        head = _head_of(sample) if rng.random() < augmentation.close_up else None
        if head is not None:
            scale = min(rng.uniform(*_CLOSE_UP) * size / head[1], _LARGEST_ZOOM)
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = linear @ np.diag([-scale * aspect if mirrored else scale * aspect, scale / aspect])
        matrix = np.zeros((2, 3), np.float32)
        matrix[:, :2] = linear
        center = self._center(rng, sample) if head is None else head[0]
        matrix[:, 2] = rng.uniform(0.2, 0.8, 2) * (size - 1) - linear @ center
        if long_side == augmentation.long_side:
            matrix[:, 2] += _nudge(matrix, height, width, size)
        return matrix

    def _center(self, rng: np.random.Generator, sample: Sample) -> npt.NDArray[np.float64]:
        """Draw the photo point (x, y) at the frame's center."""
        height, width = sample.image.shape[:2]
        h, w = sample.labels.shape[:2]
        person = np.flatnonzero(sample.labels[..., 0] > 0.5)
        if self.augmentation.head and len(person) and rng.random() < self.augmentation.head:
            heads = np.flatnonzero(sample.labels[..., _NOSE] > 0.5)
            person = heads if len(heads) else person
        if len(person) and rng.random() < self.augmentation.aim:
            y, x = divmod(int(person[rng.integers(len(person))]), w)
            return np.array([x * (width - 1) / (w - 1), y * (height - 1) / (h - 1)])
        return rng.uniform(0, [width - 1, height - 1])


def _head_of(sample: Sample) -> tuple[npt.NDArray[np.float64], float] | None:
    """Find a photo's most confident nose (x, y) and the shoulder width below it, px; None if either is missing."""
    height, width = sample.image.shape[:2]
    h, w = sample.labels.shape[:2]
    to_px = np.array([(width - 1) / (w - 1), (height - 1) / (h - 1)])
    nose = int(sample.labels[..., _NOSE].argmax())
    y, x = divmod(nose, w)
    if sample.labels[y, x, _NOSE] < 0.5:
        return None
    near = max(h, w) // 3
    rows, columns = slice(y, y + near), slice(max(0, x - near), x + near)
    points = []
    for shoulder in (_NOSE + 5, _NOSE + 6):
        heat = sample.labels[rows, columns, shoulder]
        down, across = divmod(int(heat.argmax()), heat.shape[1])
        if heat[down, across] < 0.5:
            return None
        points.append(np.array([columns.start + across, y + down]) * to_px)
    wide = float(np.linalg.norm(points[0] - points[1]))
    return (np.array([x, y]) * to_px, wide) if wide > 0.03 * max(height, width) else None


def _nudge(matrix: Array, height: int, width: int, size: int) -> npt.NDArray[np.float64]:
    """Compute the smallest shift (x, y) that fills the frame with the photo, or shows all of a smaller photo."""
    corners = matrix[:, :2] @ np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1]])
    low, high = corners.min(1) + matrix[:, 2], corners.max(1) + matrix[:, 2]
    to_left, to_right = -low, size - 1 - high
    return np.asarray(np.clip(0, np.minimum(to_left, to_right), np.maximum(to_left, to_right)), np.float64)


def _shrink(image: Image, matrix: Array) -> Image:
    """Halve an image before a strong reduction, to avoid aliasing."""
    if _factor(matrix) == 1:
        return image
    return _as_image(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _shrunk(matrix: Array) -> Array:
    """Adapt the matrix to the image returned by _shrink."""
    factor = _factor(matrix)
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.full(2, (factor - 1) / 2, np.float32)
    moved[:, :2] *= factor
    return moved


def _factor(matrix: Array) -> int:
    return 2 if np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 0.6 else 1


def warp_labels(sample: Sample, matrix: Array, size: int, stride: int, mirrored: bool) -> Array:
    """Sample a photo's labels at a frame's output positions, (g, g, 174) float32; 0 outside the photo."""
    height, width = sample.image.shape[:2]
    h, w = sample.labels.shape[:2]
    at = np.arange(0, size, stride, dtype=np.float32)
    frame_y, frame_x = np.meshgrid(at, at, indexing="ij")
    inverse = cv2.invertAffineTransform(matrix)
    x = inverse[0, 0] * frame_x + inverse[0, 1] * frame_y + inverse[0, 2]
    y = inverse[1, 0] * frame_x + inverse[1, 1] * frame_y + inverse[1, 2]
    labels = sample_field(sample.labels, y * ((h - 1) / (height - 1)), x * ((w - 1) / (width - 1)))
    labels[(x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)] = 0
    transform_offsets(labels, matrix[:, :2])
    return labels[..., MIRROR_ORDER] if mirrored else labels


def _paste(
    below: Image, labels_below: Array, image: Image, labels: Array, alpha: Array | None, stride: int
) -> tuple[Image, Array]:
    """Paste a cut-out into a frame; its labels replace those below it."""
    assert alpha is not None
    soft = cv2.blur(alpha, (3, 3))[..., None]
    mixed = np.rint(image * soft + below * (1 - soft)).astype(np.uint8)
    covered = alpha[::stride, ::stride, None] > 0.5
    near = labels[..., LABEL_SLICES["heatmaps"]].max(-1, keepdims=True) > 0.5
    merged = np.where(covered | near, labels, labels_below)
    body = slice(0, LABEL_SLICES["part_heatmaps"].stop)
    merged[..., body] = np.where(covered, labels[..., body], labels_below[..., body])
    return mixed, merged


def recolor(rng: np.random.Generator, image: Image, augmentation: Augmentation) -> Image:
    """Change light, contrast, color, sharpness, noise and compression of an (H, W, 3) uint8 image."""
    if rng.random() < augmentation.color:
        gain = rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)
        levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.35, 0.35))
        table = np.clip((levels - 0.5) * gain + 0.5 + rng.uniform(-0.15, 0.15), 0, 1) * 255
        image = _as_image(cv2.LUT(image, table.astype(np.uint8)[None]))
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        saturation = 0.0 if rng.random() < augmentation.gray else rng.uniform(0.5, 1.4)
        image = _as_image(cv2.addWeighted(image, saturation, gray, 1 - saturation, 0))
    if augmentation.dark and rng.random() < augmentation.dark:
        image = _as_image(cv2.convertScaleAbs(image, alpha=rng.uniform(0.15, 0.6)))
    if rng.random() < augmentation.blur:
        image = _as_image(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)))
    if rng.random() < augmentation.noise:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < augmentation.jpeg:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])
        image = _as_image(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image
