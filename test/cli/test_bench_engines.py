"""`bodyseg bench engines` times every engine that runs one of a model's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import SettingsError
from engines import small

SMALL = ["--model", "bodypix-mobilenet-050", "--output-stride", "8", "--sizes", "64x48,96x80", "--runs", "3"]


def run(*words: str) -> str:
    arguments = ["bench", "engines", *words]
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The same network as tflite and ONNX."""
    return str(small.tflite(tmp_path).path), str(small.onnx(tmp_path).path)


def test_json_holds_every_engine_and_size(files: tuple[str, str]) -> None:
    tflite, onnx = files
    report = json.loads(
        run(
            *SMALL,
            "--model-path",
            tflite,
            "--also",
            onnx,
            "--threads",
            "1",
            "--engines",
            "litert,onnxruntime",
            "--json",
        )
    )
    rows = report["rows"]
    assert {(row["engine"], row["frame"]) for row in rows} == {
        (engine, size) for engine in ("litert", "onnxruntime") for size in ("64×48", "96×80")
    }
    assert {row["engine"]: row["device"] for row in rows}["onnxruntime"] == "CPU, 1 thread"
    assert {row["engine"]: row["file"] for row in rows} == {"litert": Path(tflite).name, "onnxruntime": Path(onnx).name}
    for size in ("64×48", "96×80"):
        assert min(row["ratio"] for row in rows if row["frame"] == size) == 1
    assert report["cannot"] == {}


def test_the_table_says_who_cannot(files: tuple[str, str]) -> None:
    text = run(*SMALL, "--model-path", files[0], "--engines", "litert,onnxruntime")
    assert "litert on CPU" in text
    assert "onnxruntime: It reads onnx; name such a file of this network with --also." in text


def test_wrong_words(files: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match="--sizes is '640'.* WIDTHxHEIGHT"):
        run(*SMALL, "--model-path", files[0], "--sizes", "640")
    with pytest.raises(SettingsError, match=r"engines.*onnx"):
        run(*SMALL, "--model-path", files[0], "--engines", "onnxruntime")
