"""docs/training.md as a user follows it: every command on the page, on drawn photos, with a run of some steps."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import BodysegError
from bodyseg_ros.lab.train_config import TrainSettings, read_settings
from lab.drawn import drawn, write_run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/training.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip() for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.strip().splitlines()
]
TINY = {
    "multiplier": 0.75,
    "stages": [{"steps": 2, "size": 65, "batch": 2}],
    "teacher_long_sides": [97],
}


def run(words: list[str]) -> str:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_pages_configuration_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = TrainSettings.model_validate(yaml.safe_load(text))
    assert (settings.steps, len(settings.folders)) == (2500, 3)


def test_the_configuration_of_the_shipped_model_is_valid() -> None:
    assert read_settings(ROOT / "models/bodyseg-mobilenet-075/train.yaml").teacher


def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("tensorflow", "ai_edge_litert", "onnxruntime", "matplotlib"):
        pytest.importorskip(package, reason="training and exports need: pip install '.[train]'")
    monkeypatch.chdir(tmp_path)
    # Our own network stands in for Google's, whose files need not be here.
    path = write_run(tmp_path, start="bodyseg-mobilenet-075", teacher="bodyseg-mobilenet-075", **TINY)
    assert path.name == "train.yaml"
    for name, folder in (("photos", "photos"), ("masks", "masks")):
        (tmp_path / "labeled" / folder).mkdir(parents=True)
        for seed in (1, 2):
            (tmp_path / "labeled" / folder / f"{seed}.png").write_bytes((tmp_path / name / f"{seed}.png").read_bytes())
    assert [shlex.split(command)[1] for command in COMMANDS] == ["train", "export", "export", "export", "eval", "sheet"]
    for command in COMMANDS:
        run(shlex.split(command.replace("bodypix-mobilenet-050", "bodyseg-mobilenet-075,output_stride=8"))[1:])
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "group1-shard1of1.bin",
        "model-stride16.json",
        "model-stride8.json",
        "model-stride16-int8.tflite",
        "model-stride16.onnx",
    }
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert set(figures) == {"model-stride16.json", "bodyseg-mobilenet-075,output_stride=8"}
    assert figures["bodyseg-mobilenet-075,output_stride=8"]["figures"]["PCK"] in (1, None)
    assert (tmp_path / "plots/figures.png").exists()
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 4 * 240


def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install '.[train]'")
    path = write_run(tmp_path, stages=[{"steps": 100_000, "size": 33, "batch": 1}], checkpoint_every=100_000)
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"validate_every": 1}))
    words = [sys.executable, "-m", "bodyseg_ros.cli.main", "train", str(path)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(1200):
            if (tmp_path / "run/log.csv").exists():
                break
            with pytest.raises(subprocess.TimeoutExpired):  # it is still running
                process.wait(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "goes on from the checkpoint" in " ".join(said.split())
    assert (tmp_path / "run/checkpoint.npz").exists()


def test_eval_takes_models_with_parameters(tmp_path: Path) -> None:
    image, mask, _ = drawn(0)
    for name, picture in (("photos", image), ("masks", mask.astype(np.uint8) * 255)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), picture)
    fake = "bodypix-mobilenet-050,engine=fake"
    output = run(
        ["eval", str(tmp_path), "--model", f"{fake},fake.people=1", "--model", fake, "--against", fake, "--worst", "1"]
    )
    assert "part agreement" in output
    assert "keypoint AP" not in output  # nobody annotated keypoints
    assert "a.png" in output
    with pytest.raises(BodysegError, match=r"card.*path.*commas"):
        run(["eval", str(tmp_path), "--model", "auto,stride"])
    with pytest.raises(BodysegError, match=r"photo .*held out.*0\.0"):
        run(["eval", str(tmp_path), "--held-out", "0"])


def test_a_sheet_shows_what_the_network_offers(tmp_path: Path) -> None:
    image, _, _ = drawn(0)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    run(["sheet", str(tmp_path), "--out", str(tmp_path / "sheet.png"), "--engine", "fake", "--width", "100"])
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 4 * 108 + 8


def test_what_a_privacy_camera_leaves_uncovered_is_printed(tmp_path: Path) -> None:
    image, mask, _ = drawn(0)
    for name, picture in (("photos", image), ("masks", mask.astype(np.uint8) * 255)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), picture)
    output = run(["eval", str(tmp_path), "--privacy", "--model", "bodypix-mobilenet-050,engine=fake"])
    assert "person pixels uncovered" in output
    assert "margin of 24 px" in output
