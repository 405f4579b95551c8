"""Made recordings of walking people, some frames of which are hard, to measure who is left uncovered.

People cut out of labeled photos walk before photos without people; in some frames the picture is blurred, dark, or cut
by bars. Of every person at least 40 px high and in view, in every frame: missed, where less than half of what is to be
seen of them is covered; partly, where less than nine tenths. Needs the folder of photos and models that BODYSEG_SHARED
names (../shared); without it people are drawn, of whom a network that knows photos sees few.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.table import Table

from bodyseg_ros.effects.example import example, room
from bodyseg_ros.lab.labeled import labeled_photos
from bodyseg_ros.media import read_photo

SHARED = Path(os.environ.get("BODYSEG_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))
HEIGHT, WIDTH, FPS = 360, 480, 15
FRAMES, CLIPS, PEOPLE = 60, 8, 2
LEAST_PX = 40
MISSED, PARTLY = 0.5, 0.9
KINDS = ("plain", "blur", "dark", "cut")


@dataclass(frozen=True)
class Walker:
    """A person cut out: (h, w, 3) RGB, (h, w) bool; from where to where the middle goes, px."""

    image: np.ndarray
    mask: np.ndarray
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Moment:
    """A frame of a clip: the picture, what makes it hard, and each person's mask as far as it is to be seen."""

    image: np.ndarray
    kind: str
    masks: list[np.ndarray]


def made_clips() -> Iterator[list[Moment]]:
    """The clips, always the same."""
    chance = np.random.default_rng(7)
    people, rooms = cut_outs(SHARED, chance), backgrounds(SHARED)
    for number in range(CLIPS):
        walkers, hard = clip(people, chance), hard_frames(chance)
        moments = []
        for index in range(FRAMES):
            kind = hard.get(index, "plain")
            image, masks = made_hard(*drawn(rooms[number % len(rooms)], walkers, index), kind, chance)
            moments.append(Moment(image, kind, masks))
        yield moments


class Tally:
    """Who is left uncovered, by way of covering."""

    def __init__(self, ways: Sequence[str]) -> None:
        self._ways = ways
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._shares: dict[str, list[float]] = {way: [] for way in ways}

    def add(self, way: str, moment: Moment, cover: np.ndarray | None) -> None:
        """One frame; cover: (H, W) bool, None where the picture is blank."""
        self._shares[way].append(1.0 if cover is None else float(cover.mean()))
        for mask in filter(is_counted, moment.masks):
            covered = 1.0 if cover is None else float(cover[mask].mean())
            self._counts[way, moment.kind, "people"] += 1
            self._counts[way, moment.kind, "missed"] += covered < MISSED
            self._counts[way, moment.kind, "partly"] += covered < PARTLY

    def missed(self, way: str) -> float:
        """Share of people in frames who are missed."""
        people, missed = (sum(self._counts[way, kind, what] for kind in KINDS) for what in ("people", "missed"))
        return missed / max(1, people)

    def table(self, title: str) -> Table:
        """A row for each way of covering, with rates by kind of frame."""
        table = Table(
            title=f"{title}: people at least {LEAST_PX} px high, {CLIPS} clips of {FRAMES} frames at {FPS} Hz"
        )
        for column in ("", "missed", "partly", *(f"missed, {kind}" for kind in KINDS), "covered"):
            table.add_column(column, justify="right" if column else "left")
        for way in self._ways:
            rates = [self._rate(way, what, KINDS) for what in ("missed", "partly")]
            rates += [self._rate(way, "missed", (kind,)) for kind in KINDS]
            table.add_row(way, *rates, f"{np.mean(self._shares[way]):.1%}")
        people = {kind: self._counts[self._ways[0], kind, "people"] for kind in KINDS}
        table.caption = "People: " + ", ".join(f"{count} {kind}" for kind, count in people.items())
        return table

    def _rate(self, way: str, what: str, kinds: Sequence[str]) -> str:
        people = sum(self._counts[way, kind, "people"] for kind in kinds)
        return f"{sum(self._counts[way, kind, what] for kind in kinds) / max(1, people):.1%}"


