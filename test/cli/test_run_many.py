"""`bodyseg run` with several inputs: over processes and schedulers, continued after a crash, and on other storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bodyseg_ros.cli import storage
from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import BodysegError, MissingDependencyError
from bodyseg_ros.media import open_sink
from bodyseg_ros.ros.bag import BagWriter, write_bag
from bodyseg_ros.ros.graph.headers import make_header
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.types import Frame

pytest.importorskip("av", reason="videos need PyAV: pip install '.[video]'")
FAKE = ("--engine", "fake", "--threads", "1")
Files = dict[str, bytes]


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def files_in(folder: Path) -> Files:
    """Also hidden ones."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def noise(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def draw_video(path: Path, frames: int = 3) -> Path:
    with open_sink(path, Fraction(10)) as write:
        for index in range(frames):
            image = noise(index)
            write(image, Frame(image, index * 10**8))
    return path


def draw_bag(path: Path) -> Path:
    messages = RosbagMessages()
    with write_bag(path) as writer:
        for index in range(2):
            picture = image_message(messages, make_header(messages, index * 10**8, "camera"), noise(index), "rgb8")
            BagWriter(writer, messages).add("/image", "sensor_msgs/msg/Image", picture, index * 10**8)
            break
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """A video, a photo, a folder that has a photo of the same name, and another video."""
    folder = tmp_path / "in"
    (folder / "holiday").mkdir(parents=True)
    for number, name in enumerate(("a.png", "holiday/a.png", "holiday/b.png")):
        Image.fromarray(noise(number)).save(folder / name)
    videos = [draw_video(folder / name) for name in ("v.mp4", "w.mp4")]
    return [videos[0], folder / "a.png", folder / "holiday", videos[1]]


def test_several_processes_and_a_scheduler_give_the_same_bytes_as_one_process(
    tmp_path: Path, inputs: list[Path]
) -> None:
    distributed = pytest.importorskip("distributed")
    run("run", *inputs, "--out", tmp_path / "one", *FAKE)
    one = files_in(tmp_path / "one")
    assert {"v_mask.mp4", "a_mask.png", "a_2_mask.png", "b_mask.png", "w_parts/000002.png"} <= one.keys()
    named = [json.loads(line)["input"] for line in one["poses.jsonl"].splitlines()]
    assert named == ["v"] * 3 + ["a", "a_2", "b"] + ["w"] * 3
    run("run", *inputs, "--out", tmp_path / "two", "--jobs", 2, *FAKE)
    assert files_in(tmp_path / "two") == one
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        run("run", *inputs, "--out", tmp_path / "fleet", "--scheduler", cluster.scheduler_address, *FAKE)
    assert files_in(tmp_path / "fleet") == one


