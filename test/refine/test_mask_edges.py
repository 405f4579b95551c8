"""Clean-up of one mask: each operation against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.refine.mask_edges import (
    apply_guided_filter,
    apply_hysteresis,
    bend,
    fill_holes,
    open_and_close,
    shift_edge,
)


def box(top: int, left: int, bottom: int, right: int, size: tuple[int, int] = (40, 50)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def test_a_weak_pixel_stays_where_it_hangs_together_with_a_strong_one() -> None:
    strong, near, far = box(10, 10, 12, 12), box(5, 5, 20, 20), box(30, 30, 35, 35)
    np.testing.assert_array_equal(apply_hysteresis(strong, near | far), near)
    assert not apply_hysteresis(np.zeros_like(far), near | far).any()
    diagonal = box(12, 12, 14, 14)
    np.testing.assert_array_equal(apply_hysteresis(strong, diagonal), strong | diagonal)


def test_holes_are_filled_up_to_a_size_and_bays_stay_open() -> None:
    body = box(5, 5, 35, 45)
    small, large, bay = box(10, 10, 13, 13), box(15, 20, 25, 30), box(30, 8, 40, 12)
    holed = body & ~(small | large | bay) & 1
    np.testing.assert_array_equal(fill_holes(holed, 9), holed | small)
    np.testing.assert_array_equal(fill_holes(holed, 100), holed | small | large)
    np.testing.assert_array_equal(fill_holes(holed, 8), holed)
    nobody = np.zeros_like(body)
    np.testing.assert_array_equal(fill_holes(nobody, nobody.size), nobody)


def test_specks_go_and_cracks_close() -> None:
    body, speck = box(10, 10, 30, 40), box(2, 2, 4, 4)
    np.testing.assert_array_equal(open_and_close(body | speck, 1, 0)[:8], 0)
    cracked = body.copy()
    cracked[20, 12:38] = 0
    np.testing.assert_array_equal(open_and_close(cracked, 0, 2), body)


@pytest.mark.parametrize("grow", [3, -3, 0, 20, -20])
def test_an_edge_moves_by_as_many_pixels_as_asked(grow: int) -> None:
    half = box(0, 0, 90, 25, (90, 80))
    assert shift_edge(half, grow)[45].sum() == 25 + grow


@pytest.mark.parametrize("grow", [5, 30, -5, -30])
def test_nobody_stays_nobody_and_a_full_picture_full(grow: int) -> None:
    for value in (0, 1):
        assert (shift_edge(np.full((40, 50), value, np.uint8), grow) == value).all()


def test_bending_moves_one_value_and_keeps_the_ends() -> None:
    values = np.array([[0.0, 0.35, 0.7, 0.85, 1.0]], np.float32)
    np.testing.assert_allclose(bend(values, 0.7, 0.5), [[0.0, 0.25, 0.5, 0.75, 1.0]], atol=1e-6)
    np.testing.assert_allclose(bend(bend(values, 0.7, 0.5), 0.5, 0.7), values, atol=1e-6)


def reference_guided(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The definition, window by window: in each, the line through (guide, values) of least squares."""
    height, width = guide.shape
    total, count = np.zeros(guide.shape), np.zeros(guide.shape)
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            window = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
            i, p = guide[window].astype(float), values[window].astype(float)
            slope = ((i * p).mean() - i.mean() * p.mean()) / (i.var() + epsilon)
            total[window] += slope * guide[window] + p.mean() - slope * i.mean()
            count[window] += 1
    return total / np.maximum(count, 1)


def test_the_guided_filter_is_the_published_one() -> None:
    random = np.random.default_rng(5)
    guide, values = random.integers(0, 256, (30, 30), np.uint8), random.random((30, 30), np.float32)
    radius = 3  # small enough that nothing is computed on a smaller picture
    expected = np.clip(reference_guided(guide / 255, values, radius, 0.01), 0, 1)
    inner = np.s_[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    np.testing.assert_allclose(apply_guided_filter(guide, values, radius, 0.01)[inner], expected[inner], atol=1e-4)


@pytest.mark.parametrize("middle", [0.5, 0.7])
def test_an_edge_that_is_off_by_some_pixels_is_drawn_to_the_pictures(middle: float) -> None:
    guide = np.full((80, 100), 50, np.uint8)
    guide[:, 50:] = 200
    blurred = np.clip((np.arange(100, dtype=np.float32) - 45) / 20 + middle, 0, 1)  # not at 50, but at 45
    person = apply_guided_filter(guide, np.tile(blurred, (80, 1)), 12, 1e-4, middle) > middle
    assert abs(int(np.argmax(person[40])) - 50) <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (33, 17)])
def test_any_size_goes(size: tuple[int, int]) -> None:
    mask, soft, gray = np.ones(size, np.uint8), np.ones(size, np.float32), np.full(size, 9, np.uint8)
    for made in (fill_holes(mask, 5), open_and_close(mask, 2, 2), shift_edge(mask, 4), apply_hysteresis(mask, mask)):
        assert (made.shape, made.dtype) == (size, np.uint8)
    np.testing.assert_allclose(apply_guided_filter(gray, soft, 20, 0.001), 1, atol=1e-4)
