"""`bodyseg anonymize`, as a user types it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import BodysegError

RUNNER = CliRunner()


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    (tmp_path / "drawn.onnx").touch()
    paths = [tmp_path / "in" / name for name in ("a.png", "b.png")]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)).save(path)
    return paths


def run(tmp_path: Path, *words: str) -> object:
    model = ("--engine", "fake", "--model-path", str(tmp_path / "drawn.onnx"))
    return RUNNER.invoke(app, ["anonymize", *words, *model], catch_exceptions=True)


def test_several_inputs_go_into_a_folder(tmp_path: Path, photos: list[Path]) -> None:
    done = run(tmp_path, *map(str, photos), "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output  # type: ignore[attr-defined]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"{path.name}{end}" for path in photos for end in ("", ".report.json", ".sheet.png"))


def test_one_that_fails_is_named_and_the_others_are_done(tmp_path: Path, photos: list[Path]) -> None:
    done = run(tmp_path, str(photos[0]), str(tmp_path / "none.png"), "--out", str(tmp_path / "out"))
    assert done.exit_code == 1  # type: ignore[attr-defined]
    assert (tmp_path / "out/a.png").is_file()


def test_a_threshold_that_hides_nobody_is_refused(tmp_path: Path, photos: list[Path]) -> None:
    done = run(tmp_path, str(photos[0]), "--out", str(tmp_path / "o.png"), "--segmentation-threshold", "1.0")
    error = done.exception  # type: ignore[attr-defined]
    assert isinstance(error, BodysegError) and "segmentation_threshold" in str(error) and "0.9" in str(error)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_second_run_skips_what_is_finished_and_gives_the_same_bytes(
    tmp_path: Path, photos: list[Path], jobs: str
) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    assert run(tmp_path, *map(str, photos), "--out", str(one)).exit_code == 0  # type: ignore[attr-defined]
    words = (*map(str, photos), "--out", str(many), "--jobs", jobs)
    assert run(tmp_path, str(photos[0]), "--out", str(many / "a.png")).exit_code == 0  # type: ignore[attr-defined]
    before = (many / "a.png").stat().st_mtime_ns
    done = run(tmp_path, *words)
    assert done.exit_code == 0, done.output  # type: ignore[attr-defined]
    assert (many / "a.png").stat().st_mtime_ns == before
    for path in one.iterdir():
        assert (many / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        ("--segmentation-threshold", "0.2"),
        ("--pixelate.strength", "0.2"),
        ("--refine.grow-px", "5"),
        ("--fake.people", "2"),
        (),
    ],
)
def test_an_output_made_with_other_options_is_not_taken_for_finished(
    tmp_path: Path, photos: list[Path], change: tuple[str, ...]
) -> None:
    """Without a change it is, unless the model's file is another."""
    words = (*map(str, photos), "--out", str(tmp_path / "out"), "--effect", "pixelate")
    assert run(tmp_path, *words).exit_code == 0  # type: ignore[attr-defined]
    same = run(tmp_path, *words, "--threads", "3")
    assert same.output.count("Already there") == 2  # type: ignore[attr-defined]
    if not change:
        (tmp_path / "drawn.onnx").write_bytes(b"trained more")
    again = run(tmp_path, *words, *change)
    assert again.exit_code == 1  # type: ignore[attr-defined]
    assert again.output.count("already exists") == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["rtsp://camera/1", "0", "/dev/video7"])
def test_a_camera_is_no_recording_and_the_message_says_what_covers_it(tmp_path: Path, name: str) -> None:
    error = run(tmp_path, name, "--out", str(tmp_path / "o.mp4")).exception  # type: ignore[attr-defined]
    assert isinstance(error, BodysegError)
    assert repr(name) in str(error) and "privacy-camera --source" in str(error)


def test_several_inputs_do_not_go_into_one_file(tmp_path: Path, photos: list[Path]) -> None:
    error = run(tmp_path, *map(str, photos), "--out", str(tmp_path / "o.mp4")).exception  # type: ignore[attr-defined]
    assert isinstance(error, BodysegError) and "o.mp4" in str(error) and "folder" in str(error)
    assert not (tmp_path / "o.mp4").exists()


def test_a_missing_input_is_named_once_as_it_was_written(tmp_path: Path, photos: list[Path]) -> None:
    done = run(tmp_path, "none.png", str(photos[0]), "--out", str(tmp_path / "out"), "--quiet")
    (line,) = done.output.strip().splitlines()  # type: ignore[attr-defined]
    assert line.count("none.png") == 1 and str(Path.cwd()) not in line
