"""DeepLab and portrait networks on networks whose output is a known function of the picture: no weights needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines import Engine
from bodyseg_ros.errors import EngineError, ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.model import Model
from bodyseg_ros.networks.deeplab import DeepLab, DeepLabSettings
from bodyseg_ros.networks.portrait import Portrait, PortraitSettings
from bodyseg_ros.settings import Settings
from bodyseg_ros.types import Frame, Result, Wanted
from networks.colors import CLASSES, borders, card, picture

PREPROCESSING = {"scale": [1 / 255] * 3, "offset": [0] * 3}
NETWORKS = {"deeplab": (DeepLab, DeepLabSettings), "portrait": (Portrait, PortraitSettings)}


class Echo(Engine):
    """An engine that gives back the picture, through `change`."""

    def __init__(self, change: Any = lambda tensor: tensor) -> None:
        self.change = change
        self.seen: list[np.ndarray] = []
        super().__init__(ModelSource(Path(), "none"), Settings())

    def load(self) -> None:
        pass

    def infer(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self.seen.append(tensor)
        return {"image": self.change(tensor)}


def see(image: np.ndarray, kind: str = "portrait", change: Any = None, facts: Any = None, **options: Any) -> Result:
    network, settings = NETWORKS[kind]
    engine = Echo(change) if change else Echo()
    return Model(network(card(kind, **(facts or {})), settings(**options), 16), engine).segment(image)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [(101, 203), (240, 321), (64, 64), (33, 47), (480, 37)])
def test_the_mask_lies_on_the_pixels_it_was_made_from(kind: str, size: tuple[int, int]) -> None:
    height, width = size
    box = (height // 5, width // 4, height - height // 3, width - width // 7)
    result = see(picture(height, width, *box), kind)
    found = borders(result.confidence)
    # A shift of half a network pixel, which a resize with other pixel centers makes, would be this much.
    half_y, half_x = height / 64 / 2, width / 64 / 2
    assert (np.abs(np.subtract(found, box)) <= 0.5 * np.array([half_y, half_x, half_y, half_x])).all()
    assert result.person.shape == size
    truth = picture(height, width, *box)[..., 1] > 0
    assert np.count_nonzero(result.person != truth) <= 2 * (half_y * width + half_x * height) + 2


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_any_frame_size_decodes(kind: str, size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    image[..., 1] = 255
    result = see(image, kind)
    assert result.person.shape == result.confidence.shape == size
    assert result.person.all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_mirroring_mirrors_everything(kind: str) -> None:
    image = picture(40, 60, 5, 10, 30, 25)
    plain, mirrored = see(image, kind), see(image, kind, flip_horizontal=True)
    for name in ("person", "confidence", *(["classes"] if kind == "deeplab" else [])):
        np.testing.assert_array_equal(getattr(mirrored, name), getattr(plain, name)[:, ::-1])


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_threshold_is_exclusive(kind: str) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 1] = 102  # 0.4
    assert not see(image, kind).person.any()
    assert see(image, kind, segmentation_threshold=0.39).person.all()
    assert not see(image, kind, segmentation_threshold=0.41).person.any()


def test_kept_classes_make_the_mask_and_all_are_told() -> None:
    image = picture(64, 64, 0, 0, 32, 64)
    image[32:, 40:] = (0, 0, 255)
    person, both = see(image, "deeplab"), see(image, "deeplab", kept_classes=("person", "dog"))
    assert (person.person[:32] == 1).all() and (person.person[33:] == 0).all()
    np.testing.assert_array_equal(both.person == 1, both.classes > 0)
    np.testing.assert_array_equal(person.classes, both.classes)
    assert [person.classes[0, 0], person.classes[63, 0], person.classes[63, 63]] == [1, 0, 2]
    assert person.classes.dtype == np.uint8
    assert person.parts is None and person.poses is None and person.instances is None


def test_a_class_that_the_card_does_not_have_is_named() -> None:
    message = "kept_classes .*'cat'.*colors.*background, person, dog"
    with pytest.raises(SettingsError, match=message):
        DeepLab(card("deeplab"), DeepLabSettings(kept_classes=("person", "cat")), 16)


def test_the_input_size_of_an_open_file_may_change_between_frames() -> None:
    engine = Echo()
    model = Model(DeepLab(card("deeplab", input_size=None), DeepLabSettings(), 16), engine)
    image = picture(120, 240, 20, 30, 100, 200)
    model.segment(image)
    model.configure(input_size=100)
    smaller = model.segment(image)
    assert [tensor.shape[1:3] for tensor in engine.seen] == [(256, 513), (50, 100)]
    assert smaller.person.shape == (120, 240)
    with pytest.raises(SettingsError, match="input_size .*514.*513"):
        model.configure(input_size=514)


def test_the_input_size_of_a_fixed_file_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"input_size is 100, but the input of .* is always 64×64"):
        DeepLab(card("deeplab"), DeepLabSettings(input_size=100), 16)


def test_logits_become_probabilities() -> None:
    image = picture(64, 64, 16, 16, 48, 48)
    logits = {"scores": "logits"}
    found = see(image, change=lambda tensor: tensor * 4, facts=logits).confidence
    assert found[32, 32] == pytest.approx(np.exp(4) / (np.exp(4) + 2), rel=1e-5)
    assert found[0, 0] == pytest.approx(1 / (np.exp(4) + 2), rel=1e-5)
    one = see(image, change=lambda tensor: 4 * tensor[..., 1:2] - 2, facts=logits | {"classes": ["person"]}).confidence
    assert one[32, 32] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)
    assert one[0, 0] == pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (lambda tensor: tensor[..., 1].reshape(1, -1), {"classes": ["person"]}),
        (lambda tensor: tensor, {"layout": "nchw"}),
        (lambda tensor: tensor[..., ::-1], {"preprocessing": {**PREPROCESSING, "channels": "bgr"}}),
    ],
    ids=["flat", "channels first", "blue first"],
)
def test_every_form_gives_the_same_mask(change: Any, facts: Any) -> None:
    image = picture(90, 70, 20, 10, 60, 50)
    np.testing.assert_array_equal(see(image, "portrait", change, facts).person, see(image).person)


def test_labels_give_a_mask_without_doubt() -> None:
    image = picture(64, 64, 20, 10, 60, 50)
    found = see(image, "deeplab", lambda tensor: tensor.argmax(axis=3), {"scores": "labels"})
    np.testing.assert_array_equal(found.person, image[..., 1] // 255)
    np.testing.assert_array_equal(found.confidence, found.person)
    np.testing.assert_array_equal(found.classes, found.person)


def test_an_input_of_whole_numbers_gets_them() -> None:
    facts = {"input_dtype": "uint8", "preprocessing": {"scale": [1] * 3, "offset": [0] * 3}, "input_size": None}
    engine = Echo(lambda tensor: (tensor[..., 1] > 127).astype(np.int64))
    network = DeepLab(card("deeplab", scores="labels", **facts), DeepLabSettings(), 16)
    result = Model(network, engine).segment(picture(300, 200, 30, 20, 270, 180))
    assert engine.seen[0].dtype == np.uint8
    assert engine.seen[0].shape == (1, 513, 342, 3)  # a long side of 513, as DeepLab's demo gives it
    np.testing.assert_allclose(borders(result.confidence), (30, 20, 270, 180), atol=0.3)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros((1, 64, 64, 2)), r"one output, probabilities of 3 classes for 64×64 pixels as colors says, but its "
                                   r"outputs are image \(1, 64, 64, 2\)"),
        (np.zeros((1, 32, 32, 3)), r"outputs are image \(1, 32, 32, 3\)"),
        (np.full((1, 64, 64, 3), np.nan), "contains NaN or infinity"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_refused(answer: np.ndarray, message: str) -> None:
    for kind in NETWORKS:
        with pytest.raises(EngineError, match=message):
            see(picture(64, 64, 1, 1, 9, 9), kind, lambda tensor: answer)


def test_several_outputs_are_refused() -> None:
    network = Portrait(card("portrait"), PortraitSettings(), 16)
    prepared = network.prepare(Frame(picture(64, 64, 1, 1, 9, 9)))
    with pytest.raises(EngineError, match=r"must have one output, .*, but its outputs are a \(1, 2\), b \(3,\)"):
        network.decode({"a": np.zeros((1, 2)), "b": np.zeros(3)}, prepared, Wanted.PERSON)


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(EngineError, match="class 3.*colors.*3 classes"):
        see(picture(64, 64, 1, 1, 9, 9), "deeplab", lambda tensor: np.full((1, 64, 64), 3), {"scores": "labels"})


@pytest.mark.parametrize("change", [{"input_size": None}, {"classes": ["dog"]}])
def test_a_card_of_another_kind_is_refused(change: Any) -> None:
    with pytest.raises(ModelFileError, match="'colors'.*portrait.*input_size.*class"):
        Portrait(card("portrait", **change), PortraitSettings(), 16)


class Video:
    """A portrait network that takes the mask before, and an engine that says what it was given."""

    def __init__(self) -> None:
        facts = {"preprocessing": {**PREPROCESSING, "previous_mask": True}}
        self.engine = Echo(lambda tensor: tensor[..., :3])
        network = Portrait(card("portrait", **facts), PortraitSettings(), 16)
        self.pipeline = Model(network, self.engine)

    def previous(self, image: np.ndarray, seconds: float) -> np.ndarray:
        """The fourth channel for a frame."""
        self.pipeline.run(Frame(image, int(seconds * 1e9)))
        tensor = self.engine.seen[-1]
        assert tensor.shape == (1, 64, 64, len(CLASSES) + 1)
        return tensor[0, ..., 3]


def test_the_mask_before_is_the_fourth_channel() -> None:
    video, image = Video(), picture(90, 120, 20, 30, 70, 90)
    assert not video.previous(image, 10.0).any()
    expected = video.engine.seen[0][0, ..., 1]
    np.testing.assert_array_equal(video.previous(image, 10.04), expected)
    video.pipeline.configure(segmentation_threshold=0.3)  # a new object, the same memory
    np.testing.assert_array_equal(video.previous(image, 10.08), expected)


def test_a_network_says_whether_it_needs_the_frame_before() -> None:
    assert Video().pipeline.network.needs_previous
    assert not Portrait(card("portrait"), PortraitSettings(), 16).needs_previous


@pytest.mark.parametrize("seconds", [10.0, 9.0, 12.0])
def test_a_jump_in_time_forgets_the_mask(seconds: float) -> None:
    video, image = Video(), picture(90, 120, 20, 30, 70, 90)
    video.previous(image, 10.0)
    assert not video.previous(image, seconds).any()


def test_a_cut_forgets_the_mask_and_a_moving_person_does_not() -> None:
    video = Video()
    video.previous(picture(90, 120, 20, 30, 70, 60), 1.0)
    assert video.previous(picture(90, 120, 20, 34, 70, 64), 1.04).any()
    other = np.full((90, 120, 3), 200, np.uint8)
    assert not video.previous(other, 1.08).any()
