"""Drawn cloth as negatives: flags, checks and prints, draped and shaded, which networks mistake for clothed people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Color = tuple[int, int, int]


def draw_cloth(rng: np.random.Generator, size: int) -> Image:
    """Draw draped cloth that fills an image: (size, size, 3) uint8 RGB."""
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    flat = np.zeros((size, size, 3), np.uint8)
    flat[:] = _color(rng)
    pattern(rng, flat)
    if rng.random() < 0.5:
        flat = np.ascontiguousarray(flat.transpose(1, 0, 2))
    return _drape(rng, flat)


def hang_cloth(rng: np.random.Generator, image: Image) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Hang drawn cloth over part of a square image.

    Returns the image, and where the cloth is, (S, S) bool.
    """
    size = len(image)
    cloth = draw_cloth(rng, size)
    width, height = rng.uniform(0.25, 1.0, 2) * size
    left, top = rng.uniform(-0.2, 1.0) * (size - width), rng.uniform(-0.2, 1.0) * (size - height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) + np.array([left, top])
    corners += rng.normal(0, 0.04 * size, (4, 2))
    covered = np.zeros((size, size), np.uint8)
    cv2.fillPoly(covered, [np.rint(corners).astype(np.int32)], 255)
    soft = cv2.GaussianBlur(covered, (0, 0), 0.8).astype(np.float32)[..., None] / 255
    return np.rint(cloth * soft + image * (1 - soft)).astype(np.uint8), covered > 127


def _color(rng: np.random.Generator) -> Color:
    """Draw a color typical of flags and clothes: often saturated, sometimes white, dark or dull."""
    kind = rng.random()
    if kind < 0.2:
        value = int(rng.integers(200, 256))
        return value, value, value
    if kind < 0.35:
        value = int(rng.integers(0, 60))
        return value, value, value
    hsv = np.array([[[rng.integers(180), rng.integers(60, 256), rng.integers(60, 256)]]], np.uint8)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _stripes(rng: np.random.Generator, flat: Image) -> None:
    colors = [_color(rng) for _ in range(int(rng.integers(2, 4)))]
    count = int(rng.integers(2, 20))
    for i, row in enumerate(np.array_split(np.arange(len(flat)), count)):
        flat[row] = colors[i % len(colors)]


def _canton(rng: np.random.Generator, flat: Image) -> None:
    """Draw stripes with a field of stars in a corner."""
    _stripes(rng, flat)
    size = len(flat)
    width, height = (rng.uniform(0.3, 0.6, 2) * size).astype(int)
    flat[:height, :width] = _color(rng)
    color, step = _color(rng), size * rng.uniform(0.05, 0.12)
    for y in np.arange(step / 2, height, step):
        for x in np.arange(step / 2, width, step):
            _star(flat, (x, y), 0.35 * step, color)


def _star(flat: Image, center: tuple[float, float], radius: float, color: Color) -> None:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    reach = np.where(np.arange(10) % 2, 0.4, 1.0) * radius
    points = np.stack([center[0] + reach * np.cos(angles), center[1] + reach * np.sin(angles)], axis=-1)
    cv2.fillPoly(flat, [np.rint(points).astype(np.int32)], color, cv2.LINE_AA)


def _cross(rng: np.random.Generator, flat: Image) -> None:
    size = len(flat)
    x, y = (rng.uniform(0.3, 0.7, 2) * size).astype(int).tolist()
    for share in (0.2, 0.1):
        color, thick = _color(rng), max(1, int(rng.uniform(0.5, 1) * share * size))
        if rng.random() < 0.4:
            cv2.line(flat, (0, 0), (size, size), color, thick)
            cv2.line(flat, (size, 0), (0, size), color, thick)
        cv2.line(flat, (x, 0), (x, size), color, thick)
        cv2.line(flat, (0, y), (size, y), color, thick)


def _emblem(rng: np.random.Generator, flat: Image) -> None:
    """Draw a disc or star on stripes, as on flags and printed shirts."""
    if rng.random() < 0.6:
        _stripes(rng, flat)
    size = len(flat)
    x, y = (rng.uniform(0.3, 0.7, 2) * size).tolist()
    radius = rng.uniform(0.08, 0.3) * size
    if rng.random() < 0.5:
        _star(flat, (x, y), radius, _color(rng))
    else:
        cv2.circle(flat, (int(x), int(y)), int(radius), _color(rng), -1, cv2.LINE_AA)


def _plaid(rng: np.random.Generator, flat: Image) -> None:
    layer = flat.copy()
    step = max(4, int(rng.uniform(0.04, 0.2) * len(flat)))
    for axis in (0, 1):
        color, width = _color(rng), max(1, int(rng.uniform(0.1, 0.6) * step))
        for first in range(0, len(flat), step):
            layer[(slice(first, first + width),) if axis == 0 else (slice(None), slice(first, first + width))] = color
        cv2.addWeighted(flat, 0.5, layer, 0.5, 0, dst=flat)


def _dots(rng: np.random.Generator, flat: Image) -> None:
    step = max(5, int(rng.uniform(0.03, 0.12) * len(flat)))
    color = _color(rng)
    for row, y in enumerate(range(0, len(flat), step)):
        for x in range(row % 2 * step // 2, len(flat), step):
            cv2.circle(flat, (x, y), max(1, int(0.3 * step)), color, -1, cv2.LINE_AA)


def _print(rng: np.random.Generator, flat: Image) -> None:
    """Blots of a few colors."""
    noise = rng.normal(size=flat.shape[:2]).astype(np.float32)
    blots = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.01, 0.06) * len(flat)), np.float32)
    for edge in np.quantile(blots, np.sort(rng.uniform(0.2, 0.9, 2))).tolist():
        flat[blots > edge] = _color(rng)


def _plain(rng: np.random.Generator, flat: Image) -> None:
    """Leave the cloth plain: a curtain or a towel."""


_PATTERNS: Final[tuple[Callable[[np.random.Generator, Image], None], ...]] = (
    _stripes,
    _canton,
    _canton,
    _cross,
    _emblem,
    _plaid,
    _dots,
    _print,
    _plain,
)


def _drape(rng: np.random.Generator, flat: Image) -> Image:
    """Fold the cloth and shade the folds."""
    size = len(flat)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    height = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle, waves = rng.uniform(-0.7, 0.7), rng.uniform(1, 9)
        along = (np.cos(angle) * x + np.sin(angle) * y) / size
        bend = rng.uniform(0, 0.15) * np.sin(2 * np.pi * (y / size * rng.uniform(0.3, 2) + rng.random()))
        height += np.sin(2 * np.pi * (waves * (along + bend) + rng.random())).astype(np.float32) / np.float32(waves)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-25, 25), rng.uniform(1.0, 2.2))
    flat = np.asarray(cv2.warpAffine(flat, turn, (size, size), borderMode=cv2.BORDER_REFLECT), np.uint8)
    reach = np.float32(rng.uniform(0.01, 0.05) * size)
    bent = cv2.remap(flat, x + reach * height, y + reach * height, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) * size / 40
    shade = np.clip(1 + rng.uniform(0.1, 0.5) * slope, 0.25, 1.5)[..., None] * np.float32(rng.uniform(0.6, 1.05))
    return np.clip(bent * shade, 0, 255).astype(np.uint8)
