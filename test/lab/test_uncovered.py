"""What is left uncovered of people, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.lab.uncovered import LARGE_PX, Uncovered


def test_counts_by_hand() -> None:
    people = np.zeros((200, 200), np.int32)
    people[:100, :100] = 1  # large, half of it covered
    people[100:, :100] = 2  # large, 5 % of it covered
    people[:10, 100:110] = 3  # small, not covered
    where = np.zeros((200, 200), bool)
    where[:50, :100] = where[100:105, :100] = True
    where[150:, 100:] = True  # nobody is there
    count = Uncovered()
    count.add(where, people > 0, people)
    assert (count.people, count.missed, count.large, count.large_missed) == (3, 2, 2, 1)
    assert count.uncovered == pytest.approx((5000 + 9500 + 100) / (20000 + 100))
    assert count.covered_rest == pytest.approx(5000 / (40000 - 20100))
    assert LARGE_PX == 9216


def test_nobody_is_left_of_nobody() -> None:
    count = Uncovered()
    count.add(np.zeros((2, 2), bool), np.zeros((2, 2), bool))
    assert (count.uncovered, count.covered_rest) == (0, 0)
