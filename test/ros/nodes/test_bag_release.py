"""A bag that is shown to others: nobody in its pictures, everything else as it was, or no bag at all."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bodyseg_ros.errors import EngineError, MediaError, SettingsError
from bodyseg_ros.ros.bag import BagForm, BagWriter, form_of, write_bag
from bodyseg_ros.ros.bag_release import ReleaseRules, anonymize_bag
from bodyseg_ros.ros.bag_topics import Topic, Treatment, choose_treatments
from bodyseg_ros.ros.graph.image_messages import compressed_message, image_message, read_compressed, read_image
from bodyseg_ros.ros.graph.qos import SENSOR
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.types import Frame, Result, Wanted

from .conftest import IMAGE, header_of

COMPRESSED, CLOUD, UNKNOWN = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/PointCloud2", "lab_msgs/msg/Thing"
STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg("string text\nuint8[] data", UNKNOWN))
MESSAGES = RosbagMessages(STORE)
FRAMES, SIZE = 40, (48, 96)
#: Frames in which the network sees nobody, though somebody is there.
HARD = range(15, 22)
#: Whoever is in the pictures alone has color.
PERSON = (255, 0, 255)
LIDAR = ReleaseRules(keep=("/lidar",), drop=("/thing",))
QUICK = {"margin_px": 2, "window_frames": 1}


def scene(index: int) -> np.ndarray:
    """Gray, not the same in any two frames, and a person who walks 2 px a frame; (H, W, 3) RGB."""
    image = np.repeat(np.random.default_rng(index).integers(100, 200, (*SIZE, 1), np.uint8), 3, axis=2)
    image[12:40, 4 + 2 * index : 12 + 2 * index] = PERSON
    return image


class Eye:
    """Sees exactly the colored pixels, but in hard frames nothing."""

    name, engine, device = "eye", "test", "none"
    offers = Wanted.PERSON | Wanted.CONFIDENCE
    learns_background = False

    def __init__(self, plan: Any, shared: Any) -> None: ...

    def close(self) -> None: ...

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        person = colored(frame.image)
        if frame.stamp_ns // 10**8 in HARD:
            person = np.zeros_like(person)
        confidence = np.where(person, np.float32(0.99), frame.image[..., 1] * np.float32(5e-6))
        return Result(frame.size, person=person.view(np.uint8), confidence=confidence)


def colored(image: np.ndarray) -> np.ndarray:
    return np.abs(image[..., 0].astype(np.int16) - image[..., 1]) > 24


def a_bag(path: Path, form: BagForm | None = None, broken: int = -1) -> Path:
    """Three cameras, a lidar, tf, somebody who talks, a type that nobody knows."""
    with write_bag(path, form) as writer:
        bag = BagWriter(writer, MESSAGES)
        for index in range(FRAMES):
            time_ns = 10**8 * index
            header = header_of(MESSAGES, time_ns)
            image = scene(index)
            front = image_message(MESSAGES, header, image, "bgr8")
            if index == broken:
                front.encoding = "none"
            bag.add("/front", IMAGE, front, time_ns, SENSOR)
            gray = image_message(MESSAGES, header, image[..., 1].copy(), "mono8")
            bag.add("/rear", IMAGE, gray if index % 2 else image_message(MESSAGES, header, image, "rgb8"), time_ns)
            bag.add("/left/compressed", COMPRESSED, compressed_message(MESSAGES, header, image, 95), time_ns)
            bag.add("/chatter", "std_msgs/msg/String", MESSAGES.make("std_msgs/msg/String", data=f"{index}"), time_ns)
            bag.add("/thing", UNKNOWN, MESSAGES.make(UNKNOWN, text=f"{index}", data=np.zeros(3, np.uint8)), time_ns)
            bag.add("/tf", "tf2_msgs/msg/TFMessage", MESSAGES.make("tf2_msgs/msg/TFMessage", transforms=[]), time_ns)
            cloud = MESSAGES.make(CLOUD, header=header, data=np.full(16, index, np.uint8))
            bag.add("/lidar", CLOUD, cloud, time_ns)
    return path


def content(path: Path) -> list[tuple[str, str, int, bytes]]:
    with AnyReader([path]) as reader:
        return [(c.topic, c.msgtype, time_ns, bytes(raw)) for c, time_ns, raw in reader.messages()]


@pytest.fixture
def values(model_file: Path) -> dict[str, Any]:
    return {"engine": "fake", "model_path": str(model_file), **QUICK}


def release(source: Path, target: Path, values: dict[str, Any], rules: ReleaseRules = LIDAR, **options: Any) -> Any:
    return anonymize_bag(source, target, values, rules, open_model=options.pop("eye", Eye), **options)


def pictures(path: Path, topic: str) -> list[np.ndarray]:
    found = []
    for name, type_name, _, raw in content(path):
        if name == topic:
            message = MESSAGES.deserialize(raw, type_name)
            found.append((read_image if type_name == IMAGE else read_compressed)(message).image)
    return found


@pytest.mark.parametrize("name", ["in.mcap", "in_db3"])
def test_nobody_is_to_be_seen_and_everything_else_is_the_same(
    tmp_path: Path, values: dict[str, Any], name: str
) -> None:
    bag, out = a_bag(tmp_path / name), tmp_path / name.replace("in", "out")
    told: list[tuple[int, int]] = []
    report = release(bag, out, values, progress=lambda done, total: told.append((done, total)))
    before, after = content(bag), content(out)
    cameras = ("/front", "/rear", "/left/compressed")
    assert [row[:3] for row in after] == [row[:3] for row in before if row[0] != "/thing"]
    assert [row for row in after if row[0] not in cameras] == [
        row for row in before if row[0] not in (*cameras, "/thing")
    ]
    for topic in ("/front", "/left/compressed"):
        seen = pictures(out, topic)
        assert len(seen) == FRAMES
        assert not any(colored(image).any() for image in seen), topic
    assert report.topics["/lidar"] == Treatment.COPY.value and report.topics["/thing"] == Treatment.DROP.value
    assert told[-1] == (6 * FRAMES, 6 * FRAMES)
    for (_, kind, _, old), (_, _, _, new) in zip(
        [row for row in before if row[0] == "/front"], [row for row in after if row[0] == "/front"], strict=True
    ):
        was, became = MESSAGES.deserialize(old, kind), MESSAGES.deserialize(new, kind)
        assert (became.header, became.encoding, became.height, became.width) == (was.header, "bgr8", *SIZE)


def test_what_is_not_covered_stays_bit_for_bit(tmp_path: Path, values: dict[str, Any]) -> None:
    bag, out = a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    release(bag, out, values)
    for index, image in enumerate(pictures(out, "/front")):
        changed = (image != scene(index)).any(axis=2)
        assert changed[12:40].any()
        assert index > 30 or not changed[:, 90:].any()
        assert np.array_equal(image[:2], scene(index)[:2])


def test_a_gap_is_filled_and_told_of(tmp_path: Path, values: dict[str, Any]) -> None:
    report = release(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values)
    written = json.loads((tmp_path / "out.mcap.report.json").read_text("utf-8"))
    front = next(one for one in written["cameras"] if one["name"] == "/front")
    assert front["gaps"] == [[HARD[0], HARD[-1]]]
    assert (front["frames"], front["only_by_time"], front["blanked"]) == (FRAMES, len(HARD), {})
    assert written["parameters"]["margin_px"] == 2 and written["parameters"]["segmentation_threshold"] == 0.3
    assert len(written["sha256_out"]["out.mcap"]) == 64 and written["bodyseg_ros"]
    assert [camera.name for camera in report.cameras] == ["/front", "/left/compressed", "/rear"]
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "out.mcap.sheet.png")), cv2.COLOR_BGR2RGB)
    assert not colored(sheet).any()


def test_without_the_second_pass_hard_frames_show_people(tmp_path: Path, values: dict[str, Any]) -> None:
    release(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values | {"window_frames": 0, "max_gap": 0.0})
    shown = [index for index, image in enumerate(pictures(tmp_path / "out.mcap", "/front")) if colored(image).any()]
    assert shown == list(HARD)


def test_two_runs_give_the_same_bytes(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    for name in ("one", "two"):
        release(bag, tmp_path / name / "out.mcap", values)
    for name in ("out.mcap", "out.mcap.report.json", "out.mcap.sheet.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_topics_that_may_show_people_must_be_named(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    with pytest.raises(MediaError, match=r"/lidar.*PointCloud2.*/thing.*lab_msgs|/thing.*/lidar") as refusal:
        release(bag, tmp_path / "out.mcap", values, ReleaseRules())
    assert "/chatter" not in str(refusal.value) and "--keep" in str(refusal.value)
    with pytest.raises(SettingsError, match="'/lidr'"):
        release(bag, tmp_path / "out.mcap", values, ReleaseRules(keep=("/lidr",)))
    assert {path.name for path in tmp_path.iterdir()} == {"in.mcap", "drawn.onnx"}


def test_a_frame_that_cannot_be_read_is_blank(tmp_path: Path, values: dict[str, Any]) -> None:
    report = release(a_bag(tmp_path / "in.mcap", broken=5), tmp_path / "out.mcap", values)
    image = pictures(tmp_path / "out.mcap", "/front")[5]
    assert np.count_nonzero(image == 32) > image.size / 2
    ((reason, ranges),) = next(one for one in report.cameras if one.name == "/front").blanked.items()
    assert "'none'" in reason and ranges == [(5, 5)]


class Broken(Eye):
    """Fails, in one way or another."""

    how = "raise"

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        if self.how == "raise":
            raise EngineError("out of order")
        return Result(frame.size, person=np.zeros(frame.size, np.uint8), confidence=np.zeros(frame.size, np.float32))


@pytest.mark.parametrize("how", ["raise", "zeros"])
def test_no_picture_is_shown_where_the_network_does_not_see(
    tmp_path: Path, values: dict[str, Any], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Broken, "how", how)
    release(a_bag(tmp_path / "in.mcap"), tmp_path / "out.mcap", values, eye=Broken)
    for topic in ("/front", "/rear", "/left/compressed"):
        for image in pictures(tmp_path / "out.mcap", topic):
            assert not colored(image).any() and np.count_nonzero(np.abs(image.astype(int) - 32) < 8) > image.size / 2


class Killed(Eye):
    """Ends the process, as the kernel does, in the middle."""

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        if frame.stamp_ns == 10**8 * (FRAMES // 2):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(plan, frame, wanted)


class Interrupted(Eye):
    """Fails so that the whole run does."""

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        raise KeyboardInterrupt


def test_a_run_that_is_killed_leaves_no_output(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    process = multiprocessing.get_context("fork").Process(
        target=release, args=(bag, tmp_path / "out.mcap", values), kwargs={"eye": Killed}
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not list(tmp_path.glob("out*"))


def test_a_run_that_fails_leaves_nothing(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    with pytest.raises(KeyboardInterrupt):
        release(bag, tmp_path / "out.mcap", values, eye=Interrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.onnx", "in.mcap"]


@pytest.mark.parametrize(
    ("form", "name"),
    [
        (BagForm(mcap=True, file=True, chunks="zstd"), "a.mcap"),
        (BagForm(mcap=True, file=True, chunks="lz4"), "a.mcap"),
        (BagForm(mcap=True, file=False), "a"),
        (BagForm(mcap=False, file=False, mode=CompressionMode.MESSAGE), "a"),
        (BagForm(mcap=False, file=False, mode=CompressionMode.FILE), "a"),
        (BagForm(mcap=False, file=True), "a.db3"),
    ],
)
def test_storage_and_compression_stay(tmp_path: Path, values: dict[str, Any], form: BagForm, name: str) -> None:
    bag, out = a_bag(tmp_path / "in" / name, form), tmp_path / "out" / name
    release(bag, out, values)
    with AnyReader([out]) as reader:
        assert form_of(out, reader) == form


def test_an_output_of_another_kind_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    with pytest.raises(MediaError, match=r"'.*out' ?,?.*\.mcap"):
        release(bag, tmp_path / "out", values)
    with pytest.raises(MediaError, match="in.mcap' already exists"):
        release(bag, bag, values)


def test_only_effects_that_hide_people_are_taken(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_bag(tmp_path / "in.mcap")
    for effect in ("blur_background", "blur_parts"):
        with pytest.raises(SettingsError, match=effect):
            release(bag, tmp_path / "out.mcap", values, ReleaseRules(("/lidar",), ("/thing",), "", (effect,)))
    release(bag, tmp_path / "out.mcap", values, ReleaseRules(("/lidar",), ("/thing",), "", ("anonymize",)))
    assert not any(colored(image).any() for image in pictures(tmp_path / "out.mcap", "/front"))


DEPTH_VALUE = 7


def a_depth_bag(path: Path) -> Path:
    """Color; depth of the same stamp, once twice as small and once of a moment without color."""
    with write_bag(path) as writer:
        bag = BagWriter(writer, MESSAGES)
        for index in range(6):
            header = header_of(MESSAGES, 1 + 10**8 * index)
            bag.add("/color", IMAGE, image_message(MESSAGES, header, scene(index), "rgb8"), 1000 + 10 * index)
            depth = np.full((SIZE[0] // 2, SIZE[1] // 2) if index == 1 else SIZE, DEPTH_VALUE, np.float32)
            header = header_of(MESSAGES, 1 + 10**8 * index + (index == 2))
            bag.add("/depth", IMAGE, image_message(MESSAGES, header, depth, "32FC1"), 1000 + 10 * index - 1)
    return path


def depths(path: Path) -> list[np.ndarray]:
    rows = [MESSAGES.deserialize(raw, kind) for name, kind, _, raw in content(path) if name == "/depth"]
    return [np.asarray(row.data).view(np.float32).reshape(row.height, row.width) for row in rows]


def test_people_are_taken_out_of_depth_of_the_same_moment(tmp_path: Path, values: dict[str, Any]) -> None:
    bag = a_depth_bag(tmp_path / "in.mcap")
    with pytest.raises(MediaError, match=r"/depth \(32FC1\).*--depth"):
        release(bag, tmp_path / "out.mcap", values, ReleaseRules())
    report = release(bag, tmp_path / "out.mcap", values, ReleaseRules(depth="remove"))
    assert report.depth_blanked == 1
    for index, depth in enumerate(depths(tmp_path / "out.mcap")):
        if index == 2:
            assert np.isnan(depth).all()
            continue
        step = 2 if index == 1 else 1
        there = colored(scene(index))[::step, ::step]
        assert np.isnan(depth[there]).all()
        assert (depth[:, -20:] == DEPTH_VALUE).all()


@pytest.mark.parametrize(("rule", "count"), [("keep", 6), ("drop", 0)])
def test_depth_is_kept_or_dropped_as_said(tmp_path: Path, values: dict[str, Any], rule: Any, count: int) -> None:
    bag = a_depth_bag(tmp_path / "in.mcap")
    release(bag, tmp_path / "out.mcap", values, ReleaseRules(depth=rule))
    assert len(depths(tmp_path / "out.mcap")) == count


def test_a_topic_of_two_types_is_not_guessed_at() -> None:
    topics = [Topic("/a", "std_msgs/msg/String"), Topic("/a", IMAGE, "rgb8")]
    with pytest.raises(MediaError, match="/a"):
        choose_treatments(topics)


def test_compressed_depth_is_never_taken_for_a_picture() -> None:
    topics = [Topic("/d", COMPRESSED, "16UC1; compressedDepth png")]
    for rule in ("", "remove"):
        with pytest.raises(MediaError, match="/d"):
            choose_treatments(topics, depth=rule)  # type: ignore[arg-type]
    assert choose_treatments(topics, depth="drop") == {"/d": Treatment.DROP}
