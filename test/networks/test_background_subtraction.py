"""The background method on drawn scenes: what is found, what is not, and when it learns anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.errors import EngineError, PluginError, SettingsError
from bodyseg_ros.types import Frame, Wanted

METHODS = ("average", "mog2", "knn")
SIZE = (90, 120)
BODY = (slice(20, 70), slice(40, 75))


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))


def load(**options: Any) -> bodyseg.Model:
    return bodyseg.load(network="background", **{"learning_frames": 5, "blur_px": 1, "closing_px": 1} | options)


def scene(index: int, *, somebody: bool = False, light: float = 1.0, noise: float = 2.0) -> np.ndarray:
    """A room of colored stripes under camera noise, and somebody gray in it."""
    picture = np.zeros((*SIZE, 3), np.float64)
    picture[:, ::2] = (70, 110, 60)
    picture[:, 1::2] = (80, 100, 70)
    picture *= light
    if somebody:
        picture[BODY] = 200
    return np.clip(picture + np.random.default_rng(index).normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


def truth() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[BODY] = True
    return mask


def iou(person: np.ndarray) -> float:
    return float((person.astype(bool) & truth()).sum() / (person.astype(bool) | truth()).sum())


def learn(model: bodyseg.Model, first: int = 0, **how: Any) -> None:
    for index in range(first, first + 5):
        assert not model.segment(scene(index, **how)).person.any()


@pytest.mark.parametrize("method", METHODS)
def test_whoever_comes_in_is_found_and_an_empty_room_is_empty(method: str) -> None:
    with load(background_method=method) as model:
        learn(model)
        assert not model.segment(scene(10)).person.any()
        assert iou(model.segment(scene(11, somebody=True)).person) > 0.88
        assert not model.segment(scene(12)).person.any()


@pytest.mark.parametrize("method", METHODS)
def test_whoever_stands_still_does_not_sink_in(method: str) -> None:
    with load(background_method=method, adaptation_rate=0.1) as model:
        learn(model)
        for index in range(10, 70):
            result = model.segment(scene(index, somebody=True))
        assert iou(result.person) > 0.88


@pytest.mark.parametrize("method", METHODS)
def test_slow_changes_of_the_light_are_followed(method: str) -> None:
    def lit(rate: float) -> np.ndarray:
        with load(background_method=method, adaptation_rate=rate) as model:
            learn(model)
            for index in range(10, 60):
                result = model.segment(scene(index, light=1 + (index - 10) / 100))
        return result.person

    assert not lit(0.3).any()
    assert lit(0.0).any()


@pytest.mark.parametrize("method", METHODS)
def test_the_background_is_captured_anew(method: str) -> None:
    with load(background_method=method) as model:
        learn(model, somebody=True)
        assert model.segment(scene(9)).person.any()  # the ghost of who has left
        model.network.capture_background()
        learn(model, first=10)
        assert not model.segment(scene(20)).person.any()
        assert iou(model.segment(scene(21, somebody=True)).person) > 0.88


def test_another_size_or_an_earlier_time_begins_anew() -> None:
    with load() as model:
        learn(model)
        assert model.run(Frame(scene(9, somebody=True), stamp_ns=50)).person.any()
        assert not model.run(Frame(scene(9, somebody=True)[:-1], stamp_ns=60)).person.any()
        for stamp_ns in range(61, 65):
            model.run(Frame(scene(stamp_ns)[:-1], stamp_ns))
        assert model.run(Frame(scene(9, somebody=True)[:-1], stamp_ns=70)).person.any()
        assert not model.run(Frame(scene(9, somebody=True)[:-1], stamp_ns=69)).person.any()


def test_live_options_change_the_mask_and_keep_the_background() -> None:
    with load(blur_px=0, opening_px=0, closing_px=0, min_area=0.0, adaptation_rate=0.0) as model:
        learn(model, noise=0.0)
        picture = scene(0, noise=0.0)
        picture[10, 10] = picture[50, 50:53] = 255  # a speck and a thread
        picture[20:50, 80:110] += 30
        picture[34:36, 80:110] -= 30  # a gap

        def found(**options: Any) -> np.ndarray:
            model.configure(**options)
            return model.segment(picture).person

        everything = found()
        assert everything[10, 10] and everything[50, 51] and not everything[35, 90]
        assert everything.sum() == 1 + 3 + 28 * 30
        assert not found(opening_px=1)[:20].any()
        assert found(opening_px=0, closing_px=2)[35, 90]
        assert found(closing_px=0, min_area=4 / everything.size).sum() == 28 * 30
        assert found(min_area=0.0, difference_threshold=31.0).sum() == 4  # gray levels: 30 are too few now
        assert found(difference_threshold=30.0).sum() == everything.sum()
        np.testing.assert_array_equal(found(flip_horizontal=True), everything[:, ::-1])


def test_masks_are_all_it_makes() -> None:
    with load() as model:
        assert model.network.offers == Wanted.PERSON
        learn(model)
        result = model.segment(scene(9, somebody=True), Wanted.EVERYTHING)
        assert result.person.dtype == np.uint8 and set(np.unique(result.person)) == {0, 1}
        assert result.poses is None and result.parts is None and result.confidence is None
        assert model.segment(scene(9), Wanted.POSES).person is None


def test_the_frame_is_left_as_it_is() -> None:
    with load() as model:
        learn(model)
        picture = scene(9, somebody=True)
        before = picture.copy()
        model.segment(picture)
        np.testing.assert_array_equal(picture, before)


def test_an_engine_with_a_network_is_refused() -> None:
    with load(engine="fake") as model, pytest.raises(EngineError, match=r"no network.*engine to auto"):
        model.segment(scene(0))
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[tensorflow]'")
    with pytest.raises(PluginError, match=r"'tensorflow'.*background \(none\).*engine to auto"):
        load(engine="tensorflow")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background_method": "gmm"}, "background_method is 'gmm'.* average, mog2, knn"),
        ({"learning_frames": 0}, "learning_frames is 0.*integer.* 1 to 10000"),
        ({"min_area": 2.0}, "min_area is 2.0.*number.* 0 to 1"),
        ({"segmentation_threshold": 0.5}, "no parameter 'segmentation_threshold'"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(**options)
