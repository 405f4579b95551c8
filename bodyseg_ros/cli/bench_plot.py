"""Plots of `bodyseg bench`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import MissingDependencyError

__all__ = ["plot_scaling"]


def plot_scaling(points: Sequence[tuple[int, int, Mapping[str, float]]], stages: Sequence[str], path: Path) -> None:
    """Draw each stage's time against pixels (for the most frequent number of people) and against people.

    points: (pixels, people, ms by stage). Raises MissingDependencyError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as err:
        raise MissingDependencyError("Plots need matplotlib. Install it with: pip install matplotlib") from err
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    by_pixels, by_people = figure.subplots(1, 2)
    counts, sizes = [people for _, people, _ in points], [pixels for pixels, _, _ in points]
    usual, size = max(counts, key=counts.count), max(sizes, key=sizes.count)
    for stage in stages:
        across = sorted((pixels / 1e6, times[stage]) for pixels, people, times in points if people == usual)
        by_pixels.plot(*zip(*across, strict=True), marker="o", label=stage)
        along = sorted((people, times[stage]) for pixels, people, times in points if pixels == size)
        by_people.plot(*zip(*along, strict=True), marker="o", label=stage)
    by_pixels.set(title=f"{usual} people", xlabel="megapixels", ylabel="ms, median")
    by_people.set(title=f"{size / 1e6:.2g} megapixels", xlabel="people", ylabel="ms, median")
    for axes in (by_pixels, by_people):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    by_pixels.legend()
    figure.savefig(path)
