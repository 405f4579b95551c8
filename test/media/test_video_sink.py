"""A clip through every kind of output, played back by FFmpeg: images, size, transparency, sound, times."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import MediaError
from bodyseg_ros.media import open_sink, open_source
from bodyseg_ros.media.video_sink import StreamSink, VideoSink
from bodyseg_ros.media.virtual_camera import VirtualCameraSink
from bodyseg_ros.types import Frame

from .drawn import letter_f

COUNT, FPS = 10, Fraction(10)
CODERS = {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "prores": "prores_ks"}


def image(index: int) -> np.ndarray:
    return letter_f(shift=index % 12)


def fill(sink: Any, make: Callable[[int], np.ndarray] = image, count: int = COUNT) -> None:
    with sink as write:
        for index in range(count):
            write(make(index), Frame(image(index), index * 100_000_000))


def see_through(index: int) -> np.ndarray:
    """The letter alone: what is blue is transparent."""
    rgb = image(index)
    return np.dstack([rgb, np.where(rgb[..., 2] > 100, 0, 255).astype(np.uint8)])


def played(path: Path, decoder: str = "") -> list[av.VideoFrame]:
    with av.open(str(path)) as file:
        if not decoder:
            return list(file.decode(video=0))
        context = av.codec.CodecContext.create(decoder, "r")
        context.extradata = file.streams.video[0].codec_context.extradata
        return [frame for packet in file.demux(video=0) for frame in context.decode(packet)]


def _drifting(index: int) -> np.ndarray:
    blocks = np.random.default_rng(2).integers(0, 256, (30, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return np.roll(blocks, 3 * index, axis=1)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "h265"), ("a.webm", "vp9"), ("a.mkv", "av1")])
def test_the_same_file_on_every_run_on_one_core_and_on_all(tmp_path: Path, name: str, codec: str) -> None:
    if CODERS[codec] not in av.codecs_available:
        pytest.skip(f"FFmpeg without {CODERS[codec]}")
    fill(VideoSink(tmp_path / "clip.mp4", FPS), drifting, 40)
    path = tmp_path / name

    def written() -> bytes:
        with open_source(str(tmp_path / "clip.mp4")) as source, VideoSink(path, FPS, codec) as write:
            for frame in source:
                write(frame.image, frame)
        return path.read_bytes()

    with fewer_cores():
        first = written()
    assert all(written() == first for _ in range(8 if codec == "h264" else 1))


@contextlib.contextmanager
def fewer_cores() -> Iterator[None]:
    """One core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def drifting(index: int) -> np.ndarray:
    """Colored squares that move."""
    squares = np.random.default_rng(2).integers(0, 256, (30, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    return np.roll(squares, 3 * index, axis=1)


@pytest.mark.parametrize(
    ("name", "codec", "found"),
    [
        ("a.mp4", "auto", "h264"),
        ("a.mkv", "auto", "h264"),
        ("a.webm", "auto", "vp9"),
        ("a.mp4", "h265", "hevc"),
        ("a.webm", "av1", "av1"),
        ("a.mov", "prores", "prores"),
        ("a.gif", "auto", "gif"),
    ],
)
def test_every_container_and_codec(tmp_path: Path, name: str, codec: str, found: str) -> None:
    if codec in CODERS and CODERS[codec] not in av.codecs_available:
        pytest.skip(f"this FFmpeg writes no {codec}")
    fill(open_sink(tmp_path / name, FPS, codec, 90))
    with av.open(str(tmp_path / name)) as file:
        context = file.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.width, context.height) == (found, 64, 96)
    with open_source(str(tmp_path / name)) as source:
        frames = list(source)
    assert len(frames) == COUNT
    for index, frame in enumerate(frames):
        assert abs(frame.stamp_ns - index * 100_000_000) <= 1_000_000
        assert np.abs(frame.image.astype(int) - image(index)).mean() < 6


@pytest.mark.parametrize(
    ("name", "decoder", "soft"),
    [("a.webm", "libvpx-vp9", 12), ("a.mkv", "libvpx-vp9", 12), ("a.mov", "", 4), ("a.gif", "", 0)],
)
def test_transparent_images_stay_transparent(tmp_path: Path, name: str, decoder: str, soft: int) -> None:
    fill(VideoSink(tmp_path / name, FPS), see_through)
    frames = played(tmp_path / name, decoder)
    assert len(frames) == COUNT
    for index, frame in enumerate(frames):
        rgba = frame.to_ndarray(format="rgba").astype(int)
        wanted = see_through(index).astype(int)
        assert np.abs(rgba[..., 3] - wanted[..., 3]).mean() <= soft
        inside = wanted[..., 3] == 255
        assert np.abs(rgba[inside][:, :3] - wanted[inside][:, :3]).mean() < 25


def test_what_holds_no_transparency_says_where_it_goes(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.mp4' are transparent.*gray or RGB; .*\.webm, \.mov, \.mkv or \.gif"):
        VideoSink(tmp_path / "a.mp4", FPS)(see_through(0), Frame(image(0)))
    assert not (tmp_path / "a.mp4").exists()


def test_better_quality_is_larger_and_closer(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 64, 3)).astype(np.uint8)
    sizes, errors = [], []
    for quality in (20, 75, 100):
        path = tmp_path / f"{quality}.mp4"
        fill(VideoSink(path, FPS, quality=quality), lambda index: np.roll(noise, index, 1))
        sizes.append(path.stat().st_size)
        errors.append(np.abs(played(path)[3].to_ndarray(format="rgb24").astype(int) - np.roll(noise, 3, 1)).mean())
    assert sizes == sorted(sizes) and sizes[0] * 2 < sizes[2]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("name", "codec", "quality", "said"),
    [
        ("a.mp4", "vp9", 75, r"codec of .*a\.mp4' is 'vp9', but it must be auto, h264, h265, av1"),
        ("a.webm", "theora", 75, "'theora', but it must be auto, vp9, av1"),
        ("a.mp4", "auto", 0, "quality of .* is 0, but it must be from 1 to 100"),
    ],
)
def test_what_a_file_does_not_hold(tmp_path: Path, name: str, codec: str, quality: int, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        VideoSink(tmp_path / name, FPS, codec, quality)


def tone(seconds: float, rate: int = 44_100) -> np.ndarray:
    """A tone of 440 Hz from 0.5 s on."""
    time_s = np.arange(int(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * time_s) * (time_s >= 0.5)).astype(np.float32)[None]


def loud_video(path: Path, codec: str = "aac", seconds: float = 2) -> Path:
    """A second of images, and sound for longer."""
    with av.open(str(path), "w") as file:
        video, sound = file.add_stream("libx264", rate=10), file.add_stream(codec, rate=44_100, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 96, "yuv420p"
        for index in range(COUNT):
            file.mux(video.encode(av.VideoFrame.from_ndarray(image(index), "rgb24")))
        file.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(tone(seconds), "fltp", "mono")
        samples.sample_rate = 44_100
        resampler = av.AudioResampler(sound.codec_context.format.name, "mono", 44_100)
        for piece in resampler.resample(samples):
            file.mux(sound.encode(piece))
        file.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(("name", "found"), [("b.mp4", "aac"), ("b.mkv", "aac"), ("b.mov", "aac"), ("b.webm", "opus")])
def test_sound_is_carried_over_in_step_and_no_longer_than_the_images(tmp_path: Path, name: str, found: str) -> None:
    loud = loud_video(tmp_path / "a.mp4")
    with open_source(str(loud)) as source, VideoSink(tmp_path / name, source.fps, sound=source.sound_file) as sink:
        for frame in source:
            sink(frame.image, frame)
    assert sink.soundtracks == 1
    with av.open(str(tmp_path / name)) as file:
        assert file.streams.audio[0].codec_context.codec.canonical_name == found
        pieces = [(float(frame.time), frame.sample_rate, frame.to_ndarray()[0]) for frame in file.decode(audio=0)]
    assert len(played(tmp_path / name)) == COUNT
    rate = pieces[0][1]
    samples = np.zeros(3 * rate)
    for start, _, piece in pieces:
        place = max(0, round(start * rate))
        samples[place : place + piece.size] = piece
    heard = np.abs(samples) > 0.1
    assert 0.45 < np.flatnonzero(heard)[0] / rate < 0.55
    assert 0.9 < np.flatnonzero(heard)[-1] / rate < 1.15
    # 440 Hz: as many times upward through zero.
    half = samples[int(0.55 * rate) : int(0.85 * rate)]
    assert ((half[:-1] < 0) & (half[1:] >= 0)).sum() == pytest.approx(132, abs=2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


RECEIVER = """
import json, sys
import av, numpy as np
images, sounds = [], 0
with av.open(sys.argv[1], options=json.loads(sys.argv[2]), timeout=10) as file:
    codec = file.streams.video[0].codec_context.name
    try:
        for frame in file.decode():
            if isinstance(frame, av.VideoFrame):
                images.append(frame.to_ndarray(format="rgb24"))
            else:
                sounds += 1
    except av.error.FFmpegError:
        pass  # the sender is gone
np.save(sys.argv[3], images[-1])
print(json.dumps({"codec": codec, "images": len(images), "sounds": sounds}))
"""


@pytest.mark.parametrize(
    ("address", "listen"),
    [
        ("udp://127.0.0.1:{port}", {"timeout": "3000000"}),
        ("tcp://127.0.0.1:{port}", {"listen": "1", "listen_timeout": "8000"}),
        ("rtmp://127.0.0.1:{port}/live/cam", {"listen": "1", "timeout": "8"}),
        ("rtsp://127.0.0.1:{port}/cam", {"rtsp_flags": "listen", "listen_timeout": "8"}),
    ],
)
def test_a_stream_is_received_with_its_sound(tmp_path: Path, address: str, listen: dict[str, str]) -> None:
    address = address.format(port=free_port())
    last = tmp_path / "last.npy"
    command = [sys.executable, "-c", RECEIVER, address, json.dumps(listen), str(last)]
    loud = loud_video(tmp_path / "a.mp4", seconds=3)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as receiver:
        try:
            send_when_somebody_listens(address, loud)
            said, problem = receiver.communicate(timeout=15)
        finally:
            receiver.kill()
    assert said, problem
    received = json.loads(said)
    assert received["codec"] == "h264"
    least = 15 if address.startswith("udp") else 23  # a viewer may come late
    assert least <= received["images"] <= 25
    assert received["sounds"] > 20
    assert min(np.abs(np.load(last).astype(int) - image(index)).mean() for index in (23, 24)) < 6


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def send_when_somebody_listens(address: str, sound: Path) -> None:
    while address.startswith("udp") and is_free(int(address.rpartition(":")[2])):
        time.sleep(0.05)
    for attempt in range(40):
        began = time.monotonic()
        try:
            fill(StreamSink(address, FPS, sound=sound), count=25)
        except MediaError as err:
            if "refused" not in str(err) or attempt == 39:
                raise
            time.sleep(0.2)
        else:
            assert time.monotonic() - began > 2.3  # at its own pace
            return


def test_nobody_receives_and_the_password_stays_secret() -> None:
    with pytest.raises(MediaError, match=r"The video 'rtmp://127\.0\.0\.1:9/live' cannot be written: "):
        StreamSink("rtmp://me:secret@127.0.0.1:9/live", FPS)(image(0), Frame(image(0)))
    with pytest.raises(MediaError, match=r"A stream is sent to one of rtmp://.*udp://, not ftp://"):
        open_sink("ftp://127.0.0.1/x", FPS)


def test_a_virtual_camera_gets_planes_at_their_pace(tmp_path: Path) -> None:
    pipe = tmp_path / "video9"
    os.mkfifo(pipe)
    odd = [np.pad(image(index), ((0, 1), (0, 1), (0, 0))) for index in range(3)]
    size = 98 * 66 * 3 // 2
    began = time.monotonic()
    got = b""
    with VirtualCameraSink(pipe, FPS) as sink:
        reader = os.open(pipe, os.O_RDONLY)
        for index, one in enumerate(odd):
            sink(one, Frame(one, index * 100_000_000))
            got += os.read(reader, size)
        os.close(reader)
        with pytest.raises(MediaError, match="65×97, but a frame is uint8"):
            sink(odd[0][:50], Frame(odd[0]))
    assert time.monotonic() - began >= 0.2
    assert len(got) == 3 * size
    for index, one in enumerate(odd):
        planes = np.frombuffer(got[index * size : (index + 1) * size], np.uint8).reshape(98 * 3 // 2, 66)
        rgb = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)[:97, :65]
        assert np.abs(rgb.astype(int) - one).mean() < 8


def test_the_device_is_told_size_and_pixel_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is that of VIDIOC_S_FMT: linux/videodev2.h."""
    asked = []

    def ioctl(device: int, request: int, content: bytes) -> bytes:
        asked.append((request, content))
        return content

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    with VirtualCameraSink("/dev/null", FPS) as sink:
        sink(image(0), Frame(image(0)))
        ((request, content),) = asked
        direction, size, kind, number = request >> 30, request >> 16 & 0x3FFF, request >> 8 & 0xFF, request & 0xFF
        assert (direction, size, kind, number) == (3, len(content), ord("V"), 5)
        assert int.from_bytes(content[:4], "little") == 2  # V4L2_BUF_TYPE_VIDEO_OUTPUT
        assert np.frombuffer(content[8:16], "<u4").tolist() == [64, 96]
        assert content[16:20] == b"YU12"
        assert np.frombuffer(content[24:32], "<u4").tolist() == [64, 64 * 96 * 3 // 2]


def test_a_virtual_camera_that_is_none() -> None:
    with pytest.raises(MediaError, match=r"'/dev/video97' cannot be opened.*sudo modprobe v4l2loopback video_nr=97"):
        open_sink("/dev/video97", FPS)
    with VirtualCameraSink("/dev/null", FPS) as sink, pytest.raises(MediaError, match="takes no images"):
        sink(image(0), Frame(image(0)))
