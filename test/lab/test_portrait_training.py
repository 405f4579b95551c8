"""Portrait networks on drawn pictures: they learn, stopped runs go on as the same run, their files give their masks."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import MediaError, ModelFileError, SettingsError
from bodyseg_ros.lab.portrait_config import PortraitRun, read_portrait_run

keras = pytest.importorskip("keras", reason="training needs Keras: pip install '.[train]'")
tf = pytest.importorskip("tensorflow", reason="these tests train with TensorFlow: pip install '.[train]'")

from bodyseg_ros.lab.portrait_export import export_portrait, open_portrait  # noqa: E402
from bodyseg_ros.lab.portrait_frames import Portrait, PortraitFrames  # noqa: E402
from bodyseg_ros.lab.portrait_networks import build_portrait, fold_norms, named_weights, take_weights  # noqa: E402
from bodyseg_ros.lab.portrait_trainer import PortraitTrainer, train_portrait  # noqa: E402
from lab.drawn import drawn  # noqa: E402

NETWORKS: tuple[dict[str, Any], ...] = (
    {"network": "mobile_unet", "decoder": "transposed"},
    {"network": "mobile_unet", "encoder": "mobilenet_v3", "decoder": "bilinear"},
    {"network": "prisma_net"},
    {"network": "portrait_net"},
    {"network": "slim_net"},
)
Trained = Callable[[int], tuple[Path, list[float]]]
NAMES = [" ".join(facts.values()) for facts in NETWORKS]
PORTRAITS = [Portrait(image, mask) for image, mask, _ in map(drawn, range(8))]


def values(**changes: Any) -> dict[str, Any]:
    tiny = {
        "network": "slim_net",
        "size": 32,
        "width": 0.25,
        "folders": [{"photos": "photos", "masks": "masks"}],
        "held_out": 0.3,
        "stages": [{"steps": 12, "batch": 4, "learning_rate": 5e-3}],
        "validate_every": 12,
        "checkpoint_every": 6,
    }
    return tiny | changes


def run(**changes: Any) -> PortraitRun:
    return PortraitRun.model_validate(values(**changes))


def write(folder: Path, **changes: Any) -> Path:
    """Eight photos with masks and a run's YAML, which is given."""
    for seed in range(8):
        image, mask, _ = drawn(seed)
        for name, picture in (("photos", image), ("masks", mask.astype(np.uint8) * 255)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{seed}.png"), picture)
    path = folder / "portrait.yaml"
    path.write_text(yaml.safe_dump(values(**changes)))
    return path


class Stop:
    """Keeps the losses, and stops after a step."""

    def __init__(self, last: int = 0) -> None:
        self.last, self.losses, self.rates = last, [], []

    def progressed(self, step: int, steps: int, loss: float, learning_rate: float, batch: int) -> None:
        self.losses.append(loss)
        self.rates.append(learning_rate)

    def stop(self) -> bool:
        return len(self.losses) == self.last


@pytest.mark.parametrize("facts", NETWORKS, ids=NAMES)
def test_folding_changes_nothing_and_every_pixel_has_a_logit(facts: dict[str, Any]) -> None:
    ours = run(**facts, size=64)
    network, rng = build_portrait(ours), np.random.default_rng(0)
    weights = {
        name: [rng.uniform(0.5, 1.5, v.shape).astype(np.float32) for v in found] if name.endswith("_norm") else found
        for name, found in named_weights(network).items()
    }
    folded = build_portrait(ours, "folded")
    assert take_weights(network, weights) == take_weights(folded, fold_norms(weights)) == []
    picture = rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    plain, other = (np.asarray(each(picture, training=False)) for each in (network, folded))
    assert plain.shape == (2, 64, 64, 1)
    np.testing.assert_allclose(other, plain, atol=1e-4 * np.abs(plain).max())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train a network of NETWORKS, each once: its folder, and the losses of its steps."""
    runs: dict[int, tuple[Path, list[float]]] = {}

    def train(number: int) -> tuple[Path, list[float]]:
        if number not in runs:
            folder, watcher = tmp_path_factory.mktemp("trained"), Stop()
            stages = [{"steps": 40, "batch": 8, "learning_rate": 1e-2}]
            path = write(folder, **NETWORKS[number], stages=stages, validate_every=40)
            assert train_portrait(read_portrait_run(path), watcher)
            runs[number] = folder / "run", watcher.losses
        return runs[number]

    return train


@pytest.mark.parametrize("number", range(len(NETWORKS)), ids=NAMES)
def test_every_network_learns_and_its_file_gives_its_masks(number: int, trained: Trained, tmp_path: Path) -> None:
    folder, losses = trained(number)
    assert np.mean(losses[-5:]) < 0.6 * losses[0]
    opened = open_portrait(folder)
    assert opened is not None
    written = export_portrait(*opened, tmp_path / "out", "tflite", "none", [one.image for one in PORTRAITS])
    assert written.mask_iou > 0.99


@pytest.mark.parametrize(("form", "precision"), [("onnx", "none"), ("tfjs", "float16"), ("tflite", "int8")])
def test_every_format_runs_by_its_card(form: Any, precision: Any, trained: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="runs the ONNX file")
    opened = open_portrait(trained(0)[0])
    assert opened is not None
    written = export_portrait(*opened, tmp_path / "out", form, precision, [one.image for one in PORTRAITS])
    assert written.mask_iou > (0.9 if precision == "int8" else 0.99)
    assert written.card.exists()


def test_the_commands_train_export_measure_and_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, stages=[{"steps": 60, "batch": 8, "learning_rate": 1e-2}])
    file = "out/slim-net-32-float32.tflite"
    for words in (
        ["train", str(path)],
        ["export", "run", "--to", "tflite", "--out", "out"],
        ["run", "photos/0.png", "--model-path", file, "--write", "mask", "--out", "masks_out"],
        ["eval", ".", "--model-path", file, "--json", "figures.json"],
    ):
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
        assert done.exit_code == 0, (words, done.output, done.exception)
    figures = json.loads(Path("figures.json").read_text())
    assert "slim-net-32-float32.tflite" in json.dumps(figures)
    with Path("run/log.csv").open() as log:
        assert float(list(csv.DictReader(log))[-1]["person_iou"]) > 0.5


def test_a_stopped_run_goes_on_as_the_same_run(tmp_path: Path) -> None:
    whole, part = Stop(), Stop(last=7)
    assert train_portrait(read_portrait_run(write(tmp_path / "whole")), whole)
    ours = read_portrait_run(write(tmp_path / "part"))
    assert not train_portrait(ours, part)
    rest = Stop()
    assert train_portrait(ours, rest)
    np.testing.assert_allclose(part.losses + rest.losses, whole.losses, rtol=1e-4)


@pytest.mark.parametrize("name", ["boundary", "consistency", "quantization", "video"])
def test_the_examples_are_valid(name: str) -> None:
    assert read_portrait_run(Path(__file__).parents[2] / f"examples/training/{name}.yaml").steps >= 500


def test_frames_are_a_function_of_seed_and_step() -> None:
    frames = PortraitFrames(PORTRAITS, run())
    again = PortraitFrames(PORTRAITS, run())
    (inputs, labels), (same, _), (other, _) = frames.batch(3, 4), again.batch(3, 4), frames.batch(4, 4)
    np.testing.assert_array_equal(inputs, same)
    assert np.abs(inputs - other).max() > 0.1
    assert (inputs.shape, labels.shape) == ((4, 32, 32, 3), (4, 32, 32, 2))
    # The drawn people are bright and their background is dark: the mask lies on them.
    bright = inputs.mean(-1) > -0.3
    assert np.mean(bright == (labels[..., 0] > 0.5)) > 0.9


def test_photos_need_masks(tmp_path: Path) -> None:
    path = write(tmp_path, folders=[{"photos": "photos"}])
    with pytest.raises(MediaError, match=r"has no mask.*coco, or empty: true"):
        train_portrait(read_portrait_run(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 100}, "size is 100.*multiple of 32"),
        ({"encoder": "mobilenet_v3"}, "encoder is 'mobilenet_v3'.*mobile_unet and portrait_net"),
        ({"network": "portrait_net", "decoder": "transposed"}, "decoder is 'transposed'.*only mobile_unet"),
        ({"stages": [{"steps": 1, "train": "decoder"}]}, "stage 1 freezes the encoder, but slim_net has none"),
        ({"stages": [{"steps": 1, "quantize": True}, {"steps": 1}]}, "stage 2 follows a quantized one"),
        ({"netwerk": 1}, "netwerk is not a field"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        read_portrait_run(write(tmp_path, **changes))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    PortraitTrainer(run()).save(tmp_path / "checkpoint.npz")
    with pytest.raises(ModelFileError, match="another network"):
        PortraitTrainer(run(network="prisma_net")).restore(tmp_path / "checkpoint.npz")
