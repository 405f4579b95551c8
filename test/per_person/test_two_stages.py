"""A second network on each person: where it looks, and where its results go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.engines.fake import FakeEngine
from bodyseg_ros.errors import SettingsError
from bodyseg_ros.per_person.placing import Close, place
from bodyseg_ros.per_person.windows import Window, window_around
from bodyseg_ros.person import Person
from bodyseg_ros.plan import make_plan
from bodyseg_ros.settings import Settings
from bodyseg_ros.types import Poses, Result, Wanted
from per_person import spots

SIZE = (480, 640)


def test_a_window_is_the_enlarged_box_in_the_networks_aspect() -> None:
    # 100×200 enlarged by a half is 150×300; at 3:4 it is 225 wide, around (150, 200).
    assert window_around((100, 100, 200, 300), 0.5, 0.75, 0) == Window(38, 50, 225, 300)
    assert window_around((100, 100, 200, 300), 0.0, None, 0) == Window(100, 100, 100, 200)
    assert window_around((0, 0, 300, 100), 0.0, 1.0, 150).size == (150, 150)


def test_a_cut_out_beyond_the_image_is_black_and_comes_back_to_its_place() -> None:
    image = np.full((40, 50, 3), 200, np.uint8)
    window = Window(-10, 20, 30, 40)
    cut = window.cut_out(image)
    assert cut.shape == (40, 30, 3) and not cut[:, :10].any() and not cut[20:].any() and (cut[:20, 10:] == 200).all()
    assert window.put_back(cut[..., 0], (40, 50)).shape == (20, 20)
    np.testing.assert_allclose(window.to_image(np.array([[10.0, 0.0]], np.float32)), [[0, 20]])


def test_a_scaled_cut_out_maps_points_and_masks_back() -> None:
    window = window_around((100, 100, 200, 300), 0.0, None, 50)
    assert window.size == (50, 25)
    np.testing.assert_allclose(window.to_image(np.array([[0, 0], [25, 50]], np.float32)), [[100, 100], [200, 300]])
    mask = np.zeros((50, 25), np.uint8)
    mask[10:20] = 1
    back = window.put_back(mask, SIZE)
    assert back.shape == (200, 100) and back[40:80].all() and not back[:40].any() and not back[80:].any()


def load(second: Path, people: int = 2, **per_person: Any) -> bodyseg.Model:
    return bodyseg.load(engine="fake", fake={"people": people}, per_person={"model_path": str(second), **per_person})


def spotted(people: bodyseg.Result) -> tuple[np.ndarray, np.ndarray]:
    """An image with a red, a green and a blue spot in the box of each person, and their places (N, 3, 2)."""
    image, places = np.zeros((*SIZE, 3), np.uint8), []
    for person in people:
        left, top, right, bottom = person.box
        shares = np.array([(0.3, 0.2), (0.7, 0.5), (0.4, 0.9)]) + 0.02 * person.index
        places.append(np.rint((left, top) + shares * (right - left, bottom - top)).astype(int))
        for channel, (x, y) in enumerate(places[-1]):
            image[y - 2 : y + 3, x - 2 : x + 3, channel] = 255
    return image, np.array(places)


@pytest.fixture
def seen() -> bodyseg.Result:
    """Two people as the first network alone finds them."""
    with bodyseg.load(engine="fake", fake={"people": 2}) as model:
        return model(np.zeros((*SIZE, 3), np.uint8))


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize(("write", "tolerance_px"), [(spots.simcc, 4), (spots.heatmaps, 8)])
def test_each_person_gets_the_keypoints_of_the_second_network(
    write: Any, tolerance_px: float, batch: int | str, seen: bodyseg.Result, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    image, places = spotted(seen)
    with load(write(tmp_path / "poses.onnx", batch)) as model:
        result = model(image)
    assert len(result) == 2
    for person, spot in zip(result, places, strict=True):
        assert np.abs(person.keypoints - spot[spots.CHANNEL_OF]).max() <= tolerance_px
        assert person.score == seen[person.index].score
    np.testing.assert_array_equal(result.instances, seen.instances)  # the first network's masks stay


def test_people_go_through_an_open_batch_at_once(tmp_path: Path, seen: bodyseg.Result) -> None:
    pytest.importorskip("onnxruntime")
    image, _ = spotted(seen)
    runs: list[tuple[int, ...]] = []
    with load(spots.simcc(tmp_path / "poses.onnx"), people=3) as model:
        assert model.stage is not None
        run = model.stage.engine.run

        def counted(tensor: np.ndarray) -> Mapping[str, Any]:
            runs.append(tensor.shape)
            return run(tensor)

        model.stage.engine.run = counted  # type: ignore[method-assign, assignment]
        model(image)
        model.configure(per_person={"max_people": 1})
        model(image)
        model(image, wanted=Wanted.PERSON)
    assert runs == [(3, 3, 256, 192), (1, 3, 256, 192)]  # nothing where no poses are wanted


CARD = """
name: red-64
title: Red
network: portrait
format: onnx
file: red-64.onnx
preprocessing: {scale: [0.0392, 0.0392, 0.0392], offset: [-5.0, -5.0, -5.0]}
input: input
input_size: [64, 64]
layout: nchw
outputs: {mask: mask}
classes: [person]
licence: none
"""


@pytest.fixture
def red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The card of a portrait network: what is red is the person."""
    pytest.importorskip("onnxruntime")
    (tmp_path / "red-64.yaml").write_text(CARD)
    spots.portrait(tmp_path / "red-64.onnx")
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    return "red-64"