@pytest.mark.parametrize("command", ["run", "anonymize"])
def test_workers_may_have_another_current_folder(
    tmp_path: Path, inputs: list[Path], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    Path("drawn.onnx").touch()
    words = [path.relative_to(tmp_path) for path in inputs[:2]]
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        with distributed.Client(cluster) as client:
            client.run(os.chdir, elsewhere)
        run(
            command,
            *words,
            "--out",
            "out",
            "--model-path",
            "drawn.onnx",
            "--scheduler",
            cluster.scheduler_address,
            *FAKE,
        )
    assert {"a_mask.png", "a.png"} & {path.name for path in (tmp_path / "out").iterdir()}
    assert not list(elsewhere.iterdir())


def test_lines_of_another_run_are_not_those_of_an_input_that_failed(tmp_path: Path, inputs: list[Path]) -> None:
    out, lines = tmp_path / "out", tmp_path / "out/.bodyseg-run/000001.jsonl"
    lines.parent.mkdir(parents=True)
    lines.write_text('{"input": "of another run"}\n')
    pytest.importorskip("fsspec")
    run("run", inputs[1], "memory://gone.mp4", "--out", out, "--write", "poses", *FAKE, code=1)
    assert [json.loads(line)["input"] for line in (out / "poses.jsonl").read_text().splitlines()] == ["a"]


def test_an_input_has_the_same_results_with_and_without_others(tmp_path: Path, inputs: list[Path]) -> None:
    """No memory of one goes into the next: the refinement's over time, the tracker's ids."""
    common = ["--write", "mask,poses", "--refine.smoothing", 0.9, "--fake.people", 2, *FAKE]
    run("run", inputs[0], inputs[3], "--out", tmp_path / "both", *common)
    run("run", inputs[3], "--out", tmp_path / "alone", *common)
    both, alone = files_in(tmp_path / "both"), files_in(tmp_path / "alone")
    assert both["w_mask.mp4"] == alone["w_mask.mp4"]
    assert both["poses.jsonl"].endswith(alone["poses.jsonl"])


def test_a_background_that_was_learned_of_one_video_is_not_that_of_the_next(tmp_path: Path) -> None:
    """By its name, stamps and size the second video could be the first one's next frame."""
    for folder in "xy":
        (tmp_path / folder).mkdir()
    first, second = draw_video(tmp_path / "x/a.mp4", 1), tmp_path / "y/a.mp4"
    with open_sink(second, Fraction(10)) as write:
        write(noise(7), Frame(noise(7)))
    common = ["--write", "mask", "--network", "background", "--engine", "passthrough", "--learning-frames", 1]
    run("run", first, second, "--out", tmp_path / "both", *common)
    run("run", second, "--out", tmp_path / "alone", *common)
    assert files_in(tmp_path / "both")["a_2_mask.mp4"] == files_in(tmp_path / "alone")["a_mask.mp4"]


def test_a_failure_is_listed_and_the_same_command_does_what_is_left(tmp_path: Path, inputs: list[Path]) -> None:
    whole = files_in(tmp_path / "in")["w.mp4"]
    inputs[3].write_bytes(whole[: len(whole) // 2])
    command = ("run", *inputs, "--out", tmp_path / "out", "--write", "mask,poses", *FAKE)
    said = run(*command, code=1)
    assert "w.mp4" in said
    before = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in ("v_mask.mp4", "a_mask.png", "b_mask.png")}
    inputs[3].write_bytes(whole)
    said = run(*command)
    assert "3 of 4 inputs had been done before" in said
    for name, when in before.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == when
    run("run", *inputs, "--out", tmp_path / "again", "--write", "mask,poses", *FAKE)
    assert files_in(tmp_path / "out") == files_in(tmp_path / "again")


@pytest.mark.parametrize("change", ["input", "output", "choice"])
def test_what_was_done_from_something_else_is_done_again(tmp_path: Path, inputs: list[Path], change: str) -> None:
    words: list[object] = ["--segmentation-threshold", 0.5, *FAKE]
    missing = tmp_path / "in/none.mp4"
    run("run", *inputs[:2], missing, "--out", tmp_path / "out", "--write", "mask", *words, code=1)
    if change == "input":
        Image.fromarray(noise(9, (30, 40))).save(inputs[1])
    elif change == "output":
        (tmp_path / "out/a_mask.png").unlink()
    else:
        words[1] = 0.6
    said = run("run", *inputs[:2], missing, "--out", tmp_path / "out", "--write", "mask", *words, code=1)
    assert ("1 of 2 inputs had been done before" in said) == (change != "choice")
    with Image.open(tmp_path / "out/a_mask.png") as mask:
        assert mask.size == ((40, 30) if change == "input" else (64, 48))


def test_after_kill_9_the_same_command_does_what_is_left(tmp_path: Path, inputs: list[Path]) -> None:
    words = ["run", *map(str, inputs), "--out", str(tmp_path / "out"), "--write", "mask,poses", *FAKE]
    slow = [*words, "--fake.delay-ms", "300"]
    process = subprocess.Popen(
        [sys.executable, "-m", "bodyseg_ros.cli.main", *slow], env=os.environ, stderr=subprocess.DEVNULL
    )
    journal = tmp_path / "out/.bodyseg-run"
    end = time.monotonic() + 60
    while len(list(journal.glob("*.json"))) < 2:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out/b_mask.png").exists()
    assert "2 of 4 inputs had been done before" in run(*slow)
    run("run", *inputs, "--out", tmp_path / "again", "--write", "mask,poses", *FAKE)
    assert files_in(tmp_path / "out") == files_in(tmp_path / "again")


def test_bags_go_into_a_folder_beside_other_outputs(tmp_path: Path, inputs: list[Path]) -> None:
    bags = [draw_bag(tmp_path / name) for name in ("x.mcap", "y.mcap")]
    said = run("run", *bags, inputs[1], "--out", tmp_path / "out", "--write", "mask", *FAKE)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"x.mcap", "y.mcap", "a_mask.png"}
    assert said.count("1 frame of /image done") == 2
    with pytest.raises(BodysegError, match=r"z\.mcap.*one bag.*folder"):
        run("run", *bags, "--out", tmp_path / "z.mcap", *FAKE)
    with pytest.raises(BodysegError, match="--json prints lines.*two runs"):
        run("run", bags[0], inputs[1], "--out", tmp_path / "out", "--json", *FAKE)


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    there = fsspec.filesystem("memory")
    yield there
    there.store.clear()
    there.pseudo_dirs[:] = [""]


def put(memory: Any, paths: list[Path]) -> None:
    for path in paths:
        memory.put(str(path), f"/in/{path.name}", recursive=True)


@pytest.mark.parametrize("command", ["run", "anonymize"])
def test_inputs_and_outputs_may_be_on_other_storage(
    tmp_path: Path, inputs: list[Path], memory: Any, command: str
) -> None:
    put(memory, inputs)
    words = ("--write", "mask,poses") if command == "run" else ()
    run(command, *inputs, "--out", tmp_path / "out", *words, *FAKE)
    remote = [f"memory://in/{path.name}" for path in inputs]
    run(command, *remote, "--out", "memory://out", *words, *FAKE)
    made = {name.removeprefix("/out/"): memory.cat_file(name) for name in memory.find("/out")}
    assert made == files_in(tmp_path / "out")


@pytest.mark.parametrize("command", ["run", "anonymize"])
def test_on_other_storage_too_what_is_done_is_skipped(
    tmp_path: Path, inputs: list[Path], memory: Any, command: str
) -> None:
    put(memory, inputs[:2])
    words = (command, "memory://in/a.png", "memory://in/v.mp4", "memory://in/none.png", "--out", "memory://out", *FAKE)
    run(*words, code=1)
    said = run(*words, code=1)
    assert "2 of 3 inputs had been done before" in said or said.count("Already there: memory://out/") == 2
    assert "none.png" in said


def test_on_other_storage_an_output_comes_after_its_report(
    tmp_path: Path, inputs: list[Path], memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, put_file = [], type(memory).put_file

    def watched(there: Any, source: str, target: str, **more: Any) -> None:
        order.append(target.rpartition("/")[2])
        put_file(there, source, target, **more)

    monkeypatch.setattr(type(memory), "put_file", watched)
    run("anonymize", inputs[1], "--out", "memory://out/a.png", *FAKE)
    assert order == ["a.png.report.json", "a.png.sheet.png", "a.png"]


def test_a_star_stands_for_what_it_matches_on_other_storage(tmp_path: Path, inputs: list[Path], memory: Any) -> None:
    put(memory, inputs)
    run("run", "memory://in/*.mp4", "--out", tmp_path / "out", "--write", "mask", *FAKE)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"v_mask.mp4", "w_mask.mp4"}
    with pytest.raises(BodysegError, match=r"Nothing matches 'memory://in/\*\.mkv'"):
        run("run", "memory://in/*.mkv", "--out", tmp_path / "out", *FAKE)


def test_a_file_address_is_a_path(tmp_path: Path, inputs: list[Path]) -> None:
    run("run", inputs[1].as_uri(), "--out", (tmp_path / "my out").as_uri(), "--write", "mask", *FAKE)
    run("anonymize", inputs[1].as_uri(), "--out", (tmp_path / "my out/a.png").as_uri(), *FAKE)
    assert {"a_mask.png", "a.png"} <= {path.name for path in (tmp_path / "my out").iterdir()}


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("s3://bucket/x.mp4", True),
        ("memory://x", True),
        ("rtsp://camera/1", False),
        ("https://host/x.mp4", False),
        ("/home/x.mp4", False),
        ("0", False),
    ],
)
def test_streams_are_watched_and_not_fetched(address: str, remote: bool) -> None:
    assert storage.is_remote(address) == remote


@pytest.mark.parametrize("command", ["run", "anonymize"])
def test_what_is_missing_or_wrong_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Any, command: str
) -> None:
    out = ("--out", tmp_path / "out", *FAKE)
    with pytest.raises(BodysegError, match=r"nonsense://x\.png.*Protocol not known"):
        run(command, "nonsense://x.png", *out) if command == "anonymize" else storage.exists("nonsense://x.png")
    with pytest.raises(BodysegError, match=r"memory://x\.png.*memory of one process.*--jobs"):
        run(command, "memory://x.png", *out, "--jobs", 2)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingDependencyError, match=r"s3://bucket/x\.png.*fsspec.*\[remote\]"):
        run(command, "s3://bucket/x.png", *out) if command == "anonymize" else storage.exists("s3://bucket/x.png")
