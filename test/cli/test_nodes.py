"""The commands that run nodes, look at the graph, and show the whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from typer.testing import CliRunner

from bodyseg_ros.cli import demo as demo_command
from bodyseg_ros.cli import node as commands
from bodyseg_ros.cli import topics as topics_command
from bodyseg_ros.cli.demo import demo
from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import GraphError, MediaError
from bodyseg_ros.media import read_photo, write_photo
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.port import Endpoint
from bodyseg_ros.ros.graph.qos import RELIABLE, SENSOR, Qos

IMAGE = "sensor_msgs/msg/Image"


def invoke(*words: str, **options: Any) -> Any:
    """The command line `bodyseg …words`."""
    return CliRunner().invoke(app, list(words), **options)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[str], str]]:
    """What the nodes' mains were called with."""
    calls: list[tuple[str, Sequence[str], str]] = []
    for name in ("bodyseg", "camera", "compositor"):
        module = getattr(commands, f"{name}_node")
        monkeypatch.setattr(module, "main", lambda argv, runtime, name=name: calls.append((name, argv, runtime)))
    return calls


def test_ros_arguments_are_passed_on(given: list[tuple[str, Sequence[str], str]]) -> None:
    ros = [
        "--ros-args",
        "-r",
        "image:=/camera/image_raw",
        "-p",
        "model:=x",
        "--params-file",
        "f.yaml",
        "-r",
        "__ns:=/a",
    ]
    for name in ("node", "compositor", "camera"):
        assert invoke(name, "--runtime", "dds", *ros).exit_code == 0
    assert [call[0] for call in given] == ["bodyseg", "compositor", "camera"]
    assert given[0] == ("bodyseg", ros, "dds")
    assert given[1][1] == ros
    assert given[2][1][: len(ros)] == ros


def test_the_cameras_own_flags_become_parameters(given: list[tuple[str, Sequence[str], str]]) -> None:
    invoke("camera", "--source", "a b.jpg", "--rate", "5")
    assert given == [("camera", ["--ros-args", "-p", "source:=a b.jpg", "-p", "rate:=5.0"], "auto")]


@pytest.mark.parametrize("command", ["node", "compositor", "camera", "topics"])
def test_what_nobody_knows_is_not_passed_over(given: list[tuple[str, Sequence[str], str]], command: str) -> None:
    done = invoke(command, "--modle", "x", "--ros-args", "-p", "model:=y", env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "There is no option or argument '--modle'" in done.output
    assert given == []


def end(publishes: bool, qos: Qos, node: str, type_name: str = IMAGE) -> Endpoint:
    return Endpoint("/image", type_name, node, publishes, qos)


def test_why_nothing_passes_is_said_of_both_sides() -> None:
    camera, viewer = end(True, SENSOR, "/camera"), end(False, RELIABLE, "/viewer")
    assert topics_command.troubles([camera, viewer]) == [
        "/viewer hears nothing of /camera: the subscriber asks for reliable, the publisher offers best effort."
    ]
    assert topics_command.troubles([end(True, RELIABLE, "/camera"), end(False, SENSOR, "/viewer")]) == []
    other = end(False, SENSOR, "", "sensor_msgs/msg/CompressedImage")
    assert topics_command.troubles([camera, other]) == [
        f"a subscriber hears nothing of /camera: the publisher sends {IMAGE}, "
        "the subscriber wants sensor_msgs/msg/CompressedImage."
    ]


def test_topics_are_listed_with_rate_and_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    camera, viewer = FakeGraph("camera", bus), FakeGraph("viewer", bus)
    publisher = camera.publisher("image", IMAGE, SENSOR)
    viewer.subscribe("image", IMAGE, RELIABLE, lambda message: None)
    viewer.subscribe("nothing", IMAGE, RELIABLE, lambda message: None)
    own = FakeGraph("bodyseg_topics", bus)
    monkeypatch.setattr(topics_command, "_DISCOVERY_S", 0.01)
    monkeypatch.setattr(topics_command, "open_graph", lambda *arguments: own)
    listen = topics_command.Lister._listen

    def listen_and_speak(self: topics_command.Lister) -> None:
        listen(self)
        publisher.publish(camera.messages.make(IMAGE))

    monkeypatch.setattr(topics_command.Lister, "_listen", listen_and_speak)
    done = invoke("topics", "--seconds", "0.5", "--pictures", "--runtime", "dds", env={"COLUMNS": "30"})
    assert done.exit_code == 0, done.output
    # Nothing is cut, however narrow the terminal that is not there.
    (row,) = [line.split() for line in done.output.splitlines() if line.startswith("2.0")]
    assert row == ["2.0", "/image", IMAGE, "/camera", "/viewer"]
    assert "/nothing" in done.output
    assert "/image: /viewer hears nothing of /camera: the subscriber asks for reliable" in done.output


def test_topics_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    camera, viewer = FakeGraph("camera", bus), FakeGraph("viewer", bus)
    camera.publisher("image", IMAGE, SENSOR)
    viewer.subscribe("image", IMAGE, RELIABLE, lambda message: None)
    monkeypatch.setattr(topics_command, "_DISCOVERY_S", 0.01)
    monkeypatch.setattr(topics_command, "open_graph", lambda name, *_: FakeGraph(name, bus))
    done = invoke("topics", "--seconds", "0", "--json", "--runtime", "dds")
    (row,) = json.loads(done.stdout)
    assert (row["topic"], row["types"], row["rate_hz"]) == ("/image", [IMAGE], None)
    assert (row["publishers"], row["subscribers"]) == (["/camera"], ["/viewer"])
    assert len(row["troubles"]) == 1


def test_pictures_are_not_listened_to_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    camera = FakeGraph("camera", bus)
    publishers = [camera.publisher("image", IMAGE), camera.publisher("words", "std_msgs/msg/String")]
    heard: list[list[int]] = []
    monkeypatch.setattr(topics_command, "_DISCOVERY_S", 0.01)
    monkeypatch.setattr(topics_command, "open_graph", lambda *arguments: FakeGraph("bodyseg_topics", bus))
    listen = topics_command.Lister._listen

    def listen_and_count(self: topics_command.Lister) -> None:
        listen(self)
        heard.append([publisher.subscriptions for publisher in publishers])

    monkeypatch.setattr(topics_command.Lister, "_listen", listen_and_count)
    for words in ((), ("--pictures",)):
        assert invoke("topics", "--seconds", "0.05", "--runtime", "dds", *words).exit_code == 0
    assert heard == [[0, 1], [1, 1]]


def test_an_empty_graph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_command, "_DISCOVERY_S", 0.01)
    monkeypatch.setattr(topics_command, "open_graph", lambda *arguments: FakeGraph("bodyseg_topics"))
    done = invoke("topics", "--seconds", "0", "--runtime", "dds")
    assert "Nobody is on this graph" in done.output


