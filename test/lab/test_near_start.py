"""Training from a start whose heads are partly there: frozen layers, kept frames, and how far weights may go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import MediaError, ModelFileError, ModelNotFoundError, SettingsError

keras = pytest.importorskip("keras", reason="training needs Keras: pip install 'bodyseg_ros[train]'")
pytest.importorskip("tensorflow", reason="these tests train with TensorFlow: pip install 'bodyseg_ros[train]'")

from bodyseg_ros.lab import export, keras_network, tfjs_writer, train_config, trainer  # noqa: E402
from bodyseg_ros.lab.labels import LABEL_CHANNELS, LABEL_SLICES, START_CHANNELS, with_midpoints  # noqa: E402
from bodyseg_ros.lab.losses import PersonLabLoss, choice_entropy  # noqa: E402
from lab.drawn import drawn_sample, values, write_run  # noqa: E402

SAMPLES = [drawn_sample(seed) for seed in range(8)]
STAGE = {"size": 65, "batch": 4, "learning_rate": [2e-3, 1e-3]}


@pytest.fixture(scope="module")
def posenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small PoseNet whose weights have the names that a converter leaves: Const_7, and no scope."""
    keras.utils.set_random_seed(3)
    network = keras_network.build_network("mobilenet", 0.25, task="posenet", folded=True)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, bias + 0.1])
    path = tmp_path_factory.mktemp("start") / "posenet.json"
    tfjs_writer.write_graph_model(network, path, "posenet.bin", "float32")
    text = path.read_text()
    content = json.loads(text)
    every = (weight["name"] for weight in content["weightsManifest"][0]["weights"])
    named = [name for name in every if "/Conv2d_" in name]
    for number, name in enumerate(named):
        text = text.replace(f'"{name}"', f'"Const_{number}"')
    path.write_text(text)
    return path


def settings(output: Path, start: Path, *stages: dict[str, object], **changes: object) -> train_config.TrainSettings:
    context = {"segments": 8, "part_heatmaps": 12, "kernel": 3}
    near = {"start": str(start), "near_start": True, "context": context, "stages": [STAGE | stage for stage in stages]}
    every = values(output=output, cache=output / "cache") | near | changes
    return train_config.TrainSettings.model_validate(every)


def weights(network: keras.Model) -> dict[str, np.ndarray]:
    return {layer.name: layer.get_weights()[0] for layer in network.layers if layer.weights}


@pytest.fixture(scope="module")
def run(posenet: Path, tmp_path_factory: pytest.TempPathFactory) -> train_config.TrainSettings:
    ours = settings(
        tmp_path_factory.mktemp("run"), posenet,
        {"train": "heads", "frames": 24, "steps": 6},
        {"train": 12, "frames": 24, "steps": 4, "pull": 0.3},
        {"train": "all", "steps": 2, "pull": 0.3, "midpoints": True},
        losses={"part_choice": 1.0, "start_pose": 1.0},
    )  # fmt: skip
    assert trainer.train(ours, SAMPLES, SAMPLES[:2])
    return ours


def at(run: train_config.TrainSettings, folder: Path, step: int) -> trainer.Trainer:
    """The same run, stopped after a step."""

    class Until(trainer.Nobody):
        def __init__(self) -> None:
            self.step = 0

        def stepped(self, step: int, settings: train_config.TrainSettings, loss: float) -> None:
            self.step = step

        def stop(self) -> bool:
            return self.step == step

    ours = run.model_copy(update={"output": folder})
    trainer.train(ours, SAMPLES, [], Until())
    found = trainer.Trainer(ours)
    found.restore(folder / trainer.CHECKPOINT)
    assert found.step == step
    return found


def test_a_start_without_scopes_is_read(posenet: Path) -> None:
    network = keras_network.load_published(posenet)
    assert network.name == "posenet_mobilenet"
    assert sorted(network.output) == ["displacement_bwd", "displacement_fwd", "heatmaps", "short_offsets"]


def test_stages_train_what_they_name(run: train_config.TrainSettings, posenet: Path, tmp_path: Path) -> None:
    start = weights(keras_network.load_published(posenet))
    heads = weights(at(run, tmp_path / "6", 6).network)
    assert {name for name in start if np.array_equal(heads[name], start[name])} == set(start)
    last = weights(at(run, tmp_path / "10", 10).network)
    moved = {name for name in start if not np.array_equal(last[name], start[name])}
    assert {"Conv2d_12_pointwise", "Conv2d_13_depthwise", "heatmaps"} <= moved
    assert not {name for name in moved if name.startswith("Conv2d_") and int(name.split("_")[1]) < 12}
    for name in moved:  # Adam's steps are at most the rate, in units of the weights' own size
        assert np.abs(last[name] - start[name]).max() < 10 * 2e-3 * np.sqrt(np.mean(start[name] ** 2)) * 4


def test_a_share_of_the_change_is_exported(run: train_config.TrainSettings, posenet: Path) -> None:
    whole = trainer.Trainer(run)
    whole.restore(run.output / trainer.CHECKPOINT)
    start, changed = weights(keras_network.load_published(posenet)), weights(whole.averaged())
    half = weights(whole.averaged(change=0.5))
    name = "Conv2d_13_pointwise"
    np.testing.assert_allclose(half[name] - start[name], 0.5 * (changed[name] - start[name]), atol=1e-6)
    np.testing.assert_allclose(weights(whole.averaged(change=0))[name], start[name], atol=1e-6)


