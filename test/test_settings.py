from __future__ import annotations

from typing import Any

import pytest

from bodyseg_ros.effects.drawing import OverlaySettings
from bodyseg_ros.errors import SettingsError
from bodyseg_ros.networks.bodypix import BodyPixSettings
from bodyseg_ros.settings import (
    ModelSettings,
    Parameter,
    Size,
    build,
    flatten,
    parameters,
    split_groups,
)


def by_name(settings: type) -> dict:
    return {parameter.name: parameter for parameter in parameters(settings)}


def test_a_field_is_a_parameter_with_all_its_facts() -> None:
    threshold = by_name(BodyPixSettings)["segmentation_threshold"]
    assert (threshold.kind, threshold.default, threshold.minimum, threshold.maximum) == ("float", 0.7, 0.0, 1.0)
    assert threshold.live
    assert threshold.allowed == "a number from 0 to 1"
    stride = by_name(ModelSettings)["output_stride"]
    assert stride.choices == (8, 16, 32)
    assert not stride.live
    assert by_name(BodyPixSettings)["internal_resolution"].allowed == (
        "one of low, medium, high, full, or a number from 0.1 to 2"
    )


def test_every_parameter_is_described() -> None:
    for settings in (ModelSettings, BodyPixSettings):
        for parameter in parameters(settings):
            assert parameter.description.endswith("."), parameter.name


@pytest.mark.parametrize("value", [0.1, 2.0, "low", "medium", "high", "full", 0.5, "0.5", 1])
def test_internal_resolution_accepts(value: object) -> None:
    taken = build(BodyPixSettings, {"internal_resolution": value}).internal_resolution
    assert taken == (value if value in ("low", "medium", "high", "full") else float(value))


@pytest.mark.parametrize("value", [2.01, 0.09, 0, -1, "huge", "", None, [0.5], float("nan"), float("inf")])
def test_internal_resolution_refuses(value: object) -> None:
    with pytest.raises(SettingsError, match=r"Parameter internal_resolution is .*low, medium"):
        build(BodyPixSettings, {"internal_resolution": value})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("segmentation_threshold", 1.5, "a number from 0 to 1"),
        ("segmentation_threshold", "much", "a number from 0 to 1"),
        ("segmentation_threshold", float("nan"), "a number from 0 to 1"),
        ("max_detections", 0, "an integer from 1 to 100"),
        ("max_detections", 2.5, "an integer from 1 to 100"),
        ("refine_steps", 21, "an integer from 1 to 20"),
        ("flip_horizontal", "perhaps", "true or false"),
        ("nms_radius", -1, "a number above 0, up to 1000"),
        ("nms_radius", 0.0, "a number above 0, up to 1000"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(BodyPixSettings, {name: value})
    assert str(caught.value) == f"Parameter {name} is {value!r}, but it must be {allowed}."


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"no parameter 'segmentation_treshold'.*segmentation_thr"):
        build(BodyPixSettings, {"segmentation_treshold": 0.5})
    with pytest.raises(SettingsError, match=r"no parameter 'overlay.opacite'.*overlay.opacity"):
        build(OverlaySettings, {"opacite": 1}, prefix="overlay")


def test_groups() -> None:
    flat = flatten({"model": "m", "tensorflow": {"device": "cpu"}, "refine_steps": 3})
    assert flat == {"model": "m", "tensorflow.device": "cpu", "refine_steps": 3}
    root, groups = split_groups(flat)
    assert groups == {"tensorflow": {"device": "cpu"}}
    assert root == {"model": "m", "refine_steps": 3}


def test_settings_are_frozen() -> None:
    settings = BodyPixSettings()
    with pytest.raises(ValueError, match="frozen"):
        settings.refine_steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "limits", "words"),
    [
        ("int", {}, "an integer"),
        ("int", {"minimum": 1}, "an integer from 1"),
        ("float", {"minimum": 0, "maximum": 1}, "a number from 0 to 1"),
        ("str", {}, "a string"),
        ("str_list", {}, "a list of strings"),
        ("float_list", {"maximum": 2}, "a list of numbers to 2"),
        ("bool", {}, "true or false"),
        ("str", {"choices": ("a", "b")}, "one of a, b"),
    ],
)
def test_what_is_allowed_in_words(kind: str, limits: dict[str, Any], words: str) -> None:
    assert Parameter("name", kind, None, "", live=True, **limits).allowed == words


def test_a_long_value_is_cut_where_it_is_quoted() -> None:
    with pytest.raises(SettingsError, match="segmentation_threshold is 'x") as err:
        build(BodyPixSettings, {"segmentation_threshold": "x" * 100_000})
    assert len(str(err.value)) < 250
    with pytest.raises(SettingsError) as err:
        build(BodyPixSettings, {"x" * 100_000: 1})
    assert len(str(err.value)) < 250


def test_numbers_serve_as_strings() -> None:
    assert build(ModelSettings, {"model": 5}).model == "5"


@pytest.mark.parametrize("text", ["640x480", " 640x480 "])
def test_sizes(text: str) -> None:
    assert Size.parse(text) == Size(640, 480)


@pytest.mark.parametrize("text", ["", "640", "640x", "x480", "0x480", "640x10000", "640X480", "1e2x5", "-1x5", "٣x٣"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="WIDTHxHEIGHT, each from 1 to 9999"):
        Size.parse(text)


def test_nesting_that_does_not_end() -> None:
    tree: dict[str, Any] = {}
    tree["a"] = tree
    with pytest.raises(SettingsError, match="nested deeper than 20"):
        flatten(tree)
