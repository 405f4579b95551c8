"""Every command in README.md and the pages: those of this package are run, or read by the command without being run.

A command is run in a folder with photo.jpg, a folder holiday, and clip.mp4, unless a row of NOT_RUN says why not; its
flags are checked all the same.
"""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

import bodyseg_ros as bodyseg
from bodyseg_ros.cli.main import app
from command_lines import read_command

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]

#: What a command starts with or contains → why it is not run here.
NOT_RUN = {
    r"^(node|camera|privacy-camera|compositor)\b": "a node: runs until Ctrl-C",
    r"^web\b": "a server: runs until Ctrl-C",
    r"^run \d": "needs a webcam",
    r"^topics\b": "needs a graph that others are on",
    r"^bench\b": "takes minutes: a benchmark",
    r"^(train|export|eval|sheet)\b": "needs a folder of labeled photos, or takes hours",
    r"bodypix-|posenet-|movenet-|deeplab-|portrait-|--architecture": "downloads a network",
    r"\bFILE\b|\bNAME\b|\bPHOTO\b|\bFOLDER\b": "a name to fill in",
    r"\.mcap": "needs a recording",
    r"prisma-net\.tflite|mine\.tflite|my\.tflite|end2end\.onnx|package/models": "needs a model file of the reader's",
    r"bodyseg_green_screen": "run by test_example_plugins.py",
    r"hall\.mp4|people\.mp4|call\.mp4": "needs a video of the reader's",
    r"^doctor\b": "run by test_doctor.py",
}


def commands() -> dict[str, str]:
    """Each command of this package in the pages' code blocks, and in which page it stands first."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(r"^(?: {4}|\t)+(\S.*)$", text, re.MULTILINE)
        for line in lines:
            started = re.match(r"(?:[A-Z_]+=\S+ )*(?:[\w.]+/bin/)?bodyseg ([a-z-]+(?: .*)?)$", line.strip())
            if started:
                command = re.sub(r"\s+#.*|\s*&$", "", started[1]).strip()
                found.setdefault(command, page.relative_to(ROOT).as_posix())
    return found


COMMANDS = commands()


def reason_not_to_run(command: str) -> str:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    image = Image.fromarray(data.astronaut()).resize((256, 256))
    (folder / "holiday").mkdir()
    for name in ("photo.jpg", "me.jpg", "holiday/beach.jpg"):
        image.save(folder / name, quality=90)
    pytest.importorskip("av", reason="PyAV is not installed: pip install '.[video]'")
    with bodyseg.open_sink(folder / "clip.mp4", Fraction(10)) as write:
        for number in range(3):
            write(np.asarray(image), bodyseg.Frame(np.asarray(image), number * 10**8))
    return folder


def test_there_are_commands_and_each_reason_is_needed() -> None:
    assert len(COMMANDS) > 40
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command) for command in COMMANDS), f"no command matches {pattern}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_documented_command_is_one(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    reason = reason_not_to_run(command)
    if not reason:
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{COMMANDS[command]}: bodyseg {command}: {done.output} {done.exception}"
        return
    if re.search(r"\bFILE\b|\bNAME\b|\bPHOTO\b|\bFOLDER\b", command):
        words = ["x" if word in ("FILE", "NAME", "PHOTO", "FOLDER") else word for word in words]
    read_command(words)


@pytest.mark.parametrize(
    "script",
    sorted(
        {
            name
            for page in PAGES
            for name in re.findall(r"python3? ((?:benchmark|examples|scripts)/\w+\.py)", page.read_text("utf-8"))
        }
    ),
)
def test_a_documented_script_is_there(script: str) -> None:
    compile((ROOT / script).read_text(encoding="utf-8"), script, "exec")
