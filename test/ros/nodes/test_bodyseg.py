"""The node `bodyseg` as its neighbors see it, on a graph in this process."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bodyseg_ros.body import PART_NAMES
from bodyseg_ros.catalog import SHIPPED_MODEL
from bodyseg_ros.effects.background import BlurBackground
from bodyseg_ros.engines.fake import FakeEngine, fake_keypoints
from bodyseg_ros.errors import BodysegError, GraphError, SettingsError
from bodyseg_ros.ros.graph.fake_graph import FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import compressed_message, image_message, read_compressed, read_image
from bodyseg_ros.ros.graph.qos import LATCHED
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.video_messages import VIDEO_TYPES
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.outputs import OUTPUTS
from networks.colors import card, picture

from .conftest import Rig, header_of

Rigs = Callable[..., Rig]
IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
MAPS = {"mask": "mono8", "parts": "mono8", "instances": "mono8", "confidence": "mono8"}
PICTURES = ("parts_color", "overlay", "composite")


#: BodyPix has no classes, events are rare, and the others need depth.
ABSENT = ("~/classes", "~/events", "~/detections_3d", "~/markers", "~/people")


def listen_to_all(rig: Rig) -> None:
    for output in OUTPUTS:
        if output.topic not in ABSENT:
            rig.listen(output.topic.replace("~", "/bodyseg"), output.type)


def diagnostics(rig: Rig) -> dict[str, str]:
    """The values of the node's next message on /diagnostics."""
    if "/diagnostics" not in rig.heard:
        rig.listen("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")
    heard = rig.heard["/diagnostics"]
    before = len(heard)
    rig.node.diagnostics.publish()
    rig.wait(lambda: len(heard) > before)
    (status,) = heard[-1].status
    return {item.key: item.value for item in status.values} | {"level": str(status.level), "message": status.message}


def test_an_image_gives_every_topic_with_its_stamp_and_size(rig: Rigs) -> None:
    with_info = rig()
    listen_to_all(with_info)
    info = with_info.tester.messages.make(CAMERA_INFO, width=160, height=120, k=np.arange(9.0), d=np.ones(5))
    with_info.send(info, "/camera_info", CAMERA_INFO)
    with_info.send(with_info.image(stamp_ns=1_700_000_000_123_456_789))
    with_info.wait(lambda: all(with_info.heard.values()))
    for topic, (message,) in with_info.heard.items():
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789), topic
        assert message.header.frame_id == "camera", topic
    for name, encoding in MAPS.items():
        (message,) = with_info.heard[f"/bodyseg/{name}"]
        assert (message.height, message.width, message.step) == (120, 160, 160)
        assert (message.encoding, len(message.data)) == (encoding, 120 * 160)
    for name in PICTURES:
        (message,) = with_info.heard[f"/bodyseg/{name}"]
        assert (message.encoding, message.step, len(message.data)) == ("bgr8", 480, 120 * 480)
        (packed,) = with_info.heard[f"/bodyseg/{name}/compressed"]
        assert packed.format == "jpeg"
        assert read_compressed(packed).size == (120, 160)
    (out,) = with_info.heard["/bodyseg/camera_info"]
    assert (out.width, out.height, list(out.k), list(out.d)) == (160, 120, list(np.arange(9.0)), [1.0] * 5)


def test_the_maps_agree_with_each_other(rig: Rigs) -> None:
    three = rig("fake.people:=3", "internal_resolution:=full")
    listen_to_all(three)
    three.send(three.image(size=(241, 321)))
    three.wait(lambda: three.heard["/bodyseg/detections"])
    mask, parts, instances, confidence = (read_image(three.heard[f"/bodyseg/{n}"][0]).image[..., 0] for n in MAPS)
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask == 255, confidence > round(0.7 * 255))
    np.testing.assert_array_equal(parts > 0, mask == 255)
    assert parts.max() <= len(PART_NAMES)
    assert set(np.unique(instances)) == {0, 1, 2, 3}
    (found,) = three.heard["/bodyseg/poses"]
    assert (found.image_width, found.image_height, found.model) == (321, 241, SHIPPED_MODEL)
    assert [person.instance_label for person in found.persons] == [1, 2, 3]
    expected = fake_keypoints(3, 241, 321)
    for person, points in zip(found.persons, expected, strict=True):
        assert [keypoint.id for keypoint in person.keypoints] == list(range(17))
        np.testing.assert_allclose([(k.x, k.y) for k in person.keypoints], points, atol=1)
        assert all(k.visible and not k.has_point3d and np.isnan(k.point3d.z) for k in person.keypoints)
        own = instances == person.instance_label
        assert person.mask_area_ratio == pytest.approx(own.mean())
        assert list(person.visible_parts) == sorted(set(parts[own]))
        ys, xs = np.nonzero(own)
        assert (person.roi.x_offset, person.roi.y_offset) == (xs.min(), ys.min())
        assert (person.roi.width, person.roi.height) == (np.ptp(xs) + 1, np.ptp(ys) + 1)
    assert [(person.track_id, person.tracking_state) for person in found.persons] == [("1", 0), ("2", 0), ("3", 0)]
    (boxes,) = three.heard["/bodyseg/detections"]
    for person, box in zip(found.persons, boxes.detections, strict=True):
        assert box.results[0].hypothesis.class_id == "person"
        assert box.results[0].hypothesis.score == pytest.approx(person.score)
        assert box.id == person.track_id
        assert (box.bbox.size_x, box.bbox.size_y) == (person.roi.width, person.roi.height)
        assert box.bbox.center.position.x == person.roi.x_offset + (person.roi.width - 1) / 2


