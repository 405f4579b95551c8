"""Parameter files and words of a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.parameter_files import parse_value, read_params_file


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
        ("- 1\n- 2", "params.yaml'.*names and values, not list"),
        (b"\xff\xfe\x00", "not valid YAML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=message):
        read_params_file(path)
    with pytest.raises(SettingsError, match=r"'.*none.yaml'.*No such file"):
        read_params_file(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("/**", True), ("**", True), ("/*", False), ("/*/*", True), ("/a/*", True), ("/*/bodyseg", True),
        ("/**/bodyseg", True), ("/a/**", True), ("/b/**", False), ("/a/**/bodyseg", True), ("/a", False),
        ("/".join(["**"] * 60), True), ("/".join(["**"] * 60 + ["x"]), False),
    ],
)  # fmt: skip
def test_wildcards_of_sections(tmp_path: Path, section: str, named: bool) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"'{section}': {{ros__parameters: {{gain: 1}}}}")
    assert read_params_file(path, "bodyseg", "/a") == ({"gain": 1} if named else {})


def test_exponents_are_numbers(shared: Path) -> None:
    assert read_params_file(shared / "cases/yaml-exponent/params.yaml") == {"segmentation_threshold": 0.5}
    assert parse_value("5e-1") == 0.5
