"""Progress and remarks go to standard error, results to standard output, in every command that takes long."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from bodyseg_ros.cli.main import app

#: Commands that take long.
LONG = [
    *("run", "anonymize", "demo", "eval", "sheet", "train", "export", "bench", "bench engines", "bench peers"),
    *("models convert", "models download", "models verify", "effects gallery", "doctor"),
]


def invoke(*words: object) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


def flags_of(command: str) -> set[str]:
    words, group = command.split(), typer.main.get_command(app)
    context = typer.Context(group)
    while words:
        _, group, words = group.resolve_command(context, words)
        context = typer.Context(group, parent=context)
    return {flag for parameter in group.params for flag in parameter.opts}


@pytest.mark.parametrize("command", LONG)
def test_every_long_command_can_be_quiet(command: str) -> None:
    assert {"--quiet", "-q"} <= flags_of(command)


@pytest.mark.parametrize("command", ["run", "anonymize", "export", "models convert", "models download", "doctor"])
def test_results_are_there_as_json(command: str) -> None:
    assert "--json" in flags_of(command)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    ramp = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (48, 64, 3))
    for name in ("photos/a.png", "photos/b.png"):
        Image.fromarray(np.ascontiguousarray(ramp)).save(tmp_path / name)
    return tmp_path / "photos"


@pytest.mark.parametrize("quiet", [False, True])
def test_quiet_leaves_results_alone(photos: Path, tmp_path: Path, quiet: bool) -> None:
    flag = ["--quiet"] * quiet
    done = invoke("anonymize", photos / "a.png", "--out", tmp_path / "x.png", "--json", "--engine", "fake", *flag)
    (report,) = json.loads(done.stdout).values()
    assert report["cameras"][0]["frames"] == 1
    assert ("Written: " in done.stderr) is not quiet
    done = invoke("sheet", photos, "--out", tmp_path / "sheet.png", "--engine", "fake", *flag)
    assert done.stdout == ""
    assert ("sheet.png: " in done.stderr) is not quiet
    assert (done.stderr == "") is quiet


def test_a_quiet_command_does_not_silence_the_next(photos: Path, tmp_path: Path) -> None:
    sheet = ("sheet", photos, "--out", tmp_path / "sheet.png", "--engine", "fake")
    assert invoke(*sheet, "--quiet").stderr == ""
    assert "sheet.png" in invoke(*sheet).stderr


def test_downloads_and_checks_answer_in_json() -> None:
    (file,) = json.loads(invoke("models", "download", "bodyseg-mobilenet-075", "--json").stdout)
    assert Path(file["path"]).is_file()
    assert file["output_stride"] == 16
