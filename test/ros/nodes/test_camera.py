"""The camera shows photos, folders and videos on its topics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import MediaError, SettingsError
from bodyseg_ros.media import write_photo
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import read_image
from bodyseg_ros.ros.nodes.camera import CameraNode

from .conftest import Rig

Rigs = Callable[..., Rig]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(3):
        write_photo(tmp_path / f"{index}.png", np.full((24, 32, 3), (index * 50, 10, 200), np.uint8))
    return tmp_path


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8"])
def test_a_folder_is_shown_picture_by_picture(rig: Rigs, folder: Path, encoding: str) -> None:
    camera = rig(f"source:={folder}", "rate:=200", "loop:=false", f"encoding:={encoding}", make=CameraNode)
    info = camera.listen("/camera_info", "sensor_msgs/msg/CameraInfo")
    images = camera.listen("/image")
    camera.wait(camera.graph._stopped.is_set)
    camera.spin()
    assert [message.encoding for message in images] == [encoding] * 3
    assert [tuple(read_image(message).image[0, 0]) for message in images] == [(i * 50, 10, 200) for i in range(3)]
    assert [message.header.frame_id for message in images] == ["camera"] * 3
    stamps = [stamp_ns(message.header) for message in images]
    assert stamps == sorted(set(stamps))
    assert [stamp_ns(message.header) for message in info] == stamps
    assert (info[0].width, info[0].height) == (32, 24)


@pytest.mark.parametrize(
    ("remap", "image", "info"),
    [
        ("image:=/front/image_raw", "/front/image_raw", "/front/camera_info"),
        ("camera_info:=/calibration", "/image", "/calibration"),
    ],
)
def test_camera_info_is_beside_a_remapped_image(rig: Rigs, folder: Path, remap: str, image: str, info: str) -> None:
    camera = rig(f"source:={folder}", "rate:=200", make=CameraNode, remap=remap)
    infos = camera.listen(info, "sensor_msgs/msg/CameraInfo")
    images = camera.listen(image)
    camera.wait(lambda: images and infos)


def test_it_begins_again_at_the_end(rig: Rigs, folder: Path) -> None:
    camera = rig(f"source:={folder}", "rate:=500", make=CameraNode)
    images = camera.listen("/image")
    camera.wait(lambda: len(images) >= 7)
    assert [read_image(message).image[0, 0, 0] for message in images[:7]] == [0, 50, 100, 0, 50, 100, 0]


def test_a_photo_is_shown_again_and_again(rig: Rigs, folder: Path) -> None:
    camera = rig(f"source:={folder / '1.png'}", "rate:=500", make=CameraNode)
    images = camera.listen("/image")
    camera.wait(lambda: len(images) >= 3)


def test_nobody_misses_the_beginning(rig: Rigs, folder: Path) -> None:
    camera = rig(f"source:={folder}", "rate:=500", "loop:=false", make=CameraNode)
    camera.graph.spin_once(0.05)
    assert camera.node.published == 0
    images = camera.listen("/image")
    camera.wait(lambda: len(images) == 3)


def test_a_source_that_is_not_there_is_named(rig: Rigs) -> None:
    with pytest.raises(MediaError, match="no file or folder 'nowhere.jpg'"):
        rig("source:=nowhere.jpg", make=CameraNode)
    with pytest.raises(SettingsError, match="source is ''.* a photo"):
        rig(make=CameraNode)


def test_brought_up_again_it_has_no_second_publisher(rig: Rigs, folder: Path) -> None:
    camera = rig(f"source:={folder}", "rate:=500", make=CameraNode)
    for step in ("deactivate", "cleanup", "configure", "activate"):
        getattr(camera.node, step)()
    images = camera.listen("/image")
    camera.wait(lambda: images)
    topics = [publisher.topic for publisher in camera.bus.publishers if publisher.graph is camera.graph]
    assert len(topics) == len(set(topics))
