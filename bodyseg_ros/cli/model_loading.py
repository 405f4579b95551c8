"""What commands share that load models: the flags' model, a progress bar for downloads, a sample photo, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.progress import TransferSpeedColumn as Speed

from ..dependencies import missing_package
from ..errors import SettingsError
from ..model import Model, open_model
from ..plan import Plan, make_plan
from ..ros.nodes.node_settings import NodeSettings
from ..settings import Size
from .native_noise import hold_native_noise
from .reporting import progress_console

__all__ = ["DownloadBar", "load_model", "plan_model", "read_input_size", "sample_photo"]


def plan_model(values: Mapping[str, Any]) -> Plan[NodeSettings]:
    """Make the plan of these parameters, which may include a node's, since parameter files do."""
    return make_plan(values, NodeSettings)


def load_model(plan: Plan[Any]) -> Model:
    """The model of a plan."""
    with DownloadBar() as bar, hold_native_noise():
        return open_model(plan, bar)


def sample_photo() -> str:
    """Path of a sample portrait from an installed package. Raises MissingDependencyError."""
    try:
        from matplotlib.cbook import get_sample_data
    except ModuleNotFoundError as err:
        raise missing_package("The default sample portrait", err, "matplotlib") from err
    return str(get_sample_data("grace_hopper.jpg", asfileobj=False))


class DownloadBar:
    """One progress bar per file, on standard error; none if nothing is downloaded."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeLeft())
        self._progress = Progress(*columns, console=progress_console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Show that `done` of a file's `total` bytes have arrived."""
        self._progress.start()  # no effect if it is shown already
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)


def read_input_size(text: str) -> Size:
    """Read --input-size, WIDTHxHEIGHT. Raises SettingsError."""
    try:
        return Size.parse(text)
    except ValueError as err:
        raise SettingsError(f"--input-size is {text!r}, but it must be {err}.") from err