def test_people_keep_their_ids_until_they_are_lost(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    node = rig("fake.people:=2")
    poses = node.listen("/bodyseg/poses", "bodyseg_ros/msg/PersonPoseArray")

    def told(stamp_ns: int) -> list[tuple[str, int]]:
        before = len(poses)
        node.send(node.image(stamp_ns=stamp_ns))
        node.wait(lambda: len(poses) > before)
        return [(person.track_id, person.tracking_state) for person in poses[-1].persons]

    second = 1_000_000_000
    assert told(second) == [("1", 0), ("2", 0)]
    assert told(second + 100) == told(second + 200) == [("1", 1), ("2", 1)]
    roi = poses[-1].persons[1].roi
    drawn = FakeEngine.infer
    settings = []

    def fewer(engine: FakeEngine, tensor: np.ndarray) -> Any:
        settings.append(engine.settings)
        engine.settings = engine.settings.model_copy(update={"people": 0})
        try:
            return drawn(engine, tensor)
        finally:
            engine.settings = settings.pop()

    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "infer", fewer)
        assert told(second + 300) == [("1", 2), ("2", 2)]
        lost = poses[-1].persons[1]
        assert (lost.roi, lost.instance_label, lost.score) == (roi, 0, 0)
        assert all(np.isnan(keypoint.x) and not keypoint.visible for keypoint in lost.keypoints)
        assert told(second + 400) == []
    assert told(3 * second) == [("1", 1), ("2", 1)]
    assert told(second) == [("3", 0), ("4", 0), ("1", 2), ("2", 2)]  # time went back
    node.graph.set_parameters({"tracker": "none"})
    assert told(4 * second) == [("", 0), ("", 0)]
    with pytest.raises(SettingsError, match=r"tracker is 'kalmann'"):
        node.graph.set_parameters({"tracker": "kalmann"})


def test_nobody_there_gives_empty_maps_and_an_empty_list(rig: Rigs) -> None:
    empty = rig("fake.people:=0")
    listen_to_all(empty)
    empty.send(empty.image())
    empty.wait(lambda: empty.heard["/bodyseg/poses"])
    assert empty.heard["/bodyseg/poses"][0].persons == []
    assert not np.any(empty.heard["/bodyseg/mask"][0].data)
    assert not np.any(empty.heard["/bodyseg/instances"][0].data)


def test_without_details_a_poses_box_is_that_of_its_keypoints(rig: Rigs) -> None:
    plain = rig("pose_details:=false", "internal_resolution:=full")
    poses = plain.listen("/bodyseg/poses", "bodyseg_ros/msg/PersonPoseArray")
    plain.send(plain.image(size=(241, 321)))
    plain.wait(lambda: poses)
    (person,) = poses[0].persons
    points = fake_keypoints(1, 241, 321)[0]
    assert abs(person.roi.y_offset - points[:, 1].min()) <= 2
    assert abs(person.roi.height - np.ptp(points[:, 1])) <= 3
    assert person.instance_label == 0
    assert np.isnan(person.mask_area_ratio)
    assert len(person.visible_parts) == 0


