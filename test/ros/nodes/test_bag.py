"""A bag in, the same bag and our topics out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from bodyseg_ros.errors import MediaError, SettingsError
from bodyseg_ros.ros.bag import BagWriter, process_bag, write_bag
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.port import SENSOR
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes.outputs import OUTPUTS

from .conftest import IMAGE, header_of

MESSAGES = RosbagMessages()
FRAMES = 4


def a_bag(path: Path, broken: int = -1, topics: tuple[str, ...] = ("/cam/image_raw",)) -> Path:
    with write_bag(path) as writer:
        bag = BagWriter(writer, MESSAGES)
        info = MESSAGES.make("sensor_msgs/msg/CameraInfo", header=header_of(MESSAGES, 1), width=64, height=48)
        bag.add("/cam/camera_info", "sensor_msgs/msg/CameraInfo", info, 1)
        for index in range(FRAMES):
            for topic in topics:
                picture = np.full((48, 64, 3), 10 * index, np.uint8)
                message = image_message(MESSAGES, header_of(MESSAGES, 1000 * index), picture, "bgr8")
                if index == broken:
                    message.encoding = "none"
                bag.add(topic, IMAGE, message, 10 + index, SENSOR)
            bag.add("/note", "std_msgs/msg/String", MESSAGES.make("std_msgs/msg/String", data=f"{index}"), 10 + index)
    return path


def content(path: Path) -> list[tuple[str, str, int, bytes]]:
    with AnyReader([path]) as reader:
        return [(c.topic, c.msgtype, time_ns, bytes(raw)) for c, time_ns, raw in reader.messages()]


@pytest.fixture
def values(model_file: Path) -> dict[str, Any]:
    return {"engine": "fake", "model_path": str(model_file)}


@pytest.mark.parametrize(("source", "target"), [("in.mcap", "out.mcap"), ("in_db3", "out_db3"), ("in.mcap", "out_db3")])
def test_everything_is_kept_and_every_frame_processed(
    tmp_path: Path, values: dict[str, Any], source: str, target: str
) -> None:
    told: list[tuple[int, int]] = []
    bag = a_bag(tmp_path / source)
    report = process_bag(bag, tmp_path / target, values, lambda done, total: told.append((done, total)))
    assert (report.image_topic, report.frames, report.problems) == ("/cam/image_raw", FRAMES, [])
    assert told == [(done, FRAMES) for done in range(1, FRAMES + 1)]
    before, after = content(bag), content(tmp_path / target)
    assert sorted(row for row in after if not row[0].startswith("/bodyseg/")) == sorted(before)
    counts = Counter(row[0] for row in after)
    counts_of_ours = [counts[output.topic.replace("~", "/bodyseg")] for output in OUTPUTS]
    assert set(counts_of_ours) == {FRAMES, 0}  # 0: the compressed ones, and classes, which BodyPix has none of
    assert counts_of_ours.count(0) == 4
    assert (counts["/bodyseg/label_info"], counts["/bodyseg/mask/label_info"]) == (1, 1)
    for topic, type_name, time_ns, raw in after:
        if topic in ("/bodyseg/mask", "/bodyseg/poses"):
            message = MESSAGES.deserialize(raw, type_name)
            assert message.header.stamp.nanosec == 1000 * (time_ns - 10)


def test_the_topics_keep_their_qos_and_labels_are_latched(tmp_path: Path, values: dict[str, Any]) -> None:
    process_bag(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values)
    with AnyReader([tmp_path / "out.mcap"]) as reader:
        qos = {connection.topic: connection.ext.offered_qos_profiles[0] for connection in reader.connections}
    assert qos["/cam/image_raw"].reliability.name == "BEST_EFFORT"
    assert qos["/bodyseg/mask"].reliability.name == "RELIABLE"
    assert qos["/bodyseg/label_info"].durability.name == "TRANSIENT_LOCAL"


def test_two_runs_give_the_same(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    for name in ("one.mcap", "two.mcap"):
        process_bag(bag, tmp_path / name, values)
    assert content(tmp_path / "one.mcap") == content(tmp_path / "two.mcap")


def test_a_broken_frame_is_told_of_and_the_others_are_done(tmp_path: Path, values: dict[str, Any]) -> None:
    report = process_bag(a_bag(tmp_path / "in.mcap", broken=1), tmp_path / "out.mcap", values)
    ((time_ns, reason),) = report.problems
    assert time_ns == 11
    assert "encoding 'none'" in reason
    counts = Counter(row[0] for row in content(tmp_path / "out.mcap"))
    assert (counts["/cam/image_raw"], counts["/bodyseg/mask"]) == (FRAMES, FRAMES - 1)


def test_of_two_cameras_one_is_to_be_named(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap", topics=("/left", "/right"))
    with pytest.raises(MediaError, match="has 2 topics with pictures; name one image topic of: /left, /right"):
        process_bag(bag, tmp_path / "out.mcap", values)
    with pytest.raises(MediaError, match="no pictures on '/up'"):
        process_bag(bag, tmp_path / "out.mcap", values, image_topic="/up")
    assert process_bag(bag, tmp_path / "out.mcap", values, image_topic="/right").image_topic == "/right"


def test_what_cannot_be_done_leaves_no_bag(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    out = tmp_path / "out.mcap"
    with pytest.raises(SettingsError, match="no parameter 'treshold'"):
        process_bag(bag, out, values | {"treshold": 1})
    junk = tmp_path / "junk.mcap"
    junk.write_bytes(b"this is no bag")
    with pytest.raises(MediaError, match="junk.mcap' cannot be read"):
        process_bag(junk, out, values)
    with pytest.raises(MediaError, match="missing.mcap' cannot be read"):
        process_bag(tmp_path / "missing.mcap", out, values)
    with pytest.raises(MediaError, match=r"in.mcap' is there already"):
        process_bag(bag, bag, values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.onnx", "in.mcap", "junk.mcap"]
