"""Losses of portrait networks, the mask before, rounding to 8 bits, and what a run does over its stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="training needs Keras: pip install '.[train]'")
pytest.importorskip("tensorflow", reason="these tests train with TensorFlow: pip install '.[train]'")

from bodyseg_ros.lab.fake_quantization import round_activations, round_weights  # noqa: E402
from bodyseg_ros.lab.portrait_config import PortraitRun, Priors, write_portrait_run  # noqa: E402
from bodyseg_ros.lab.portrait_export import export_portrait, open_portrait  # noqa: E402
from bodyseg_ros.lab.portrait_frames import Portrait, PortraitFrames, mask_before  # noqa: E402
from bodyseg_ros.lab.portrait_losses import PortraitLoss, border_of, divergence, focal_loss  # noqa: E402
from bodyseg_ros.lab.portrait_networks import named_weights  # noqa: E402
from bodyseg_ros.lab.portrait_trainer import PortraitTrainer  # noqa: E402
from bodyseg_ros.model import load  # noqa: E402
from bodyseg_ros.types import Frame, Wanted  # noqa: E402
from lab.drawn import drawn  # noqa: E402

PORTRAITS = [Portrait(image, mask) for image, mask, _ in map(drawn, range(4))]


def run(**changes: Any) -> PortraitRun:
    tiny = {"network": "slim_net", "size": 32, "width": 0.25, "folders": [], "stages": [{"steps": 4, "batch": 4}]}
    return PortraitRun.model_validate(tiny | changes)


def test_the_border_is_on_both_sides_of_the_edge() -> None:
    mask = np.zeros((6, 6), bool)
    mask[:, 3:] = True
    np.testing.assert_array_equal(border_of(mask), np.tile([0, 0, 1, 1, 0, 0], (6, 1)))


def test_focal_loss_by_hand() -> None:
    # Probability .5: (1 - .5)² · ln 2. Probability .9 for label 1: .1² · -ln .9.
    logits = np.array([0.0, np.log(9)], np.float32)
    np.testing.assert_allclose(
        focal_loss(np.ones(2, np.float32), logits), [0.25 * np.log(2), -0.01 * np.log(0.9)], 1e-4
    )


def test_divergence_by_hand_and_the_picture_itself_does_not_follow_its_copy() -> None:
    p, q = 0.8, 0.4
    logits = [np.array([np.log(x / (1 - x))], np.float32) for x in (p, q)]
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    np.testing.assert_allclose(divergence(*logits), [expected], 1e-4)
    np.testing.assert_allclose(divergence(logits[0], logits[0]), [0], atol=1e-6)


def test_the_losses_add_up_by_their_weights() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4, 32, 32, 2)).astype(np.float32)
    labels = (rng.random((4, 32, 32, 2)) > 0.5).astype(np.float32)

    def loss(**weights: float) -> float:
        ours = run(losses={"mask": 1e-9, **weights}, augmentation={"texture": True})
        return float(PortraitLoss(ours)(labels, logits))

    mask, border, alike = loss(mask=1), loss(boundary=2), loss(consistency=3)
    assert border == pytest.approx(2 * float(np.mean(focal_loss(labels[..., 1:], logits[..., 1:]))), rel=1e-4)
    assert alike == pytest.approx(3 * float(np.mean(divergence(logits[:2, ..., :1], logits[2:, ..., :1]))), rel=1e-4)
    assert loss(mask=1, boundary=2, consistency=3) == pytest.approx(mask + border + alike, rel=1e-4)


def test_copies_have_the_same_mask_and_another_texture() -> None:
    inputs, labels = PortraitFrames(PORTRAITS, run(augmentation={"texture": True})).batch(0, 3)
    assert inputs.shape == (6, 32, 32, 3)
    np.testing.assert_array_equal(labels[:3], labels[3:])
    assert np.abs(inputs[:3] - inputs[3:]).mean() > 0.02


def test_the_mask_before_is_empty_or_near_the_true_one() -> None:
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    rng = np.random.default_rng(0)
    drawn_masks = [mask_before(rng, mask, Priors(empty=0.4)) for _ in range(300)]
    empty = [not prior.any() for prior in drawn_masks]
    assert 0.3 < np.mean(empty) < 0.5
    overlaps = [
        np.sum((prior > 0.5) & mask) / np.sum((prior > 0.5) | mask)
        for prior, none in zip(drawn_masks, empty, strict=True)
        if not none
    ]
    # A shift of .08 of the frame moves this square by a sixth of its side at most.
    assert min(overlaps) > 0.4
    assert np.mean(overlaps) < 0.95


def test_weights_are_rounded_to_a_255th_of_each_channels_range() -> None:
    kernel = np.random.default_rng(0).normal(0, [0.1, 10], (3, 3, 4, 2)).astype(np.float32)
    rounded = np.asarray(round_weights(kernel, (0, 1, 2)))
    for channel in range(2):
        step = np.abs(kernel[..., channel]).max() / 127
        assert np.abs(rounded - kernel)[..., channel].max() <= step / 2 * 1.001
        np.testing.assert_allclose(rounded[..., channel] / step, np.rint(rounded[..., channel] / step), atol=1e-3)


def test_activations_keep_zero_and_are_cut_at_their_range() -> None:
    x = np.array([-5, -1, 0, 0.004, 1, 9], np.float32)
    rounded = np.asarray(round_activations(x, np.float32(-1), np.float32(1)))
    assert rounded[2] == 0
    assert len(np.unique(np.asarray(round_activations(np.linspace(-3, 3, 9999, dtype=np.float32), -1.0, 1.0)))) == 256
    np.testing.assert_allclose(rounded[[0, 1, 4, 5]], [-1, -1, 1, 1], atol=1 / 127)


def test_the_frozen_encoder_keeps_its_weights_until_it_is_free() -> None:
    stages = [{"steps": 2, "batch": 2, "train": "decoder"}, {"steps": 2, "batch": 2}]
    ours = run(network="mobile_unet", stages=stages)
    trainer, frames = PortraitTrainer(ours), PortraitFrames(PORTRAITS, ours)

    def moved(before: dict[str, Any]) -> set[bool]:
        after = named_weights(trainer.network)
        changed = (any((a != b).any() for a, b in zip(after[n], before[n], strict=True)) for n in before)
        return {change for name, change in zip(before, changed, strict=True) if name.startswith("encoder_stem")}

    start = named_weights(trainer.network)
    for step in range(2):
        trainer.train_on(*frames.batch(step, 2))
    assert moved(start) == {False}
    for step in range(2, 4):
        trainer.train_on(*frames.batch(step, 2))
    assert moved(start) == {True}


def test_the_learning_rate_falls_on_a_plateau_but_not_below_its_least() -> None:
    stages = [{"steps": 9, "learning_rate": 0.008}]
    trainer = PortraitTrainer(run(stages=stages, plateau={"patience": 2, "factor": 0.5, "least": 0.003}))
    rates = []
    for score in (0.5, 0.6, 0.6, 0.55, 0.7, 0.6, 0.6, 0.6, 0.6):
        trainer.judge(score)
        rates.append(trainer.learning_rate)
    assert rates == pytest.approx([0.008, 0.008, 0.008, 0.004, 0.004, 0.004, 0.003, 0.003, 0.003])


def test_a_run_begins_with_the_weights_of_another(tmp_path: Any) -> None:
    first = PortraitTrainer(run(seed=1))
    first.save(tmp_path / "checkpoint.npz")
    second = PortraitTrainer(run(seed=2))
    second.start_from(tmp_path)
    for name, values in named_weights(first.network).items():
        for ours, theirs in zip(named_weights(second.network)[name], values, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_quantized_stage_is_exported_and_its_file_takes_the_mask_before(tmp_path: Any) -> None:
    stages = [{"steps": 2, "batch": 2}, {"steps": 2, "batch": 2, "quantize": True}]
    ours = run(stages=stages, previous_mask={}, output=tmp_path / "run")
    trainer, frames = PortraitTrainer(ours), PortraitFrames(PORTRAITS, ours)
    inputs, labels = frames.batch(0, 2)
    assert inputs.shape == (2, 32, 32, 4)
    for _ in range(4):
        trainer.train_on(inputs, labels)
    assert trainer.folded
    # The rounded network, which is validated, and the folded one that is exported nearly agree.
    rounded, folded = (np.asarray(n(inputs, training=False)) for n in (trainer.network, trainer.exported()))
    assert np.abs(rounded - folded).mean() < 0.1 * np.abs(folded).max() + 0.05
    ours.output.mkdir()
    trainer.save(ours.output / "checkpoint.npz")
    write_portrait_run(ours, ours.output / "train.yaml")
    opened = open_portrait(ours.output)
    assert opened is not None
    images = [one.image for one in PORTRAITS]
    written = export_portrait(*opened, tmp_path / "out", "tflite", "none", images)
    with load(model_path=str(written.path)) as model:
        assert model.network.card.preprocessing.previous_mask
        first = model.run(Frame(images[0], stamp_ns=10**9), Wanted.CONFIDENCE)
        again = model.run(Frame(images[0], stamp_ns=10**9 + 10**8), Wanted.CONFIDENCE)
    assert first.confidence is not None
    assert again.confidence is not None
    assert np.abs(first.confidence - again.confidence).max() > 1e-4
