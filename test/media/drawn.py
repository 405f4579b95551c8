"""Pictures drawn for these tests: nothing symmetric, so that a mirror or a turn shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from bodyseg_ros.errors import MediaError
from bodyseg_ros.media import Source, open_sink
from bodyseg_ros.types import Frame

BARS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255,) * 3, (90,) * 3]


def letter_f(height: int = 96, width: int = 64, shift: int = 0) -> np.ndarray:
    """A red F on blue, `shift` px to the right; a green corner top left."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = (20, 30, 160)
    image[:8, :8] = (30, 200, 40)
    red = (220, 30, 20)
    image[16:80, 12 + shift : 22 + shift] = red
    image[16:26, 12 + shift : 48 + shift] = red
    image[44:54, 12 + shift : 38 + shift] = red
    return image


def color_bars(height: int, width: int = 320) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    step = width // len(BARS)
    for place, color in enumerate(BARS):
        image[:, place * step : (place + 1) * step] = color
    return image


def bars_error(image: np.ndarray) -> int:
    """Largest difference from the bars' colors, away from their edges."""
    step = image.shape[1] // len(BARS)
    return max(
        int(np.abs(image[:, place * step + 8 : (place + 1) * step - 8].astype(int) - color).max())
        for place, color in enumerate(BARS)
    )


def read_all(source: Source) -> tuple[list[Frame], str]:
    """The frames of a source, and the sentence it ends with ('' if none)."""
    frames = []
    with source:
        try:
            for frame in source:
                frames.append(frame)  # noqa: PERF402
        except MediaError as err:
            return frames, str(err)
    return frames, ""


def draw_video(path: Path, count: int = 12, fps: Fraction = Fraction(25), stamps: list[int] | None = None) -> Path:
    """A video of an F that moves 1 px a picture to the right."""
    with open_sink(path, fps) as sink:
        for index in range(count):
            stamp = stamps[index] if stamps else round(index / fps * 1_000_000_000)
            picture = letter_f(shift=index % 12)
            sink(picture, Frame(picture, stamp, "drawn"))
    return path
