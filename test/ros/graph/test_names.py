"""Names and arguments are read as ROS reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bodyseg_ros.errors import GraphError, SettingsError
from bodyseg_ros.ros.graph.names import Names, parse_ros_arguments


@pytest.mark.parametrize(
    ("name", "namespace", "full"),
    [
        ("image", "/", "/image"),
        ("image", "/robot1", "/robot1/image"),
        ("image/compressed", "/a/b", "/a/b/image/compressed"),
        ("/diagnostics", "/robot1", "/diagnostics"),
        ("~/mask", "/", "/bodyseg/mask"),
        ("~/mask", "/robot1", "/robot1/bodyseg/mask"),
        ("~", "robot1", "/robot1/bodyseg"),
    ],
)
def test_names_are_relative_private_or_absolute(name: str, namespace: str, full: str) -> None:
    assert Names("bodyseg", namespace).resolve(name) == full


@pytest.mark.parametrize(
    ("rule", "name", "full"),
    [
        ("image:=/camera/image_raw", "image", "/camera/image_raw"),
        ("image:=camera/image_raw", "image", "/robot1/camera/image_raw"),
        ("/robot1/image:=other", "image", "/robot1/other"),
        ("~/mask:=/out", "~/mask", "/out"),
        ("image:=~/in", "image", "/robot1/bodyseg/in"),
        ("bodyseg:image:=/mine", "image", "/mine"),
        ("camera:image:=/not_mine", "image", "/robot1/image"),
        ("rostopic://image:=/topic", "image", "/topic"),
        ("mask:=/out", "~/mask", "/robot1/bodyseg/mask"),
    ],
)
def test_remapping(rule: str, name: str, full: str) -> None:
    arguments = parse_ros_arguments("bodyseg", ["--ros-args", "-r", "__ns:=/robot1", "--remap", rule])
    assert arguments.names.resolve(name) == full


def test_the_first_of_two_rules_wins() -> None:
    arguments = parse_ros_arguments(
        "bodyseg", ["--ros-args", "-r", "a:=b", "-r", "a:=c", "-r", "__node:=x", "-r", "__name:=y"]
    )
    assert arguments.names.resolve("a") == "/b"
    assert arguments.names.full_name == "/x"


def test_a_rule_for_a_node_knows_it_by_its_final_name() -> None:
    words = ["--ros-args", "-r", "bodyseg:__node:=left", "-r", "left:image:=/l", "-r", "right:image:=/r"]
    assert parse_ros_arguments("bodyseg", words).names.resolve("image") == "/l"


def test_only_what_stands_behind_ros_args_is_read() -> None:
    words = [
        "--x",
        "-r",
        "a:=1",
        "--ros-args",
        "--disable-rosout-logs",
        "-p",
        "n:=1",
        "--",
        "-p",
        "n:=2",
        "--ros-args",
        "-p",
        "m:=3",
    ]
    assert parse_ros_arguments("bodyseg", words).overrides == {"n": 1, "m": 3}


def test_parameters_are_yaml_and_later_ones_win(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("bodyseg:\n  ros__parameters: {a: 1, b: {c: two}}\n/**:\n  ros__parameters: {a: 5}\n")
    words = [
        "--ros-args",
        "-p",
        "a:=0",
        "--params-file",
        str(file),
        "-p",
        "b.c:=true",
        "-p",
        "bodyseg:d:=[1, 2]",
        "-p",
        "camera:e:=1",
    ]
    words += ["-p", "empty:=", "-p", "qos_overrides./image.subscription.depth:=4"]
    assert parse_ros_arguments("bodyseg", words).overrides == {
        "a": 5,
        "b.c": True,
        "d": [1, 2],
        "empty": "",
        "qos_overrides./image.subscription.depth": 4,
    }


def test_log_level() -> None:
    words = ["--ros-args", "--log-level", "WARN", "--log-level", "camera:=debug"]
    assert parse_ros_arguments("bodyseg", words).log_level == "warn"
    assert parse_ros_arguments("camera", words).log_level == "debug"
    assert parse_ros_arguments("other", []).log_level == "info"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-r", "image"], r"-r 'image'.* -r image:=/camera/image_raw"),
        (["-p", "gain=2"], r"-p 'gain=2'.* -p min_pose_confidence:=0.3"),
        (["-p"], "The ROS argument '-p' needs a value behind it."),
        (["--remaps", "a:=b"], "'--remaps' is not a ROS argument. After --ros-args come"),
        (["-r", "__node:=1st"], "'1st' .*node.*letters, digits"),
        (["-r", "__ns:=/a//b"], "'/a//b' is not a ROS name: words of letters, digits and _"),
        (["--log-level", "loud"], "'loud' is not a log level.*debug, info, warn, error and fatal."),
    ],
)
def test_wrong_arguments_are_named(words: list[str], sentence: str) -> None:
    with pytest.raises(GraphError, match=sentence):
        parse_ros_arguments("bodyseg", ["--ros-args", *words])


def test_a_parameter_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="'/nowhere.yaml' cannot be read"):
        parse_ros_arguments("bodyseg", ["--ros-args", "--params-file", "/nowhere.yaml"])


@pytest.mark.parametrize("name", ["", "a//b", "a/", "/a/", "1a", "a b", "a/~", "~a", "a-b", "é"])
def test_names_that_ros_does_not_allow(name: str) -> None:
    with pytest.raises(GraphError, match="is not a ROS name"):
        Names("bodyseg").resolve(name)
