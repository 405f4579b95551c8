"""Video topics: packets made by FFmpeg's encoders from pictures whose brightness is their number."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.graph.headers import make_header, make_time, stamp_ns
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.video_messages import VIDEO_TYPES, VideoDecoder

av = pytest.importorskip("av", reason="video needs PyAV: pip install '.[video]'")
MESSAGES = RosbagMessages()
HEIGHT, WIDTH, COUNT, GROUP = 48, 64, 24, 8


def gray(number: int) -> int:
    return 20 + 8 * number


def packets(encoder: str, **options: str) -> list[tuple[int, bytes]]:
    """(number of the picture, its packet) in the order of decoding, a key frame every GROUP pictures."""
    if encoder not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {encoder}")
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.gop_size, context.options = GROUP, options
    made = []
    for number in range(COUNT):
        picture = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), gray(number), np.uint8), "rgb24")
        picture.pts = number
        made += context.encode(picture.reformat(format="yuv420p"))
    made += context.encode(None)
    return [(packet.pts, bytes(packet)) for packet in made]


def h264(**options: str) -> list[tuple[int, bytes]]:
    return packets("libx264", **({"tune": "zerolatency", "x264-params": "scenecut=0"} | options))


def foxglove(number: int, data: bytes, kind: str = "h264") -> Any:
    return MESSAGES.make(
        VIDEO_TYPES["foxglove"], timestamp=make_time(MESSAGES, number * 1000), frame_id="cam", format=kind,
        data=np.frombuffer(data, np.uint8),
    )  # fmt: skip


def seen(images: list[Any]) -> list[tuple[int, float]]:
    """(number by the stamp, mean brightness) of each."""
    return [(stamp_ns(image.header) // 1000, float(np.mean(image.data))) for image in images]


@pytest.mark.parametrize(
    ("encoder", "kind"), [("libx264", "h264"), ("libx265", "h265"), ("libvpx-vp9", "vp9"), ("libsvtav1", "av1")]
)
def test_each_packet_gives_its_picture(encoder: str, kind: str) -> None:
    options = {"libx264": {"tune": "zerolatency"}, "libx265": {"tune": "zerolatency", "x265-params": "log-level=none"}}
    stream = packets(encoder, **options.get(encoder, {"deadline": "realtime", "lag-in-frames": "0"}))
    decoder = VideoDecoder(MESSAGES)
    images = [image for number, data in stream for image in decoder.decode(foxglove(number, data, kind))]
    numbers, brightness = zip(*seen(images), strict=True)
    assert numbers == tuple(range(len(images)))
    assert len(images) >= COUNT - 1
    assert np.abs(np.array(brightness) - [gray(n) for n in numbers]).max() < 4
    assert (images[0].height, images[0].width, images[0].encoding, images[0].header.frame_id) == (48, 64, "rgb8", "cam")


@pytest.mark.parametrize("encoding", ["h264", "libx264", "h264_nvenc", "h264;yuv420p;bgr8;bgr8"])
def test_packets_of_ffmpeg_image_transport(encoding: str) -> None:
    decoder, images = VideoDecoder(MESSAGES), []
    for number, data in h264():
        header = make_header(MESSAGES, number * 1000, "cam")
        fields = {"header": header, "encoding": encoding, "data": np.frombuffer(data, np.uint8)}
        images += decoder.decode(MESSAGES.make(VIDEO_TYPES["ffmpeg"], width=WIDTH, height=HEIGHT, **fields))
    assert [number for number, _ in seen(images)] == list(range(COUNT))


def test_reordered_pictures_keep_their_own_stamps() -> None:
    stream = packets("libx264", bf="2", **{"x264-params": "scenecut=0:b-adapt=0"})
    assert [number for number, _ in stream] != sorted(number for number, _ in stream)
    decoder = VideoDecoder(MESSAGES)
    shown = seen([image for number, data in stream for image in decoder.decode(foxglove(number, data))])
    assert len(shown) > COUNT // 2
    assert all(abs(brightness - gray(number)) < 4 for number, brightness in shown)


def test_who_joins_in_the_middle_waits_for_a_key_frame() -> None:
    decoder, stream = VideoDecoder(MESSAGES), h264()
    for number, data in stream[3:GROUP]:
        with pytest.raises(FrameError, match=r"h264 video begins in the middle .* key frame"):
            decoder.decode(foxglove(number, data))
    shown = seen([image for number, data in stream[GROUP:] for image in decoder.decode(foxglove(number, data))])
    assert [number for number, _ in shown] == list(range(GROUP, COUNT))


@pytest.mark.parametrize("lost", [1, 6])
def test_after_a_lost_packet_the_next_key_frame_is_right(lost: int) -> None:
    decoder, shown = VideoDecoder(MESSAGES), {}
    for number, data in h264():
        if number != lost:
            shown |= seen(decoder.decode(foxglove(number, data)))
    assert {*shown} >= {*range(lost), *range(GROUP, COUNT)}
    assert all(abs(shown[number] - gray(number)) < 4 for number in (*range(lost), *range(GROUP, COUNT)))


def test_noise_is_refused_and_the_next_key_frame_is_shown() -> None:
    decoder, stream = VideoDecoder(MESSAGES), h264()
    noise = np.random.default_rng(1).integers(0, 256, 500, np.uint8).tobytes()
    with pytest.raises(FrameError, match="h264 video"):
        decoder.decode(foxglove(0, noise))
    shown = seen([image for number, data in stream for image in decoder.decode(foxglove(number, data))])
    assert [number for number, _ in shown] == list(range(COUNT))


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(FrameError, match=r"'theora'.*supported: h264"):
        VideoDecoder(MESSAGES).decode(foxglove(0, b"x", "theora"))


def test_a_large_video_is_refused() -> None:
    key_frame = foxglove(*h264()[0])
    assert VideoDecoder(MESSAGES, max_px=HEIGHT * WIDTH).decode(key_frame)
    # FFmpeg compares the size in whole blocks, plus a border.
    with pytest.raises(FrameError, match="key frame"):
        VideoDecoder(MESSAGES, max_px=HEIGHT * WIDTH // 2).decode(key_frame)
