"""Posture from keypoints in an upright image. None: unknown."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from ..person import Person

__all__ = ["body_angle", "hand_height"]


def _joints(*names: str) -> list[int]:
    return [KEYPOINT_NAMES.index(name) for name in names]


_FACE: Final = _joints("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_SHOULDERS: Final = _joints("left_shoulder", "right_shoulder")
_HIPS: Final = _joints("left_hip", "right_hip")
_KNEES: Final = _joints("left_knee", "right_knee")
_ANKLES: Final = _joints("left_ankle", "right_ankle")
_WRISTS: Final = _joints("left_wrist", "right_wrist")
#: Cosine of 60 degrees.
_UPRIGHT: Final = 0.5


def body_angle(person: Person, min_score: float) -> float | None:
    """Angle of the trunk from the vertical, degrees: 0 upright or upside down, 90 level.

    If the legs are visible, it is the smaller angle of trunk and legs: a person who bends over is not lying.
    """
    shoulders, hips = (_middle(person, joints, min_score) for joints in (_SHOULDERS, _HIPS))
    if shoulders is None or hips is None:
        return None
    angles = [_angle(hips - shoulders)]
    feet = _middle(person, _ANKLES, min_score)
    feet = _middle(person, _KNEES, min_score) if feet is None else feet
    if feet is not None:
        angles.append(_angle(feet - hips))
    return min(angles)


def hand_height(person: Person, min_score: float) -> float | None:
    """Height of the higher wrist above the face's highest keypoint, in trunk lengths; negative below.

    None also if the trunk leans by more than 60 degrees: a person who lies or bends over has no hand above the head.
    """
    face, wrists = (_seen(person, joints, min_score) for joints in (_FACE, _WRISTS))
    shoulders, hips = (_middle(person, joints, min_score) for joints in (_SHOULDERS, _HIPS))
    if not len(face) or not len(wrists) or shoulders is None:
        return None
    # Close to the camera the hips are out of view: half the trunk is about as long as shoulder to top of the head.
    trunk = 2 * (shoulders[1] - face[:, 1].min()) if hips is None else np.hypot(*(hips - shoulders))
    if hips is not None and hips[1] - shoulders[1] < _UPRIGHT * trunk:
        return None
    return float((face[:, 1].min() - wrists[:, 1].min()) / max(trunk, 1.0))


def _seen(person: Person, joints: list[int], min_score: float) -> NDArray[np.float64]:
    """(N, 2): the visible ones of these keypoints."""
    points = person.keypoints[joints].astype(np.float64)
    return points[(person.keypoint_scores[joints] >= np.float32(min_score)) & np.isfinite(points).all(axis=1)]


def _middle(person: Person, joints: list[int], min_score: float) -> NDArray[np.float64] | None:
    points = _seen(person, joints, min_score)
    return points.mean(axis=0) if len(points) else None


def _angle(vector: NDArray[np.float64]) -> float:
    """Angle from the vertical, 0 to 90 degrees."""
    return math.degrees(math.atan2(abs(vector[0]), abs(vector[1])))
