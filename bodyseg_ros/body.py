"""The body as BodyPix and PoseNet see it: keypoints, edges and parts, with colours to draw them.

Names and order follow tfjs-models ``body-pix/src/keypoints.ts`` and ``part_channels.ts`` (body-pix 2.2.1);
colours are RGB.
"""

from __future__ import annotations

import colorsys
from typing import Final

KEYPOINT_NAMES: Final = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

#: (parent, child) keypoint ids, in the order of the displacement channels: a tree rooted at the nose.
POSE_TREE: Final = (
    (0, 1),
    (1, 3),
    (0, 2),
    (2, 4),
    (0, 5),
    (5, 7),
    (7, 9),
    (5, 11),
    (11, 13),
    (13, 15),
    (0, 6),
    (6, 8),
    (8, 10),
    (6, 12),
    (12, 14),
    (14, 16),
)

#: Keypoint pairs that are drawn as bones (``connectedPartNames`` of the reference: no line from the nose).
SKELETON: Final = (
    (11, 5),
    (7, 5),
    (7, 9),
    (11, 13),
    (13, 15),
    (12, 6),
    (8, 6),
    (8, 10),
    (12, 14),
    (14, 16),
    (5, 6),
    (11, 12),
)

PART_NAMES: Final = (
    "left_face",
    "right_face",
    "left_upper_arm_front",
    "left_upper_arm_back",
    "right_upper_arm_front",
    "right_upper_arm_back",
    "left_lower_arm_front",
    "left_lower_arm_back",
    "right_lower_arm_front",
    "right_lower_arm_back",
    "left_hand",
    "right_hand",
    "torso_front",
    "torso_back",
    "left_upper_leg_front",
    "left_upper_leg_back",
    "right_upper_leg_front",
    "right_upper_leg_back",
    "left_lower_leg_front",
    "left_lower_leg_back",
    "right_lower_leg_front",
    "right_lower_leg_back",
    "left_foot",
    "right_foot",
)

#: Value of ``Result.parts`` where nobody is.
NO_PART: Final = -1


def rainbow(count: int) -> tuple[tuple[int, int, int], ...]:
    """``count`` RGB colours around the hue circle, full saturation, neighbours told apart by lightness."""
    colours = []
    for index in range(count):
        red, green, blue = colorsys.hls_to_rgb(index / count, 0.42 + 0.16 * (index % 2), 0.85)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return tuple(colours)


#: One RGB colour per part, in the order of PART_NAMES.
PART_COLORS: Final = rainbow(len(PART_NAMES))
