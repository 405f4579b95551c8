"""Files for Coral's Edge TPU: what its compiler is given, and what is said without it or where it fails.

Google's compiler is closed and for some systems alone, so a program of its name stands in for it: it copies the file
and says what the real one says.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import MissingDependencyError, ModelFileError, SettingsError
from bodyseg_ros.lab.edgetpu import compile_for_edgetpu
from bodyseg_ros.media import write_photo

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/bodyseg-mobilenet-075/model-stride16.json"
WORKS = """
while [ $# -gt 0 ]; do case $1 in -o) out=$2; shift 2;; *) model=$1; shift;; esac; done
cp "$model" "$out/$(basename "$model" .tflite)_edgetpu.tflite"
echo "Edge TPU Compiler version 16.0.384591198"
echo "Number of operations that will run on Edge TPU: 61"
echo "Number of operations that will run on CPU: 7"
"""
FAILS = """
echo "Edge TPU Compiler version 16.0.384591198"
echo "Invalid model: $1"
echo "Model not quantized"
exit 1
"""


def compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    """Put a program of the compiler's name on the PATH; None: there is none."""
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    if script is not None:
        program = folder / "edgetpu_compiler"
        program.write_text(f"#!/bin/sh{script}")
        program.chmod(0o755)


def export(*words: object) -> str:
    done = CliRunner().invoke(app, ["export", *map(str, words)], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_photo(folder / "astronaut.png", np.ascontiguousarray(data.astronaut()))
    return folder


def test_the_compiler_gets_whole_bytes_of_a_fixed_size(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("tensorflow", "ai_edge_litert"):
        pytest.importorskip(package, reason="exports need: pip install '.[train]'")
    from ai_edge_litert.interpreter import Interpreter

    compiler(tmp_path, monkeypatch, WORKS)
    out = tmp_path / "out"
    said = export(MODEL, "--to", "edgetpu", "--photos", photos, "--input-size", "161x129", "--out", out)
    assert "Compiled: model-stride16-161x129_edgetpu.tflite: 61 operations on the Edge TPU, 7 on the CPU" in said
    assert {path.name for path in out.iterdir()} == {
        "model-stride16-161x129.tflite",
        "model-stride16-161x129_edgetpu.tflite",
    }
    file = Interpreter(str(out / "model-stride16-161x129_edgetpu.tflite"))
    (given,) = file.get_input_details()
    assert given["shape"].tolist() == given["shape_signature"].tolist() == [1, 129, 161, 3]
    assert {one["dtype"] for one in (given, *file.get_output_details())} == {np.uint8}
    kinds = {one["dtype"] for one in file.get_tensor_details() if one["name"]}
    assert kinds <= {np.int8, np.uint8, np.int32}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--input-size", "320x240"], "input size is 320x240, but at stride 16 .* multiple of 16 plus 1"),
        (["--input-size", "big"], "--input-size is 'big'.*WIDTHxHEIGHT"),
        (["--quantize", "float16"], "quantize is 'float16', but edgetpu is written with int8"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(
    words: list[str], problem: str, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow", reason="exports need: pip install '.[train]'")
    compiler(tmp_path, monkeypatch, WORKS)
    with pytest.raises(SettingsError, match=problem):
        export(tmp_path / "none.json", "--to", "edgetpu", "--photos", photos, *words)


def test_without_the_compiler_its_install_line_is_said(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow", reason="exports need: pip install '.[train]'")
    compiler(tmp_path, monkeypatch, None)
    if shutil.which("edgetpu_compiler"):
        pytest.skip("the compiler is installed")
    with pytest.raises(MissingDependencyError, match="edgetpu_compiler.*not on the PATH.*apt-get install edgetpu-comp"):
        export(tmp_path / "none.json", "--to", "edgetpu", "--photos", photos)


def test_a_refusal_of_the_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(tmp_path, monkeypatch, FAILS)
    (tmp_path / "model.tflite").touch()
    with pytest.raises(ModelFileError, match=r"model.tflite' \(exit status 1\): Model not quantized"):
        compile_for_edgetpu(tmp_path / "model.tflite")
    compiler(tmp_path, monkeypatch, "\n")  # done, but nothing written
    with pytest.raises(ModelFileError, match=r"exit status 0\): no reason given"):
        compile_for_edgetpu(tmp_path / "model.tflite")
