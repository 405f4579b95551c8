"""The command line itself: help, version, completion, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from bodyseg_ros.cli.main import COMMANDS, app


def bodyseg(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "bodyseg_ros.cli.main", *words]
    environment = os.environ | {"COLUMNS": "100"} | options.pop("env", {})
    return subprocess.run(command, env=environment, text=True, **{"capture_output": True} | options)


def completed(*words: str) -> list[str]:
    """What bash offers behind these words."""
    environment = {
        "_BODYSEG_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    return bodyseg(env=environment).stdout.split()


def test_the_help_of_run_fits_two_screens() -> None:
    short, full = bodyseg("run", "--help").stdout, bodyseg("run", "--help-all").stdout
    assert len(short.splitlines()) <= 100
    assert "--max-detections" not in short
    assert "--max-detections" in full
    assert "--overlay.opacity" in full
    assert "--threads" in short


def test_the_version_is_that_of_the_package() -> None:
    assert bodyseg("--version").stdout.split() == ["bodyseg_ros", version("bodyseg_ros")]


def test_a_shell_completes_commands_and_flags() -> None:
    assert completed("bodyseg", "pri") == ["privacy-camera"]
    assert completed("bodyseg", "models", "ver") == ["verify"]
    assert completed("bodyseg", "run", "--segmentation") == ["--segmentation-threshold"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["rnu"], "run"),
        (["run", "x", "--segmentation-treshold", "1"], "--segmentation-threshold"),
        (["models", "lst"], "list"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(words: list[str], meant: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert meant in done.output


@pytest.mark.parametrize(
    ("word", "order"),
    [
        # '(Possible options: --multi-segmentation, --score-threshold, …)' is the alphabet's order.
        ("--segmentation-treshold", ["--segmentation-threshold", "--per-person.segmentation-threshold"]),
        ("--treshold", ["--difference-threshold", "--segmentation-threshold", "--score-threshold"]),
        ("--modle", ["--model", "--per-person.model"]),
    ],
)
def test_the_most_alike_flag_is_named_first(word: str, order: list[str]) -> None:
    said = " ".join(CliRunner().invoke(app, ["run", "x", word, "1"], env={"COLUMNS": "200"}).output.split())
    assert f"There is no option {word}. Did you mean {' or '.join(order)}" in said


def test_a_word_like_no_flag_is_sent_to_the_help() -> None:
    assert "There is no option --xyzzy. --help lists them." in CliRunner().invoke(app, ["run", "x", "--xyzzy"]).output


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize("words", [("params",), ("--version",), ("params", "--format", "json"), ("run", "--help")])
def test_a_full_disk_is_a_sentence(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = bodyseg(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("bodyseg: ")
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("effects", "models")])
def test_every_command_shows_an_example_of_itself(command: str) -> None:
    shown = " ".join(CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "300"}).output.split())
    assert f"bodyseg {command} " in shown.replace(f"Usage: bodyseg {command} ", "")
