"""Videos keep their rate, length, direction and colors, whatever ends the process."""

from __future__ import annotations

import logging
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import MediaError
from bodyseg_ros.media import open_sink, open_source
from bodyseg_ros.media.video import VideoSource
from bodyseg_ros.media.video_sink import VideoSink
from bodyseg_ros.types import Frame

from .drawn import bars_error, color_bars, draw_video, letter_f, read_all

NTSC = Fraction(30000, 1001)


def frames_of(path: Path) -> list[Frame]:
    with VideoSource(path) as source:
        return list(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v", ".mkv"])
@pytest.mark.parametrize(
    "fps", [NTSC, Fraction(25), Fraction(24000, 1001), Fraction(5), Fraction(60000, 1001), Fraction(719, 24)]
)
def test_rate_and_length_survive_exactly(tmp_path: Path, suffix: str, fps: Fraction) -> None:
    first = draw_video(tmp_path / f"a{suffix}", 40, fps)
    with open_source(str(first)) as source, open_sink(tmp_path / f"b{suffix}", source.fps) as sink:
        for frame in source:
            sink(frame.image, frame)
    with open_source(str(tmp_path / f"b{suffix}")) as source:
        assert source.fps == fps
        assert source.length in ((40,) if suffix != ".mkv" else (39, 40, 41))
        stamps = [frame.stamp_ns for frame in source]
    # Matroska counts in whole milliseconds.
    slack = 1 if suffix != ".mkv" else 1_000_000
    assert np.abs(np.array(stamps) - [float(index * 10**9 / fps) for index in range(40)]).max() <= slack
    other = cv2.VideoCapture(str(tmp_path / f"b{suffix}"))
    assert other.get(cv2.CAP_PROP_FPS) == pytest.approx(float(fps), rel=1e-6)
    assert other.get(cv2.CAP_PROP_FRAME_COUNT) == 40


def test_a_variable_rate_keeps_its_pace(tmp_path: Path) -> None:
    stamps = [round(second * 10**9) for second in (0, 0.04, 0.5, 0.51, 0.75, 2)]
    draw_video(tmp_path / "a.mp4", 6, Fraction(25), stamps)
    assert np.abs(np.array([frame.stamp_ns for frame in frames_of(tmp_path / "a.mp4")]) - stamps).max() < 20_000


def test_times_that_stand_still_or_go_back_are_moved_on(tmp_path: Path) -> None:
    draw_video(tmp_path / "a.mp4", 4, Fraction(25), [10**18, 10**18, 10**18 - 5, 10**18 + 10**9])
    stamps = [frame.stamp_ns for frame in frames_of(tmp_path / "a.mp4")]
    assert stamps == sorted(set(stamps))
    assert (stamps[0], stamps[3]) == (0, 10**9)


def test_the_letter_moves_right_and_is_not_mirrored(tmp_path: Path) -> None:
    frames = frames_of(draw_video(tmp_path / "a.mp4", 12))
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - letter_f(shift=index)).mean() < 7


