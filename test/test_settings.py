from __future__ import annotations

from pathlib import Path

import pytest

from bodyseg_ros.effects.drawing import OverlaySettings
from bodyseg_ros.errors import SettingsError
from bodyseg_ros.networks.bodypix import BodyPixSettings
from bodyseg_ros.settings import (
    ModelSettings,
    build,
    flatten,
    parameters,
    parse_value,
    read_params_file,
    split_groups,
)


def by_name(settings: type) -> dict:
    return {parameter.name: parameter for parameter in parameters(settings)}


def test_a_field_is_a_parameter_with_all_its_facts() -> None:
    threshold = by_name(BodyPixSettings)["segmentation_threshold"]
    assert (threshold.kind, threshold.default, threshold.minimum, threshold.maximum) == ("float", 0.7, 0.0, 1.0)
    assert threshold.live
    assert threshold.allowed == "number from 0 to 1"
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
    build(BodyPixSettings, {"internal_resolution": value})


@pytest.mark.parametrize("value", [2.01, 0.09, 0, -1, "huge", "", None, [0.5], float("nan"), float("inf")])
def test_internal_resolution_refuses(value: object) -> None:
    with pytest.raises(SettingsError, match=r"Parameter internal_resolution is .*, but it must be one of low, medium"):
        build(BodyPixSettings, {"internal_resolution": value})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("segmentation_threshold", 1.5, "number from 0 to 1"),
        ("segmentation_threshold", "much", "number from 0 to 1"),
        ("segmentation_threshold", float("nan"), "number from 0 to 1"),
        ("max_detections", 0, "whole number from 1 to 100"),
        ("max_detections", 2.5, "whole number from 1 to 100"),
        ("refine_steps", 21, "whole number from 1 to 20"),
        ("flip_horizontal", "perhaps", "true or false"),
        ("nms_radius", -1, "number from 0 to 1000"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, value: object, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(BodyPixSettings, {name: value})
    assert str(caught.value) == f"Parameter {name} is {value!r}, but it must be {allowed}."


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"no parameter 'segmentation_treshold'. Did you mean segmentation_thr"):
        build(BodyPixSettings, {"segmentation_treshold": 0.5})
    with pytest.raises(SettingsError, match=r"no parameter 'overlay.opacite'. Did you mean overlay.opacity"):
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
    ("text", "value"),
    [("0.5", 0.5), ("3", 3), ("true", True), ("low", "low"), ("[a, b]", ["a", "b"]), ("", ""), ("a: [", "a: [")],
)
def test_command_line_values_are_read_as_ros_reads_them(text: str, value: object) -> None:
    assert parse_value(text) == value


ROS_FILE = """
/**:
  ros__parameters:
    refine_steps: 2
    tensorflow: {device: cpu}
bodyseg:
  ros__parameters: {refine_steps: 3}
/robot1/bodyseg:
  ros__parameters: {refine_steps: 4}
robot2:
  bodyseg:
    ros__parameters: {refine_steps: 5}
other:
  ros__parameters: {refine_steps: 6}
"""


@pytest.mark.parametrize(
    ("namespace", "name", "steps"),
    [("/", "bodyseg", 3), ("/robot1", "bodyseg", 4), ("/robot2", "bodyseg", 5), ("/robot3", "bodyseg", 2),
     ("/", "other", 6), ("/a/b", "third", 2)],
)  # fmt: skip
def test_ros_parameter_files(tmp_path: Path, namespace: str, name: str, steps: int) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(ROS_FILE)
    assert read_params_file(path, name, namespace) == {"refine_steps": steps, "tensorflow.device": "cpu"}


def test_plain_and_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("segmentation_threshold: 0.5\noverlay: {opacity: 0.2}\n")
    assert read_params_file(path) == {"segmentation_threshold": 0.5, "overlay.opacity": 0.2}
    path.write_text("")
    assert read_params_file(path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not valid YAML"),
        ("- 1\n- 2", "must hold names and values, not list"),
        (b"\xff\xfe\x00", "not valid YAML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=message):
        read_params_file(path)
    with pytest.raises(SettingsError, match=r"'.*none.yaml' cannot be read: No such file"):
        read_params_file(tmp_path / "none.yaml")