@pytest.mark.parametrize(
    ("encoding", "out"), [("rgb8", "rgb8"), ("bgr8", "bgr8"), ("rgba8", "rgb8"), ("mono8", "bgr8")]
)
def test_pictures_come_in_the_inputs_color_order(rig: Rigs, encoding: str, out: str) -> None:
    node = rig("fake.people:=0", "overlay_effects:=[skeleton]")
    overlays = node.listen("/bodyseg/overlay")
    message = node.image(encoding=encoding)
    node.send(message)
    node.wait(lambda: overlays)
    assert overlays[0].encoding == out
    np.testing.assert_array_equal(read_image(overlays[0]).image, read_image(message).image)


def test_a_cut_out_keeps_its_transparency(rig: Rigs) -> None:
    node = rig("effects:=[cutout]")
    raw, packed = node.listen("/bodyseg/composite"), node.listen("/bodyseg/composite/compressed", COMPRESSED)
    node.send(node.image())
    node.wait(lambda: raw and packed)
    assert raw[0].encoding == "bgra8"
    alpha = np.reshape(raw[0].data, (120, 160, 4))[..., 3]
    assert 0 < np.count_nonzero(alpha) < alpha.size
    assert read_compressed(packed[0]).size == (120, 160)


def test_confidence_as_numbers(rig: Rigs) -> None:
    node = rig("confidence_encoding:=32FC1")
    heard = node.listen("/bodyseg/confidence")
    node.send(node.image())
    node.wait(lambda: heard)
    assert (heard[0].encoding, heard[0].step) == ("32FC1", 640)
    values = np.asarray(heard[0].data).view(np.float32)
    assert 0 <= values.min() < 0.1 < 0.9 < values.max() <= 1


def test_compressed_pictures_in(rig: Rigs) -> None:
    node = rig("image_transport:=compressed")
    heard = node.listen("/bodyseg/mask")
    picture = np.full((60, 80, 3), 90, np.uint8)
    messages = node.tester.messages
    node.send(compressed_message(messages, header_of(messages, 5), picture, 90), "/image/compressed", COMPRESSED)
    node.wait(lambda: heard)
    assert (heard[0].height, heard[0].width, heard[0].header.stamp.nanosec) == (60, 80, 5)


def test_video_in_with_the_camera_info_beside_it(rig: Rigs) -> None:
    av = pytest.importorskip("av", reason="video needs PyAV: pip install '.[video]'")
    node = rig("image_transport:=foxglove", remap="image/foxglove:=/cam/image_raw/foxglove")
    mask, info = node.listen("/bodyseg/mask"), node.listen("/bodyseg/camera_info", CAMERA_INFO)
    messages = node.tester.messages
    node.send(messages.make(CAMERA_INFO, height=60, width=80), "/cam/camera_info", CAMERA_INFO)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 80, 60, "yuv420p", Fraction(1, 30)
    encoder.options = {"tune": "zerolatency"}
    picture = av.VideoFrame.from_ndarray(np.full((60, 80, 3), 90, np.uint8), "rgb24").reformat(format="yuv420p")
    (packet,) = encoder.encode(picture)
    stamp = messages.make("builtin_interfaces/msg/Time", nanosec=5)
    broken, whole = np.zeros(50, np.uint8), np.frombuffer(bytes(packet), np.uint8)
    for data in (broken, whole):
        video = messages.make(VIDEO_TYPES["foxglove"], timestamp=stamp, frame_id="cam", format="h264", data=data)
        node.send(video, "/cam/image_raw/foxglove", VIDEO_TYPES["foxglove"])
    node.wait(lambda: mask and info)
    assert (mask[0].height, mask[0].width, mask[0].header.stamp.nanosec, mask[0].header.frame_id) == (60, 80, 5, "cam")
    assert node.node.diagnostics.totals["bad_frames"] == 1


def test_labels_reach_who_comes_late(rig: Rigs) -> None:
    node = rig()
    parts = node.listen("/bodyseg/label_info", "vision_msgs/msg/LabelInfo", LATCHED)
    mask = node.listen("/bodyseg/mask/label_info", "vision_msgs/msg/LabelInfo", LATCHED)
    node.wait(lambda: parts and mask)
    for said in (parts[0], mask[0]):
        assert 0 <= node.graph.now_ns() - stamp_ns(said.header) < 60 * 10**9, "the time when it was published"
    assert {c.class_id: c.class_name for c in mask[0].class_map} == {0: "background", 255: "person"}
    named = {c.class_id: c.class_name for c in parts[0].class_map}
    assert named == {0: "background"} | {i + 1: name for i, name in enumerate(PART_NAMES)}


