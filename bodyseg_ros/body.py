"""Body model of BodyPix and PoseNet: keypoints, edges and parts, with drawing colors.

Names and order follow tfjs-models ``body-pix/src/keypoints.ts`` and ``part_channels.ts`` (body-pix 2.2.1);
colors are RGB.
"""

from __future__ import annotations

import math
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

#: Background value in ``Result.parts``.
NO_PART: Final = -1


def rainbow(count: int) -> tuple[tuple[int, int, int], ...]:
    """Return ``count`` RGB colors of a rainbow of even brightness, as d3-scale-chromatic 1.5's interpolateRainbow.

    With count 24: the palette of the reference's ``toColoredPartMask``.
    """
    away = [abs(index / count - 0.5) for index in range(count)]
    return tuple(
        cubehelix(360 * index / count - 100, 1.5 - 1.5 * far, 0.8 - 0.9 * far) for index, far in enumerate(away)
    )


def cubehelix(hue: float, saturation: float, lightness: float) -> tuple[int, int, int]:
    """RGB color by D. A. Green's cubehelix (2011), hue in degrees."""
    angle, amplitude = math.radians(hue + 120), saturation * lightness * (1 - lightness)
    cosine, sine = math.cos(angle), math.sin(angle)
    shares = (
        lightness + amplitude * (-0.14861 * cosine + 1.78277 * sine),
        lightness + amplitude * (-0.29227 * cosine - 0.90649 * sine),
        lightness + amplitude * 1.97294 * cosine,
    )
    red, green, blue = (min(255, max(0, round(255 * share))) for share in shares)
    return red, green, blue


#: One RGB color per part, in the order of PART_NAMES.
PART_COLORS: Final = rainbow(len(PART_NAMES))
