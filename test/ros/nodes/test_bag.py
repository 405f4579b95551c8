"""A bag in, the same bag and our topics out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bodyseg_ros.effects.background import BlurBackground
from bodyseg_ros.errors import MediaError, SettingsError
from bodyseg_ros.ros.bag import BagWriter, process_bag, write_bag
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import SENSOR
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes.node_model import NodeModel
from bodyseg_ros.ros.nodes.outputs import OUTPUTS
from bodyseg_ros.types import Frame, Result, Wanted

from .conftest import IMAGE, header_of

COMPRESSED = "sensor_msgs/msg/CompressedImage"
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
    # 0: the compressed ones, classes, which BodyPix has none of, three that need depth, and events, as nobody was in
    # view for long enough.
    assert set(counts_of_ours) == {FRAMES, 0}
    assert counts_of_ours.count(0) == 8
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


def test_an_effect_that_fails_on_one_frame_loses_that_picture_alone(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = BlurBackground.compose

    def fails_once(self: BlurBackground, frame: Frame, result: Result) -> Any:
        if frame.stamp_ns == 2000:
            raise ZeroDivisionError("nobody expected this")
        return compose(self, frame, result)

    monkeypatch.setattr(BlurBackground, "compose", fails_once)
    report = process_bag(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values)
    ((time_ns, reason),) = report.problems
    assert (report.frames, time_ns) == (FRAMES, 12)
    assert "/bodyseg/composite" in reason and "ZeroDivisionError: nobody expected this" in reason
    counts = Counter(row[0] for row in content(tmp_path / "out.mcap"))
    assert counts["/bodyseg/composite"] == FRAMES - 1
    assert counts["/bodyseg/mask"] == counts["/bodyseg/overlay"] == counts["/cam/image_raw"] == FRAMES


def test_a_network_that_fails_on_one_frame_loses_that_frame_alone(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = NodeModel.run

    def fails_once(self: NodeModel, live: Any, frame: Frame, wanted: Wanted) -> Result:
        if frame.stamp_ns == 1000:
            raise MemoryError
        return run(self, live, frame, wanted)

    monkeypatch.setattr(NodeModel, "run", fails_once)
    report = process_bag(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values)
    assert report.problems == [(11, "MemoryError")]
    assert Counter(row[0] for row in content(tmp_path / "out.mcap"))["/bodyseg/mask"] == FRAMES - 1


VIDEO = "foxglove_msgs/msg/CompressedVideo"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A bag with pictures, compressed and not, of depth, and as video."""
    store = get_typestore(Stores.ROS2_JAZZY)
    fields = "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format"
    store.register(get_types_from_msg(fields, VIDEO))
    with write_bag(tmp_path / "in.mcap") as writer:
        bag = BagWriter(writer, RosbagMessages(store))
        make, header = MESSAGES.make, header_of(MESSAGES, 1000)
        image = image_message(MESSAGES, header, np.zeros((48, 64, 3), np.uint8), "bgr8")
        bag.add("/cam/image_raw", IMAGE, image, 10)
        bag.add("/depth", IMAGE, image_message(MESSAGES, header, np.ones((48, 64), np.uint16), "16UC1"), 10)
        bag.add("/cam/image_raw/compressed", COMPRESSED, make(COMPRESSED, header=header, format="jpeg"), 10)
        now = make("builtin_interfaces/msg/Time", sec=1)
        video = store.types[VIDEO](timestamp=now, frame_id="c", data=np.zeros(3, np.uint8), format="h264")
        bag.add("/video", VIDEO, video, 10)
        bag.add("/note", "std_msgs/msg/String", make("std_msgs/msg/String", data="kept"), 10)
    return tmp_path / "in.mcap"


PICTURES = ["/cam/image_raw", "/depth", "/cam/image_raw/compressed", "/video"]


@pytest.mark.parametrize("effect", ["anonymize", "pixelate", "blur_parts", "remove_people"])
def test_where_an_effect_hides_people_no_raw_picture_is_copied(
    tmp_path: Path, values: dict[str, Any], recording: Path, effect: str
) -> None:
    chosen = values | {"effects": [effect]}
    report = process_bag(recording, tmp_path / "out.mcap", chosen, image_topic="/cam/image_raw")
    topics = {row[0] for row in content(tmp_path / "out.mcap")}
    assert not topics & {*PICTURES, "/bodyseg/overlay"}
    assert {"/note", "/bodyseg/composite", "/bodyseg/mask"} <= topics
    assert (sorted(report.left_out), report.copied) == (sorted(PICTURES), ["/note"])


def test_raw_pictures_are_copied_when_that_is_asked_for_or_nobody_is_hidden(
    tmp_path: Path, values: dict[str, Any], recording: Path
) -> None:
    for effect, keep in (("anonymize", True), ("blur_background", False)):
        out, chosen = tmp_path / f"{effect}.mcap", values | {"effects": [effect]}
        report = process_bag(recording, out, chosen, image_topic="/cam/image_raw", keep_raw=keep)
        assert {*PICTURES, "/note", "/bodyseg/overlay"} <= {row[0] for row in content(out)}
        assert (sorted(report.copied), report.left_out) == (sorted([*PICTURES, "/note"]), [])


def test_of_two_cameras_one_is_to_be_named(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap", topics=("/left", "/right"))
    with pytest.raises(MediaError, match="2 topics.*/left, /right"):
        process_bag(bag, tmp_path / "out.mcap", values)
    with pytest.raises(MediaError, match="no pictures on '/up'"):
        process_bag(bag, tmp_path / "out.mcap", values, image_topic="/up")
    assert process_bag(bag, tmp_path / "out.mcap", values, image_topic="/right").image_topic == "/right"


def test_beside_depth_the_only_camera_need_not_be_named(tmp_path: Path, values: dict[str, Any]) -> None:
    depth = np.ones((48, 64), np.uint16)
    with write_bag(tmp_path / "in.mcap") as writer:
        bag, header = BagWriter(writer, RosbagMessages()), header_of(MESSAGES, 1000)
        bag.add("/aligned_depth", IMAGE, image_message(MESSAGES, header, depth, "16UC1"), 10)
        packed = MESSAGES.make(COMPRESSED, header=header, format="16UC1; compressedDepth png")
        bag.add("/depth/compressedDepth", COMPRESSED, packed, 10)
        bag.add("/color", IMAGE, image_message(MESSAGES, header, np.zeros((48, 64, 3), np.uint8), "rgb8"), 10)
    report = process_bag(tmp_path / "in.mcap", tmp_path / "out.mcap", values)
    assert (report.image_topic, report.frames) == ("/color", 1)


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
    with pytest.raises(MediaError, match=r"in.mcap' already exists"):
        process_bag(bag, bag, values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.onnx", "in.mcap", "junk.mcap"]
