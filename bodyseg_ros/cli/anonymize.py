"""`bodyseg anonymize`: cover people in recordings, for sharing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..dependencies import missing_package
from ..errors import MediaError
from ..media.photos import WRITE_OPTIONS
from ..media.source import VIDEO_SUFFIXES
from ..plan import make_plan
from ..privacy import RecordingSettings
from ..privacy.media_release import anonymize_media
from ..privacy.release_report import is_finished, outputs_beside
from .error_output import INTERRUPTED, complain
from .many_files import Jobs, Scheduler, Show, failure_of, for_each, for_others, report_problems
from .parameter_flags import takes_parameters
from .reporting import AsJson, count, print_json, progress_bar, progress_console, shows_progress
from .run_files import is_bag
from .storage import (
    absolute,
    exists,
    expand,
    fetched,
    is_folder,
    is_remote,
    join,
    name_of,
    parent_of,
    put_into,
    read_text,
    refuse_memory,
)

__all__ = ["anonymize"]

#: Outputs that are no folders.
_OF_FILES = (*VIDEO_SUFFIXES, *WRITE_OPTIONS, ".mcap", ".db3")


@shows_progress
@takes_parameters("recording", "model", "network", "engine", "effect", "refinement")
def anonymize(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Bags (.mcap, .db3, folders), videos, photos, folders of photos; s3://… and the like."),
    ],
    values: dict[str, Any],
    out: Annotated[
        str,
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
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
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
    inputs, (out,) = expand(inputs), expand([out])
    if jobs > 1 or scheduler:
        refuse_memory([*inputs, out])
    if len({name_of(text) for text in inputs}) < len(inputs):
        raise MediaError("Two inputs have the same name, so their outputs would too; do them one after the other.")
    folder = len(inputs) > 1 or is_folder(out)
    if folder and Path(out).suffix.lower() in _OF_FILES and not is_folder(out):
        raise MediaError(f"--out is {out!r}, which is for one input, but there are {len(inputs)}; use a folder.")
    values = for_others(values, min(jobs, len(inputs)))
    targets = [join(out, name_of(text)) if folder else out for text in inputs]
    tasks = [
        _Task(text, absolute(text), absolute(target), values, rules, audio)
        for text, target in zip(inputs, targets, strict=True)
    ]
    problems: dict[str, str] = {}
    reports: dict[str, Any] = {}
    try:
        with progress_bar() as progress:
            for task, made in for_each(_do_or_skip, tasks, jobs, scheduler, progress):
                if isinstance(made, Exception):
                    if len(tasks) == 1:
                        raise made
                    problems[task.source] = failure_of(task.given, made)
                    continue
                if made is None:
                    progress_console.print(f"Already there: {task.target}")
                else:
                    _say(made, task.target)
                reports[task.target] = json.loads(read_text(_report_of(task.target)))
    except KeyboardInterrupt:
        progress_console.print("bodyseg: stopped; no output is incomplete. The same command does what is left.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(dict(sorted(reports.items())))
    report_problems([problem for _, problem in sorted(problems.items())])


def _check_there(task: _Task) -> None:
    """Raise MediaError unless the input is a file or a folder."""
    device = task.given.startswith("/dev/")
    if exists(task.source) and not device:
        return
    is_live = device or ("://" in task.given and not is_remote(task.given)) or task.given.isdigit()
    hint = f" A camera or stream is covered live: bodyseg privacy-camera --source {task.given}" if is_live else ""
    raise MediaError(
        f"There is no file or folder {task.given!r}; give bags, videos, photos or folders of photos.{hint}"
    )


@dataclass(frozen=True)
class _Task:
    """One input, and all that another process needs for it. given: the input as the user wrote it."""

    given: str
    source: str
    target: str
    values: dict[str, Any]
    rules: dict[str, Any]
    audio: Literal["keep", "drop"]

    @property
    def name(self) -> str:
        """The input's own."""
        return name_of(self.source)


def _report_of(target: str) -> str:
    return join(parent_of(target), outputs_beside(Path(name_of(target)))[0].name)


def _do_or_skip(task: _Task, show: Show = None) -> Any:
    """The report of a task; None if its output is there already, made from this input with these options."""
    _check_there(task)
    with fetched(task.source) as source:
        if _is_done(task, source):
            return None
        for path in (task.target, _report_of(task.target)):
            if is_remote(path) and exists(path):
                raise MediaError(f"The output {path!r} already exists; choose another name, or delete it first.")
        with put_into(parent_of(task.target), last=name_of(task.target)) as folder:
            return _do(task, source, folder / name_of(task.target), show)


def _is_done(task: _Task, source: Path) -> bool:
    """Whether the output and its report are there, made from this input with these options."""
    effects, options = task.rules["effects"], _options(task)
    if not exists(task.target):
        return False
    plan = make_plan(task.values, RecordingSettings)
    with fetched(task.target) as target:
        if is_remote(task.target):
            outputs_beside(target)[0].write_text(read_text(_report_of(task.target)), encoding="utf-8")
        return is_finished(source, target, plan, effects, options)


def _do(task: _Task, source: Path, target: Path, show: Show) -> Any:
    """One input, by its kind."""
    if not is_bag(str(source)):
        return anonymize_media(source, target, task.values, task.rules["effects"], task.audio, show)
    try:
        from ..ros.bag_release import ReleaseRules, anonymize_bag
    except ModuleNotFoundError as err:
        raise missing_package("Reading a bag", err, "bodyseg_ros[bags]") from err
    return anonymize_bag(source, target, task.values, ReleaseRules(**task.rules), show)


def _options(task: _Task) -> dict[str, Any]:
    """What the report of this task says that the user chose."""
    if not is_bag(task.source):
        return {"audio": task.audio}
    return {**{flag: sorted(task.rules[flag]) for flag in ("keep", "drop")}, "depth": task.rules["depth"]}


def _say(report: Any, target: str) -> None:
    """Print what was done to each topic of a bag, and to each camera."""
    for topic, treatment in getattr(report, "topics", {}).items():
        progress_console.print(f"{topic}: {treatment}")
    for problem in getattr(report, "problems", ()):
        complain(f"{problem} It is left out.")
    for camera in report.cameras:
        blanked = sum(last - first + 1 for ranges in camera.blanked.values() for first, last in ranges)
        progress_console.print(
            f"{camera.name}: {count(camera.frames, 'frame')}, {camera.covered_share:.1%} covered, "
            f"{count(len(camera.gaps), 'gap')} filled, {blanked} blank, "
            f"{count(sum(map(len, camera.look_at.values())), 'place')} to look at"
        )
    beside = ", ".join(path.name for path in outputs_beside(Path(name_of(target))))
    progress_console.print(f"Written: {target}, {beside}")
