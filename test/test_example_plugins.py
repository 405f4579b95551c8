"""The example package of plugins: installed by pip beside this package, and used by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "bodyseg_green_screen"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed under site/, its network, and a drawn photo."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    pytest.importorskip("setuptools", reason="setuptools is not installed: pip install setuptools")
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(ROOT / "examples" / EXAMPLE, folder / "source")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    python(folder, *install, "--no-build-isolation", "--target", "site", "./source")
    python(folder, "-m", f"{EXAMPLE}.model", "green_screen.onnx")
    shutil.copy(folder / "source/params.yaml", folder)
    picture = np.full((60, 80, 3), (30, 220, 40), np.uint8)
    picture[20:50, 30:50] = (220, 180, 160)
    Image.fromarray(picture).save(folder / "photo.png")
    return folder


def python(folder: Path, *arguments: str) -> str:
    """What a Python says that has the folder's packages, and this one."""
    paths = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_uses_the_engine_and_the_network_of_a_parameter_file(folder: Path) -> None:
    python(folder, "-m", "bodyseg_ros.cli.main", "run", "photo.png", "--params", "params.yaml", "--write", "mask")
    expected = np.zeros((60, 80), np.uint8)
    expected[20:50, 30:50] = 255
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "out/photo_mask.png")), expected)


def test_the_node_uses_all_three_and_their_parameters(folder: Path) -> None:
    said = python(folder, "-c", NODE)
    assert said.split() == ["opencv_dnn", "CPU,", "OpenCV", "220", "180", "160", "120", "158", "122"]


#: Prints what runs, and a pixel of the person and of the screen: 0.8 · gray + 0.2 · (30, 220, 40), gray 143.
NODE = """
import time

import numpy as np
from PIL import Image
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from bodyseg_ros.ros.graph.qos import LATCHED, RELIABLE
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode

graph = FakeGraph("bodyseg", bus := Bus(), ["--ros-args", "--params-file", "params.yaml"])
tester, seen = FakeGraph("tester", bus), []
node = BodysegNode(graph)
node.configure()
node.activate()
tester.subscribe("/bodyseg/composite", "sensor_msgs/msg/Image", RELIABLE, seen.append)
header = tester.messages.make("std_msgs/msg/Header")
picture = np.asarray(Image.open("photo.png"))
tester.publisher("/image", "sensor_msgs/msg/Image", LATCHED).publish(
    image_message(tester.messages, header, picture, "rgb8")
)
end = time.monotonic() + 20
while not seen and time.monotonic() < end:
    graph.spin_once()
    tester.spin_once(0.01)
(message,) = seen
image = read_image(message).image
print(node._model.engine, node._model.device, *image[30, 40], *image[0, 0])
node.deactivate()
node.cleanup()
"""


def test_their_parameters_are_listed_and_checked(folder: Path) -> None:
    listed = python(folder, "-m", "bodyseg_ros.cli.main", "params", "--format", "json")
    assert all(f'"{name}"' in listed for name in ("opencv_dnn.half", "green_threshold", "color_splash.strength"))
