"""Every command of this package in README.md and the pages, run as a reader types it.

The reader's folder has the files that the pages name. Webcams are a clip, networks that would be downloaded have
stand-ins, nodes are on a graph in this process and end once they have published, and benchmarks measure less. What
cannot run so is read by the command without being run, and NOT_RUN says why.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import SHIPPED_MODEL
from bodyseg_ros.catalog.card import shipped_folder
from bodyseg_ros.cli import topics
from bodyseg_ros.cli.main import COMMANDS, app
from bodyseg_ros.ros.bag import BagWriter, write_bag
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes import run_node
from command_lines import read_command
from documented import ROOT, typed_after
from per_person.spots import simcc
from stand_in_models import simple_onnx, write_stand_ins

IMAGE, CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2"
PATIENCE_S = 30.0
#: What a command starts with or contains → why it is not run here.
NOT_RUN = {
    r"\bs3://": "storage elsewhere",
    r"^train\b": "takes hours; a small run is in test_training.py",
    r"^export\b": "needs the folder of a training run; test_training.py has a small one",
    r"^bench peers\b": "needs other implementations",
    r"--show\b": "needs a display; run by test_run_window.py where there is one",
    r"/dev/video9|rtmp://": "needs a virtual camera or a server; test_video_sink.py has its own",
    r"https://": "needs the internet; test_download.py has a server of its own",
    r"libedgetpu": "needs an Edge TPU",
    r"tensorrt": "needs an NVIDIA GPU",
    r"bodypix-v1|tensorflowjs_model\.pb": "needs a file in the form of 2018; test_published.py runs real ones",
    r"--output-stride 32": "needs a file of that stride, and the shipped network has none",
    r"--to edgetpu": "needs Google's compiler",
    r"^models convert (?!bodyseg-mobilenet-075)": "converts like the shipped network does; test_conversion.py has more",
    r"harmonize\.model-path": "needs a network that harmonizes; test_effects.py has one",
    r"mobile-unet-96": "needs a file trained here; test_portrait_training.py makes one and runs it",
    r"^(doctor|demo)\b": "run by test_doctor.py and test_nodes.py",
    r"bodyseg_green_screen": "needs the example's package; test_example_plugins.py installs it",
}
#: What stands in the pages → what takes its place here.
HERE = {
    r"(?<=^run |^web )0\b": "clip.mp4",
    r"(?<=--source )0\b": "clip.mp4",
    r"\bFILE\.tflite\b": "deeplab.onnx",
    r"\b(FILE|model\.tflite|my\.tflite)(?=\s|$)": "shipped.tflite",
    r"\bmy\.onnx\b": "shipped.tflite",
    r"(?<=inspect )mine\.tflite\b": "shipped.tflite",
    r"\bmine\.tflite\b": "portrait.onnx",
    r"\bprisma-net\.tflite\b": "prisma-net.onnx",
    r"\bmodnet\.onnx\b": "portrait.onnx",
    r"\b(room|evening)\.png\b": "photo.jpg",
    r"\bpackage/models/movenet-multipose\.json\b": "multipose.onnx",
    r"\bNAME\b": SHIPPED_MODEL,
    r"\bPHOTO\b": "photo.jpg",
    r"\bFOLDER\b": "labeled",
    r"(?<=--sizes )\S+": "160x120",
    r"(?<=--people )0,1,2,5,10": "0,1",
    r"^(bench engines(?: .*)?)$": r"\1 --engines litert --runs 3",
    r"^(bench (?!engines|peers).*)$": r"\1 --runs 3",
    r"^(bench (?!peers|.*--sizes).*)$": r"\1 --sizes 160x120",
    r"^(eval (?!.*--privacy).*)$": r"\1 --long-side 129",
    r"^(topics(?: .*)?)$": r"\1 --runtime dds --seconds 0.1",
}
DOCUMENTED = {words: page for words, page in typed_after("bodyseg").items() if "FORMAT" not in words}
#: Names of commands, quoted in a sentence about them.
NAMED = {words for words in DOCUMENTED if words in (*COMMANDS, "models list", "models convert", "effects gallery")}
NEED_NOTHING = {"doctor", "params", "topics", "web", "models list"}


def reason_not_to_run(command: str) -> str:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), "")


def as_typed_here(command: str) -> list[str]:
    for pattern, here in HERE.items():
        command = re.sub(pattern, here, command)
    return shlex.split(command)


class Robot:
    """A graph in this process. Whoever subscribes to images gets the photo; a node ends once it has published one."""

    def __init__(self, photo: np.ndarray) -> None:
        self._photo, self._bus = photo, Bus()
        self._viewer = FakeGraph("viewer", self._bus)
        self._heard: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        self._end = time.monotonic() + PATIENCE_S
        #: The live page that has to answer before a node ends.
        self.page = ""
        self.published: list[str] = []
        self.errors: list[str] = []

    def graph(self, name: str, arguments: Sequence[str] = (), *_: object) -> FakeGraph:
        graph = FakeGraph(name, self._bus, arguments)
        graph.timer(0.05, partial(self._look, graph))
        return graph

    def _look(self, graph: FakeGraph) -> None:
        if time.monotonic() > self._end:
            self.errors.append(f"{graph.name} published no image")
        for subscription in [one for one in self._bus.subscriptions if one.graph is graph and one.type_name == IMAGE]:
            others = [one for one in self._bus.publishers if one.topic == subscription.topic]
            if not others or others == [self._shown.get(subscription.topic)]:
                self._show(subscription.topic)
        for publisher in [one for one in self._bus.publishers if one.graph is graph and one.type_name == IMAGE]:
            if publisher.topic.endswith(("/mask", "/image", "/image_raw")) and publisher.topic not in self._heard:
                heard = self._viewer.subscribe(publisher.topic, IMAGE, publisher.qos, lambda message: None)
                self._heard[publisher.topic] = (graph, heard)
        self.errors += [text for level, text in graph.said if level == "error"]
        came = [topic for topic, (of, heard) in self._heard.items() if of is graph and heard.waiting]
        if self.errors or (came and (not self.page or graph.name == "camera" or self._page_answers())):
            self.published += came
            if graph.name != "camera" or not self.page:
                graph.shutdown()
            if self.page and graph.name != "camera":
                for other in {one.graph for one in (*self._bus.publishers, *self._bus.subscriptions)}:
                    other.shutdown()

    def _show(self, topic: str) -> None:
        if topic not in self._shown:
            self._shown[topic] = self._viewer.publisher(topic, IMAGE)
        make, now_ns = self._viewer.messages.make, self._viewer.now_ns()
        stamp = make("builtin_interfaces/msg/Time", sec=now_ns // 10**9, nanosec=now_ns % 10**9)
        header = make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
        self._shown[topic].publish(image_message(self._viewer.messages, header, self._photo, "rgb8"))

    def _page_answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.page, timeout=5) as answer:
                return b"<html" in answer.read()
        except urllib.error.HTTPError as err:
            return err.code in (401, 403)  # it is there, and wants its token
        except OSError:
            return False


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.asarray(Image.fromarray(data.astronaut()).resize((256, 256)))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray) -> Path:
    """The reader's folder, which no command has changed yet."""
    pytest.importorskip("av", reason="PyAV is not installed: pip install '.[video]'")
    pytest.importorskip("onnx", reason="onnx is not installed: pip install '.[train]'")
    folder = tmp_path_factory.mktemp("reader")
    for place in ("holiday", "photos", "labeled/photos", "labeled/masks", "models", "out", "docs/effects"):
        (folder / place).mkdir(parents=True)
    for name in ("photo.jpg", "me.jpg", "holiday/a.jpg", "photos/a.jpg", "labeled/photos/a.jpg", "out/photo.jpg"):
        Image.fromarray(photo).save(folder / name, quality=90)
    Image.fromarray((photo[..., 0] > 120).astype(np.uint8) * 255).save(folder / "labeled/masks/a.png")
    with bodyseg.open_sink(folder / "clip.mp4", Fraction(10)) as write:
        for number in range(3):
            write(photo, bodyseg.Frame(photo, number * 10**8))
    for name in ("hall", "people", "call"):
        shutil.copy(folder / "clip.mp4", folder / f"{name}.mp4")
    for name in ("in", "drive", "monday", "tuesday"):
        write_recording(folder / f"{name}.mcap", photo, with_sensors=name == "drive")
    shutil.copy(shipped_folder() / SHIPPED_MODEL / "model-stride16.tflite", folder / "shipped.tflite")
    simcc(folder / "end2end.onnx")
    simple_onnx(folder / "portrait.onnx", {"mask": 1}, (256, 256))
    simple_onnx(folder / "prisma-net.onnx", {"mask": 1}, (256, 256))
    simple_onnx(folder / "deeplab.onnx", {"classes": 21}, (257, 257))
    simple_onnx(folder / "multipose.onnx", {"people": (6, 56)}, ("height", "width"))
    write_stand_ins(folder / "models")
    (folder / "config").symlink_to(ROOT / "config")
    return folder


