"""`bodyseg train`: run a training configuration, with a progress bar; Ctrl-C saves a checkpoint."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from rich.progress import TaskID, TextColumn

from ..dependencies import missing_package
from ..formats.runtime import load_tensorflow
from ..lab.portrait_config import is_portrait_run, read_portrait_run
from ..lab.train_config import TrainSettings, read_settings
from .error_output import INTERRUPTED
from .native_noise import hold_native_noise
from .reporting import progress_bar, progress_console, shows_progress

__all__ = ["need_keras", "train"]

_SMOOTHING: Final = 0.95


@shows_progress
def train(
    config: Annotated[Path, typer.Argument(help="The run's YAML file; see docs/training.md.")],
) -> None:
    """Train a network from a configuration; resume an interrupted run.

    A configuration that names a `network` trains a portrait network, any other one BodyPix's. Ctrl-C saves a
    checkpoint; the same command resumes from it. The run's folder holds checkpoint, log.csv, TensorBoard events, a
    sheet of predictions and a copy of the configuration.
    Example: bodyseg train train.yaml && bodyseg export run --to tfjs --quantize float16 --out my_model
    """
    if is_portrait_run(config):
        portrait = read_portrait_run(config)
        need_keras()
        from ..lab.portrait_trainer import train_portrait

        output = portrait.output
        with _Watcher() as watcher:
            done = train_portrait(portrait, watcher)
    else:
        settings = read_settings(config)
        need_keras()
        from ..lab.trainer import run

        output = settings.output
        with _Watcher() as watcher:
            done = run(settings, watcher)
    if not done:
        progress_console.print(f"bodyseg: stopped; bodyseg train {config} goes on from the checkpoint.")
        raise typer.Exit(INTERRUPTED)
    progress_console.print(f"The run is done: {output}")


def need_keras() -> None:
    """Load Keras and its backend; raise MissingDependencyError where one is not installed."""
    with hold_native_noise():
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            load_tensorflow()
        try:
            import keras  # noqa: F401
        except ModuleNotFoundError as err:
            raise missing_package("Training", err, "bodyseg_ros[train]") from err


class _Watcher:
    """Progress bars for the teacher's labels and the steps. The first Ctrl-C stops the run after the current step, the
    second at once.
    """

    def __init__(self) -> None:
        self._bar = progress_bar(TextColumn("{task.fields[facts]}"))
        self._tasks: dict[str, TaskID] = {}
        self._loss = 0.0
        self._stop = False

    def __enter__(self) -> _Watcher:
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
        signal.signal(signal.SIGINT, self._before)
        self._bar.console.print("stopping after this step …")

    def labeled(self, done: int, total: int) -> None:
        """Show how many photos are labeled."""
        self._bar.update(self._task("labels", total), completed=done)

    def kept(self, done: int, total: int) -> None:
        """Show how many frames of a pool are made."""
        self._bar.update(self._task("frames", total), completed=done)

    def stepped(self, step: int, settings: TrainSettings, loss: float) -> None:
        """Show the step, a moving average of the loss, and frames/s."""
        stage, rate = settings.at(step - 1)
        self.progressed(step, settings.steps, loss, rate, stage.batch)

    def progressed(self, step: int, steps: int, loss: float, learning_rate: float, batch: int) -> None:
        """Show the step, a moving average of the loss, and frames/s; batch: frames per step."""
        self._loss = _SMOOTHING * self._loss + (1 - _SMOOTHING) * loss if "steps" in self._tasks else loss
        task = self._task("steps", steps, step)
        speed = f"{batch * (self._bar.tasks[task].speed or 0.0):.0f} frames/s"
        self._bar.update(
            task, completed=step, facts=f"loss {self._loss:.3f}  learning rate {learning_rate:.2g}  {speed}"
        )

    def stop(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._stop

    def _task(self, name: str, total: int, done: int = 0) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total, completed=done, facts="")
        return self._tasks[name]
