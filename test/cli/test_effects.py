"""`bodyseg effects`, `bodyseg run --effect` and `--show` as a user meets them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import PluginError, SettingsError
from bodyseg_ros.plugins import plugin_names

FAKE = ["--engine", "fake"]
DRAWN = ["room.png", "evening.png"]


def run(*arguments: object) -> str:
    words = [str(argument) for argument in arguments]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)[None, :, None]
    Image.fromarray(np.broadcast_to(ramp, (120, 160, 3)).copy()).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_list_names_every_effect() -> None:
    output = run("effects", "list")
    assert all(name in output for name in plugin_names("effects"))


@pytest.mark.parametrize("name", plugin_names("effects"))
def test_show_says_the_parameters_and_writes_an_example(tmp_path: Path, name: str) -> None:
    output = run("effects", "show", name, "--out", tmp_path / "e.png")
    assert (tmp_path / "e.png").is_file()
    assert name in output


def test_show_takes_parameters(tmp_path: Path) -> None:
    parameters = ("--cutout.background", "color", "--cutout.color", "[1, 2, 3]")
    run("effects", "show", "cutout", *parameters, "--out", tmp_path / "e.png")
    assert cv2.imread(str(tmp_path / "e.png"))[0, 0].tolist() == [3, 2, 1]
    with pytest.raises(PluginError, match="no plugin 'blur' among the effects"):
        run("effects", "show", "blur")


def test_run_with_effects_writes_the_composite_alone(tmp_path: Path, photo: Path) -> None:
    run("run", photo, "--out", tmp_path / "out", "--effect", "cutout", *FAKE)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_composite.png"]
    assert cv2.imread(str(tmp_path / "out/a_composite.png"), cv2.IMREAD_UNCHANGED).shape[2] == 4
    chain = ("--effect", "mirror", "--effect", "virtual_background", "--write", "composite,mask")
    run("run", photo, "--out", tmp_path / "two", *chain, *FAKE)
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"a_composite.png", "a_mask.png"}
    with pytest.raises(SettingsError, match="--effect is .'blur'..* effects"):
        run("run", photo, "--out", tmp_path / "out", "--effect", "blur", *FAKE)


def test_a_gallery_of_a_photo(tmp_path: Path, photo: Path) -> None:
    run("effects", "gallery", photo, "--out", tmp_path / "g", *FAKE)
    page = (tmp_path / "g/gallery.md").read_text()
    files = re.findall(r"\]\((.*?)\)", page)
    assert len(files) > len(plugin_names("effects"))
    assert {path.name for path in (tmp_path / "g").iterdir()} == {*files, "gallery.md", "gallery.jpg", *DRAWN}


def test_each_picture_of_a_gallery_is_made_by_its_command(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ("--overlay.opacity", 0.9, "--no-crop-to-people.resize")
    run("effects", "gallery", photo, "--out", tmp_path, *own, *FAKE)
    rows = [line[2:-2].split(" | ") for line in (tmp_path / "gallery.md").read_text().splitlines() if "| " in line]
    made = {
        re.search(r"\((.*)\)", picture)[1]: command.strip("`")
        for pictures, commands in zip(rows[1::3], rows[2::3], strict=True)
        for picture, command in zip(pictures, commands, strict=True)
    }
    assert "--overlay.opacity 0.9" in made["overlay.jpg"]
    assert {
        name for name in plugin_names("effects") if not any(f"--effect {name}" in one for one in made.values())
    } == set()
    monkeypatch.chdir(tmp_path)
    for file, command in made.items():
        run(*shlex.split(command)[1:], "--out", tmp_path / "again", *FAKE)
        picture, stored = (cv2.imread(str(path)) for path in (tmp_path / "again/a_composite.png", tmp_path / file))
        assert np.abs(picture.astype(int) - stored).mean() < 10, command  # stored pictures are JPEGs
