"""Videos and photos without people, without metadata, with or without sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from bodyseg_ros.errors import EngineError, MediaError
from bodyseg_ros.media import open_source, read_photo
from bodyseg_ros.media.video_sink import VideoSink
from bodyseg_ros.privacy.media_release import anonymize_media
from bodyseg_ros.types import Frame, Result, Wanted

FRAMES, SIZE = 24, (64, 128)
HARD = range(9, 13)
PERSON = (255, 0, 255)
QUICK = {"margin_px": 4, "window_frames": 1}


def colored(image: np.ndarray) -> np.ndarray:
    return np.abs(image[..., 0].astype(np.int16) - image[..., 1]) > 60


def scene(index: int) -> np.ndarray:
    image = np.repeat(np.random.default_rng(index).integers(100, 140, (*SIZE, 1), np.uint8), 3, axis=2)
    image[16:56, 4 + 4 * index : 20 + 4 * index] = PERSON
    return image


class Eye:
    """A model that sees exactly the colored pixels, but nothing in the frames `hard`."""

    def __init__(self, hard: range = range(0)) -> None:
        self.network = SimpleNamespace(
            card=SimpleNamespace(name="eye"), offers=Wanted.PERSON | Wanted.CONFIDENCE, learns_background=False
        )
        self._hard, self._count = hard, 0

    def run(self, frame: Frame, wanted: Wanted) -> Result:
        person = colored(frame.image)
        if self._count in self._hard:
            person = np.zeros_like(person)
        self._count += 1
        confidence = np.where(person, np.float32(0.99), frame.image[..., 1] * np.float32(5e-6))
        return Result(frame.size, person=person.view(np.uint8), confidence=confidence)


class Blind(Eye):
    def run(self, frame: Frame, wanted: Wanted) -> Result:
        raise EngineError("out of order")


def opens(eye: Any) -> Any:
    @contextmanager
    def open_eye(plan: Any) -> Iterator[Any]:
        yield eye

    return open_eye


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "drawn.onnx").touch()
    return {"engine": "fake", "model_path": str(tmp_path / "drawn.onnx"), **QUICK}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoSink(tmp_path / "in.mp4", Fraction(10)) as write:
        for index in range(FRAMES):
            write(scene(index), Frame(scene(index), index * 10**8))
    return tmp_path / "in.mp4"


def pictures(path: Path) -> list[np.ndarray]:
    with open_source(str(path)) as source:
        return [frame.image for frame in source]


def test_nobody_is_in_the_video_in_hard_frames_too(video: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    out = tmp_path / "out.mp4"
    told: list[tuple[int, int]] = []
    anonymize_media(
        video, out, values, progress=lambda done, total: told.append((done, total)), open_model=opens(Eye(HARD))
    )
    seen = pictures(out)
    assert len(seen) == FRAMES and not any(colored(image).any() for image in seen)
    assert told[-1] == (2 * FRAMES, 2 * FRAMES)
    report = json.loads((tmp_path / "out.mp4.report.json").read_text("utf-8"))
    assert report["cameras"][0]["gaps"] == [[HARD[0], HARD[-1]]]
    assert (tmp_path / "out.mp4.sheet.png").is_file()


def test_one_pass_shows_people_in_hard_frames(video: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    single = values | {"window_frames": 0, "max_gap": 0.0}
    anonymize_media(video, tmp_path / "out.mp4", single, open_model=opens(Eye(HARD)))
    shown = [index for index, image in enumerate(pictures(tmp_path / "out.mp4")) if colored(image).any()]
    assert shown == list(HARD)


def with_sound(path: Path, silent: Path) -> Path:
    """The video with a second of noise and a place in its metadata."""
    with av.open(str(silent)) as shown, av.open(str(path), "w") as output:
        video = output.add_stream_from_template(shown.streams.video[0])
        sound = output.add_stream("aac", rate=16000, layout="mono")
        output.metadata["location"] = "+48.1374+011.5755/"
        noise = np.random.default_rng(1).normal(0, 0.1, (1, 16000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
        frame.sample_rate = 16000
        for packet in (*sound.encode(frame), *sound.encode(None)):
            output.mux(packet)
        for packet in shown.demux(shown.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                output.mux(packet)
    return path


@pytest.mark.parametrize(("audio", "count"), [("drop", 0), ("keep", 1)])
def test_sound_is_kept_or_dropped_as_said(
    video: Path, tmp_path: Path, values: dict[str, Any], audio: Any, count: int
) -> None:
    source, out = with_sound(tmp_path / "loud.mp4", video), tmp_path / "out.mp4"
    report = anonymize_media(source, out, values, audio=audio, open_model=opens(Eye()))
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == report.soundtracks == count
        assert "location" not in container.metadata
        seconds = [float(one.duration * one.time_base) for one in container.streams.audio]
    assert all(abs(length - 1) < 0.2 for length in seconds)
    assert len(pictures(out)) == FRAMES


def test_photos_lose_their_metadata_and_are_upright(tmp_path: Path, values: dict[str, Any]) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(scene(1)).save(folder / "a.jpg", exif=exif, quality=95)
    Image.fromarray(scene(2)).save(folder / "b.png")
    (folder / "c.jpg").write_bytes(b"\xff\xd8 no photo")
    report = anonymize_media(folder, out, values, open_model=opens(Eye()))
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "b.png"]
    assert len(report.problems) == 1 and "c.jpg" in report.problems[0]
    with Image.open(out / "a.jpg") as image:
        assert not image.getexif()
    assert read_photo(out / "a.jpg").shape[:2] == (SIZE[1], SIZE[0])
    assert not any(colored(read_photo(path)).any() for path in out.iterdir())
    assert report.cameras[0].look_at == {}


def test_a_photo_of_its_own(tmp_path: Path, values: dict[str, Any]) -> None:
    Image.fromarray(scene(3)).save(tmp_path / "in.png")
    anonymize_media(tmp_path / "in.png", tmp_path / "out.png", values, open_model=opens(Eye()))
    image = read_photo(tmp_path / "out.png")
    assert not colored(image).any() and np.array_equal(image[:8], scene(3)[:8])


def test_what_cannot_be_judged_is_blank(video: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    report = anonymize_media(video, tmp_path / "out.mp4", values, open_model=opens(Blind()))
    assert report.cameras[0].blanked == {"out of order": [(0, FRAMES - 1)]}
    assert all(np.median(image) < 40 for image in pictures(tmp_path / "out.mp4"))


def test_a_damaged_video_gives_no_output(video: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    with VideoSink(whole, Fraction(10)) as write:
        for frame, image in enumerate(pictures(video)):
            write(image, Frame(image, frame * 10**8))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"cut\.mkv"):
        anonymize_media(cut, tmp_path / "out.mkv", values, open_model=opens(Eye()))
    assert not list(tmp_path.glob("out*")) and not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("name", ["out", "out.png", "in.mp4"])
def test_an_output_of_another_kind_is_refused(video: Path, tmp_path: Path, values: dict[str, Any], name: str) -> None:
    with pytest.raises(MediaError, match=name):
        anonymize_media(video, tmp_path / name, values, open_model=opens(Eye()))
