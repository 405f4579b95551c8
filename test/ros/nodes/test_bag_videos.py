"""Video topics of a bag that is shown to others: decoded, people covered, encoded again under the same headers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import MediaError
from bodyseg_ros.ros.bag import BagWriter, write_bag
from bodyseg_ros.ros.bag_release import BagRelease, anonymize_bag
from bodyseg_ros.ros.bag_topics import Topic, Treatment, choose_treatments
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.video_messages import VideoDecoder

from .conftest import header_of
from .test_bag_release import SIZE, Eye, colored, content, scene

av = pytest.importorskip("av", reason="video needs PyAV: pip install '.[video]'")
MESSAGES = RosbagMessages()
VIDEO_KINDS = {
    "/front": ("foxglove_msgs/msg/CompressedVideo", "h264", "libx264", SIZE),
    "/rear": ("ffmpeg_image_transport_msgs/msg/FFMPEGPacket", "hevc;yuv420p;bgr8;bgr8", "libx265", (64, 96)),
}
VIDEO_FRAMES, BEFORE_KEY = 24, 3


def encoded(encoder: str, size: tuple[int, int]) -> list[bytes]:
    """The scene as packets, a key frame every eight; the first three are those of a video that began earlier."""
    if encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {encoder}")
    context = av.CodecContext.create(encoder, "w")
    context.height, context.width = size
    context.pix_fmt, context.time_base, context.framerate, context.gop_size = (
        "yuv420p",
        Fraction(1, 10),
        Fraction(10),
        8,
    )
    log = {"libx264": {"x264-params": "scenecut=0"}, "libx265": {"x265-params": "log-level=none:scenecut=0"}}[encoder]
    context.options = {"tune": "zerolatency", "crf": "4", **log}
    made = []
    for index in range(VIDEO_FRAMES):
        image = cv2.resize(scene(index), size[::-1], interpolation=cv2.INTER_NEAREST)
        made += context.encode(av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p"))
    packets = [bytes(packet) for packet in made]
    return [*packets[8 - BEFORE_KEY : 8], *packets[8:]]


def a_video_bag(path: Path) -> Path:
    with write_bag(path) as writer:
        bag = BagWriter(writer, MESSAGES)
        for topic, (kind, form, encoder, size) in VIDEO_KINDS.items():
            for index, data in enumerate(encoded(encoder, size)):
                time_ns, array = 10**8 * (20 + index), np.frombuffer(data, np.uint8)
                if "FFMPEG" in kind:
                    more = {"header": header_of(MESSAGES, time_ns), "encoding": form, "pts": 7 * index}
                    more |= {"height": size[0], "width": size[1], "flags": 0}
                else:
                    header = header_of(MESSAGES, time_ns)
                    more = {"timestamp": header.stamp, "frame_id": header.frame_id, "format": form}
                bag.add(topic, kind, MESSAGES.make(kind, data=array, **more), time_ns)
    return path


def covered(bag: Path, out: Path, model_file: Path) -> BagRelease:
    values = {"engine": "fake", "model_path": str(model_file), "margin_px": 4, "window_frames": 1}
    return anonymize_bag(bag, out, values, open_model=Eye)


def test_people_in_videos_are_covered(tmp_path: Path, model_file: Path) -> None:
    bag = a_video_bag(tmp_path / "in.mcap")
    report = covered(bag, tmp_path / "out.mcap", model_file)
    before, after = content(bag), content(tmp_path / "out.mcap")
    assert [row[:3] for row in after] == [row[:3] for row in before]
    for topic, (kind, _, _, size) in VIDEO_KINDS.items():
        decoder = VideoDecoder(MESSAGES)
        old, new = (
            [MESSAGES.deserialize(raw, kind) for name, _, _, raw in rows if name == topic] for rows in (before, after)
        )
        shown = [decoder.decode_own(message) for message in new]
        assert {image.shape for image in shown} == {(*size, 3)}
        people = [np.count_nonzero(colored(image)) for image in shown]
        assert max(people) < 20, (topic, people)
        # Packets before the first key frame cannot be read: blank, and named.
        assert all(np.median(image) == pytest.approx(32, abs=4) for image in shown[:BEFORE_KEY])
        assert all(np.median(image) > 100 for image in shown[BEFORE_KEY:])
        camera = next(one for one in report.cameras if one.name == topic)
        assert list(camera.blanked.values()) == [[(0, BEFORE_KEY - 1)]]
        # All but data, size and key flag stay as they were.
        for one, other in zip(old, new, strict=True):
            changed = {"data", "flags"}
            assert {n: v for n, v in vars(one).items() if n not in changed} == {
                n: v for n, v in vars(other).items() if n not in changed
            }
    assert report.topics == dict.fromkeys(VIDEO_KINDS, Treatment.COVER.value)


def test_videos_come_out_the_same_on_every_run(tmp_path: Path, model_file: Path) -> None:
    bag = a_video_bag(tmp_path / "in.mcap")
    for name in ("one", "two"):
        covered(bag, tmp_path / name / "out.mcap", model_file)
    assert (tmp_path / "one" / "out.mcap").read_bytes() == (tmp_path / "two" / "out.mcap").read_bytes()


@pytest.mark.parametrize("form", ["vp9", "av1", ""])
def test_a_video_that_cannot_be_encoded_again_must_be_named(form: str) -> None:
    topics = [Topic("/v", "foxglove_msgs/msg/CompressedVideo", form)]
    with pytest.raises(MediaError, match="/v"):
        choose_treatments(topics)
