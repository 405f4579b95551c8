"""The command as a user meets it, on drawn people: no weights needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import BodysegError, MissingDependencyError
from bodyseg_ros.per_person import stage_plan

av = pytest.importorskip("av", reason="videos need PyAV: pip install '.[video]'")

FAKE = ["--engine", "fake"]


def run(*arguments: object, code: int = 0) -> str:
    words = [str(argument) for argument in arguments]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def photo(path: Path, height: int = 48, width: int = 64) -> Path:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).copy()).save(path)
    return path


def test_a_photo_gives_every_file(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 241, 321)
    run(
        "run", tmp_path / "a.png", "--out", tmp_path / "out", "--internal-resolution", "full", "--fake.people", 2, *FAKE
    )
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"a_mask.png", "a_parts.png", "a_parts_color.png", "a_overlay.png", "a_cutout.png", "poses.jsonl"}

    def read(name: str) -> np.ndarray:
        return cv2.imread(str(tmp_path / "out" / name), cv2.IMREAD_UNCHANGED)

    mask, parts, cutout = read("a_mask.png"), read("a_parts.png"), read("a_cutout.png")
    assert mask.shape == parts.shape == (241, 321)
    assert set(np.unique(mask)) == {0, 255}
    assert ((parts > 0) == (mask > 0)).all()
    assert parts.max() <= 24
    assert ((cutout[..., 3] == 255) == (mask == 255)).all()
    (line,) = (tmp_path / "out/poses.jsonl").read_text().splitlines()
    poses = json.loads(line)
    assert (poses["input"], poses["width"], poses["height"], len(poses["persons"])) == ("a", 321, 241, 2)
    left, right = poses["persons"]
    assert (left["id"], left["state"]) == (None, None)  # a photo stands for itself
    assert left["keypoints"][0]["name"] == "nose"
    # The fake people stand in the middle of the left and right half, noses at 0.14 of the height.
    assert left["keypoints"][0]["x"] == pytest.approx(321 / 4, abs=1)
    assert right["keypoints"][0]["x"] == pytest.approx(3 * 321 / 4, abs=1)


def test_a_folder_with_a_broken_photo_is_done_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    photo(folder / "a.png")
    photo(folder / "c.png")
    (folder / "b.png").write_bytes(b"no picture")
    output = run("run", folder, "--out", tmp_path / "out", "--write", "mask", *FAKE, code=1)
    assert "b.png" in output.replace("\n", "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a_mask.png", "c_mask.png"}


def test_two_inputs_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    one, two = photo(tmp_path / "a.png"), photo(tmp_path / "x/a.png", 30, 30)
    run("run", one, two, "--out", tmp_path / "out", "--write", "mask", *FAKE)
    assert cv2.imread(str(tmp_path / "out/a_mask.png")).shape[:2] == (48, 64)
    assert cv2.imread(str(tmp_path / "out/a_2_mask.png")).shape[:2] == (30, 30)


@pytest.mark.parametrize(
    "save",
    [
        lambda path: Image.new("L", (30, 20), 99).save(path),
        lambda path: Image.new("RGBA", (30, 20), (9, 9, 9, 9)).save(path),
        lambda path: Image.new("I;16", (30, 20), 40_000).save(path),
        lambda path: Image.new("RGB", (1, 1)).save(path),
        lambda path: Image.new("RGB", (4000, 1)).save(path),
        lambda path: Image.new("RGB", (1, 4000)).save(path),
    ],
)
def test_odd_pictures_are_done(tmp_path: Path, save: object) -> None:
    save(tmp_path / "a.png")
    run("run", tmp_path / "a.png", "--out", tmp_path / "out", *FAKE)
    with Image.open(tmp_path / "a.png") as before, Image.open(tmp_path / "out/a_mask.png") as mask:
        assert mask.size == before.size


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"text", None])
def test_what_is_no_photo_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is None:
        whole = photo(path).read_bytes()
        content = whole[: len(whole) // 2]
    path.write_bytes(content)
    output = run("run", path, "--out", tmp_path / "out", "--write", "mask", *FAKE, code=1)
    assert "a.png" in output.replace("\n", "")
    assert not list(tmp_path.glob("out/*"))


def drawn_video(path: Path, frames: int, rate: Fraction) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            picture = np.full((48, 64, 3), 10 * index % 250, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_video_keeps_its_rate_and_length(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    drawn_video(tmp_path / "v.mp4", 12, rate)
    run("run", tmp_path / "v.mp4", "--out", tmp_path / "out", *FAKE)
    for name in ("mask", "parts_color", "overlay"):
        with av.open(str(tmp_path / f"out/v_{name}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == rate
            assert sum(1 for _ in container.decode(stream)) == 12
    assert len(list((tmp_path / "out/v_parts").iterdir())) == 12
    lines = [json.loads(line) for line in (tmp_path / "out/poses.jsonl").read_text().splitlines()]
    told = [[(person["id"], person["state"]) for person in line["persons"]] for line in lines]
    assert told == [[(1, "NEW")]] + [[(1, "TRACKED")]] * 11
    entered = {"event": "ENTERED", "id": 1, "began": True, "distance_m": None}
    assert [line["events"] for line in lines] == [[]] * 8 + [[entered]] + [[]] * 3  # after 0.3 s


def test_ids_count_from_1_in_each_video_and_can_be_left_out(tmp_path: Path) -> None:
    for name in "vw":
        drawn_video(tmp_path / f"{name}.mp4", 2, Fraction(25))

    def ids(*more: str) -> list[int | None]:
        videos = (tmp_path / "v.mp4", tmp_path / "w.mp4")
        run("run", *videos, "--out", tmp_path / "out", "--write", "poses", *more, *FAKE)
        lines = (tmp_path / "out/poses.jsonl").read_text().splitlines()
        return [person["id"] for line in lines for person in json.loads(line)["persons"]]

    assert ids() == [1, 1, 1, 1]
    assert ids("--tracker", "none") == [None] * 4


def test_ctrl_c_leaves_a_playable_video(tmp_path: Path) -> None:
    drawn_video(tmp_path / "v.mp4", 400, Fraction(25))
    # Where the tests run in a shell's background, programs are started deaf to Ctrl-C.
    hear = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", f"{hear}runpy.run_module('bodyseg_ros.cli.main', run_name='__main__')"]
    command += ["run", str(tmp_path / "v.mp4"), "--out", str(tmp_path / "out"), "--write", "mask,poses"]
    command += ["--fake.delay-ms", "50", *FAKE]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    lines = tmp_path / "out/v_mask.mp4"
    end = time.monotonic() + 60
    while not (lines.exists() and lines.stat().st_size):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    with av.open(str(tmp_path / "out/v_mask.mp4")) as container:
        assert 1 <= sum(1 for _ in container.decode(video=0)) < 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--segmentation-threshold", "1.5"],
            r"Parameter segmentation_threshold is 1.5.*number.* 0 to 1",
        ),
        (["--engine", "warp"], r"no plugin 'warp' among the engines.*fake, litert"),
        (["--write", "mask,soul"], r"--write has 'soul'.*it must be from mask, parts"),
        (["--model", "bodypix"], r"no model card 'bodypix'"),
        (["--output-stride", "12"], r"Parameter output_stride is 12.* 8, 16, 32"),
    ],
)
def test_a_wrong_flag_is_a_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(BodysegError, match=message):
        run("run", tmp_path / "a.png", "--out", tmp_path / "out", *FAKE, *arguments)


def test_parameters_from_a_file_and_overruled(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 240, 320)
    params = tmp_path / "p.yaml"
    params.write_text("bodyseg: {ros__parameters: {engine: fake, max_detections: 1, fake: {people: 2}}}")
    base = ["run", tmp_path / "a.png", "--out", tmp_path / "out", "--write", "poses", "--params", params]
    run(*base)
    assert len(json.loads((tmp_path / "out/poses.jsonl").read_text())["persons"]) == 1
    run(*base, "--max-detections", "5")
    assert len(json.loads((tmp_path / "out/poses.jsonl").read_text())["persons"]) == 2


def test_frame_skip_runs_the_network_on_every_nth_frame(tmp_path: Path) -> None:
    """The fake engine fails at its third run, which is the fifth frame's."""
    drawn_video(tmp_path / "v.mp4", 6, Fraction(25))
    common = ["run", tmp_path / "v.mp4", "--write", "mask", "--frame-skip", 2, "--fake.fail-every", 3, *FAKE]
    for how in ("move", "hold"):
        out = tmp_path / how
        assert "frame 5: " in run(*common, "--out", out, "--max-frames", 5, "--skipped-frames", how, code=1)
        run(*common, "--out", out, "--max-frames", 4, "--skipped-frames", how)
        with av.open(str(out / "v_mask.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 4


def test_nothing_there(tmp_path: Path) -> None:
    output = run("run", tmp_path / "none.jpg", "--out", tmp_path / "out", *FAKE, code=1)
    assert "none.jpg" in output
    assert not (tmp_path / "out").exists()


def test_params_lists_every_flag_of_run() -> None:
    listed = run("params", "--format", "json")
    # A node's parameters are its own, and those of a recording belong to `bodyseg anonymize`.
    others = ("node", "recording")
    names = {entry["name"] for entry in json.loads(listed) if not entry["reader"].startswith(others)}
    help_text = run("run", "--help-all")
    assert {"segmentation_threshold", "internal_resolution", "tensorflow.device", "overlay.opacity"} <= names
    for name in names:
        assert f"--{name.replace('_', '-')}" in help_text


def test_the_second_networks_parameters_are_flags_too(tmp_path: Path) -> None:
    photo(tmp_path / "p.png")
    flag = "--per-person.segmentation-threshold"
    assert flag in run("run", "--help-all")
    with pytest.raises(BodysegError, match="no second network: set per_person.model"):
        run("run", tmp_path / "p.png", "--out", tmp_path / "out", flag, "0.6", *FAKE)
    with pytest.raises(BodysegError, match=r"per_person\.segmentation_threshold is 6"):
        run(
            "run",
            tmp_path / "p.png",
            "--out",
            tmp_path / "out",
            "--per-person.model",
            "bodyseg-mobilenet-075",
            flag,
            "6",
            *FAKE,
        )


def test_a_network_whose_package_is_missing_adds_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    load = stage_plan.load_plugin

    def refuse(kind: str, name: str) -> Any:
        if name == "bodypix":
            raise MissingDependencyError("its package is missing")
        return load(kind, name)

    everything = {parameter.name for parameter in stage_plan.possible_parameters()}
    monkeypatch.setattr(stage_plan, "load_plugin", refuse)
    left = {parameter.name for parameter in stage_plan.possible_parameters()}
    assert "per_person.multi_segmentation" in everything - left
    assert "per_person.model" in left


def test_no_result_takes_anothers_place(tmp_path: Path) -> None:
    for folder, name in (("x", "a"), ("y", "a"), ("z", "a_2")):
        (tmp_path / folder).mkdir()
        photo(tmp_path / folder / f"{name}.png")
    run("run", *(tmp_path / folder for folder in "xyz"), "--out", tmp_path / "out", "--write", "mask", *FAKE)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a_mask.png", "a_2_mask.png", "a_2_2_mask.png"}


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    photo(tmp_path / "p.png")
    before = photo(tmp_path / "p_mask.png").read_bytes()
    with pytest.raises(BodysegError, match=r"p_mask\.png.* would overwrite an input"):
        run("run", tmp_path, "--out", tmp_path, "--write", "mask", *FAKE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.png", "p_mask.png"]
    assert (tmp_path / "p_mask.png").read_bytes() == before


def test_a_shorter_run_leaves_no_frames_of_a_longer_one(tmp_path: Path) -> None:
    drawn_video(tmp_path / "v.mp4", 5, Fraction(25))
    for frames in (0, 2):
        run("run", tmp_path / "v.mp4", "--out", tmp_path / "out", "--write", "parts", "--max-frames", frames, *FAKE)
    assert len(list((tmp_path / "out/v_parts").iterdir())) == 2


def test_a_broken_photo_counts_also_when_stopping_early(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"no picture")
    photo(tmp_path / "in/b.png")
    photo(tmp_path / "in/c.png")
    run("run", tmp_path / "in", "--out", tmp_path / "out", "--write", "mask", "--max-frames", 1, *FAKE, code=1)


def test_effects_read_their_parameters(tmp_path: Path) -> None:
    path = photo(tmp_path / "a.png", 241, 321)
    common = [path, "--write", "overlay", "--overlay.contour-px", 0, "--skeleton.min-score", 1.0, *FAKE]
    run("run", *common, "--out", tmp_path / "plain", "--overlay.opacity", 0.0)
    run("run", *common, "--out", tmp_path / "tinted", "--overlay.opacity", 1.0)
    original = cv2.imread(str(path))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "plain/a_overlay.png")), original)
    assert (cv2.imread(str(tmp_path / "tinted/a_overlay.png")) != original).any()


