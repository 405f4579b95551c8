"""The library as its user meets it: one model, many kinds of question."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros import Model, Result, Wanted


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    """A portrait, (240, 240, 3)."""
    return np.ascontiguousarray(cv2.resize(data.astronaut(), (240, 240), interpolation=cv2.INTER_AREA))


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with bodyseg.load("bodyseg-mobilenet-075") as loaded:
        yield loaded


def test_the_model_says_what_it_is(model: Model) -> None:
    assert "bodyseg-mobilenet-075" in repr(model)
    assert model.engine.device in repr(model)
    assert len(repr(model)) < 120


def test_the_same_image_in_other_clothes(model: Model, astronaut: np.ndarray, tmp_path: Path) -> None:
    result = model(astronaut)
    assert len(result) == 1
    assert result.frame.image is astronaut
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    for image in (Image.fromarray(astronaut), tmp_path / "astronaut.png", bodyseg.Frame(astronaut)):
        assert model.segment(image) == result
    assert model(astronaut[..., ::-1]) != result


def test_a_list_gives_a_list(model: Model, astronaut: np.ndarray) -> None:
    results = model([astronaut, astronaut[:, ::-1]], wanted=Wanted.PERSON)
    assert results == [model(astronaut, Wanted.PERSON), model(astronaut[:, ::-1], Wanted.PERSON)]
    assert results[0].poses is None
    assert model([]) == []


def test_a_folder_gives_one_result_after_the_other(model: Model, astronaut: np.ndarray, tmp_path: Path) -> None:
    for index in (10, 2):
        Image.fromarray(astronaut[: 20 * index]).save(tmp_path / f"img{index}.png")
    results = model.stream(tmp_path, Wanted.PERSON)
    frames = [result.frame for result in results]
    assert [(frame.index, frame.frame_id, frame.size) for frame in frames] == [
        (0, "img2", (40, 240)),
        (1, "img10", (200, 240)),
    ]
    with pytest.raises(bodyseg.MediaError, match="nowhere.mp4"):
        model.stream("nowhere.mp4")


def test_a_video_gives_frames_with_their_times(model: Model, astronaut: np.ndarray, tmp_path: Path) -> None:
    with bodyseg.open_sink(tmp_path / "clip.mp4", Fraction(10)) as write:
        for index in range(3):
            write(astronaut, bodyseg.Frame(astronaut, index * 100_000_000))
    stamps = [(result.frame.index, result.frame.stamp_ns) for result in model.stream(tmp_path / "clip.mp4")]
    assert stamps == [(0, 0), (1, 100_000_000), (2, 200_000_000)]


def test_four_threads_get_their_own_results(model: Model, astronaut: np.ndarray) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut))
    images = [astronaut, np.ascontiguousarray(astronaut[:, ::-1]), turned, np.zeros_like(astronaut)]
    expected = [model(image) for image in images]
    right = [0] * len(images)

    def ask(place: int) -> None:
        for _ in range(20):
            right[place] += model(images[place]) == expected[place]

    threads = [Thread(target=ask, args=(place,)) for place in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [20] * len(images)


def test_a_frame_is_begun_once_the_one_before_is_done(
    model: Model, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks keep buffers from preparing to decoding, so a frame's steps may not be mixed with another's."""
    steps, ways = model.steps, []

    def watched(*arguments: object) -> Generator[None, None, Result]:
        ways.append("begins")
        result = yield from steps(*arguments)
        ways.append("ends")
        return result

    monkeypatch.setattr(model, "steps", watched)
    threads = [Thread(target=model, args=(astronaut, Wanted.PERSON)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ways == ["begins", "ends"] * 8


def test_a_live_change_counts_from_the_next_frame(model: Model, astronaut: np.ndarray) -> None:
    before = int(model(astronaut, Wanted.PERSON).person.sum())
    default = model.network.settings.segmentation_threshold
    model.configure(segmentation_threshold=0.99)
    assert model(astronaut, Wanted.PERSON).person.sum() < before
    model.configure(segmentation_threshold=default)
    assert model(astronaut, Wanted.PERSON).person.sum() == before


def test_what_cannot_change_live_is_told_from_what_is_not_there(model: Model) -> None:
    before = model.network.settings
    for parameters, said in (
        ({"output_stride": 8}, "output_stride is read when the model is loaded"),
        ({"output_strides": 8}, "no parameter 'output_strides'.*output_stride"),
        ({"segmentation_threshold": 2}, "segmentation_threshold is 2"),
    ):
        with pytest.raises(bodyseg.SettingsError, match=said):
            model.configure(**parameters)
    assert model.network.settings == before
