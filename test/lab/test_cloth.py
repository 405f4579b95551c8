"""Drawn cloth: what covers a photo, nobody is."""

from __future__ import annotations

import numpy as np

from bodyseg_ros.lab.cloth import draw_cloth, hang_cloth
from bodyseg_ros.lab.frames import Augmentation, Frames
from lab.drawn import drawn_sample


def test_cloth_fills_a_picture_and_differs() -> None:
    pieces = [draw_cloth(np.random.default_rng(seed), 65) for seed in range(6)]
    assert {(piece.shape, piece.dtype.name) for piece in pieces} == {((65, 65, 3), "uint8")}
    assert len({piece.tobytes() for piece in pieces}) == 6


def test_hung_cloth_leaves_the_rest_of_the_picture() -> None:
    image = np.full((65, 65, 3), 128, np.uint8)
    hung, covered = hang_cloth(np.random.default_rng(1), image)
    assert 0 < covered.mean() < 1
    assert (hung != 128).any(-1)[covered].mean() > 0.9
    assert (hung == 128).all(-1)[~covered].mean() > 0.8


def test_nobody_is_labeled_on_cloth() -> None:
    options = {"long_side": (70, 120), "color": 0, "blur": 0, "noise": 0, "jpeg": 0, "paste_on_cloth": 0}
    alone = Frames([drawn_sample(0)], Augmentation(cloth=1, **options), seed=1)
    _, labels = alone.batch(0, 4, 65)
    assert not labels.any()
    hung = Frames([drawn_sample(0)], Augmentation(hung_cloth=1, **options), seed=1)
    plain = Frames([drawn_sample(0)], Augmentation(**options), seed=1)
    assert hung.batch(0, 8, 65)[1][..., 0].sum() < plain.batch(0, 8, 65)[1][..., 0].sum()


def test_finer_frames_are_the_same_frames() -> None:
    frames = Frames([drawn_sample(0), drawn_sample(1)], Augmentation(), seed=1)
    images, labels = frames.batch(3, 2, 65)
    same, fine = frames.finer().batch(3, 2, 65)
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(fine[:, ::2, ::2], labels)
