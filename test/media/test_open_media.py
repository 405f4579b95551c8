"""The right source is chosen by what the input is; cameras and streams."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import MediaError, PluginError
from bodyseg_ros.media import open_source, write_photo
from bodyseg_ros.media.photos import PhotoSource
from bodyseg_ros.media.video import VideoSource
from bodyseg_ros.media.webcam import WebcamSource
from bodyseg_ros.plugins import load_plugin

from .drawn import draw_video, letter_f


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    write_photo(tmp_path / "p.png", letter_f())
    photo = (tmp_path / "p.png").rename(tmp_path / "photo.mp4")
    video = draw_video(tmp_path / "v.mp4").rename(tmp_path / "video.dat")
    with open_source(str(photo)) as a, open_source(str(video)) as b:
        assert isinstance(a, PhotoSource)
        assert isinstance(b, VideoSource)


def test_a_plugin_may_be_named(tmp_path: Path) -> None:
    draw_video(tmp_path / "v.mp4")
    with open_source(f"video:{tmp_path / 'v.mp4'}") as source:
        assert isinstance(source, VideoSource)
    with pytest.raises(PluginError, match="there are: photos, video"):
        load_plugin("sinks", "gramophone")


def test_nothing_there() -> None:
    with pytest.raises(MediaError, match=r"no file or folder 'holiday\.jpg'.*give a photo"):
        open_source("holiday.jpg")


@pytest.mark.parametrize("text", ["97", "/dev/video97"])
def test_a_camera_that_is_not_there(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MediaError, match=rf"The camera '{text}' cannot be opened.*give a number"):
        open_source(text)
    assert capfd.readouterr().err == ""


def test_an_address_nobody_serves_keeps_the_password_secret() -> None:
    with pytest.raises(MediaError, match=r"The camera 'http://…@127\.0\.0\.1:9/x' cannot be opened"):
        open_source("http://me:secret@127.0.0.1:9/x")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stream_by_its_address(tmp_path: Path, served: str) -> None:
    draw_video(tmp_path / "v.mkv", count=12)
    before = time.time_ns()
    with open_source(f"{served}/v.mkv") as source:
        assert isinstance(source, WebcamSource)
        assert (source.length, source.fps) == (None, Fraction(25))
        frames = list(source)
    stamps = [frame.stamp_ns for frame in frames]
    assert len(frames) == 12
    assert before <= stamps[0]
    assert stamps == sorted(stamps)
    assert source.stem.endswith("v_mkv")
    # Red in front of blue: no swapped channels.
    assert np.abs(frames[0].image[20, 15].astype(int) - (220, 30, 20)).max() <= 16


def test_a_stream_is_shown_with_square_pixels(tmp_path: Path, served: str) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "wide.mkv"), "w") as file:
        stream = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for image in (letter_f(), letter_f()):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode(None))
    with open_source(f"{served}/wide.mkv") as source:
        for frame in source:
            assert frame.size == (96, 128)
            assert np.abs(frame.image[20, 30].astype(int) - (220, 30, 20)).max() <= 40


def test_a_camera_that_stops_says_so(tmp_path: Path) -> None:
    # OpenCV opens a file like a device: one that ends is a camera that was unplugged.
    source = WebcamSource(str(draw_video(tmp_path / "v.mkv", count=3)))
    with source, pytest.raises(MediaError, match="after 3.*plugged in"):
        list(source)


def test_importing_the_package_loads_no_video_library() -> None:
    code = "import sys, bodyseg_ros.media; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