def test_heads_with_a_context_go_through_files(run: train_config.TrainSettings, tmp_path: Path) -> None:
    whole = trainer.Trainer(run)
    whole.restore(run.output / trainer.CHECKPOINT)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 65, 65, 3)).astype(np.float32)
    for stride in (16, 8):
        network = whole.averaged(stride)
        path = tmp_path / f"model-stride{stride}.json"
        tfjs_writer.write_graph_model(network, path, "shard.bin", "float32")
        again = keras_network.load_published(path, stride)
        for head, value in network(picture).items():
            np.testing.assert_allclose(again(picture)[head], value, atol=1e-5)


def test_a_start_that_is_missing_or_another_is_refused_first(posenet: Path, tmp_path: Path) -> None:
    gone = settings(tmp_path, tmp_path / "posenet.json", {"steps": 1}, fetch="npm pack brings it.")
    with pytest.raises(ModelNotFoundError, match=r"posenet.json' is not here. npm pack brings it."):
        trainer.run(gone)
    other = settings(tmp_path, posenet, {"steps": 1}, start_sha256={"posenet.bin": "0" * 64})
    with pytest.raises(ModelFileError, match=r"posenet.bin' is another file .* not 0000"):
        trainer.run(other)
    nowhere = settings(tmp_path, posenet, {"steps": 1}, folders=[{"photos": tmp_path / "no"}], fetch="See the page.")
    with pytest.raises(MediaError, match=r"no' are not here. See the page."):
        trainer.run(nowhere)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ([{"train": "all", "frames": 8, "steps": 1}], "freezes nothing"),
        ([{"train": 5, "steps": 1}, {"train": 9, "frames": 8, "steps": 1}], "an earlier stage changed the layers"),
        ([{"train": 14, "steps": 1}], "a block is a number from 1 to 13"),
    ],
)
def test_stages_that_do_not_fit_are_refused(posenet: Path, tmp_path: Path, stages: list, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        settings(tmp_path, posenet, *stages)
    with pytest.raises(ValueError, match="near_start is true, but there is no start"):
        train_config.TrainSettings.model_validate(values(near_start=True))


def test_export_without_held_out_photos_asks_for_some_at_once(tmp_path: Path) -> None:
    path = write_run(tmp_path, held_out=0.0)
    with pytest.raises(SettingsError, match="name some with --photos"):
        export.check_photos(path)
    with pytest.raises(SettingsError, match="name some with --photos"):
        export.check_photos(tmp_path / "model.json")


def test_training_without_held_out_photos_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_run(tmp_path, held_out=0.0, stages=[{"steps": 1, "size": 33, "batch": 1}])
    trainer.run(train_config.read_settings(path))
    assert "None of the 8 photos is held out" in caplog.text


def test_the_choice_of_a_part_by_hand() -> None:
    # softmax(logit(p)) of .9 and .1 is 81/82 and 1/82; equal logits choose either at random: ln 2.
    entropy = choice_entropy(np.array([[0.9, 0.1]], np.float32), np.zeros((1, 2), np.float32))
    assert float(entropy[0]) == pytest.approx(np.log(2), abs=1e-5)
    sure = choice_entropy(np.array([[0.9, 0.1]], np.float32), np.log(np.array([[81.0, 1.0]], np.float32)))
    assert float(sure[0]) == pytest.approx(-(81 / 82) * np.log(81 / 82) - np.log(1 / 82) / 82, abs=1e-5)


def test_halfway_between_positions_outputs_are_interpolated() -> None:
    """A field that is linear between positions has no more loss there than at them."""
    fine = np.zeros((1, 5, 5, LABEL_CHANNELS), np.float32)
    ramp = np.linspace(-2, 2, 5, dtype=np.float32)
    fine[..., 0] = 1 / (1 + np.exp(-(ramp[None, :, None] + ramp[None, None, :])))
    labels = with_midpoints(fine)
    assert labels.shape == (1, 3, 3, LABEL_CHANNELS + 3 * 25)
    np.testing.assert_array_equal(labels[0, 1, 0, LABEL_CHANNELS], fine[0, 2, 1, 0])
    outputs = np.zeros((1, 3, 3, LABEL_CHANNELS), np.float32)
    logits = ramp[::2]
    outputs[..., 0] = logits[None, :, None] + logits[None, None, :]
    only = train_config.LossWeights(segments=1, parts=0, heatmaps=0, short_offsets=0, displacements=0, long_offsets=0)
    loss = PersonLabLoss(only)
    probability = fine[0, ..., 0]

    def entropy(p: np.ndarray) -> float:
        return float(np.mean(-p * np.log(p) - (1 - p) * np.log(1 - p)))

    between = (entropy(probability[::2, 1::2]) + entropy(probability[1::2, ::2]) + entropy(probability[1::2, 1::2])) / 3
    assert float(loss(labels, outputs)) == pytest.approx(entropy(probability[::2, ::2]) + between, abs=1e-5)
    assert LABEL_SLICES["long_offsets"].start - LABEL_SLICES["heatmaps"].start == START_CHANNELS
