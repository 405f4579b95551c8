"""Synthetic videos of walking people, drawn or cut out of photos, with ground truth, to measure trackers.

Drawn people need no network: their keypoints jitter, hidden ones get low scores, some people are missed, and the order
of people changes between frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, SKELETON
from ..types import Frame, Poses, Result

__all__ = ["SCENES", "Moment", "PastedMoment", "Scene", "Walker", "paste", "play"]

Path = Callable[[float], tuple[float, float]]
Color = tuple[int, int, int]
#: Keypoints relative to the midpoint of the feet, in units of the height: x to the person's left, y up.
_BODY: Final = np.array([
    (0.00, 0.93), (0.02, 0.95), (-0.02, 0.95), (0.04, 0.94), (-0.04, 0.94),  # nose, eyes, ears
    (0.12, 0.82), (-0.12, 0.82), (0.16, 0.65), (-0.16, 0.65), (0.17, 0.49), (-0.17, 0.49),  # shoulders … wrists
    (0.08, 0.52), (-0.08, 0.52), (0.08, 0.28), (-0.08, 0.28), (0.08, 0.05), (-0.08, 0.05),  # hips, knees, ankles
])  # fmt: skip
#: Amplitude of each keypoint's swing during a step, in units of the height.
_SWING: Final = np.array([0] * 7 + [0.03, -0.03, 0.07, -0.07, 0, 0, -0.05, 0.05, -0.1, 0.1])
_STEPS_HZ: Final = 1.0
_SEEN, _HIDDEN = 0.9, 0.08
#: Minimum visible share of a person's pixels, and number of visible keypoints, for a detection.
_LEAST_SHARE, _LEAST_KEYPOINTS = 0.25, 5


@dataclass(frozen=True)
class Walker:
    """One person.

    path: seconds → x of the feet and y, as shares of the image size; lower means nearer. shirt, trousers: RGB. height:
    share of the image height.
    """

    path: Path
    shirt: tuple[int, int, int]
    trousers: tuple[int, int, int] = (40, 40, 60)
    height: float = 0.6


@dataclass(frozen=True)
class Scene:
    """A scene.

    pillars: (left, right) as shares of the image width, in front of everybody.
    """

    walkers: tuple[Walker, ...]
    seconds: float = 5.0
    pillars: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Moment:
    """One frame.

    seen: what a network might output. truth: walker index of each person. exact: (N, 17, 2) px.
    """

    frame: Frame
    seen: Result
    truth: tuple[int, ...]
    exact: NDArray[np.float32]


@dataclass(frozen=True)
class PastedMoment:
    """One frame.

    labels: (H, W) int16, index of the visible walker, -1 nobody. present: walkers visible enough to be detected.
    """

    frame: Frame
    labels: NDArray[np.int16]
    present: tuple[int, ...]


def _line(start: float, end: float, seconds: float, y: float = 0.95) -> Path:
    """Walk from x to x at constant speed."""
    return lambda time_s: (start + (end - start) * time_s / seconds, y)


def _there_and_back(start: float, end: float, seconds: float, y: float = 0.95) -> Path:
    return lambda time_s: (start + (end - start) * (1 - abs(1 - 2 * time_s / seconds)), y)


_RED, _GREEN, _BLUE, _YELLOW, _WHITE, _GREY = (
    (200, 40, 40),
    (40, 160, 60),
    (50, 70, 210),
    (230, 200, 40),
    (235, 235, 235),
    (110, 110, 110),
)
#: Scenes that are hard for trackers, by name.
SCENES: Final[Mapping[str, Scene]] = {
    "one stands": Scene((Walker(lambda time_s: (0.5, 0.95), _RED),)),
    "two cross": Scene((Walker(_line(0.1, 0.9, 5), _RED), Walker(_line(0.9, 0.1, 5, 0.9), _BLUE))),
    "two alike cross": Scene((Walker(_line(0.1, 0.9, 5), _GREY), Walker(_line(0.9, 0.1, 5, 0.9), _GREY))),
    "six cross": Scene(
        tuple(
            Walker(_line(0.05 + 0.1 * place, 0.95 - 0.1 * place, 6, 0.97 - 0.03 * place), shirt, height=0.5)
            for place, shirt in enumerate((_RED, _GREEN, _BLUE, _YELLOW, _WHITE, _GREY))
        ),
        6.0,
    ),
    "behind a pillar": Scene(
        (Walker(_line(0.05, 0.95, 8), _RED), Walker(_line(0.85, 0.8, 8, 0.9), _BLUE)), 8.0, ((0.35, 0.65),)
    ),
    "leaves and comes back": Scene(
        (Walker(_there_and_back(0.5, 1.5, 8), _GREEN), Walker(_line(0.3, 0.2, 8, 0.9), _RED)), 8.0
    ),
    "one leaves, another enters": Scene(
        (
            Walker(lambda time_s: (0.4 + 0.3 * time_s, 0.95), _GREEN),
            Walker(lambda time_s: (2.2 - 0.3 * time_s, 0.95), _YELLOW, (200, 200, 190)),
        ),
        6.0,
    ),
}


def play(
    scene: Scene,
    fps: float = 30.0,
    size: tuple[int, int] = (480, 640),
    noise: float = 0.006,
    missed: float = 0.02,
    seed: int = 0,
) -> Iterator[Moment]:
    """Render the scene frame by frame.

    size: (height, width) px. noise: standard deviation of keypoints in units of the person's height. missed: share of
    visible people that are not detected.
    """
    random = np.random.default_rng(seed)
    background = np.asarray(cv2.GaussianBlur(random.integers(60, 200, (*size, 3), np.uint8), (0, 0), 3), np.uint8)
    for index in range(round(scene.seconds * fps)):
        time_s = index / fps
        image, labels, bodies, areas = _draw(scene, time_s, background)
        people = []
        for walker, points in enumerate(bodies):
            inside = np.rint(points).astype(int)
            within = ((inside >= 0) & (inside < (size[1], size[0]))).all(axis=1)
            place = np.clip(inside, 0, (size[1] - 1, size[0] - 1))
            shown = within & (labels[place[:, 1], place[:, 0]] == walker)
            share = np.count_nonzero(labels == walker) / max(areas[walker], 1)
            if share >= _LEAST_SHARE and shown.sum() >= _LEAST_KEYPOINTS and random.random() >= missed:
                people.append((walker, points, shown))
        random.shuffle(people)
        yield _moment(Frame(image, round(1e9 * time_s), index=index), labels, people, scene, noise, random)


def paste(
    scene: Scene, cutouts: Sequence[NDArray[np.uint8]], background: NDArray[np.uint8], fps: float = 15.0
) -> Iterator[PastedMoment]:
    """Render the scene with people cut out of photos, (h, w, 4) uint8 RGBA, who glide along the walkers' paths.

    background: (H, W, 3) uint8 RGB; it sets the size.
    """
    height, width = background.shape[:2]
    people = []
    for walker, cutout in zip(scene.walkers, cutouts, strict=False):
        scale = walker.height * height / cutout.shape[0]
        size = (max(1, round(cutout.shape[1] * scale)), max(1, round(cutout.shape[0] * scale)))
        people.append(np.asarray(cv2.resize(cutout, size, interpolation=cv2.INTER_AREA), np.uint8))
    for index in range(round(scene.seconds * fps)):
        time_s = index / fps
        image, labels = background.copy(), np.full((height, width), -1, np.int16)
        feet = [walker.path(time_s) for walker in scene.walkers]
        for place in sorted(range(len(people)), key=lambda place: feet[place][1]):
            _lay(image, labels, people[place], place, (feet[place][0] * width, feet[place][1] * height))
        for left, right in scene.pillars:
            there = np.s_[:, round(left * width) : round(right * width)]
            image[there], labels[there] = 90, -1
        present = tuple(
            place
            for place, person in enumerate(people)
            if np.count_nonzero(labels == place) >= _LEAST_SHARE * np.count_nonzero(person[..., 3] > 127)
        )
        yield PastedMoment(Frame(image, round(1e9 * time_s), index=index), labels, present)


def _lay(
    image: NDArray[np.uint8],
    labels: NDArray[np.int16],
    person: NDArray[np.uint8],
    number: int,
    feet: tuple[float, float],
) -> None:
    """Paste a person, with the middle of its lower edge at `feet`, px."""
    left, top = round(feet[0] - person.shape[1] / 2), round(feet[1]) - person.shape[0]
    height, width = labels.shape
    inside = person[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    if not inside.size:
        return
    there = np.s_[max(top, 0) : max(top, 0) + inside.shape[0], max(left, 0) : max(left, 0) + inside.shape[1]]
    share = inside[..., 3:].astype(np.float32) / 255
    image[there] = np.rint(image[there] * (1 - share) + inside[..., :3] * share).astype(np.uint8)
    labels[there][inside[..., 3] > 127] = number


def _moment(
    frame: Frame,
    labels: NDArray[np.int16],
    people: list[tuple[int, NDArray[np.float64], NDArray[np.bool_]]],
    scene: Scene,
    noise: float,
    random: np.random.Generator,
) -> Moment:
    """Make the detections of people given as (walker, keypoints, visible keypoints), in this order."""
    table = np.full(len(scene.walkers) + 2, -1, np.int16)
    for place, (walker, *_) in enumerate(people):
        table[walker] = place
    joints = len(KEYPOINT_NAMES)
    exact = np.array([points for _, points, _ in people], np.float32).reshape(-1, joints, 2)
    tall = np.array([scene.walkers[walker].height for walker, *_ in people]).reshape(-1, 1, 1) * frame.size[0]
    trembling = exact + random.normal(0, noise, exact.shape) * tall
    scores = np.array([np.where(shown, _SEEN, _HIDDEN) for *_, shown in people], np.float32).reshape(-1, joints)
    poses = Poses(trembling.astype(np.float32), scores, np.full(len(people), _SEEN, np.float32))
    instances = table[labels]
    person = (instances >= 0).view(np.uint8)
    seen = Result(frame.size, person=person, instances=instances, poses=poses)
    return Moment(frame, seen, tuple(walker for walker, *_ in people), exact)


def _draw(
    scene: Scene, time_s: float, background: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int16], list[NDArray[np.float64]], list[int]]:
    """Draw the walkers.

    Returns the image, the walker of each pixel (−1 nobody), and each walker's keypoints and visible pixels.
    """
    height, width = background.shape[:2]
    image, labels = background.copy(), np.full((height, width), -1, np.int16)
    bodies, areas = [], [0] * len(scene.walkers)
    feet = [walker.path(time_s) for walker in scene.walkers]
    for walker, (x, y) in zip(scene.walkers, feet, strict=True):
        swing = _SWING * np.sin(2 * np.pi * _STEPS_HZ * time_s)
        points = np.column_stack([_BODY[:, 0] + swing, -_BODY[:, 1]]) * walker.height * height
        bodies.append(points + np.array([x * width, y * height]))
    for place in sorted(range(len(feet)), key=lambda place: feet[place][1]):
        walker, points = scene.walkers[place], bodies[place]
        alone = np.zeros((height, width), np.uint8)
        _paint(alone, points, walker.height * height, ((1, 1, 1), (1, 1, 1), (1, 1, 1)))
        areas[place] = int(alone.sum())
        labels[alone > 0] = place
        _paint(image, points, walker.height * height, (walker.shirt, walker.trousers, (200, 150, 120)))
    for left, right in scene.pillars:
        there = np.s_[:, round(left * width) : round(right * width)]
        image[there], labels[there] = 90, -1
    return image, labels, bodies, areas


def _paint(
    canvas: NDArray[np.uint8], points: NDArray[np.float64], tall_px: float, colors: tuple[Color, Color, Color]
) -> None:
    """Draw a body in the colors of shirt, trousers and skin."""
    shirt, trousers, skin = colors
    pixels = np.rint(points).astype(int)
    torso = pixels[[5, 6, 12, 11]]
    cv2.fillConvexPoly(canvas, torso, shirt)
    for start, end in SKELETON:
        color = trousers if min(start, end) >= 11 else shirt
        cv2.line(canvas, pixels[start].tolist(), pixels[end].tolist(), color, max(1, round(0.07 * tall_px)))
    cv2.circle(canvas, pixels[:5].mean(axis=0).round().astype(int).tolist(), max(1, round(0.07 * tall_px)), skin, -1)
