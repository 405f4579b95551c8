"""A drawn room with a drawn person, and a network's result for it, for examples and tests."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from ..body import PART_NAMES
from ..types import Frame, Poses, Result

__all__ = ["example", "room"]

#: Keypoints of a waving person, x and y as shares of the image height, from the center.
_POINTS: Final = (
    (0.0, 0.24), (0.03, 0.21), (-0.03, 0.21), (0.07, 0.23), (-0.07, 0.23), (0.14, 0.40), (-0.14, 0.40),
    (0.28, 0.34), (-0.24, 0.56), (0.30, 0.14), (-0.22, 0.74), (0.09, 0.72), (-0.09, 0.72),
    (0.10, 0.90), (-0.10, 0.90), (0.10, 1.05), (-0.10, 1.05),
)  # fmt: skip
#: Part, the keypoints it connects, its width in units of the height, its color.
_LIMBS: Final = (
    ("torso_front", (5, 6, 12, 11), 0.08, (178, 60, 52)),
    ("left_upper_leg_front", (11, 13), 0.14, (52, 60, 90)), ("right_upper_leg_front", (12, 14), 0.14, (52, 60, 90)),
    ("left_upper_arm_front", (5, 7), 0.09, (168, 52, 46)), ("right_upper_arm_front", (6, 8), 0.09, (168, 52, 46)),
    ("left_lower_arm_front", (7, 9), 0.07, (228, 178, 148)), ("right_lower_arm_front", (8, 10), 0.07, (228, 178, 148)),
    ("left_hand", (9, 9), 0.09, (228, 178, 148)), ("right_hand", (10, 10), 0.09, (228, 178, 148)),
)  # fmt: skip
_SKIN: Final = (232, 184, 156)


def example(height: int = 360, width: int = 480) -> tuple[Frame, Result]:
    """Return a frame of this size and its result, with every map."""
    image = room(height, width)
    parts = np.full((height, width), -1, np.int16)
    points = np.rint(np.array(_POINTS) * height + (width / 2, 0)).astype(int)
    for name, joints, thickness, color in _LIMBS:
        for canvas, value in ((image, color), (parts, PART_NAMES.index(name))):
            line = points[list(joints)].reshape(-1, 1, 2)
            if len(joints) > 2:
                cv2.fillPoly(canvas, [line], value)
            cv2.polylines(canvas, [line], len(joints) > 2, value, max(1, round(thickness * height)))
    _head(image, parts, (int(points[0][0]), int(points[0][1])), height)
    person = np.greater_equal(parts, 0).view(np.uint8)
    soft = cv2.GaussianBlur(person.astype(np.float32), (0, 0), max(0.5, height / 120)).reshape(person.shape)
    poses = Poses(points[None].astype(np.float32), np.full((1, 17), 0.9, np.float32), np.ones(1, np.float32))
    result = Result(
        (height, width),
        person=person,
        confidence=np.clip(soft, 0, 1),
        parts=parts.astype(np.int8),
        instances=person.astype(np.int16) - 1,
        poses=poses,
    )
    return Frame(image), result


def room(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draw a wall with light on it, a window and a bookshelf: (height, width, 3) uint8 RGB."""
    rows, columns = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    shade = 1 - 0.35 * np.hypot(columns - 0.3, rows - 0.3)
    image = np.ascontiguousarray((shade[..., None] * (214, 200, 176)).clip(0, 255).astype(np.uint8))
    x, y = width, height
    cv2.rectangle(image, (int(0.05 * x), int(0.10 * y)), (int(0.26 * x), int(0.55 * y)), (120, 170, 215), -1)
    cv2.rectangle(
        image, (int(0.05 * x), int(0.10 * y)), (int(0.26 * x), int(0.55 * y)), (245, 245, 240), max(1, y // 60)
    )
    for index in range(12):
        left, top = (0.70 + 0.024 * index) * x, (0.30 + 0.03 * (index * 5 % 4)) * y
        color = (60 + 35 * (index * 3 % 5), 40 + 30 * (index % 6), 150 - 25 * (index * 2 % 5))
        cv2.rectangle(image, (int(left), int(top)), (int(left + 0.018 * x), int(0.55 * y)), color, -1)
    cv2.rectangle(image, (int(0.68 * x), int(0.55 * y)), (x, int(0.58 * y)), (110, 76, 50), -1)
    cv2.rectangle(image, (0, int(0.92 * y)), (x, y), (126, 96, 70), -1)
    return image


def _head(
    image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    parts: np.ndarray[tuple[int, ...], np.dtype[np.int16]],
    nose: tuple[int, int],
    height: int,
) -> None:
    axes = (max(1, round(0.075 * height)), max(1, round(0.10 * height)))
    cv2.ellipse(image, nose, axes, 0, 0, 360, _SKIN, -1)
    cv2.ellipse(image, nose, axes, 0, 180, 360, (70, 44, 30), -1)
    for side in (-1, 1):
        cv2.circle(image, (nose[0] + side * axes[0] // 2, nose[1]), max(1, height // 90), (40, 30, 30), -1)
    cv2.ellipse(image, (nose[0], nose[1] + axes[1] // 2), (axes[0] // 2, axes[1] // 6), 0, 0, 180, (150, 60, 60), 2)
    cv2.ellipse(parts, nose, axes, 0, 90, 270, PART_NAMES.index("right_face"), -1)
    cv2.ellipse(parts, nose, axes, 0, -90, 90, PART_NAMES.index("left_face"), -1)
