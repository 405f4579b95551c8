"""`bodyseg anonymize`: cover people in recordings, for sharing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import Progress

from ..dependencies import missing_package
from ..errors import BodysegError, MediaError
from ..plan import make_plan
from ..privacy import RecordingSettings
from ..privacy.media_release import anonymize_media
from ..privacy.release_report import is_finished, outputs_beside
from .error_output import complain
from .many_files import for_each
from .parameter_flags import takes_parameters
from .reporting import AsJson, print_json, progress_bar, progress_console, shows_progress
from .run import is_bag

__all__ = ["anonymize"]


@shows_progress
@takes_parameters("recording", "model", "network", "engine", "effect", "refinement")
def anonymize(
    inputs: Annotated[
        list[Path], typer.Argument(help="Bags (.mcap, .db3, folders), videos, photos, folders of photos.")
    ],
    values: dict[str, Any],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Output, of the same kind as the input; a folder for several inputs or if it exists."
        ),
    ],
    effect: Annotated[
        list[str] | None,
        typer.Option(
            help="How to cover people: cover (gray), or effects that hide people, in order: "
            "anonymize, pixelate, remove_people. `bodyseg effects list`"
        ),
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(help="A topic to copy unchanged.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A topic to leave out.")] = None,
    depth: Annotated[
        Literal["keep", "remove", "drop"] | None,
        typer.Option(help="Depth images: keep them, remove people from them, or drop their topics."),
    ] = None,
    audio: Annotated[Literal["keep", "drop"], typer.Option(help="A video's sound. Voices are known too.")] = "drop",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Inputs at a time, each in its own process.")] = 1,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Address of a Dask scheduler, as tcp://host:8786: its workers take one input each. They must see the "
            "same files, and have this version of the package."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Cover the people in recordings, for sharing.

    Every picture is looked at twice: what is covered in one frame is covered in its neighbors, and the way of a person
    from one sighting to the next. A frame that cannot be judged is blank. Beside OUT come OUT.report.json and
    OUT.sheet.png: look at them before you publish. docs/recordings.md says what is not promised.

    Several inputs go into a folder. What is already there, made from the same input with the same options, is skipped:
    the same command continues a run that was interrupted.

    In a bag topics that may show people (point clouds, types that are not known) must be named: --keep or --drop.

    Example: bodyseg anonymize drive.mcap --out public.mcap --drop /lidar/points --depth remove
    """
    rules = {"keep": keep or (), "drop": drop or (), "depth": depth or "", "effects": effect or ()}
    if len({path.resolve().name for path in inputs}) < len(inputs):
        raise MediaError("Two inputs have the same name, so their outputs would too; do them one after the other.")
    folder = out.is_dir() or len(inputs) > 1
    # Workers of a scheduler have other current folders.
    tasks = [
        _Task(path.absolute(), (out / path.resolve().name if folder else out).absolute(), values, rules, audio)
        for path in inputs
    ]
    problems: list[str] = []
    reports: dict[str, Any] = {}
    for task, made in _do_all(tasks, jobs, scheduler):
        if isinstance(made, Exception):
            if len(tasks) == 1:
                raise made
            problems.append(f"{task.source}: {str(made) or type(made).__name__}")
            continue
        if made is None:
            progress_console.print(f"Already there: {task.target}")
        else:
            _say(made, task.target)
        reports[str(task.target)] = json.loads(outputs_beside(task.target)[0].read_text(encoding="utf-8"))
    if as_json:
        print_json(dict(sorted(reports.items())))
    for problem in sorted(problems):
        complain(problem)
    if problems:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Task:
    """One input, and all that another process needs for it."""

    source: Path
    target: Path
    values: dict[str, Any]
    rules: dict[str, Any]
    audio: Literal["keep", "drop"]


def _do_all(tasks: Sequence[_Task], jobs: int, scheduler: str) -> Iterator[tuple[_Task, Any]]:
    """Each task with its report, None if it was done before, or its error."""
    with progress_bar() as progress:
        if jobs > 1 or scheduler:
            bar = progress.add_task("inputs", total=len(tasks))
            for task, made in for_each(_do_or_skip, tasks, jobs, scheduler):
                progress.advance(bar)
                yield task, made
            return
        for task in tasks:
            yield task, _attempt(task, progress)


def _attempt(task: _Task, progress: Progress) -> Any:
    """What _do_or_skip() gives, or its error."""
    try:
        return _do_or_skip(task, progress)
    except BodysegError as err:
        return err


def _do_or_skip(task: _Task, progress: Progress | None = None) -> Any:
    """The report of a task; None if its output is there already, made from this input with these options."""
    plan = make_plan(task.values, RecordingSettings)
    if is_finished(task.source, task.target, plan, task.rules["effects"], _options(task)):
        return None
    return _do_shown(task, progress) if progress else _do(task)


def _do_shown(task: _Task, progress: Progress) -> Any:
    bar = progress.add_task(task.source.name, total=None)
    return _do(task, lambda done, total: progress.update(bar, completed=done, total=total))


def _do(task: _Task, show: Callable[[int, int], None] | None = None) -> Any:
    """One input, by its kind."""
    if not is_bag(task.source):
        return anonymize_media(task.source, task.target, task.values, task.rules["effects"], task.audio, show)
    try:
        from ..ros.bag_release import ReleaseRules, anonymize_bag
    except ModuleNotFoundError as err:
        raise missing_package("Reading a bag", err, "bodyseg_ros[bags]") from err
    return anonymize_bag(task.source, task.target, task.values, ReleaseRules(**task.rules), show)


def _options(task: _Task) -> dict[str, Any]:
    """What the report of this task says that the user chose."""
    if not is_bag(task.source):
        return {"audio": task.audio}
    return {**{flag: sorted(task.rules[flag]) for flag in ("keep", "drop")}, "depth": task.rules["depth"]}


def _say(report: Any, target: Path) -> None:
    """Print what was done to each topic of a bag, and to each camera."""
    for topic, treatment in getattr(report, "topics", {}).items():
        progress_console.print(f"{topic}: {treatment}")
    for problem in getattr(report, "problems", ()):
        complain(f"{problem} It is left out.")
    for camera in report.cameras:
        blanked = sum(last - first + 1 for ranges in camera.blanked.values() for first, last in ranges)
        progress_console.print(
            f"{camera.name}: {camera.frames} frames, {camera.covered_share:.1%} covered, "
            f"{len(camera.gaps)} gaps filled, {blanked} blank, "
            f"{sum(map(len, camera.look_at.values()))} places to look at"
        )
    progress_console.print(f"Written: {target}, {target.name}.report.json, {target.name}.sheet.png")
