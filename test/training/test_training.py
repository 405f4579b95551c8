"""A run of seconds on drawn pictures: the loss falls, a resumed run is the same run, exported files agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import MediaError, ModelFileError, SettingsError

keras = pytest.importorskip("keras", reason="training needs Keras: pip install 'bodyseg_ros[train]'")
tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'bodyseg_ros[train]'")

from bodyseg_ros.training import annotations, data, evaluate, export, labels, network, train  # noqa: E402

HEIGHT, WIDTH = 97, 81


def drawn_sample(seed: int) -> data.Sample:
    """A bright upright box on a dark ground: the box is a person with two keypoints."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    x, y = int(rng.integers(5, 35)), int(rng.integers(5, 30))
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + 60, x : x + 35] = True
    image[mask] += 150
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[0], keypoints[5] = (x + 17, y + 8, 2), (x + 30, y + 20, 2)
    soft = annotations.annotated_labels([annotations.Person(mask, keypoints)], HEIGHT, WIDTH)
    return data.Sample(image, soft.astype(np.float16), mask.astype(np.uint8) * 255)


SAMPLES = [drawn_sample(seed) for seed in range(8)]


def settings(output: Path, **changes: object) -> train.TrainSettings:
    values: dict[str, object] = {
        "folders": [],
        "output": output,
        "multiplier": 0.25,
        "stages": [{"steps": 12, "size": 65, "batch": 4, "learning_rate": (4e-3, 1e-3)}],
        "warmup": 2,
        "augmentation": {"long_side": (70, 120), "paste_long_side": (40, 90)},
        "validate_every": 12,
        "checkpoint_every": 6,
    }
    return train.TrainSettings.model_validate(values | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[train.Trainer, list[float], Path]:
    losses: list[float] = []
    output = tmp_path_factory.mktemp("run")
    trainer = train.train(settings(output), SAMPLES, SAMPLES[:2], lambda step, loss: losses.append(loss))
    return trainer, losses, output


def test_loss_falls_and_the_run_leaves_its_log(trained: tuple[train.Trainer, list[float], Path]) -> None:
    _, losses, output = trained
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    assert (output / "log.csv").read_text().startswith("step,seconds,learning_rate,loss,person_iou\n12,")
    assert (output / "sheet.png").exists()


def test_resumed_run_is_the_same_run(trained: tuple[train.Trainer, list[float], Path], tmp_path: Path) -> None:
    class CutOffError(Exception):
        pass

    def cut_off(step: int, loss: float) -> None:
        if step == 8:
            raise CutOffError

    with pytest.raises(CutOffError):
        train.train(settings(tmp_path), SAMPLES, SAMPLES[:2], cut_off)
    steps: list[int] = []
    resumed = train.train(settings(tmp_path), SAMPLES, SAMPLES[:2], lambda step, loss: steps.append(step))
    assert steps == list(range(7, 13))
    for ours, theirs in zip(resumed.model.variables, trained[0].model.variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)


def test_checkpoint_of_another_network_is_refused(
    trained: tuple[train.Trainer, list[float], Path], tmp_path: Path
) -> None:
    other = train.Trainer(settings(tmp_path, backbone="resnet50"))
    with pytest.raises(ModelFileError, match="is a checkpoint of another network"):
        other.restore(trained[2] / "checkpoint.npz")


@pytest.mark.parametrize("kind", ["tfjs", "saved_model", "onnx", "float32", "float16", "int8"])
def test_exported_file_agrees_with_its_source(
    kind: export.Kind, trained: tuple[train.Trainer, list[float], Path], tmp_path: Path
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime", reason="reading ONNX back needs onnxruntime")
    if kind in ("float32", "float16", "int8"):
        pytest.importorskip("ai_edge_litert", reason="reading tflite back needs ai-edge-litert")
    export.export(trained[0].averaged, tmp_path, [kind], [sample.image for sample in SAMPLES[:2]])
    assert list(tmp_path.iterdir())


def test_folded_network_computes_what_the_trained_one_does(trained: tuple[train.Trainer, list[float], Path]) -> None:
    trainer = trained[0]
    folded = network.fold_batch_norm(trainer.network, network.build_network("mobilenet", 0.25, folded=True))
    tensor = np.random.default_rng(0).uniform(-1, 1, (1, 49, 65, 3)).astype(np.float32)
    before, after = trainer.network(tensor, training=False), folded(tensor)
    for head in before:
        np.testing.assert_allclose(after[head].numpy(), before[head].numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("backbone", "stride"), [("mobilenet", 8), ("mobilenet", 16), ("resnet50", 16), ("resnet50", 32)]
)
def test_output_grid(backbone: network.Backbone, stride: int) -> None:
    outputs = network.build_network(backbone, 0.25, stride, folded=True)(np.zeros((1, 65, 97, 3), np.float32))
    assert {head: tuple(value.shape) for head, value in outputs.items()} == {
        head: (1, 64 // stride + 1, 96 // stride + 1, channels) for head, channels in network.BODYPIX_HEADS.items()
    }


def test_frames_depend_on_seed_and_step_alone() -> None:
    frames = [data.Frames(SAMPLES, data.Augmentation(), seed) for seed in (1, 1, 2)]
    (first, first_labels), (same, same_labels), (other, _) = (f.batch(3, 2, 65) for f in frames)
    np.testing.assert_array_equal(first, same)
    np.testing.assert_array_equal(first_labels, same_labels)
    assert (first != other).any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_move_with_the_picture(mirrored: bool) -> None:
    """A keypoint's position plus its offset is where the matrix takes the keypoint."""
    sample = SAMPLES[0]
    linear = np.array([[-1.5 if mirrored else 1.5, 0.2], [-0.1, 1.3]])
    matrix = np.hstack([linear, [[150 if mirrored else 5], [3]]]).astype(np.float32)
    moved = data.warp_labels(sample, matrix, 129, 16, mirrored)
    ys, xs = np.nonzero(sample.mask)
    target = matrix @ np.array([xs.min() + 17, ys.min() + 8, 1])
    offsets = moved[..., labels.LABEL_SLICES["short_offsets"]]
    at = np.argwhere(moved[..., labels.LABEL_SLICES["heatmaps"]][..., 0] > 0.99)
    assert len(at)
    for row, column in at:
        found = (column * 16 + offsets[row, column, 17], row * 16 + offsets[row, column, 0])
        np.testing.assert_allclose(found, target, atol=1.0)


def test_mirroring_twice_is_nothing() -> None:
    assert (labels.MIRROR_ORDER[labels.MIRROR_ORDER] == np.arange(labels.LABEL_CHANNELS)).all()


def test_border_f() -> None:
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    assert evaluate.border_f(mask, mask) == 1
    assert evaluate.border_f(mask, np.roll(mask, 20, 1)) < 0.7
    assert evaluate.border_f(mask, np.zeros_like(mask)) == 0


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no photo"):
        data.PhotoFolder(photos=tmp_path).read(0)
    with pytest.raises(SettingsError, match="is no training configuration"):
        train.read_settings(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="output_stride 7 is not one of"):
        network.build_network(output_stride=7)
    with pytest.raises(SettingsError, match="multiplier 3 is outside"):
        network.build_network(multiplier=3)
    with pytest.raises(SettingsError, match="int8 needs photos"):
        export.write_tflite(network.build_network("mobilenet", 0.25, folded=True), tmp_path / "m.tflite", "int8")
    with pytest.raises(MediaError, match="cannot be read as a video"):
        annotations.save_video_frames(tmp_path / "none.mp4", tmp_path)


@pytest.mark.skipif(
    not (Path(__file__).parents[3] / "shared/golden/bodypix").exists(), reason="../shared/golden is not here"
)
@pytest.mark.parametrize(("case", "stride"), [("low", 16), ("s8_default", 8)])
def test_published_weights_give_the_reference_tensors(case: str, stride: int) -> None:
    shared = Path(__file__).parents[3] / "shared"
    golden = np.load(shared / f"golden/bodypix/sparrow_640x480/{case}.npz")
    model = network.load_published(shared / "models/bodypix_050_tfjs/model-stride16.json", stride)
    for head, value in model(golden["raw/net_input"]).items():
        np.testing.assert_allclose(value.numpy(), golden[f"raw/{head}"], atol=1e-3)
