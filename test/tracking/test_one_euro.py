"""Keypoints are calm without delay."""

from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.tracking import KeypointSmoother, SmoothingSettings

STEP_S = 1 / 30
#: A person 300 px tall.
BODY = np.stack([np.linspace(100, 200, 17), np.linspace(50, 350, 17)], axis=-1).astype(np.float32)
SURE = np.ones(17, np.float32)


def smoothed(bodies: np.ndarray, scores: np.ndarray = SURE, settings: SmoothingSettings | None = None) -> np.ndarray:
    smoother, settings = KeypointSmoother(), settings or SmoothingSettings()
    return np.array(
        [smoother.smooth([1], body[None].astype(np.float32), scores[None], STEP_S, settings)[0] for body in bodies]
    )


@pytest.mark.parametrize("sigma_px", [1.0, 2.0, 4.0])
def test_a_still_person_trembles_half_as_much(sigma_px: float) -> None:
    trembling = BODY + np.random.default_rng(0).normal(0, sigma_px, (400, 17, 2))
    calm = smoothed(trembling)
    assert calm[50:].std(axis=0).mean() <= 0.5 * sigma_px


@pytest.mark.parametrize("far_px", [30, 75, 150])
def test_a_step_is_followed_within_a_frame(far_px: float) -> None:
    bodies = np.repeat(BODY[None], 60, axis=0)
    bodies[30:] += far_px
    moved = smoothed(bodies)[:, :, 0] - BODY[:, 0]
    assert abs(moved[29]).max() < 1e-3
    assert moved[30].min() >= 0.5 * far_px  # at once
    assert moved[31].min() >= 0.9 * far_px  # one frame later


def test_the_filter_is_that_of_the_paper() -> None:
    """One coordinate, beta 0: x̂ = α x + (1 − α) x̂, α = 1 / (1 + τ / T), τ = 1 / (2 π fc)."""
    settings = SmoothingSettings(beta=0.0, min_cutoff=2.0)
    alpha = 1 / (1 + 1 / (2 * np.pi * 2.0) / STEP_S)
    bodies = np.array([BODY, BODY + 10, BODY - 5])
    expected = [BODY, BODY + alpha * 10]
    expected.append(expected[1] + alpha * (BODY - 5 - expected[1]))
    assert np.allclose(smoothed(bodies, settings=settings), expected, atol=1e-3)


def test_missing_keypoints_stay_missing_and_begin_anew() -> None:
    bodies = np.repeat(BODY[None], 4, axis=0)
    bodies[1, 3] = np.nan
    bodies[2:, 3] += 40
    calm = smoothed(bodies)
    assert np.isnan(calm[1, 3]).all()
    assert np.array_equal(calm[2, 3], bodies[2, 3])


def test_unsure_keypoints_are_left_as_they_are() -> None:
    bodies = BODY + np.random.default_rng(1).normal(0, 3, (5, 17, 2)).astype(np.float32)
    unsure = np.where(np.arange(17) == 9, np.float32(0.1), np.float32(0.9))
    calm = smoothed(bodies, unsure)
    assert np.array_equal(calm[:, 9], bodies[:, 9].astype(np.float32))
    assert not np.allclose(calm[1:, 8], bodies[1:, 8])


def test_whoever_was_away_begins_anew() -> None:
    smoother, settings = KeypointSmoother(), SmoothingSettings()
    scores = SURE[None]
    smoother.smooth([1], BODY[None], scores, STEP_S, settings)
    smoother.smooth([], BODY[None][:0], scores[:0], STEP_S, settings)
    assert np.array_equal(smoother.smooth([1], BODY[None] + 5, scores, STEP_S, settings), BODY[None] + 5)
