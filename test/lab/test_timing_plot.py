"""Plots of timings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bodyseg_ros.errors import MissingDependencyError
from bodyseg_ros.lab.timing_plot import plot_scaling


def test_a_plot_without_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        plot_scaling([((10, 10), 1, {"prepare": 1.0})], ["prepare"], tmp_path / "plot.png")