def test_a_nodes_parameter_file_serves_the_command_too(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    config = Path(__file__).resolve().parents[2] / "config/low_latency.yaml"
    run("run", tmp_path / "a.png", "--out", tmp_path / "out", "--write", "mask", "--params", config, *FAKE)
    assert (
        cv2.imread(str(tmp_path / "out/a_mask.png"), cv2.IMREAD_UNCHANGED).shape
        == cv2.imread(str(tmp_path / "a.png")).shape[:2]
    )


def test_a_misspelt_group_is_refused(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "p.yaml").write_text("tensorfow: {device: gpu}")
    with pytest.raises(BodysegError, match=r"no parameter 'tensorfow.device'.*tensorflow"):
        run("run", tmp_path / "a.png", "--out", tmp_path / "out", "--params", tmp_path / "p.yaml", *FAKE)


def test_inputs_are_looked_at_before_a_network_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    for name in ("text.mp4", "empty", "none.jpg"):
        # A model that is not there would be the first complaint otherwise.
        output = run("run", tmp_path / name, "--out", tmp_path / "out", "--model-path", "/none.onnx", code=1)
        assert name in output.replace("\n", "")
        assert "none.onnx" not in output


def test_a_video_goes_into_the_file_that_out_names(tmp_path: Path) -> None:
    drawn_video(tmp_path / "v.mp4", 5, Fraction(25))
    common = ["run", tmp_path / "v.mp4", *FAKE]
    run(*common, "--out", tmp_path / "new/plain.mp4")
    run(*common, "--out", tmp_path / "mask.mkv", "--write", "mask")
    run(*common, "--out", tmp_path / "mirror.mov", "--effect", "mirror")
    for name in ("new/plain.mp4", "mask.mkv", "mirror.mov"):
        with av.open(str(tmp_path / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 5
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"plain.mp4"}


def test_a_photo_goes_into_the_file_that_out_names(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 240, 320)
    run("run", tmp_path / "a.png", "--out", tmp_path / "b.jpg", *FAKE)
    run("run", tmp_path / "a.png", "--out", tmp_path / "c.png", "--write", "cutout", *FAKE)
    with Image.open(tmp_path / "b.jpg") as overlay, Image.open(tmp_path / "c.png") as cutout:
        assert (overlay.size, overlay.mode, cutout.mode) == ((320, 240), "RGB", "RGBA")


@pytest.mark.parametrize(
    ("given", "out", "more", "named"),
    [
        ("v.mp4", "x.png", [], "one photo"),
        ("a.png", "x.mp4", [], "one video"),
        (".", "x.png", [], "one photo"),
        ("v.mp4", "x.avi", [], r"\.avi"),
        ("v.mp4", "x.mp3", [], r"\.mp3 files cannot be written"),
        ("v.mp4", "x.mp4", ["--write", "cutout"], "cutout with transparency.*\\.webm"),
        ("v.mp4", "x.mp4", ["--write", "parts"], "parts"),
        ("v.mp4", "x.mp4", ["--write", "mask,overlay"], "mask, overlay"),
        ("a.png", "x.jpg", ["--write", "cutout"], "cutout"),
        ("a.png", "x.png", ["--write", "poses"], "poses"),
        ("a.png", "v.txt", [], "existing file"),
        ("v.mp4", "v.mp4", [], "overwrite"),
    ],
)
def test_an_out_of_another_kind_is_refused_and_no_folder_is_made(
    tmp_path: Path, given: str, out: str, more: list[str], named: str
) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    drawn_video(tmp_path / "v.mp4", 2, Fraction(25))
    (tmp_path / "v.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BodysegError, match=named):
        run("run", tmp_path / given, "--out", tmp_path / out, *more, *FAKE)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_effects_of_a_parameter_file_count(tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png")
    (tmp_path / "p.yaml").write_text("bodyseg: {ros__parameters: {effects: [mirror]}}")
    run("run", picture, "--out", tmp_path / "out", "--params", tmp_path / "p.yaml", *FAKE)
    mirrored = cv2.imread(str(picture))[:, ::-1]
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out/a_composite.png")), mirrored)


def test_quiet_says_what_goes_wrong_and_nothing_else(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    assert run("run", tmp_path / "a.png", "--out", tmp_path / "out", "--quiet", *FAKE) == ""
    output = run("run", tmp_path / "a.png", tmp_path / "b.png", "--out", tmp_path / "out", "--quiet", *FAKE, code=1)
    assert len(output.strip().splitlines()) == 1
    assert "b.png" in output


def test_json_prints_a_line_per_frame_and_writes_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos = [photo(tmp_path / name, 241, 321) for name in ("a.png", "b.png")]
    printed = run("run", *photos, "--json", "--quiet", "--fake.people", 2, *FAKE)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["input"] for line in lines] == ["a", "b"]
    assert [len(line["persons"]) for line in lines] == [2, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    again = run("run", *photos, "--json", "--write", "poses,mask", "--out", "out", "--quiet", "--fake.people", 2, *FAKE)
    assert again == printed == (tmp_path / "out/poses.jsonl").read_text()
    assert (tmp_path / "out/a_mask.png").is_file()
    with pytest.raises(BodysegError, match="--json prints poses, but this network does not compute them"):
        run("run", photos[0], "--json", "--network", "background", "--engine", "passthrough")


def test_a_bag_goes_into_no_video(tmp_path: Path) -> None:
    with pytest.raises(BodysegError, match=r"x\.mp4.*\.mcap"):
        run("run", tmp_path / "in.mcap", "--out", tmp_path / "x.mp4")


def test_a_cut_bag_names_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "in.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(40))
    with pytest.raises(BodysegError, match=r"in\.mcap.*mcap recover"):
        run("run", tmp_path / "in.mcap", "--out", tmp_path / "x.mcap")