def turn(path: Path, degrees: int) -> None:
    """State a clockwise rotation in an MP4 track header (ISO 14496-12, tkhd), as phones do."""
    data = bytearray(path.read_bytes())
    place = data.rindex(b"tkhd") + 4 + 40
    one = 1 << 16
    cos, sin = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    data[place : place + 36] = struct.pack(">9i", cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_stated_rotation_is_applied_once(tmp_path: Path, degrees: int) -> None:
    file = tmp_path / "phone.mp4"
    stored = np.rot90(letter_f(), degrees // 90)  # a player turns it clockwise again
    with VideoSink(file, Fraction(25)) as sink:
        for index in range(3):
            sink(stored, Frame(letter_f(), index * 40_000_000))
    turn(file, degrees)
    ours = frames_of(file)[0].image
    assert np.abs(ours.astype(int) - letter_f()).mean() < 7
    _, theirs = cv2.VideoCapture(str(file)).read()  # OpenCV turns it by its own code
    assert np.abs(ours.astype(int) - theirs[..., ::-1]).mean() < 7
    with VideoSource(file) as source, VideoSink(tmp_path / "again.mp4", source.fps) as sink:
        for frame in source:
            sink(frame.image, frame)
    again = frames_of(tmp_path / "again.mp4")[0].image
    assert np.abs(again.astype(int) - letter_f()).mean() < 7


@pytest.mark.parametrize("height", [240, 720])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colors_come_back(tmp_path: Path, height: int, suffix: str) -> None:
    bars = color_bars(height)
    with VideoSink(tmp_path / f"bars{suffix}", Fraction(25)) as sink:
        for index in range(3):
            sink(bars, Frame(bars, index * 40_000_000))
    assert bars_error(frames_of(tmp_path / f"bars{suffix}")[1].image) <= 4
    _, theirs = cv2.VideoCapture(str(tmp_path / f"bars{suffix}")).read()
    assert bars_error(theirs[..., ::-1]) <= 4


@pytest.mark.parametrize(("space", "matrix"), [(1, "ITU709"), (6, "ITU601")])
@pytest.mark.parametrize("full_range", [False, True])
def test_the_files_own_color_statement_is_followed(tmp_path: Path, space: int, matrix: str, full_range: bool) -> None:
    with av.open(str(tmp_path / "x.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 320, 64, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = space, 2 if full_range else 1
        picture = av.VideoFrame.from_ndarray(color_bars(64), "rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range="JPEG" if full_range else "MPEG"
        )
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    assert bars_error(frames_of(tmp_path / "x.mkv")[0].image) <= 4


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (2, 3), (1, 400)])
def test_odd_sizes_repeat_the_last_line(tmp_path: Path, size: tuple[int, int]) -> None:
    height, width = size
    picture = np.full((height, width, 3), (200, 120, 40), np.uint8)
    with VideoSink(tmp_path / "odd.mp4", Fraction(25)) as sink:
        sink(picture, Frame(picture))
    image = frames_of(tmp_path / "odd.mp4")[0].image
    assert image.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(image.astype(int) - (200, 120, 40)).max() <= 8


def test_gray_pictures_stay_gray(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8).repeat(2), (64, 1))
    with VideoSink(tmp_path / "mask.mp4", Fraction(25)) as sink:
        sink(ramp, Frame(letter_f()))
    assert np.abs(frames_of(tmp_path / "mask.mp4")[0].image.astype(int) - ramp[..., None]).max() <= 6


def test_a_sink_without_pictures_makes_no_file(tmp_path: Path) -> None:
    with VideoSink(tmp_path / "none.mp4", Fraction(25)):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_exception_leaves_a_playable_video(tmp_path: Path, kind: type[BaseException]) -> None:
    def interrupted() -> None:
        with VideoSink(tmp_path / "a.mp4", NTSC) as sink:
            for index in range(20):
                sink(letter_f(), Frame(letter_f(), index * 33_366_667))
            raise kind

    with pytest.raises(kind):
        interrupted()
    with VideoSource(tmp_path / "a.mp4") as source:
        assert (source.length, source.fps) == (20, NTSC)
        assert len(list(source)) == 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_process_leaves_a_playable_video(tmp_path: Path, suffix: str) -> None:
    code = """
import sys, numpy as np
from fractions import Fraction
from bodyseg_ros.media import open_sink
from bodyseg_ros.types import Frame
noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
with open_sink(sys.argv[1], Fraction(25)) as sink:
    for index in range(200):
        sink(noise, Frame(noise, index * 40_000_000))
    print("written", flush=True)
    sys.stdin.read()
"""
    file = tmp_path / f"killed{suffix}"
    process = subprocess.Popen([sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)
    capture, count = cv2.VideoCapture(str(file)), 0
    while capture.read()[0]:
        count += 1
    assert count >= 100
    with VideoSource(file) as source:
        assert source.fps == 25
        assert next(iter(source)).image.shape == (64, 64, 3)


def noise_video(path: Path, count: int = 100) -> Path:
    """Pictures that share nothing, so that each costs about the same number of bytes."""
    random = np.random.default_rng(0)
    with VideoSink(path, Fraction(25)) as sink:
        for index in range(count):
            noise = random.integers(0, 255, (64, 64, 3), dtype=np.uint8)
            sink(noise, Frame(noise, index * 40_000_000))
    return path


def with_index_in_front(path: Path) -> Path:
    """The same MP4 as it is made for the web: cut short, it can still be opened."""
    front = path.with_name(f"front_{path.name}")
    with av.open(str(path)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return front


@pytest.mark.parametrize("name", ["cut.mkv", "cut.mp4"])
def test_a_video_cut_in_half_gives_what_is_there_then_names_itself(tmp_path: Path, name: str) -> None:
    file = noise_video(tmp_path / name)
    if name == "cut.mp4":
        file = with_index_in_front(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    frames, sentence = read_all(VideoSource(file))
    assert 40 <= len(frames) <= 60
    assert re.search(rf"{name}' is damaged or truncated: {len(frames)} frames, [12]\.\d of 4\.0 s", sentence)


def test_damage_in_the_middle_costs_some_pictures_and_is_named(tmp_path: Path) -> None:
    file = with_index_in_front(noise_video(tmp_path / "hurt.mp4"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40_000] = bytes(40_000)
    file.write_bytes(data)
    frames, sentence = read_all(VideoSource(file))
    assert 50 <= len(frames) <= 100
    assert "hurt.mp4' is damaged or truncated" in sentence


def test_without_an_h264_encoder_mpeg4_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with VideoSource(draw_video(tmp_path / "a.mp4", 25, NTSC)) as source:
        assert (source.fps, source.length) == (NTSC, 25)
        for index, frame in enumerate(source):
            assert np.abs(frame.image.astype(int) - letter_f(shift=index % 12)).mean() < 7


def test_what_is_no_video_gets_its_sentence(tmp_path: Path) -> None:
    playlist = b"#EXTM3U\n#EXTINF:1,\nhttp://x/y\n"
    for name, data in {"empty.mp4": b"", "poem.txt": b"I am a poem.\n" * 99, "list.m3u8": playlist}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=rf"{name}'.*video.*damaged"):
            open_source(str(tmp_path / name))
    unfinished = tmp_path / "unfinished.mp4"
    unfinished.write_bytes(draw_video(tmp_path / "a.mp4", 40).read_bytes()[:600])
    with pytest.raises(MediaError, match=r"unfinished\.mp4'"):
        frames_of(unfinished)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(MediaError, match=r"song\.mkv' has no video"):
        VideoSource(tmp_path / "song.mkv")


def test_what_cannot_be_written_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = Frame(letter_f())
    with pytest.raises(MediaError, match=r"must end in one of \.mp4, .*\.webm, \.gif, not '\.avi'"):
        VideoSink(tmp_path / "a.avi", Fraction(25))
    with pytest.raises(MediaError, match="frame rate.*1000.*'0'"):
        VideoSink(tmp_path / "a.mp4", Fraction(0))
    with VideoSink(tmp_path / "a.mp4", Fraction(25)) as sink:
        sink(letter_f(), frame)
        with pytest.raises(MediaError, match="64×96.*4×2"):
            sink(np.zeros((2, 4, 3), np.uint8), frame)
        with pytest.raises(MediaError, match=r"uint8 \(96, 64, 4\).*gray or RGB"):
            sink(np.zeros((96, 64, 4), np.uint8), frame)
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"b\.mp4' cannot be written: "):
        VideoSink(tmp_path / "file" / "b.mp4", NTSC)(letter_f(), frame)


def test_a_full_disk_is_named_and_does_not_hide_another_error(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    file = tmp_path / "full.mp4"
    file.symlink_to("/dev/full")

    def write(and_then: float) -> None:
        with VideoSink(file, NTSC) as sink:
            sink(letter_f(), Frame(letter_f()))
            1 / and_then

    with pytest.raises(MediaError, match=r"full\.mp4'.*No space left"):
        write(and_then=1)
    with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError):
        write(and_then=0)
    assert "full.mp4' cannot be written: No space left" in caplog.text


@pytest.mark.parametrize(
    ("name", "fps", "count"),
    [("Thoughtful-35590.mp4", NTSC, 367), ("demo.mp4", Fraction(5), 5), ("pose_squats.mp4", Fraction(5), 65)],
)
def test_real_videos(shared: Path, name: str, fps: Fraction, count: int) -> None:
    with open_source(str(shared / "media" / "videos" / name)) as source:
        assert (source.fps, source.length, source.stem) == (fps, count, Path(name).stem)
        stamps = [frame.stamp_ns for frame in source]
    assert len(stamps) == count
    assert stamps[-1] == round((count - 1) / fps * 10**9)


def encoded(
    path: Path, pictures: list[np.ndarray], pixel: Fraction | None = None, matrix: tuple[int, ...] = ()
) -> Path:
    """A video as other programs write it. matrix: a, b, c, d of the display matrix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"qp": "4"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv444p"
        if pixel:
            stream.codec_context.sample_aspect_ratio = pixel
        if matrix:
            a, b, c, d = (65536 * number for number in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda f: f),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((-1, 0, 0, -1), lambda f: np.rot90(f, 2)),
        ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),  # a phone held upright: a quarter clockwise
        ((0, -1, 1, 0), np.rot90),
        ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda f: np.rot90(f.swapaxes(0, 1), 2)),
    ],
)
def test_every_turn_and_mirror_that_a_container_states_is_applied(
    tmp_path: Path, matrix: tuple[int, ...], shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    stored = letter_f()
    (frame,) = frames_of(encoded(tmp_path / "a.mp4", [stored], matrix=matrix))
    expected = shown(stored)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6


@pytest.mark.parametrize(
    ("pixel", "size"),
    [
        (Fraction(2), (96, 128)),  # DVR "1080N": pixels twice as wide as high
        (Fraction(1, 2), (192, 64)),
        (Fraction(64, 45), (96, 91)),  # PAL DVD, 16:9
        (Fraction(500), (96, 64)),  # a mistake
    ],
)
def test_pixels_are_made_square(tmp_path: Path, pixel: Fraction, size: tuple[int, int]) -> None:
    (frame,) = frames_of(encoded(tmp_path / "a.mp4", [letter_f()], pixel))
    assert frame.size == size
    whole = cv2.resize(letter_f(), size[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.abs(frame.image.astype(int) - whole).mean() < 8


def test_pixels_of_a_turned_video_are_made_square_before_it_is_turned(tmp_path: Path) -> None:
    (frame,) = frames_of(encoded(tmp_path / "a.mp4", [letter_f()], Fraction(2), (0, 1, -1, 0)))
    assert frame.size == (128, 96)


def test_a_change_of_size_loses_no_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    white = np.full((96, 64, 3), 255, np.uint8)
    wide = np.full((48, 96, 3), 255, np.uint8)
    data = b"".join(
        encoded(tmp_path / f"{name}.h264", [picture] * 3).read_bytes() for name, picture in (("a", white), ("b", wide))
    )
    (tmp_path / "both.h264").write_bytes(data)
    frames = frames_of(tmp_path / "both.h264")
    assert [frame.size for frame in frames] == [(96, 64)] * 6
    assert frames[0].image.min() > 250
    bright = np.nonzero(frames[5].image[..., 0].mean(1) > 128)[0]
    assert (bright[0], bright[-1]) == (32, 63)  # 64×32 in the middle of 64×96
    assert caplog.text.count("96×48") == 1


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif", b"avis"])
def test_a_photo_in_a_video_s_container_is_not_shown_as_one_tile(tmp_path: Path, brand: bytes) -> None:
    (tmp_path / "a.mov").write_bytes(struct.pack(">I4s4sI4s", 20, b"ftyp", brand, 0, brand) + bytes(100))
    with pytest.raises(MediaError, match=r"a\.mov' is a photo \((HEIF|AVIF)\), not a video"):
        VideoSource(tmp_path / "a.mov")