@pytest.mark.parametrize(("runtime", "package"), [("dds", "cyclonedds"), ("zenoh", "zenoh")])
def test_the_demonstration_writes_a_sheet_and_a_bag(tmp_path: Path, runtime: str, package: str) -> None:
    pytest.importorskip(package, reason=f"the runtime is not installed: pip install '.[{runtime}]'")
    (tmp_path / "drawn.onnx").touch()
    write_photo(tmp_path / "photo.png", np.full((240, 320, 3), 90, np.uint8))
    params = tmp_path / "params.yaml"
    params.write_text(f"engine: fake\nmodel_path: {tmp_path / 'drawn.onnx'}\n")
    out = tmp_path / "out"
    words = ["demo", str(tmp_path / "photo.png"), "--out", str(out), "--frames", "5", "--params", str(params)]
    words += ["--runtime", runtime]
    done = invoke(*words)
    assert done.exit_code == 0, done.output
    assert "frames in, " in done.output
    assert "latency, median ms" in done.output
    assert read_photo(out / "topics.png").std() > 10
    assert read_photo(out / "photo.jpg").shape == (240, 320, 3)
    with AnyReader([out / "topics.mcap"]) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts["/bodyseg/poses"] >= 5
    assert counts["/bodyseg/mask"] >= 5
    # The fake engine draws one person in every picture, whatever is on it.
    assert "ids 1 in the first frame, 1 in the last" in done.output
    assert read_photo(out / "people.png").std() > 10


def test_a_demonstration_that_cannot_start_says_why(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")
    write_photo(tmp_path / "photo.png", np.full((24, 32, 3), 90, np.uint8))
    with pytest.raises(GraphError, match="bodyseg ended with status 1.*no model card 'nothing'"):
        demo(str(tmp_path / "photo.png"), tmp_path / "out", 5, 10.0, "nothing", None)


def test_a_demonstration_without_its_input_ends_at_once(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")
    with pytest.raises(MediaError, match=r"nothing\.jpg"):
        demo(str(tmp_path / "nothing.jpg"), tmp_path / "out")


def test_a_demonstration_whose_camera_dies_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")
    photo = tmp_path / "photo.png"
    write_photo(photo, np.full((24, 32, 3), 90, np.uint8))

    def look_once(source: str) -> Any:
        photo.unlink()

    monkeypatch.setattr(demo_command, "_first_picture", look_once)
    (tmp_path / "drawn.onnx").touch()
    params = tmp_path / "params.yaml"
    params.write_text(f"engine: fake\nmodel_path: {tmp_path / 'drawn.onnx'}\n")
    with pytest.raises(GraphError, match=r"camera ended with status 1.*photo\.png"):
        demo(str(photo), tmp_path / "out", params=params)
