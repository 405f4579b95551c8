"""The built-in tracker: matches people by motion, pose, mask overlap and clothing color.

A known person is a body-fixed point with constant velocity (a Kalman filter), keypoints and a mask that move with it,
and color histograms. Detections and known people are assigned to maximize the sum of their similarities
(scipy.optimize.linear_sum_assignment). Pose similarity is COCO's object keypoint similarity (cocodataset/cocoapi
``PythonAPI/pycocotools/cocoeval.py`` 2.0, computeOks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..dependencies import missing_package
from ..settings import Settings, live
from ..types import Frame, Result
from .camera_motion import CameraMotion
from .motion import Motion
from .sightings import NOBODY, Sightings, see
from .tracker import Tracker

__all__ = ["KalmanSettings", "KalmanTracker"]

Array = NDArray[np.float32]
#: COCO's standard deviation of each keypoint in units of the person's size: nose, eyes, ears, shoulders, …, ankles.
_SIGMAS: Final = np.array(
    [0.026, 0.025, 0.025, 0.035, 0.035, *np.repeat([0.079, 0.072, 0.062, 0.107, 0.087, 0.089], 2)], np.float32
)
#: After this many seconds out of view, pose and mask no longer identify a person.
_POSE_HOLDS_S: Final = 0.4
#: For this long, a partly visible person who reappears inside the image is identified by position.
_PLACE_HOLDS_S: Final = 4.0
#: A person seen in fewer frames than this is forgotten after this many seconds, or two frames: possibly a false
#: detection.
_SURE_AFTER: Final = 3
_DOUBT_S: Final = 0.5
#: Standard deviations of a measured position, and of the velocity change in one second, in units of the person's size.
_PLACE_SD: Final = 0.03
_CHANGE_SD: Final = 0.4
#: Histogram overlaps (Bhattacharyya) that count as somewhat similar and as equal clothes. Among six people on street
#: photos, different people overlapped by 0.45 to 0.88, the same person in consecutive frames by more than 0.93.
_UNLIKE: Final = 0.8
_ALIKE: Final = 0.95
#: Similarity bonus for people seen in the last frame: two people may be detected as one, and a person who reappears may
#: be visible only in part and mistaken for a new one.
_HANDICAP: Final = 0.3
_JUST_NOW_S: Final = 1.0
#: Standard deviation of a new person's speed, sizes per second.
_SPEED_SD: Final = 1.0
#: Weight of the newest value in the averages of size, keypoint offsets, and colors.
_LEARN: Final = 0.2
_LEARN_COLORS: Final = 0.1
#: Distance, in sizes, beyond which people stand beside each other and do not overlap.
_BESIDE: Final = 0.4
#: Maximum distance, in sizes, outside the image: people who left are expected at the edge.
_BEYOND: Final = 0.5


class KalmanSettings(Settings):
    """Similarity thresholds and memory."""

    memory: float = live(
        10.0, "Time that a person out of view is remembered, s; later they get a new id.", ge=0.0, le=3600.0
    )
    min_likeness: float = live(
        0.4,
        "Minimum similarity of the same person in two frames, 0 to 1: place, pose, mask and colors.",
        ge=0.0,
        le=1.0,
    )
    min_found_likeness: float = live(
        0.7, "Minimum similarity to recover a person who was out of view, 0 to 1: place and colors.", ge=0.0, le=1.0
    )
    camera_motion: bool = live(
        False, "Move known people along with the background: for a camera that turns or drives. Costs time."
    )


@dataclass
class _Known(Motion):
    """One known person, as the motion of a body-fixed point, px.

    offsets: (17, 2) averaged keypoints relative to place; learned: (17,) which are known. points: (17, 2)
    relative to place at the last detection; visible: (17,) which. mask, corner: last small mask and its position in the
    small map; mask_at: (2,) px, the place at that time.
    """

    number: int
    size: float
    offsets: Array
    learned: NDArray[np.bool_]
    points: Array
    visible: NDArray[np.bool_]
    colors: Array
    mask: NDArray[np.bool_]
    corner: tuple[int, int]
    mask_at: Array
    frames: int = 1
    known_s: float = 0.0
    unseen_s: float = 0.0

    def move(self, motion: Array) -> None:
        """Move along with the background; motion: (2, 3), from places before to places now, px."""
        turn = motion[:, :2]
        self.place = turn @ self.place + motion[:, 2]
        self.velocity = turn @ self.velocity

    def predict(self, step_s: float, picture: tuple[int, int]) -> None:
        """Predict one time step; picture: (height, width), px."""
        self.advance(step_s, _CHANGE_SD * self.size)
        limit = np.array([picture[1], picture[0]], np.float32)
        beyond = np.float32(_BEYOND * self.size)
        inside = np.clip(self.place, -beyond, limit + beyond)
        self.velocity = np.where(inside == self.place, self.velocity, np.float32(0))
        self.place = inside
        self.unseen_s += step_s
        self.known_s += step_s


class KalmanTracker(Tracker):
    """Assigns detections by motion, keypoints, masks and colors; recovers lost people by place and colors."""

    api_version = 1
    Settings = KalmanSettings
    settings: KalmanSettings

    def __init__(self, settings: KalmanSettings) -> None:
        super().__init__(settings)
        try:
            from scipy.optimize import linear_sum_assignment  # slow import, needed only for tracking
        except ModuleNotFoundError as err:
            raise missing_package("The tracker 'kalman'", err, "scipy") from err
        self._assign = linear_sum_assignment
        self._known: list[_Known] = []
        self._count = 0
        self._camera: CameraMotion | None = None

    def identify(self, frame: Frame, result: Result, step_s: float) -> Sequence[int]:
        """Return an id per person; people unseen for `memory` seconds are forgotten."""
        seen = see(frame, result)
        self._follow_camera(frame, result, seen)
        for known in self._known:
            known.predict(step_s, result.size)
        self._known = [known for known in self._known if known.unseen_s <= self._patience_s(known, step_s)]
        measured = _measured(self._known, seen)
        numbers = [0] * len(seen.points)
        mistaken, alone = set(), _alone(self._known)
        for row, column, others in self._pairs(seen, measured, step_s):
            mistaken.update(others)
            _update(self._known[row], seen, column, measured[row, column], alone[row])
            numbers[column] = self._known[row].number
        self._known = [known for row, known in enumerate(self._known) if row not in mistaken]
        for place, number in enumerate(numbers):
            if not number:
                self._count += 1
                numbers[place] = self._count
                self._known.append(_met(self._count, seen, place))
        return numbers

    def _follow_camera(self, frame: Frame, result: Result, seen: Sightings) -> None:
        if not self.settings.camera_motion:
            self._camera = None
            return
        self._camera = self._camera or CameraMotion()
        motion = self._camera.between(frame.image[:, ::-1] if result.mirrored else frame.image, seen)
        if motion is not None:
            for known in self._known:
                known.move(motion)

    def _patience_s(self, known: _Known, step_s: float) -> float:
        doubtful = min(max(_DOUBT_S, 1.5 * step_s), self.settings.memory)
        return self.settings.memory if known.frames >= _SURE_AFTER else doubtful

    def _pairs(self, seen: Sightings, measured: Array, step_s: float) -> list[tuple[int, int, list[int]]]:
        """Match lost people.

        Returns (known, seen, mistaken): mistaken are ids that were given as new to people who are found again.
        """
        if not self._known or not len(seen.points):
            return []
        likeness, least = self._likeness(seen, measured)
        enough = likeness >= least
        away = np.array([known.unseen_s > step_s for known in self._known])
        new = np.array([known.known_s < _JUST_NOW_S for known in self._known])
        rows, columns = self._assign(
            np.where(enough, 1 + likeness - _HANDICAP * (away | new)[:, None], 0), maximize=True
        )
        chosen = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if enough[row, column]}
        left = [row for row in np.flatnonzero(new & ~away).tolist() if row not in chosen]
        return [
            (row, column, [one for one in left if enough[one, column]] if away[row] else [])
            for row, column in chosen.items()
        ]

    def _likeness(self, seen: Sightings, measured: Array) -> tuple[NDArray[Any], NDArray[Any]]:
        """Similarity of every known person (rows) and detection (columns), 0 to 1, and the threshold of each row (rows,
        1).
        """
        everyone = self._known
        sizes = np.array([known.size for known in everyone], np.float32)[:, None]
        spread = np.array([known.spread[0] for known in everyone], np.float32)[:, None] + (_PLACE_SD * sizes) ** 2
        places = np.array([known.place for known in everyone])[:, None]
        # Half as strict as the filter's own distance: people turn, and keypoints jump.
        near = np.exp(-((measured - places) ** 2).sum(axis=-1) / (4 * spread + (0.1 * sizes) ** 2))
        known_colors = np.array([known.colors for known in everyone])
        colors = np.clip((known_colors @ seen.colors.T - _UNLIKE) / (_ALIKE - _UNLIKE), 0, 1)
        told = np.outer(known_colors.any(axis=1), seen.colors.any(axis=1))
        pose, posed = _pose_likeness(everyone, seen)
        recent = (near + told * colors + posed * pose + _overlaps(everyone, seen)) / (2 + told + posed)
        unseen_s = np.array([known.unseen_s for known in everyone])[:, None]
        # Anybody may enter at the edge; nobody appears from nowhere inside the image.
        by_colors, by_place = (near + 2 * colors) / 3, (3 * near + colors) / 4
        anybody = seen.at_edge | (unseen_s > _PLACE_HOLDS_S)
        found = np.where(told, np.where(anybody, by_colors, np.maximum(by_colors, by_place)), near)
        away = unseen_s > _POSE_HOLDS_S
        least = np.where(away, self.settings.min_found_likeness, self.settings.min_likeness)
        return np.where(away, found, recent), least


def _measured(everyone: Sequence[_Known], seen: Sightings) -> Array:
    """Measure each known person's fixed point from each detection: (known, seen, 2) px.

    The median over the keypoints, so that hidden keypoints and those beyond the image edge have no influence.
    """
    if not everyone or not len(seen.points):
        return np.zeros((len(everyone), len(seen.points), 2), np.float32)
    offsets = np.array([known.offsets for known in everyone])[:, None]
    told = np.array([known.learned for known in everyone])[:, None] & seen.visible
    told |= ~told.any(axis=-1, keepdims=True) & seen.visible  # no common keypoint: median of the detection's keypoints
    votes = np.where(told[..., None], seen.points - offsets, np.inf)
    votes.sort(axis=2)
    middle = ((told.sum(axis=-1) - 1) // 2)[..., None, None]
    return np.asarray(np.take_along_axis(votes, middle, axis=2)[:, :, 0], np.float32)


def _pose_likeness(everyone: Sequence[_Known], seen: Sightings) -> tuple[Array, NDArray[np.bool_]]:
    """Mean similarity of common keypoints at their predicted places, and whether there are at least three."""
    points = np.array([known.place + known.points for known in everyone])[:, None]
    both = np.array([known.visible for known in everyone])[:, None] & seen.visible
    sizes = np.array([known.size for known in everyone], np.float32)[:, None, None]
    # A person's area is about a third of the square of its long side.
    far = ((points - seen.points) ** 2).sum(axis=-1) / (2 * (2 * _SIGMAS) ** 2 * sizes**2 / 3)
    count = both.sum(axis=-1)
    return (np.exp(-far) * both).sum(axis=-1) / np.maximum(count, 1), count >= 3


def _overlaps(everyone: Sequence[_Known], seen: Sightings) -> Array:
    """IoU of masks moved to their predicted places, nearer people in front."""
    height, width = seen.labels.shape
    drawn = np.full((height, width), NOBODY, np.int16)
    for row in sorted(range(len(everyone)), key=lambda row: (-everyone[row].unseen_s, everyone[row].place[1])):
        known = everyone[row]
        moved = np.rint((known.place - known.mask_at) / seen.shrink).astype(int)
        top, left = known.corner[0] + int(moved[1]), known.corner[1] + int(moved[0])
        bottom, right = top + known.mask.shape[0], left + known.mask.shape[1]
        there = drawn[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        mask = known.mask[max(-top, 0) :, max(-left, 0) :][: there.shape[0], : there.shape[1]]
        there[: mask.shape[0], : mask.shape[1]][mask] = row
    rows, columns = len(everyone) + 1, len(seen.points) + 1
    pairs = (drawn.astype(np.intp) + 1) * columns + (seen.labels + 1)
    count = np.bincount(pairs.ravel(), minlength=rows * columns).reshape(rows, columns).astype(np.float32)
    both = count[1:, 1:]
    either = count[1:].sum(axis=1)[:, None] + count[:, 1:].sum(axis=0) - both
    return np.asarray(both / np.maximum(either, 1), np.float32)


def _alone(everyone: Sequence[_Known]) -> list[bool]:
    """Whether nobody else is expected where a person is; otherwise the colors may be of both."""
    if len(everyone) < 2:
        return [True] * len(everyone)
    places = np.array([known.place for known in everyone])
    away = np.abs(places[:, None, 0] - places[:, 0])
    np.fill_diagonal(away, np.inf)
    alone: list[bool] = (away.min(axis=1) > [_BESIDE * known.size for known in everyone]).tolist()
    return alone


def _update(known: _Known, seen: Sightings, place: int, measured: Array, alone: bool) -> None:
    """Update a person from a detection; colors only if nobody else is close."""
    visible, usual = seen.visible[place], max(int(known.visible.sum()), 1)
    count = int(visible.sum())
    # Fewer keypoints measure the place less precisely.
    known.correct(measured, _PLACE_SD * known.size * len(visible) / max(count, 1))
    offsets = seen.points[place] - known.place
    share = np.where(known.learned, np.float32(_LEARN), np.float32(1))[visible, None]
    known.offsets[visible] += share * (offsets - known.offsets)[visible]
    known.learned |= visible
    whole = count >= 0.8 * usual
    if whole:
        known.size += _LEARN * (float(seen.sizes[place]) - known.size)
        if alone and seen.colors[place].any():
            colors = known.colors + np.float32(_LEARN_COLORS) * (seen.colors[place] - known.colors)
            known.colors = colors / np.linalg.norm(colors)
    known.points, known.visible = offsets, visible
    known.mask, known.corner = _cut(seen, place)
    known.mask_at = known.place
    known.frames += 1
    known.unseen_s = 0.0


def _met(number: int, seen: Sightings, place: int) -> _Known:
    """Somebody new."""
    points, visible, size = seen.points[place], seen.visible[place], float(seen.sizes[place])
    middle = points[visible].mean(axis=0)
    about = points - middle
    offsets = np.where(visible[:, None], about, np.float32(0))
    spread = ((_PLACE_SD * size) ** 2, 0.0, (_SPEED_SD * size) ** 2)
    mask, corner = _cut(seen, place)
    still = np.zeros(2, np.float32)
    colors = seen.colors[place]
    learned = visible.copy()
    return _Known(middle, still, spread, number, size, offsets, learned, about, visible, colors, mask, corner, middle)


def _cut(seen: Sightings, place: int) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Cut out a person's small mask; return it with its first row and column."""
    mask = np.equal(seen.labels, place)
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return mask[top : top + height, left : left + width].copy(), (top, left)
