"""`bodyseg doctor` finds what was broken on purpose, and says how to mend it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bodyseg_ros.cli import doctor_checks
from bodyseg_ros.cli.main import app
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.qos import RELIABLE, SENSOR

IMAGE = "sensor_msgs/msg/Image"


def findings(*words: str, status: int = 0) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["doctor", *words, "--json"])
    assert done.exit_code == status, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_an_engine_that_is_installed_runs_the_shipped_model() -> None:
    found = {one["text"].split()[0]: one for one in findings("engines") if one["state"] == "ok"}
    assert "runs bodyseg-mobilenet-075 on CPU" in found["litert"]["text"]


def test_an_engine_that_raises_is_wrong_and_the_others_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise OSError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(doctor_checks, "open_model", broken)
    wrong = [one for one in findings("engines", status=1) if one["state"] == "wrong"]
    assert wrong
    assert all("does not run: libEGL.so.1" in one["text"] and one["mend"] for one in wrong)


def test_missing_kernels_are_wrong_and_the_line_that_builds_them_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one["state"] for one in findings("kernels")] == ["ok"]
    monkeypatch.setattr(doctor_checks.compiled, "LIBRARY", None)
    (one,) = findings("kernels", status=1)
    assert "many times slower" in one["text"]
    assert "pip install --force-reinstall" in one["mend"]


def test_a_missing_package_is_no_fault_and_has_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = doctor_checks.importlib.util.find_spec
    monkeypatch.setattr(
        doctor_checks.importlib.util, "find_spec", lambda name: None if name == "av" else find_spec(name)
    )
    (one,) = [one for one in findings("installation") if "videos" in one["text"]]
    assert one["state"] == "note"
    assert one["mend"].startswith("pip install")
    assert "[video]" in one["mend"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o000)
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path / "closed"))
    assert findings("folders", status=1)[0]["mend"] == f"chmod u+rx {tmp_path / 'closed'}"


def test_a_folder_that_is_not_there_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path / "models"))
    (wrong,) = [one for one in findings("folders", status=1) if one["state"] == "wrong"]
    assert wrong["text"] == f"{str(tmp_path / 'models')!r} in $BODYSEG_MODEL_PATH is not a folder."


def test_models_on_this_machine_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "bodyseg-mobilenet-075 (shipped)" in findings("models")[0]["text"]
    (tmp_path / "mine.yaml").write_text("network: [", encoding="utf-8")
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    assert findings("models", status=1)[0]["state"] == "wrong"


def test_nodes_and_qos_that_does_not_match_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    camera, viewer = FakeGraph("camera", bus), FakeGraph("viewer", bus)
    camera.publisher("image", IMAGE, SENSOR)
    viewer.subscribe("image", IMAGE, RELIABLE, lambda message: None)
    monkeypatch.setattr(doctor_checks, "installed_runtimes", lambda: ["dds"])
    monkeypatch.setattr(doctor_checks, "usual_runtime", lambda: "dds")
    monkeypatch.setattr(doctor_checks, "open_graph", lambda name, *_: FakeGraph(name, bus))
    heard, mismatch = [one for one in findings("ros", status=1) if "not installed" not in one["text"]]
    assert "2 nodes are heard on domain 0: /camera, /viewer" in heard["text"]
    assert "/viewer hears nothing of /camera" in mismatch["text"]
    assert "qos_overrides./image.publisher.reliability:=reliable" in mismatch["mend"]


def test_an_unknown_topic_is_refused_with_the_known_ones() -> None:
    done = CliRunner().invoke(app, ["doctor", "engine"], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert "engines, gpu" in done.output


def test_text_has_a_line_to_type_below_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_checks.compiled, "LIBRARY", None)
    done = CliRunner().invoke(app, ["doctor", "kernels"])
    said, mend = done.stdout.splitlines()[1:]
    assert said.startswith("  ✗ The C kernels are not built")
    assert "pip install" in mend


def test_an_engine_without_a_file_of_the_shipped_model_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install '.[onnx]'")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no converted file
    (one,) = [one for one in findings("engines") if one["text"].startswith("onnxruntime")]
    assert (one["state"], one["mend"]) == ("note", "bodyseg models convert bodyseg-mobilenet-075 --to onnx")
    assert "reads onnx" in one["text"]