def test_a_portrait_network_masks_several_people(red: str, seen: bodyseg.Result) -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    for person in seen:
        left, top, right, bottom = person.box
        image[top:bottom, left:right, 0] = 255
    image[:30, :, 0] = 255  # red, and nobody's: above both boxes
    with bodyseg.load(engine="fake", fake={"people": 2}, per_person={"model": red, "margin": 0.0}) as model:
        result = model(image)
        assert model.offers & Wanted.INSTANCES and "red-64 per person" in repr(model)
    for person in result:
        left, top, right, bottom = seen[person.index].box
        expected = np.zeros(SIZE, bool)
        expected[top:bottom, left:right] = True
        shared = np.count_nonzero(expected & (person.mask > 0)) / np.count_nonzero(expected | (person.mask > 0))
        assert shared > 0.93
    np.testing.assert_array_equal(result.person > 0, result.instances >= 0)
    assert result.confidence.dtype == np.float32 and (result.confidence[result.person > 0] > 0.4).all()
    assert ((result.parts >= 0) <= (result.person > 0)).all()


def test_nobody_gives_empty_masks(red: str) -> None:
    with bodyseg.load(engine="fake", fake={"people": 0}, per_person={"model": red}) as model:
        result = model(np.zeros((*SIZE, 3), np.uint8))
    assert len(result) == 0 and not result.person.any() and (result.instances == -1).all()


def test_a_first_network_with_poses_alone_has_masks_with_a_second_one(red: str) -> None:
    values = {"model": "posenet-mobilenet-075", "engine": "fake", "fake.people": 2, "max_poses": 2}
    given = values | {"per_person.model": red, "flip_horizontal": True}
    with bodyseg.model.open_model(make_plan(given, Settings)) as model:
        assert isinstance(model.engine, FakeEngine)
        assert model.offers & Wanted.PERSON and model.offers & Wanted.INSTANCES and not model.offers & Wanted.PARTS
        result = model(np.full((*SIZE, 3), 255, np.uint8))
    assert result.mirrored and set(np.unique(result.instances)) == {-1, 0, 1}


def standing(x: float) -> np.ndarray:
    """17 keypoints on a vertical line at x, from y 100 to 300."""
    return np.stack([np.full(17, x), np.linspace(100, 300, 17)], axis=-1).astype(np.float32)


def test_a_pixel_that_two_people_claim_is_the_nearer_skeletons() -> None:
    poses = Poses(np.stack([standing(100), standing(160)]), np.ones((2, 17), np.float32), np.ones(2, np.float32))
    first = Result(SIZE, poses=poses)
    close = []
    for person, left in zip(first, (50, 110), strict=True):
        everything = Result((300, 100), person=np.ones((300, 100), np.uint8))
        close.append(Close(person, Window(left, 50, 100, 300), everything))
    instances = place(first, close, Wanted.PERSON, Wanted.PERSON | Wanted.INSTANCES).instances
    assert (instances[150:250, 50:129] == 0).all() and (instances[150:250, 132:210] == 1).all()
    assert (instances[:, 215:] == -1).all()


