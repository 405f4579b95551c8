"""`bodyseg bench` and `bodyseg bench peers` on drawn people: no weights and no peers needed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import SettingsError

LEVELS = ("mask", "+ parts", "+ poses", "+ everyone", "+ confidence")


def run(*arguments: object) -> str:
    words = ["bench", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(app, words, catch_exceptions=False, env={"COLUMNS": "200"}).output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)).save(path)
    return path


def bench(photo: Path, *more: object) -> str:
    return run(photo, "--engine", "fake", "--runs", 3, *more)


def test_json_holds_every_size_people_and_stage(photo: Path, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    bench(photo, "--sizes", "64x48,128x96", "--people", "0,2", "--json", file)
    measured = json.loads(file.read_text())
    assert [(one["width"], one["height"], one["pasted"]) for one in measured] == [
        (64, 48, 0),
        (64, 48, 2),
        (128, 96, 0),
        (128, 96, 2),
    ]
    for one in measured:
        lines = {line["stage"]: line for line in one["stages"]}
        stages = {f"{kind} {level}" for kind in ("decode", "total") for level in LEVELS}
        assert stages | {"bare network", "prepare", "overlay"} <= set(lines)
        assert lines["bare network"]["ratio"] == 1
        assert lines["prepare"]["ratio"] == pytest.approx(lines["prepare"]["p50_ms"] / lines["bare network"]["p50_ms"])
        assert one["resident_mb"] > 1


def test_without_people_the_photo_itself_is_measured(photo: Path, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    text = bench(photo, "--sizes", "320x240", "--json", file, "--fake.people", 2)
    (measured,) = json.loads(file.read_text())
    assert (measured["pasted"], measured["people"]) == (None, 2)
    assert "320×240, 2 people" in text


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--sizes", "640", r"--sizes is '640'.* WIDTHxHEIGHT"),
        ("--sizes", "0x48", r"--sizes is '0x48'.*it must be"),
        ("--people", "two", r"--people is 'two'.* integers from 0 to 99"),
        ("--people", "-1", r"--people is '-1'.*it must be"),
    ],
)
def test_wrong_words(photo: Path, flag: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        bench(photo, f"{flag}={value}")


def test_people_need_somebody_on_the_photo(photo: Path) -> None:
    with pytest.raises(SettingsError, match="--people.*photo"):
        bench(photo, "--people", "1", "--fake.people", 0)


def test_a_plot_is_drawn(photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    bench(photo, "--sizes", "64x48,128x96", "--people", "0,1", "--plot", tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.size[0] > 500


def test_peers_read_tfjs_models(photo: Path) -> None:
    with pytest.raises(SettingsError, match=r"peers.*MobileNet.*tfjs"):
        run("peers", photo, "--engine", "fake")


def test_peers_take_one_size(photo: Path) -> None:
    with pytest.raises(SettingsError, match=r"--size is '64x48,8x8'.* one WIDTHxHEIGHT"):
        run("peers", photo, "--engine", "fake", "--size", "64x48,8x8")
    with pytest.raises(SettingsError, match=r"--size is 'big'.* WIDTHxHEIGHT"):
        run("peers", photo, "--engine", "fake", "--size", "big")


def test_who_is_missing_is_named_with_a_remedy(photo: Path, shared: Path) -> None:
    model = ["--model-path", shared / "models/bodypix_050_tfjs/model-stride16.json", "--model", "bodypix-mobilenet-050"]
    pytest.importorskip("tensorflow", reason="tfjs models need TensorFlow")
    text = run("peers", photo, "--size", "64x48", *model, "--tf-bodypix-python", "/none/python")
    assert "--tf-bodypix-python is '/none/python', but it must be an executable" in text
    assert "tfjs: skipped. npm install @tensorflow-models/body-pix@2.2.1" in text