def write_recording(path: Path, photo: np.ndarray, with_sensors: bool) -> None:
    """Two images of a camera; with sensors, also depth and a lidar's points."""
    messages = RosbagMessages()
    with write_bag(path) as writer:
        bag = BagWriter(writer, messages)
        for time_ns in (0, 10**8):
            stamp = messages.make("builtin_interfaces/msg/Time", sec=0, nanosec=time_ns)
            header = messages.make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
            bag.add("/camera/image_raw", IMAGE, image_message(messages, header, photo, "rgb8"), time_ns)
            if with_sensors:
                depth = image_message(messages, header, np.full(photo.shape[:2], 1500, np.uint16), "16UC1")
                bag.add("/camera/depth", IMAGE, depth, time_ns)
                bag.add("/lidar/points", CLOUD, messages.make(CLOUD, header=header), time_ns)


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the reader's folder to work in, and the networks in it."""
    for path in prepared.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(prepared / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def no_download(url: str, *_: object) -> None:
        raise AssertionError(f"a download of {url}")

    monkeypatch.setattr("bodyseg_ros.catalog.find.download_model", no_download)
    return tmp_path


@pytest.fixture
def robot(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Iterator[Robot]:
    robot = Robot(photo)
    monkeypatch.setattr(run_node, "open_graph", robot.graph)
    monkeypatch.setattr(topics, "open_graph", robot.graph)
    monkeypatch.setattr(topics, "_DISCOVERY_S", 0.01)
    monkeypatch.setattr("bodyseg_ros.ros.graph.fake_graph.FakeGraph", lambda name, bus, words: robot.graph(name, words))
    yield robot
    assert robot.errors == []


def with_a_free_port(words: list[str], robot: Robot) -> list[str]:
    """The words with a port that nothing else on this machine uses, if there is a page."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    if words[0] == "web":
        words = [*words, "--port", port]
    elif not any("web_port" in word for word in words):
        return words
    robot.page = f"http://127.0.0.1:{port}/"
    return [word.replace("8080", port) for word in words]


def test_there_are_commands_and_each_rule_is_needed() -> None:
    assert len(DOCUMENTED) > 150
    for pattern in (*NOT_RUN, *HERE):
        assert any(re.search(pattern, command) for command in DOCUMENTED), f"no command matches {pattern}"
    run = [command for command in DOCUMENTED if command not in NAMED and not reason_not_to_run(command)]
    assert len(run) > 0.75 * (len(DOCUMENTED) - len(NAMED)), "most are run"


@pytest.mark.parametrize("command", sorted(NAMED - NEED_NOTHING))
def test_a_named_command_has_a_help(command: str) -> None:
    assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


@pytest.mark.parametrize("command", sorted(DOCUMENTED.keys() - (NAMED - NEED_NOTHING)))
def test_a_documented_command_runs(command: str, folder: Path, robot: Robot) -> None:
    words = as_typed_here(command)
    if reason_not_to_run(command):
        read_command(words)
        return
    if words[0] in ("node", "camera", "privacy-camera", "compositor", "web"):
        words = with_a_free_port(words, robot)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{DOCUMENTED[command]}: bodyseg {command}: {done.output} {done.exception!r}"
    if words[0] in ("node", "camera", "privacy-camera", "web"):
        assert robot.published


#: What `ros2 run` starts → the command that does the same.
ROS_PROGRAMS = {"bodyseg": "node", "camera": "camera", "privacy_camera": "privacy-camera", "compositor": "compositor"}
ROS_RUN = typed_after(r"ros2 run bodyseg_ros")


@pytest.mark.parametrize("line", sorted(ROS_RUN))
def test_a_documented_ros2_run_runs(line: str, folder: Path, robot: Robot) -> None:
    program, *words = shlex.split(line)
    done = CliRunner().invoke(app, [ROS_PROGRAMS[program], *words])
    assert done.exit_code == 0, f"{ROS_RUN[line]}: ros2 run bodyseg_ros {line}: {done.output} {done.exception!r}"
    assert robot.published


def flags_of(line: str) -> list[str]:
    return re.findall(r"(?<=\s)--[a-z-]+", line)


@pytest.mark.parametrize("line", sorted(typed_after(r"python3?")))
def test_a_documented_script_is_there_and_has_its_flags(line: str) -> None:
    script, *_ = line.split()
    if script.startswith("-"):
        return
    source = (ROOT / script).read_text(encoding="utf-8")
    compile(source, script, "exec")
    assert [flag for flag in flags_of(line) if flag not in source] == []
