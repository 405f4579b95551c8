"""Plot time against people and pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..dependencies import missing_package

__all__ = ["plot_scaling"]


def plot_scaling(
    points: Sequence[tuple[tuple[int, int], int, Mapping[str, float]]], stages: Sequence[str], path: Path
) -> None:
    """Plot each stage's time against people, one panel per size, and against pixels, one panel per number of people.

    points: ((width, height), people, ms by stage). Raises MissingDependencyError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as err:
        raise missing_package("A plot", err, "matplotlib") from err
    sizes = sorted({size for size, _, _ in points}, key=lambda size: size[0] * size[1])
    counts = sorted({people for _, people, _ in points})
    columns = max(len(sizes), len(counts))
    figure = Figure(figsize=(2 + 2.8 * columns, 7), layout="constrained")
    by_people, by_pixels = figure.subplots(2, columns, squeeze=False)
    for axes in (*by_people[len(sizes) :], *by_pixels[len(counts) :]):
        axes.set_axis_off()
    for stage in stages:
        for axes, size in zip(by_people, sizes, strict=False):
            along = sorted((people, times[stage]) for other, people, times in points if other == size)
            axes.plot(*zip(*along, strict=True), marker="o", markersize=3, label=stage)
            axes.set(title=f"{size[0]}×{size[1]}", xlabel="people", ylabel="ms, median")
        for axes, count in zip(by_pixels, counts, strict=False):
            across = sorted((size[0] * size[1] / 1e6, times[stage]) for size, other, times in points if other == count)
            axes.plot(*zip(*across, strict=True), marker="o", markersize=3, label=stage)
            axes.set(title=f"people: {count}", xlabel="megapixels", ylabel="ms, median")
    for axes in (*by_people[: len(sizes)], *by_pixels[: len(counts)]):
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    figure.legend(*by_people[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(stages))
    figure.savefig(path)
