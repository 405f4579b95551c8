"""A run of seconds on drawn pictures: the loss falls, a resumed run is the same run, exported files agree."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import ModelFileError, SettingsError

keras = pytest.importorskip("keras", reason="training needs Keras: pip install '.[train]'")
tf = pytest.importorskip("tensorflow", reason="these tests train with TensorFlow: pip install '.[train]'")

from bodyseg_ros.lab import export  # noqa: E402
from bodyseg_ros.lab import keras_network as network  # noqa: E402
from bodyseg_ros.lab import tfjs_writer as writers  # noqa: E402
from bodyseg_ros.lab import train_config as config  # noqa: E402
from bodyseg_ros.lab import trainer as train  # noqa: E402
from bodyseg_ros.lab import validation as validate  # noqa: E402
from lab.drawn import drawn_sample, values, write_run  # noqa: E402

SAMPLES = [drawn_sample(seed) for seed in range(8)]


class Watcher(train.Nobody):
    """Keeps the losses, and stops at a step."""

    def __init__(self, last: int = 0) -> None:
        self.losses: dict[int, float] = {}
        self.last = last

    def stepped(self, step: int, settings: config.TrainSettings, loss: float) -> None:
        self.losses[step] = loss

    def stop(self) -> bool:
        return self.last in self.losses


def settings(output: Path, **changes: object) -> config.TrainSettings:
    return config.TrainSettings.model_validate(values(output=output, cache=output / "cache", **changes))


def restored(settings: config.TrainSettings) -> train.Trainer:
    trainer = train.Trainer(settings)
    trainer.restore(settings.output / train.CHECKPOINT)
    return trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[config.TrainSettings, dict[int, float]]:
    whole, watcher = settings(tmp_path_factory.mktemp("run")), Watcher()
    assert train.train(whole, SAMPLES, SAMPLES[:2], watcher)
    return whole, watcher.losses


@pytest.fixture(scope="module")
def trainer(run: tuple[config.TrainSettings, dict[int, float]]) -> train.Trainer:
    return restored(run[0])


def test_loss_falls_and_the_run_leaves_its_log(run: tuple[config.TrainSettings, dict[int, float]]) -> None:
    whole, losses = run
    first, last = [losses[step] for step in (1, 2, 3)], [losses[step] for step in (10, 11, 12)]
    assert np.mean(last) < 0.8 * np.mean(first)
    with (whole.output / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["step"], float(row["loss"])) == ("12", pytest.approx(np.mean(list(losses.values())), abs=1e-3))
    assert (whole.output / "sheet.png").exists()
    assert config.read_settings(whole.output / config.CONFIG_NAME) == whole


def test_a_stopped_run_goes_on_as_the_same_run(
    run: tuple[config.TrainSettings, dict[int, float]], trainer: train.Trainer, tmp_path: Path
) -> None:
    ours = settings(tmp_path)
    assert not train.train(ours, SAMPLES, SAMPLES[:2], Watcher(last=8))
    watcher = Watcher()
    assert train.train(ours, SAMPLES, SAMPLES[:2], watcher)
    assert list(watcher.losses) == [9, 10, 11, 12]
    for mine, theirs in zip(restored(ours).model.variables, trainer.model.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-5)


def test_a_finished_run_is_left_as_it_is(run: tuple[config.TrainSettings, dict[int, float]]) -> None:
    watcher = Watcher()
    assert train.train(run[0], SAMPLES, SAMPLES[:2], watcher)
    assert not watcher.losses


def test_patience_ends_a_run_and_keeps_the_best_state(tmp_path: Path) -> None:
    still = {"stages": [{"steps": 12, "size": 33, "batch": 1, "learning_rate": [0, 0]}], "patience": 2}
    ours, watcher = settings(tmp_path, **still, validate_every=1), Watcher()
    assert train.train(ours, SAMPLES, [], watcher)
    assert list(watcher.losses) == [1, 2, 3]
    assert train.train(ours, SAMPLES, [], watcher := Watcher())
    assert not watcher.losses
    assert export.open_exportable(tmp_path).settings == ours
    assert (tmp_path / train.BEST).exists()


def test_checkpoint_of_another_network_is_refused(
    run: tuple[config.TrainSettings, dict[int, float]], tmp_path: Path
) -> None:
    other = train.Trainer(settings(tmp_path, multiplier=0.5))
    with pytest.raises(ModelFileError, match="checkpoint.*network"):
        other.restore(run[0].output / train.CHECKPOINT)


def test_a_run_from_photos_and_masks_alone(tmp_path: Path) -> None:
    ours = config.read_settings(write_run(tmp_path, stages=[{"steps": 1, "size": 33, "batch": 1}]))
    assert train.run(ours)
    assert len(list(ours.cache.glob("*.npy"))) == 8
    used = config.read_settings(ours.output / config.CONFIG_NAME).losses
    assert used.segments > 0
    assert {used.parts, used.heatmaps, used.long_offsets} == {0}  # no mask says anything of them


def test_a_run_that_starts_from_a_model_computes_what_it_did(tmp_path: Path, trainer: train.Trainer) -> None:
    source = tmp_path / "model-stride16.json"
    writers.write_graph_model(trainer.averaged(), source, "shard.bin", "float32")
    other = train.Trainer(settings(tmp_path))
    other.start_from(str(source), train.Frames(SAMPLES, other.settings.augmentation, 1))
    picture = SAMPLES[0].image[None, :65, :65].astype(np.float32)
    facts = other.settings.preprocessing
    ours, theirs = (network.runner(model.averaged(), facts)(picture) for model in (other, trainer))
    for head in theirs:
        np.testing.assert_allclose(ours[head], theirs[head], atol=1e-3 * max(1, np.abs(theirs[head]).max()))
    wide = train.Trainer(settings(tmp_path, multiplier=0.5))
    with pytest.raises(SettingsError, match="backbone and multiplier"):
        wide.start_from(str(source), train.Frames(SAMPLES, wide.settings.augmentation, 1))


@pytest.mark.parametrize(
    ("form", "quantize", "package"),
    [
        ("tfjs", "none", ""),
        ("tfjs", "float16", ""),
        ("saved_model", "none", ""),
        ("onnx", "none", "onnxruntime"),
        ("tflite", "none", "ai_edge_litert"),
        ("tflite", "float16", "ai_edge_litert"),
        ("tflite", "int8", "ai_edge_litert"),
    ],
)
def test_exported_file_agrees_with_its_source(
    form: export.Form, quantize: export.Quantize, package: str, trainer: train.Trainer, tmp_path: Path
) -> None:
    if package:
        pytest.importorskip(package, reason=f"reading {form} back needs {package}")
    whole = export.Exportable(trainer.averaged, trainer.settings.preprocessing)
    photos = [sample.image for sample in SAMPLES[:2]]
    (written,) = export.export(whole, tmp_path, form, quantize, photos, [16])
    assert written.path.exists()
    assert written.size > 1e4
    assert written.differs <= export.TOLERANCE[quantize]
    assert written.mask_iou > 0.9


def test_a_file_that_differs_is_refused(
    trainer: train.Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write: Callable[..., None] = writers.write_graph_model

    def spoilt(model: keras.Model, *arguments: object) -> None:
        network.shift_person_score(model, 0.5, 0.9)
        write(model, *arguments)
        network.shift_person_score(model, 0.9, 0.5)

    monkeypatch.setattr(export, "write_graph_model", spoilt)
    whole = export.Exportable(trainer.averaged, trainer.settings.preprocessing)
    with pytest.raises(ModelFileError, match="differs.*segments"):
        list(export.export(whole, tmp_path, "tfjs", "none", [SAMPLES[0].image], [16]))


def test_the_person_score_is_shifted_to_the_published_threshold(trainer: train.Trainer) -> None:
    whole = export.Exportable(trainer.averaged, trainer.settings.preprocessing)
    picture = SAMPLES[0].image[None, :65, :65].astype(np.float32)
    before, after = (
        network.runner(e.at(16), e.preprocessing)(picture)["segments"] for e in (whole, whole.shifted(0.4))
    )
    at_threshold = np.log(0.4 / 0.6)  # the logit of a score of 0.4 becomes that of 0.7
    assert 1 / (1 + np.exp(-(at_threshold + (after - before)))) == pytest.approx(0.7, abs=1e-4)


def test_the_best_threshold_separates() -> None:
    scores = np.array([[0.1, 0.2, 0.42, 0.9]], np.float32)
    assert 0.2 <= validate.best_threshold([(scores, np.array([[False, False, True, True]]))]) < 0.42


def test_folded_network_computes_what_the_trained_one_does(trainer: train.Trainer) -> None:
    folded = network.fold_batch_norm(trainer.network, network.build_network("mobilenet", 0.25, folded=True))
    tensor = np.random.default_rng(0).uniform(-1, 1, (1, 49, 65, 3)).astype(np.float32)
    before, after = trainer.network(tensor, training=False), folded(tensor)
    for head in before:
        np.testing.assert_allclose(after[head].numpy(), before[head].numpy(), atol=1e-3)


def test_errors_say_what_is_wrong(tmp_path: Path, trainer: train.Trainer) -> None:
    with pytest.raises(SettingsError, match="output_stride is 7.* one of"):
        network.build_network(output_stride=7)
    with pytest.raises(SettingsError, match="multiplier is 3.*it must be"):
        network.build_network(multiplier=3)
    with pytest.raises(ModelFileError, match="There is no checkpoint .*name a run's folder"):
        export.open_exportable(tmp_path)
    whole = export.Exportable(trainer.averaged, trainer.settings.preprocessing)
    with pytest.raises(SettingsError, match="onnx.*none.*int8.*tflite"):
        list(export.export(whole, tmp_path, "onnx", "int8", [], [16]))
    with pytest.raises(SettingsError, match="no photo to check"):
        list(export.export(whole, tmp_path, "onnx", "none", [], [16]))
    with pytest.raises(ModelFileError, match="A BatchNormalization .* cannot be written"):
        writers.write_graph_model(trainer.network, tmp_path / "m.json", "s.bin")