def cut_outs(shared: Path, chance: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """People who stand apart and whole on labeled photos, without end."""
    folder = shared / "eval/coco_train2017_people"
    found = []
    for labeled in labeled_photos(folder) if folder.is_dir() else ():
        image, mask = labeled.read()
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for label in range(1, count):
            left, top, width, height, area = stats[label]
            if height >= 150 and 0.2 <= width / height <= 0.8 and area >= 0.35 * width * height and top > 0:
                there = np.s_[top : top + height, left : left + width]
                found.append((image[there].copy(), labels[there] == label))
    if not found:
        frame, result = example(HEIGHT, WIDTH)
        there = np.s_[20:, 160:320]
        found = [(frame.image[there], result.person[there] == 1)]  # type: ignore[index] # the example has it
    while True:
        yield found[chance.integers(len(found))]


def backgrounds(shared: Path) -> list[np.ndarray]:
    paths = sorted((shared / "media/backgrounds").glob("*.jpg"))
    return [cv2.resize(read_photo(path), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for path in paths] or [
        room(HEIGHT, WIDTH)
    ]


def clip(people: Iterator[tuple[np.ndarray, np.ndarray]], chance: np.random.Generator) -> list[Walker]:
    walkers = []
    for _ in range(PEOPLE):
        image, mask = next(people)
        height = int(chance.integers(60, 260))
        size = max(8, round(image.shape[1] * height / image.shape[0])), height
        start, end = chance.uniform((-20, 120), (WIDTH + 20, HEIGHT - 60), (2, 2))
        small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        shrunk = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        walkers.append(Walker(shrunk, small, tuple(start), tuple(end)))
    return walkers


def hard_frames(chance: np.random.Generator) -> dict[int, str]:
    """Frame → what makes it hard; three stretches of up to a second."""
    hard: dict[int, str] = {}
    for kind in chance.permutation(["blur", "dark", "cut"]):
        first, length = int(chance.integers(4, FRAMES - 18)), int(chance.integers(3, 15))
        hard |= {frame: str(kind) for frame in range(first, first + length)}
    return hard


def drawn(background: np.ndarray, walkers: list[Walker], index: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The picture, and each one's mask as far as nobody stands before them."""
    image, masks = background.copy(), []
    for walker in walkers:
        share = index / (FRAMES - 1)
        x, y = (a + (b - a) * share for a, b in zip(walker.start, walker.end, strict=True))
        height, width = walker.mask.shape
        left, top = round(x - width / 2), round(y - height / 2)
        rows = np.s_[max(0, top) : min(HEIGHT, top + height)]
        columns = np.s_[max(0, left) : min(WIDTH, left + width)]
        mask = np.zeros((HEIGHT, WIDTH), bool)
        if rows.stop > rows.start and columns.stop > columns.start:
            cut = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            mask[rows, columns] = walker.mask[cut]
            image[rows, columns][walker.mask[cut]] = walker.image[cut][walker.mask[cut]]
        masks = [one & ~mask for one in masks] + [mask]
    return image, masks


def made_hard(
    image: np.ndarray, masks: list[np.ndarray], kind: str, chance: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    if kind == "blur":
        image = cv2.GaussianBlur(image, (0, 0), 7)
    elif kind == "dark":
        image = (image * 0.06).astype(np.uint8)
    elif kind == "cut":
        bars = np.zeros((HEIGHT, WIDTH), bool)
        for left in range(0, WIDTH, 40):
            bars[:, left : left + 24] = True
        image = image.copy()
        image[bars] = 90
        masks = [mask & ~bars for mask in masks]
    noise = chance.normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), masks


def is_counted(mask: np.ndarray) -> bool:
    rows = np.flatnonzero(mask.any(axis=1))
    return bool(rows.size and rows[-1] - rows[0] + 1 >= LEAST_PX and np.count_nonzero(mask) >= LEAST_PX * 8)
