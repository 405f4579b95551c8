"""Plots of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..dependencies import missing_package
from ..errors import MediaError
from .evaluation import Tally


def draw(tallies: Mapping[str, Tally], folder: Path) -> list[Path]:
    """Write figures.png (bars), parts.png (IoU of each part) and photos.png (share of photos above each IoU).

    Empty plots are left out. Returns the written files.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as err:
        raise missing_package("A plot", err, "matplotlib") from err
    bars = {
        "figures": {name: tally.figures for name, tally in tallies.items()},
        "parts": {name: tally.part_ious for name, tally in tallies.items()},
    }
    written = {}
    for title, rows in bars.items():
        known = [key for key in next(iter(rows.values())) if any(_is(row.get(key)) for row in rows.values())]
        if not known:
            continue
        figure = Figure(figsize=(2 + 0.5 * len(known), 4), layout="constrained")
        axes = figure.add_subplot(ylim=(0, 1), ylabel="IoU" if title == "parts" else "")
        width = 0.8 / len(rows)
        for index, (name, row) in enumerate(rows.items()):
            heights = [row[key] if _is(row.get(key)) else 0.0 for key in known]
            axes.bar(np.arange(len(known)) + index * width, heights, width, label=name)
        axes.set_xticks(np.arange(len(known)) + 0.4 - width / 2, known, rotation=60, ha="right")
        written[title] = figure
    if any(tally.ious for tally in tallies.values()):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot(
            xlim=(0, 1), ylim=(0, 1), xlabel="person IoU", ylabel="share of photos at least as good"
        )
        for name, tally in tallies.items():
            ious = np.sort(list(tally.ious.values()))
            axes.step(ious, 1 - np.arange(len(ious)) / len(ious), where="post", label=name)
        written["photos"] = figure
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for title, figure in written.items():
            figure.axes[0].grid(alpha=0.3)
            figure.legend(loc="outside upper center", ncols=2, fontsize="small")
            figure.savefig(folder / f"{title}.png", dpi=110)
    except OSError as err:
        raise MediaError(f"The plots cannot be written to {str(folder)!r}: {err.strerror}.") from err
    return [folder / f"{title}.png" for title in written]


def _is(figure: float | None) -> bool:
    return figure is not None and not math.isnan(figure)
