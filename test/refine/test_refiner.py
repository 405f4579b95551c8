"""Refinement of results, frame after frame, and its way through pipeline and parameters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.errors import SettingsError
from bodyseg_ros.refine import Refiner, RefineSettings
from bodyseg_ros.types import Frame, Result, Wanted

NETWORK = SimpleNamespace(segmentation_threshold=0.7)
SECOND = 10**9


def frame(stamp_s: float = 1.0, gray: int = 100, size: tuple[int, int] = (40, 60), frame_id: str = "") -> Frame:
    return Frame(np.full((*size, 3), gray, np.uint8), int(stamp_s * SECOND), frame_id)


def seen(value: float, size: tuple[int, int] = (40, 60)) -> Result:
    confidence = np.full(size, value, np.float32)
    return Result(size, person=(confidence > 0.7).view(np.uint8), confidence=confidence)


def confidence(result: Result) -> float:
    assert result.confidence is not None
    return float(result.confidence[20, 30])


def test_off_is_the_very_result_of_the_network() -> None:
    result = seen(0.9)
    assert Refiner().refine(frame(), result, NETWORK) is result
    assert not Refiner().is_on


@pytest.mark.parametrize(
    "chosen",
    [
        {"guided_radius_px": 4},
        {"smoothing": 0.5},
        {"weak_threshold": 0.4},
        {"open_px": 1},
        {"close_px": 1},
        {"fill_holes": 0.1},
        {"grow_px": -1},
    ],
)
def test_each_parameter_switches_it_on(chosen: dict[str, Any]) -> None:
    refiner, result = Refiner(RefineSettings(**chosen)), seen(0.9)
    assert refiner.is_on
    refined = refiner.refine(frame(), result, NETWORK)
    assert refined.person is not None and (refined.person.shape, refined.person.dtype) == ((40, 60), np.uint8)
    assert set(np.unique(refined.person)) <= {0, 1}


def test_where_nothing_moves_probabilities_come_together_slowly() -> None:
    refiner = Refiner(RefineSettings(smoothing=0.5))
    values = [confidence(refiner.refine(frame(1 + i / 10), seen(value), NETWORK)) for i, value in enumerate([1, 0, 0])]
    assert values == pytest.approx([1, 0.5, 0.25])


def test_other_settings_go_on_from_the_same_frame() -> None:
    refiner = Refiner(RefineSettings(smoothing=0.5))
    refiner.refine(frame(1.0), seen(1.0), NETWORK)
    changed = refiner.with_settings(RefineSettings(smoothing=0.25))
    assert confidence(changed.refine(frame(1.1), seen(0.0), NETWORK)) == pytest.approx(0.25)


def test_person_is_what_the_smoothed_probability_says() -> None:
    refiner = Refiner(RefineSettings(smoothing=0.5))
    refiner.refine(frame(1.0), seen(1.0), NETWORK)
    held = refiner.refine(frame(1.1), seen(0.5), NETWORK)  # half of 1 and 0.5 is above the threshold
    assert held.person is not None and held.person.all()
    gone = refiner.refine(frame(1.2), seen(0.5), NETWORK)
    assert gone.person is not None and not gone.person.any()


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(frame(1.6), id="a jump in time"),
        pytest.param(frame(0.9), id="a step back in time"),
        pytest.param(frame(1.0), id="no time at all: photos"),
        pytest.param(frame(1.1, gray=160), id="a cut"),
        pytest.param(frame(1.1, frame_id="other"), id="another camera"),
    ],
)
def test_smoothing_begins_anew_after(later: Frame) -> None:
    refiner = Refiner(RefineSettings(smoothing=0.9))
    refiner.refine(frame(1.0), seen(1.0), NETWORK)
    assert confidence(refiner.refine(later, seen(0.0), NETWORK)) == 0


def test_smoothing_begins_anew_with_another_size() -> None:
    refiner = Refiner(RefineSettings(smoothing=0.9))
    refiner.refine(frame(1.0), seen(1.0), NETWORK)
    other = refiner.refine(frame(1.1, size=(30, 50)), seen(0.0, (30, 50)), NETWORK)
    assert confidence(other) == 0


def test_what_moves_is_not_smoothed() -> None:
    refiner = Refiner(RefineSettings(smoothing=0.9))
    refiner.refine(frame(1.0), seen(1.0), NETWORK)
    moved = frame(1.1)
    moved.image[:, 40:] = 130
    result = refiner.refine(moved, seen(0.0), NETWORK)
    assert result.confidence is not None
    assert (result.confidence[:, 44:] == 0).all()
    np.testing.assert_allclose(result.confidence[:, :32], 0.9, atol=1e-5)


def test_a_mirrored_result_is_refined_by_the_mirrored_frame() -> None:
    image = np.full((40, 60, 3), 50, np.uint8)
    image[:, 20:] = 200
    soft = np.clip((np.arange(60, dtype=np.float32) - 17) / 10 + 0.5, 0, 1)
    straight = Result((40, 60), np.zeros((40, 60), np.uint8), np.tile(soft, (40, 1)))
    mirrored = Result((40, 60), np.zeros((40, 60), np.uint8), np.tile(soft[::-1], (40, 1)), mirrored=True)
    refiner = Refiner(RefineSettings(guided_radius_px=8))
    one = refiner.refine(Frame(image), straight, NETWORK).person
    other = refiner.refine(Frame(image), mirrored, NETWORK).person
    assert one is not None and other is not None
    assert abs(int(np.argmax(one[20])) - 20) <= 1
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_parts_instances_and_poses_are_left_alone() -> None:
    size = (40, 60)
    parts, instances = np.zeros(size, np.int8), np.zeros(size, np.int16)
    person = np.zeros(size, np.uint8)
    person[10:30, 10:50] = 1
    result = Result(size, person, None, parts, instances, bodyseg.Poses.none())
    refined = Refiner(RefineSettings(grow_px=-5)).refine(frame(), result, SimpleNamespace())
    assert (refined.parts, refined.instances, refined.poses) == (parts, instances, result.poses)
    assert refined.person is not None and refined.person.sum() == 10 * 30
    assert refined.confidence is None


def load(**parameters: Any) -> bodyseg.Model:
    return bodyseg.load(engine="fake", fake={"people": 1}, internal_resolution="full", **parameters)


@pytest.fixture
def drawn(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "drawn.onnx").touch()
    return {"model_path": str(tmp_path / "drawn.onnx")}


def test_a_pipeline_refines_as_its_parameters_say_and_live(drawn: dict[str, Any]) -> None:
    image = np.zeros((241, 321, 3), np.uint8)
    with load(**drawn) as raw, load(**drawn, refine={"grow_px": 5}) as refined:
        plain, grown = raw.segment(image), refined.segment(image)
        assert plain.person is not None and grown.person is not None
        assert grown.person.sum() > plain.person.sum() > 0
        assert grown.person[plain.person > 0].all()
        refined.configure(refine={"grow_px": 0})
        np.testing.assert_array_equal(refined.segment(image).person, plain.person)
        assert refined.run(Frame(image), Wanted.POSES).person is None
        with pytest.raises(SettingsError, match=r"refine.grow_px is 101.*integer.* -100 to 100"):
            refined.configure(refine={"grow_px": 101})
        with pytest.raises(SettingsError, match=r"no parameter 'refine.grow'.*refine.grow_px"):
            load(**drawn, refine={"grow": 1})
