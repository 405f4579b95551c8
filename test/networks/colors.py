"""A network whose output is its input: the picture's channels are the probabilities of its classes."""

from __future__ import annotations

import numpy as np

from bodyseg_ros.catalog import Card

CLASSES = ("background", "person", "dog")


def card(network: str, **changes: object) -> Card:
    """Red is the background, green a person, blue a dog; run by the engine `passthrough`."""
    facts = {
        "name": "colors",
        "title": "Colors",
        "network": network,
        "format": "none",
        "file": "none",
        "preprocessing": {"scale": [1 / 255] * 3, "offset": [0, 0, 0]},
        "input": "image",
        "input_size": [64, 64],
        "outputs": {"image": "image"},
        "classes": CLASSES,
        "scores": "probabilities",
        "licence": "MIT",
    }
    return Card.model_validate(facts | changes)


def picture(height: int, width: int, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """Red, with a green rectangle: rows top to bottom − 1, columns left to right − 1."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 255
    image[top:bottom, left:right] = (0, 255, 0)
    return image


def borders(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Where a rectangle begins and ends, px, sub-pixel: top, left, bottom, right; from a map of 0 to 1."""
    rows, columns = mask[:, mask.shape[1] // 2].astype(float), mask[mask.shape[0] // 2].astype(float)
    middle_row, middle_column = np.argmax(rows > 0.5) + rows[rows > 0.5].size // 2, columns.size // 2
    top, left = middle_row - rows[:middle_row].sum(), middle_column - columns[:middle_column].sum()
    return top, left, middle_row + rows[middle_row:].sum(), middle_column + columns[middle_column:].sum()
