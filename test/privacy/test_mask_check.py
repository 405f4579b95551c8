"""What a network that works answers is believed, on any picture; what one that does not work answers is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import bodyseg_ros
from bodyseg_ros.errors import EngineError
from bodyseg_ros.model import Model
from bodyseg_ros.privacy import MaskCheck
from bodyseg_ros.types import Frame, Wanted

CHANCE = np.random.default_rng(5)
PICTURES = {
    "black": np.zeros((240, 320, 3), np.uint8),
    "gray": np.full((240, 320, 3), 128, np.uint8),
    "white": np.full((240, 320, 3), 255, np.uint8),
    "blue": np.full((240, 320, 3), (0, 0, 255), np.uint8),
    "noise": CHANCE.integers(0, 256, (240, 320, 3), np.uint8),
    "dark noise": CHANCE.integers(0, 3, (240, 320, 3), np.uint8),
    "black and small": np.zeros((48, 64, 3), np.uint8),
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """The network that comes with the package."""
    with bodyseg_ros.load("bodyseg-mobilenet-075", segmentation_threshold=0.7) as model:
        yield model


@pytest.mark.parametrize("name", PICTURES)
def test_a_real_network_is_believed_on_a_picture_without_anything_in_it(model: Model, name: str) -> None:
    check, frame = MaskCheck(), Frame(PICTURES[name])
    for _ in range(10):  # a still picture has the same answer each time
        check.check(frame, model.run(frame, Wanted.CONFIDENCE))


def test_a_real_network_is_believed_where_the_picture_hardly_changes(model: Model) -> None:
    check, picture = MaskCheck(), PICTURES["gray"].copy()
    for level in range(8):
        picture[100, 100] = 128 + level
        check.check(Frame(picture.copy()), model.run(Frame(picture), Wanted.CONFIDENCE))


class Broken:
    """An engine whose answers are spoilt."""

    def __init__(self, engine: Any, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
        self._engine, self._spoil, self.name = engine, spoil, "broken"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, tensor: np.ndarray, *maps: Any) -> Mapping[str, np.ndarray]:
        return {name: self._spoil(np.array(head, np.float32)) for name, head in self._engine.run(tensor).items()}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda head: head * 0, "constant over the whole image"),
        (lambda head: np.full_like(head, -4.0), "constant over the whole image"),
        (lambda head: np.full_like(head, -1e30), "constant over the whole image"),
        (lambda head: head / 1000, "constant over the whole image"),
        (lambda head: head - 70, "out of range"),
    ],
)
@pytest.mark.parametrize("name", ["black", "noise"])
def test_a_broken_engine_is_not_believed(model: Model, spoil: Any, reason: str, name: str) -> None:
    broken, frame = Model(model.network, Broken(model.engine, spoil)), Frame(PICTURES[name])
    with pytest.raises(EngineError, match=reason):
        MaskCheck().check(frame, broken.run(frame, Wanted.PERSON | Wanted.CONFIDENCE))


def test_an_answer_that_stays_while_the_picture_changes_is_not_believed(model: Model) -> None:
    check, result = MaskCheck(), model.run(Frame(PICTURES["gray"]), Wanted.CONFIDENCE)
    check.check(Frame(PICTURES["gray"]), result)
    with pytest.raises(EngineError, match="did not change by a single bit"):
        check.check(Frame(PICTURES["white"]), result)


def test_small_changes_that_leave_the_answer_are_borne_for_a_few_pictures(model: Model) -> None:
    check, result = MaskCheck(), model.run(Frame(PICTURES["gray"]), Wanted.CONFIDENCE)
    pictures = [PICTURES["gray"].copy() for _ in range(6)]
    for level, picture in enumerate(pictures):
        picture[100, 100] = level
    for picture in pictures[:5]:
        check.check(Frame(picture), result)
    with pytest.raises(EngineError, match="did not change by a single bit"):
        check.check(Frame(pictures[5]), result)


def test_a_single_nan_is_not_believed(model: Model) -> None:
    frame = Frame(PICTURES["noise"])
    result = model.run(frame, Wanted.CONFIDENCE)
    confidence = result.confidence.copy()
    confidence[100, 100] = np.nan
    with pytest.raises(EngineError, match="contains NaN"):
        MaskCheck().check(frame, replace(result, confidence=confidence))


def test_without_probabilities_nothing_is_believed(model: Model) -> None:
    frame = Frame(PICTURES["black"])
    with pytest.raises(EngineError, match="no person probabilities"):
        MaskCheck().check(frame, model.run(frame, Wanted.PERSON))