def test_the_first_mask_stays_outside_the_windows_and_goes_inside() -> None:
    first = Result(
        SIZE,
        person=np.ones(SIZE, np.uint8),
        poses=Poses(standing(100)[None], np.ones((1, 17), np.float32), np.ones(1, np.float32)),
    )
    found = Result((300, 100), person=np.zeros((300, 100), np.uint8))
    result = place(first, [Close(first[0], Window(50, 50, 100, 300), found)], Wanted.PERSON, Wanted.PERSON)
    assert not result.person[50:350, 50:150].any() and result.person.sum() == 480 * 640 - 300 * 100


def test_of_several_poses_in_a_window_the_persons_own_is_taken() -> None:
    keypoints = np.stack([standing(20), standing(75)]) - (0, 50)
    found = Result(
        (300, 100), poses=Poses(keypoints.astype(np.float32), np.ones((2, 17), np.float32), np.ones(2, np.float32))
    )
    person = Person(0, 0.9, standing(125) + np.arange(17)[:, None], np.ones(17, np.float32), SIZE)
    assert Close(person, Window(50, 50, 100, 300), found).pose == 1
    far = Person(0, 0.9, standing(500), np.ones(17, np.float32), SIZE)
    assert Close(far, Window(50, 50, 100, 300), found).pose is None


def test_small_people_keep_the_first_networks_result(red: str, seen: bodyseg.Result) -> None:
    with bodyseg.load(engine="fake", fake={"people": 2}, per_person={"model": red, "min_size_px": 2000}) as model:
        result = model(np.zeros((*SIZE, 3), np.uint8))
    np.testing.assert_array_equal(result.instances, seen.instances)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"margin": 0.5, "nonsense": 1}, r"per_person\.nonsense"),
        ({"model": "portrait-prisma-256", "score_threshold": 0.5}, "portrait-prisma-256 has no parameter"),
        ({"model": "portrait-prisma-256", "flip_horizontal": True}, "flip_horizontal"),
        (
            {"model": "portrait-prisma-256", "margin": 9},
            r"per_person\.margin is 9, but it must be a number from 0 to 4",
        ),
        ({"model": "background"}, "per_person.model is 'background'"),
        ({"model": "portrait-prisma-256", "tensorflow.device": "cpu"}, "tensorflow.device"),
    ],
)
def test_what_does_not_fit_is_said_before_a_file_is_opened(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        make_plan({f"per_person.{name}": value for name, value in values.items()}, Settings)


def test_a_cards_own_defaults_are_the_second_networks(red: str, tmp_path: Path) -> None:
    text = (tmp_path / "red-64.yaml").read_text()
    (tmp_path / "red-64.yaml").write_text(f"{text}defaults: {{segmentation_threshold: 0.25}}\n")
    assert make_plan({"per_person.model": red}, Settings).per_person.network.segmentation_threshold == 0.25
    given = {"per_person.model": red, "per_person.segmentation_threshold": 0.75}
    assert make_plan(given, Settings).per_person.network.segmentation_threshold == 0.75


def test_live_values_change_and_others_do_not(red: str) -> None:
    plan = make_plan({"per_person.model": red, "engine": "fake"}, Settings)
    changed = plan.changed({"per_person.margin": 0.5, "per_person.segmentation_threshold": 0.9})
    assert changed.per_person.settings.margin == 0.5 and changed.per_person.network.segmentation_threshold == 0.9
    assert plan.changed({"segmentation_threshold": 0.5}).per_person is plan.per_person
    with pytest.raises(SettingsError, match="per_person.model is read when"):
        plan.changed({"per_person.model": "portrait-prisma-256"})


def test_a_first_network_without_people_says_so(red: str) -> None:
    with pytest.raises(SettingsError, match="background, finds no people"):
        bodyseg.load("background", per_person={"model": red})
