from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from bodyseg_ros.catalog import load_card
from bodyseg_ros.cli.models import app

NAME = "bodypix-mobilenet-050"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache" / "bodyseg_ros"


def put_model(folder, stride=16):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"model-stride{stride}.json").write_text(json.dumps({"weightsManifest": [{"paths": ["w.bin"]}]}))
    (folder / "w.bin").write_bytes(b"1234")


def run(*words, status=0):
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


def test_list_shows_every_card_and_where_it_is(cache, tmp_path):
    put_model(cache / NAME / "float")
    put_model(tmp_path / "posenet-resnet50")
    rows = {line.split()[1]: line for line in run("list").splitlines() if line.startswith("│")}
    assert "cached" in rows[NAME]
    assert "speed" in rows[NAME]
    assert "found" in rows["posenet-resnet50"]
    assert "–" in rows["bodypix-resnet50"]


def test_list_names_a_broken_card_and_shows_the_others(cache, tmp_path):
    (tmp_path / "broken.yaml").write_text("name: broken")
    text = run("list", status=1)
    assert NAME in text
    assert "broken.yaml' is not valid: the field 'title' is missing." in text


def test_info_shows_facts_and_addresses(cache):
    put_model(cache / NAME / "quant1", stride=8)
    text = run("info", NAME)
    assert "float_part_heatmaps" in text
    assert (
        "https://storage.googleapis.com/tfjs-models/savedmodel/bodypix/mobilenet/quant2/050/model-stride16.json" in text
    )
    assert str(cache / NAME / "quant1" / "model-stride8.json") in text


def test_download_says_where_a_model_is(cache):
    put_model(cache / "bodypix-resnet50" / "quant2", stride=32)
    text = run("download", "bodypix-resnet50", "--output-stride", "32", "--quant-bytes", "2")
    assert text == f"stride 32, 2 bytes: {cache / 'bodypix-resnet50' / 'quant2' / 'model-stride32.json'}\n"


def test_download_of_all_variants(cache, tmp_path):
    card = json.loads(load_card(NAME).model_dump_json()) | {"name": "mine", "quant_bytes": [4, 2], "folder_names": []}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    for precision in ("float", "quant2"):
        for stride in (8, 16):
            put_model(cache / "mine" / precision, stride)
    assert len(run("download", "mine", "--all").splitlines()) == 4


def test_verify_tells_a_changed_file(cache):
    shipped = run("verify")
    assert "bodyseg-mobilenet-075" in shipped
    assert "as published" in shipped
    folder = cache / NAME / "float"
    put_model(folder)
    assert "no checksum known" in run("verify", NAME)
    (folder / "w.bin.sha256").write_text(f"{'0' * 64}  w.bin\n")
    text = run("verify", status=1)
    assert "not as published or first downloaded" in text
    assert "w.bin' has changed: its sha256 is neither" in text


def test_verify_of_a_model_that_is_not_here(cache):
    assert "is not on this machine; `bodyseg models download posenet-resnet50`" in run(
        "verify", "posenet-resnet50", status=1
    )


@pytest.mark.parametrize("command", ["verify", "download"])
def test_a_model_that_needs_no_files(cache, command):
    assert run(command, "background").strip() == "The model 'background' needs no files."


def test_files_of_ones_own_may_differ(cache, tmp_path):
    put_model(tmp_path / NAME)
    (tmp_path / NAME / "w.bin.sha256").write_text(f"{'0' * 64}  w.bin\n")
    assert "not as published" in run("verify", NAME)


def test_the_real_weights_are_googles(cache, shared, monkeypatch):
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(shared / "models"))
    rows = [line for line in run("verify", NAME).splitlines() if "group1-shard1of1.bin" in line]
    assert "as published" in rows[0]


@pytest.mark.parametrize("command", ["list", "info", "download", "verify"])
def test_help_has_an_example(cache, command):
    assert f"Example: bodyseg models {command}" in run(command, "--help")


def test_inspect_tells_of_a_tflite_file_what_it_is(shared):
    text = run("inspect", str(shared / "models/portrait/prisma_quant.tflite"))
    assert "Size        1,207,872 bytes in 1 file\n" in text
    assert "Network     portrait: Prisma-Net, 256 x 256, 8-bit (portraits) (portrait-prisma-256-int8)\n" in text
    assert "Input       input_3: int8 1×256×256×3, real value = (stored +128) · 0.00392157\n" in text
    assert "Output      Identity: int8 1×256×256×1, real value = (stored +128) · 0.00390625\n" in text
    assert "Operations  158: 51 CONV_2D, 46 DEPTHWISE_CONV_2D," in text


def test_inspect_tells_of_an_onnx_file_what_it_is(shared):
    text = run("inspect", str(shared / "models/onnx/bodypix_050_stride8.onnx"))
    assert "Network     bodypix: BodyPix 2.0, MobileNetV1 0.50, as ONNX (bodypix-mobilenet-050-onnx)\n" in text
    assert "Input       input: float32 1×any×any×3\n" in text
    assert "Output      long_offsets: float32 1×any×any×34\n" in text


@pytest.mark.parametrize(
    ("file", "kind", "network", "files"),
    [
        ("bodypix_075_tfjs", "tfjs", "bodypix: BodyPix 2.0, MobileNetV1 0.75", 3),
        ("bodypix_v1_tfjs/model_50", "tfjs-v1", "bodypix: BodyPix 1 (2018), MobileNetV1 0.50", 3),
        ("bodypix_050_frozen_stride16.pb", "frozen", "bodypix: BodyPix 2.0, MobileNetV1 0.50, as a frozen graph", 1),
        ("deeplab/tfjs", "tfjs", "deeplab: DeepLabv3, MobileNetV2 0.5", 2),
    ],
)
def test_inspect_tells_of_tensorflows_files_what_they_are(shared, file, kind, network, files):
    pytest.importorskip("tensorflow")
    text = run("inspect", str(shared / "models" / file))
    assert f"Format      {kind}\n" in text
    assert f"bytes in {files} file" in text
    assert f"Network     {network}" in text
    assert "float32 1×any×any×24\n" in text or "SemanticPredictions: int64 1×any×any\n" in text


def test_inspect_says_what_it_found_in_a_file_of_no_known_network(shared):
    file = "bodypix_075_coral_int8/bodypix_mobilenet_v1_075_640_480_16_quant_decoder.tflite"
    text = run("inspect", str(shared / "models" / file))
    assert "Output      poses: float32 of unknown shape\n" in text
    assert "1 PosenetDecoderOp" in text


def test_list_as_json_has_names_and_places(cache):
    put_model(cache / NAME / "float")
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows[NAME]["places"] == ["cached"]
    assert rows["bodypix-resnet50"]["places"] == []
    assert "speed" in rows[NAME]["good_for"]
