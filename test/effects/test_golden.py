"""Every effect draws what it drew when somebody looked at it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bodyseg_ros.plugins import plugin_names
from effects.drawn import CASES, GOLDEN, drawn

#: Blurs, solvers and lines differ a little between versions of OpenCV; 45 dB is a mean error of 1.4 levels.
LEAST_DB = 45.0


@pytest.mark.parametrize("name", CASES)
def test_picture(name: str) -> None:
    picture, stored = drawn(name), cv2.imread(str(GOLDEN / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    stored = cv2.cvtColor(stored, cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    assert picture.shape == stored.shape
    error = ((picture.astype(float) - stored) ** 2).mean()
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > LEAST_DB


def test_no_effect_is_without_a_picture() -> None:
    shown = {name for effects, _ in CASES.values() for name in effects}
    assert set(plugin_names("effects")) == shown
