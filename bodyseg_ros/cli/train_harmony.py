"""`bodyseg train harmony`: train a harmonization network, with a progress bar, and print its scores."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TaskID, TextColumn

from ..errors import SettingsError
from ..lab.harmony_config import read_harmony_settings
from ..lab.harmony_scores import HarmonyScore
from .reporting import AsJson, print_json, progress_bar, progress_console, shows_progress
from .train import need_keras

__all__ = ["scores_table", "train_harmony"]


@shows_progress
def train_harmony(
    config: Annotated[Path, typer.Argument(help="The run's YAML file; see docs/training.md.")],
    as_json: AsJson = False,
) -> None:
    """Train a network for the effect harmonize on photos of people, and measure it on photos that are held out.

    The run's folder gets harmony.tflite, which harmonize.model_path takes.
    Example: bodyseg train harmony harmony.yaml
    """
    settings = read_harmony_settings(config)
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise SettingsError(
            f"KERAS_BACKEND is {backend!r}, but harmonization networks are trained with tensorflow, which writes their "
            "file: unset KERAS_BACKEND."
        )
    need_keras()
    from ..lab.harmony_training import NETWORK_NAME, run

    with _Watcher() as watcher:
        score = run(settings, watcher.advance)
    progress_console.print(f"The network is {settings.output / NETWORK_NAME}")
    if as_json:
        print_json(asdict(score))
    else:
        typer.echo(scores_table({"harmony": score}))


def scores_table(scores: dict[str, HarmonyScore]) -> str:
    """Lay scores out as a Markdown table, a row each."""
    composites = next(iter(scores.values())).composites
    rows = [
        f"| of {composites} composites | PSNR before, dB | after | ΔE before | after | ΔE of untouched people |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in scores.items():
        psnr = f"{one.psnr_db_before:.1f} | {one.psnr_db_tinted:.1f}"
        difference = f"{one.delta_e_before:.1f} | {one.delta_e_tinted:.1f} | {one.delta_e_untouched:.1f}"
        rows.append(f"| {name} | {psnr} | {difference} |")
    return "\n".join(rows)


class _Watcher:
    """A progress bar for each stage of a run."""

    def __init__(self) -> None:
        self._bar = progress_bar(TextColumn("{task.fields[facts]}"))
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Watcher:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, stage: str, done: int, total: int, facts: str = "") -> None:
        """Show how far a stage is."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, facts="")
        self._bar.update(self._tasks[stage], completed=done, facts=facts)