def test_classes_come_with_their_names(rig: Rigs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "colors.yaml").write_text(card("deeplab").model_dump_json(exclude_defaults=True))
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    node = rig("model:=colors", "engine:=passthrough", "overlay_effects:=[overlay]")
    classes, mask = node.listen("/bodyseg/classes"), node.listen("/bodyseg/mask")
    names = node.listen("/bodyseg/classes/label_info", "vision_msgs/msg/LabelInfo", LATCHED)
    image = picture(64, 64, 16, 8, 48, 40)
    image[50:, 50:] = (0, 0, 255)
    node.send(image_message(node.tester.messages, header_of(node.tester.messages, 1), image, "rgb8"))
    node.wait(lambda: classes and mask and names)
    assert classes[0].encoding == "mono8"
    seen = np.asarray(classes[0].data, np.uint8).reshape(64, 64)
    np.testing.assert_array_equal(seen, image.argmax(axis=2))
    np.testing.assert_array_equal(np.asarray(mask[0].data, np.uint8).reshape(64, 64) == 255, seen == 1)
    assert {c.class_id: c.class_name for c in names[0].class_map} == {0: "background", 1: "person", 2: "dog"}
    topics = {publisher.topic for publisher in node.bus.publishers if publisher.graph is node.graph}
    assert not topics & {"/bodyseg/parts", "/bodyseg/label_info", "/bodyseg/instances"}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the network ran, and how many frames the worker has finished with."""
    counts = {"runs": 0, "done": 0}
    run, steps = FakeEngine.run, BodysegNode._steps

    def counting_run(self: FakeEngine, *given: Any) -> Any:
        counts["runs"] += 1
        return run(self, *given)

    def counting_steps(self: BodysegNode, message: Any) -> Iterator[None]:
        try:
            yield from steps(self, message)
        finally:
            counts["done"] += 1

    monkeypatch.setattr(FakeEngine, "run", counting_run)
    monkeypatch.setattr(BodysegNode, "_steps", counting_steps)
    return counts


def test_the_work_starts_and_stops_with_the_subscribers(rig: Rigs, counted: dict[str, int]) -> None:
    node = rig()
    counted["runs"] = 0
    poses: list[Any] = []
    for stamp, (listens, runs) in enumerate([(False, 0), (True, 1), (False, 1), (True, 2)], start=1):
        if listens:
            poses = node.listen("/bodyseg/poses", "bodyseg_ros/msg/PersonPoseArray")
        node.send(node.image(stamp_ns=stamp))
        node.wait(lambda stamp=stamp: counted["done"] == stamp)
        assert counted["runs"] == runs
        if listens:
            node.wait(lambda poses=poses: poses)
            assert poses.pop().header.stamp.nanosec == stamp
            node.subscription.close()


def test_a_camera_info_needs_no_network(rig: Rigs, counted: dict[str, int]) -> None:
    node = rig()
    counted["runs"] = 0
    heard = node.listen("/bodyseg/camera_info", CAMERA_INFO)
    node.send(node.tester.messages.make(CAMERA_INFO, width=160, height=120), "/camera_info", CAMERA_INFO)
    node.send(node.image())
    node.wait(lambda: heard)
    assert counted["runs"] == 0


@pytest.mark.parametrize(
    ("remap", "topic"),
    [
        ("", "/camera_info"),
        ("image:=/camera/image_raw", "/camera/camera_info"),
        ("camera_info:=/calibration", "/calibration"),
    ],
)
def test_the_camera_info_beside_the_image_is_taken_unless_it_is_remapped(rig: Rigs, remap: str, topic: str) -> None:
    node = rig(remap=remap)
    heard = [end.topic for end in node.graph.endpoints() if end.type == CAMERA_INFO and not end.publishes]
    assert heard == [topic, "/depth/camera_info"]


def test_a_camera_info_of_another_size_is_not_passed_on(rig: Rigs, counted: dict[str, int]) -> None:
    node = rig()
    heard = node.listen("/bodyseg/camera_info", CAMERA_INFO)
    node.send(node.tester.messages.make(CAMERA_INFO, width=80, height=60), "/camera_info", CAMERA_INFO)
    node.send(node.image())
    node.wait(lambda: counted["done"] == 1)
    assert heard == []
    (warning,) = node.warnings()
    assert warning.startswith("/bodyseg/camera_info is not published")


def test_a_camera_faster_than_the_node_loses_old_frames(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    run = FakeEngine.run

    def slow(self: FakeEngine, *given: Any) -> Any:
        began.set()
        assert go_on.wait(20)
        return run(self, *given)

    node = rig()
    monkeypatch.setattr(FakeEngine, "run", slow)
    heard = node.listen("/bodyseg/mask")
    node.send(node.image(stamp_ns=1))
    assert began.wait(20)
    for stamp in range(2, 102):
        node.send(node.image(stamp_ns=stamp, size=(12, 16)))
    assert len(node.node._worker.mailbox._items) == 1
    go_on.set()
    node.wait(lambda: len(heard) == 2)
    assert [message.header.stamp.nanosec for message in heard] == [1, 101]
    said = diagnostics(node)
    assert (said["frames_in"], said["frames_out"], said["dropped"]) == ("101", "2", "99")
    node.node.deactivate()
    assert diagnostics(node)["dropped"] == "99"
    node.node.activate()
    assert diagnostics(node)["dropped"] == "99"


def test_with_frame_policy_all_every_frame_comes_out(rig: Rigs) -> None:
    node = rig("frame_policy:=all", "internal_resolution:=low")
    heard = node.listen("/bodyseg/mask")
    for stamp in range(1, 41):
        node.send(node.image(stamp_ns=stamp))
    node.wait(lambda: len(heard) == 40)
    assert [message.header.stamp.nanosec for message in heard] == list(range(1, 41))
    assert diagnostics(node)["dropped"] == "0"


def wrong_encoding(message: Any) -> None:
    message.encoding = "yuv420"


def short_data(message: Any) -> None:
    message.data = message.data[:-1]


def no_size(message: Any) -> None:
    message.width = 0


def hostile_header(message: Any) -> None:
    message.height = message.width = 5_000
    message.step = 15_000


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (wrong_encoding, "encoding 'yuv420', which is not supported; supported: rgb8, bgr8"),
        (short_data, "needs 57600 bytes of data, but it has 57599"),
        (no_size, "0×120, but it must have at least one pixel"),
        (hostile_header, "needs 75000000 bytes of data, but it has 57600"),
    ],
)
def test_a_bad_frame_is_warned_of_once_and_the_next_one_goes_through(
    rig: Rigs, spoil: Callable[[Any], None], reason: str
) -> None:
    node = rig()
    heard = node.listen("/bodyseg/mask")
    for stamp in (1, 2):
        message = node.image(stamp_ns=stamp)
        spoil(message)
        node.send(message)
    node.send(node.image(stamp_ns=3))
    node.wait(lambda: heard)
    assert heard[0].header.stamp.nanosec == 3
    (warning,) = node.warnings()
    assert reason in warning
    said = diagnostics(node)
    assert (said["bad_frames"], said["errors"], said["frames_out"], said["level"]) == ("2", "0", "1", "1")
    assert reason in said["message"]


def test_an_engine_that_fails_is_counted_and_the_next_frame_goes_through(rig: Rigs, counted: dict[str, int]) -> None:
    node = rig("fake.fail_every:=3")  # the first run is the warm-up
    heard = node.listen("/bodyseg/mask")
    for stamp in (1, 2, 3):
        node.send(node.image(stamp_ns=stamp))
        node.wait(lambda stamp=stamp: counted["done"] == stamp)
    node.wait(lambda: len(heard) == 2)
    assert [message.header.stamp.nanosec for message in heard] == [1, 3]
    assert node.warnings() == ["A frame failed: The fake engine fails at run 3, as fake.fail_every asks."]
    assert diagnostics(node)["errors"] == "1"


def test_where_an_effect_fails_no_picture_is_sent_in_its_place(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: BlurBackground, frame: Any, result: Any) -> Any:
        raise cv2.error("no blur today")

    monkeypatch.setattr(BlurBackground, "compose", broken)
    node = rig()
    raw, packed = node.listen("/bodyseg/composite"), node.listen("/bodyseg/composite/compressed", COMPRESSED)
    mask = node.listen("/bodyseg/mask")
    node.send(node.image())
    node.wait(lambda: mask and node.node.diagnostics.totals["frames_out"])
    node.spin()
    assert raw == packed == []
    assert diagnostics(node)["errors"] == "2"
    assert sum("no blur today" in text for text in node.warnings()) == 1


def test_live_parameters_take_effect_on_the_next_frame(rig: Rigs) -> None:
    node = rig("confidence_encoding:=32FC1")
    confidence, mask = node.listen("/bodyseg/confidence"), node.listen("/bodyseg/mask")
    for threshold in (0.2, 0.99):
        node.graph.set_parameters({"segmentation_threshold": threshold})
        node.send(node.image())
        node.wait(lambda: confidence and mask)
        values = np.asarray(confidence.pop().data).view(np.float32)
        np.testing.assert_array_equal(np.asarray(mask.pop().data) == 255, values > np.float32(threshold))


def test_effects_and_their_options_change_live(rig: Rigs) -> None:
    node = rig()
    heard = node.listen("/bodyseg/composite")
    node.graph.set_parameters(
        {
            "effects": ["virtual_background"],
            "virtual_background.color": [10, 20, 30],
            "virtual_background.feather_px": 0,
        }
    )
    node.send(node.image())
    node.wait(lambda: heard)
    assert tuple(read_image(heard[0]).image[0, 0]) == (10, 20, 30)


@pytest.mark.parametrize("overlap", ["always", "never"])
@pytest.mark.parametrize(("every", "runs"), [(1, 6), (3, 2), (60, 1)])
def test_frame_skip_spares_the_network_and_no_message(
    rig: Rigs, monkeypatch: pytest.MonkeyPatch, every: int, runs: int, overlap: str
) -> None:
    node = rig(f"overlap:={overlap}")
    node.graph.set_parameters({"frame_skip": every})
    masks, infer, asked = node.listen("/bodyseg/mask"), FakeEngine.infer, []
    monkeypatch.setattr(FakeEngine, "infer", lambda *given: asked.append(1) or infer(*given))
    picture = node.image()
    for number in range(1, 7):
        picture = deepcopy(picture)
        picture.header.stamp.nanosec = 40_000_000 * number
        node.send(picture)
        node.wait(lambda number=number: len(masks) == number)
    assert len(asked) == runs
    assert [mask.header.stamp.nanosec for mask in masks] == [40_000_000 * number for number in range(1, 7)]
    assert all(np.array_equal(mask.data, masks[0].data) for mask in masks)  # the picture stands still


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"segmentation_threshold": 1.5}, "segmentation_threshold is 1.5.*number.* 0 to 1"),
        ({"segmentation_threshold": "high"}, "segmentation_threshold is 'high'"),
        ({"effects": ["nothing"]}, "effects is .'nothing'..* effects"),
        ({"effects": []}, "need at least one"),
        ({"output_stride": 8}, "output_stride is read at start"),
        ({"fake.people": 2}, "fake.people is read at start"),
        ({"segmentation_treshold": 0.5}, "no parameter 'segmentation_treshold'.*segmentation_threshold"),
        ({"visible_score": 0.5, "jpeg_quality": 0}, "jpeg_quality is 0.*integer.* 1 to 100"),
    ],
)
def test_a_wrong_live_value_is_refused_and_nothing_changes(rig: Rigs, values: dict[str, Any], sentence: str) -> None:
    node = rig()
    before = node.node._live
    with pytest.raises(SettingsError, match=sentence):
        node.graph.set_parameters(values)
    assert node.node._live is before


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("segmentation_threshold:=2.0", "segmentation_threshold is 2.0.*number.* 0 to 1"),
        ("frame_policy:=some", "frame_policy is 'some'.* newest, all"),
        ("model:=bodypix-mobilenet-051", "no model card 'bodypix-mobilenet-051'.*Did you mean 'bodypix-mobilenet-0"),
        ("engine:=fax", "no plugin 'fax' among the engines.*fake"),
    ],
)
def test_a_wrong_value_at_the_start_is_refused_by_name(rig: Rigs, text: str, sentence: str) -> None:
    with pytest.raises(BodysegError, match=sentence):
        rig(text)


@pytest.mark.parametrize(
    "name", ["segmentation_treshold", "source", "robot.color", "overlay.sharpness", "refine.beauty", "per_person.joy"]
)
def test_a_parameter_that_only_other_nodes_have_is_ignored_and_logged_once(rig: Rigs, name: str) -> None:
    node = rig(f"{name}:=0.5", "segmentation_threshold:=0.6")
    (said,) = [text for level, text in node.graph.said if level == "warn"]
    assert said.startswith(f"Ignored: There is no parameter '{name}'.")
    assert node.node._plan.network.segmentation_threshold == 0.6
    assert name not in node.graph.overrides


def test_the_service_enable_stops_and_starts_the_work(rig: Rigs, counted: dict[str, int]) -> None:
    node = rig()
    heard = node.listen("/bodyseg/mask")
    assert node.bus.call("/bodyseg/enable", data=False) == {"success": True, "message": ""}
    node.send(node.image(stamp_ns=1))
    node.wait(lambda: counted["done"] == 1)
    assert diagnostics(node)["enabled"] == "false"
    node.bus.call("/bodyseg/enable", data=True)
    node.send(node.image(stamp_ns=2))
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [2]


def test_the_network_is_warm_before_the_first_frame_is_taken(
    rig: Rigs, counted: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_when_subscribing: list[int] = []
    subscribe = FakeGraph.subscribe

    def watched(self: FakeGraph, topic: str, *rest: Any, **how: Any) -> Any:
        if topic == "image":
            runs_when_subscribing.append(counted["runs"])
        return subscribe(self, topic, *rest, **how)

    monkeypatch.setattr(FakeGraph, "subscribe", watched)
    rig()
    assert runs_when_subscribing == [1]


def test_topics_that_the_network_cannot_fill_are_absent(rig: Rigs) -> None:
    node = rig("model:=posenet-mobilenet-050", "overlay_effects:=[skeleton]")
    topics = {publisher.topic for publisher in node.bus.publishers if publisher.graph is node.graph}
    assert "/bodyseg/poses" in topics
    assert "/bodyseg/overlay" in topics
    assert not topics & {"/bodyseg/mask", "/bodyseg/parts", "/bodyseg/composite", "/bodyseg/label_info"}
    (absent,) = [text for _, text in node.graph.said if "not advertised" in text]
    assert "~/mask (the network does not compute it)" in absent
    with pytest.raises(SettingsError, match="not compute"):
        node.graph.set_parameters({"overlay_effects": ["overlay"]})
    node.graph.set_parameters({"overlay.opacity": 0.4})


def test_a_message_type_that_is_not_installed_leaves_its_topics_out(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RosbagMessages, "knows", lambda self, name: not name.startswith("vision_msgs/"))
    monkeypatch.setattr(RosbagMessages, "require", lambda self, name: None)
    node = rig()
    topics = {publisher.topic for publisher in node.bus.publishers}
    assert not topics & {"/bodyseg/detections", "/bodyseg/label_info"}
    assert "/bodyseg/poses" in topics
    (absent,) = [text for _, text in node.graph.said if "not advertised" in text]
    assert "~/detections (vision_msgs/msg/Detection2DArray is not installed)" in absent


def test_it_can_be_deactivated_cleaned_up_and_brought_up_again(rig: Rigs) -> None:
    node = rig()
    node.node.deactivate()
    node.node.cleanup()
    node.node.configure()
    node.node.activate()
    heard = node.listen("/bodyseg/mask")
    node.send(node.image())
    node.wait(lambda: heard)
    topics = [publisher.topic for publisher in node.bus.publishers if publisher.graph is node.graph]
    assert len(topics) == len(set(topics))


def test_diagnostics_say_what_runs_where(rig: Rigs) -> None:
    node = rig()
    said = diagnostics(node)
    assert (said["model"], said["engine"], said["device"]) == (SHIPPED_MODEL, "fake", "no device: drawn people")
    assert (said["level"], said["message"]) == ("0", "idle")
    heard = node.listen("/bodyseg/mask")
    node.send(node.image(stamp_ns=node.graph.now_ns()))
    node.wait(lambda: heard and node.node.diagnostics.totals["frames_out"])
    said = diagnostics(node)
    assert float(said["inference_ms"]) > 0
    assert 0 < float(said["age_ms"]) < 60_000
    assert float(said["rate_hz"]) > 0


def test_an_effect_not_chosen_now_refuses_bad_values_too(rig: Rigs) -> None:
    node = rig()
    with pytest.raises(SettingsError, match="must be three integers from 0 to 255"):
        node.graph.set_parameters({"virtual_background.color": [1, 2]})


def test_the_background_is_learnt_from_frames_and_captured_by_the_service(rig: Rigs) -> None:
    node = rig("model_path:=", "engine:=auto", "network:=background", "learning_frames:=2", "min_area:=0.0")
    masks = node.listen("/bodyseg/mask")

    def white(level: int) -> bool:
        """Whether a picture of this brightness, of the size the node is warmed up with, is taken for somebody."""
        picture = np.full((480, 640, 3), level, np.uint8)
        node.send(image_message(node.tester.messages, header_of(node.tester.messages, 1), picture, "rgb8"))
        node.wait(lambda: masks)
        return bool(np.asarray(masks.pop().data).all())

    assert [white(90), white(90), white(90), white(180)] == [False, False, False, True]
    assert node.bus.call("/bodyseg/capture_background")["success"] is True
    assert [white(180), white(180), white(180), white(90)] == [False, False, False, True]
    node.node.cleanup()
    assert node.bus.call("/bodyseg/capture_background")["success"] is False


def test_the_default_overlay_shows_what_the_network_computes(rig: Rigs) -> None:
    node = rig("model_path:=", "engine:=auto", "network:=background")
    overlays = node.listen("/bodyseg/overlay")
    node.send(node.image())
    node.wait(lambda: overlays)
    node.graph.set_parameters({"overlay.opacity": 0.4})
    with pytest.raises(SettingsError, match="not compute"):
        node.graph.set_parameters({"overlay_effects": ["skeleton"]})


def test_a_network_that_learns_no_background_offers_no_capture(rig: Rigs) -> None:
    node = rig()
    with pytest.raises(GraphError, match="There is no service '/bodyseg/capture_background'"):
        node.bus.call("/bodyseg/capture_background")


def test_the_refinement_of_the_mask_is_live(rig: Rigs) -> None:
    node = rig("internal_resolution:=full")
    masks, confidences = node.listen("/bodyseg/mask"), node.listen("/bodyseg/confidence")
    areas = []
    for stamp, grow in ((1, 0), (2, 4), (3, 0)):
        node.graph.set_parameters({"refine.grow_px": grow})
        node.send(node.image(stamp_ns=stamp))
        node.wait(lambda stamp=stamp: len(masks) == len(confidences) == stamp)
        areas.append(np.count_nonzero(masks[-1].data))
    assert areas[0] == areas[2] < areas[1]
    with pytest.raises(SettingsError, match="refine.smoothing is 1.0.*number.* 0 to 0.98"):
        node.graph.set_parameters({"refine.smoothing": 1.0})


@pytest.mark.parametrize("kind", ["long mono8", "large mono8", "large png", "long png"])
def test_one_huge_picture_is_refused_by_its_description_and_the_next_is_served(
    rig: Rigs, counted: dict[str, int], kind: str
) -> None:
    """Each is within 100 megapixels; no pixel of it is decoded, and none comes to the worker."""
    compressed = kind.endswith("png")
    node = rig(*(["image_transport:=compressed"] if compressed else []))
    heard, counted["runs"] = node.listen("/bodyseg/mask"), 0
    height, width = (10_000_000, 1) if kind.startswith("long") else (9_000, 9_000)
    make, header = node.tester.messages.make, header_of(node.tester.messages, 1)
    if compressed:
        head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 0, 0, 0, 0)
        bad = make(COMPRESSED, header=header, format="png", data=np.frombuffer(head + bytes(100), np.uint8))
    else:
        data = np.zeros(height * width, np.uint8)
        bad = make(IMAGE, header=header, height=height, width=width, step=width, encoding="mono8", data=data)
    good = node.image(stamp_ns=2)
    if compressed:
        good = compressed_message(node.tester.messages, header_of(node.tester.messages, 2), read_image(good).image, 90)
    for message in (bad, good, bad, bad):
        topic, type_name = ("/image/compressed", COMPRESSED) if compressed else ("/image", IMAGE)
        node.send(message, topic, type_name)
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [2]
    assert (counted["done"], node.node.diagnostics.totals["bad_frames"]) == (1, 3)
    assert any(f"{width}×{height}" in text for text in node.warnings())


def test_the_largest_picture_is_a_parameter(rig: Rigs) -> None:
    node = rig(f"max_image_px:={120 * 160}")
    heard = node.listen("/bodyseg/mask")
    node.send(node.image(stamp_ns=1, size=(121, 160)))
    node.send(node.image(stamp_ns=2))
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [2]


def test_what_strangers_write_is_kept_short(rig: Rigs) -> None:
    """Thousands of encodings of half a megabyte each: neither log nor memory hold them."""
    node = rig()
    for number in range(1000):
        message = node.image(size=(12, 16))
        message.encoding = (
            f"{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}{chr(97 + number // 676)}" + "x" * 500_000
        )
        node.send(message)
    assert node.node.diagnostics.totals["bad_frames"] == 1000
    assert sum(len(text) for _, text in node.graph.said) < 200_000
    assert sum(len(key) for key in node.graph._throttle._last) < 100_000
    assert sum(len(text) for text in diagnostics(node).values()) < 2000


def test_a_bad_background_takes_no_frame_with_it(rig: Rigs) -> None:
    node = rig("effects:=[virtual_background]", "virtual_background.source:=topic")
    heard = node.listen("/bodyseg/composite")
    bad = node.image(size=(12, 16))
    bad.encoding = "nothing"
    node.send(bad, "/background/image")
    node.send(node.image(stamp_ns=2))
    node.wait(lambda: heard)
    assert node.node.diagnostics.totals["bad_frames"] == 1
