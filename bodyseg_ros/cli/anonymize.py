"""`bodyseg anonymize`: cover people in recordings, for sharing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..dependencies import missing_package
from ..errors import BodysegError, MediaError
from ..privacy.media_release import anonymize_media
from ..privacy.release_report import outputs_beside
from .error_output import complain
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
    as_json: AsJson = False,
) -> None:
    """Cover the people in recordings, for sharing.

    Every picture is looked at twice: what is covered in one frame is covered in its neighbors, and the way of a person
    from one sighting to the next. A frame that cannot be judged is blank. Beside OUT come OUT.report.json and
    OUT.sheet.png: look at them before you publish. docs/recordings.md says what is not promised.

    In a bag topics that may show people (point clouds, types that are not known) must be named: --keep or --drop.

    Example: bodyseg anonymize drive.mcap --out public.mcap --drop /lidar/points --depth remove
    """
    problems: list[str] = []
    reports: dict[str, Any] = {}
    rules = {"keep": keep or (), "drop": drop or (), "depth": depth or "", "effects": effect or ()}
    folder = out.is_dir() or len(inputs) > 1
    if len({path.resolve().name for path in inputs}) < len(inputs):
        raise MediaError("Two inputs have the same name, so their outputs would too; do them one after the other.")
    with progress_bar() as progress:
        for source in inputs:
            target = out / source.resolve().name if folder else out
            task = progress.add_task(source.name, total=None)

            def show(done: int, total: int, task: Any = task) -> None:
                progress.update(task, completed=done, total=total)

            try:
                _anonymize(source, target, values, rules, audio, show)
                reports[str(target)] = json.loads(outputs_beside(target)[0].read_text(encoding="utf-8"))
            except BodysegError as err:
                if len(inputs) == 1:
                    raise
                problems.append(f"{source}: {err}")
    if as_json:
        print_json(reports)
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(1)


def _anonymize(
    source: Path,
    target: Path,
    values: dict[str, Any],
    rules: dict[str, Any],
    audio: Literal["keep", "drop"],
    show: Callable[[int, int], None],
) -> None:
    """One input, by its kind."""
    if not is_bag(source):
        _say(anonymize_media(source, target, values, rules["effects"], audio, show), target)
        return
    try:
        from ..ros.bag_release import ReleaseRules, anonymize_bag
    except ModuleNotFoundError as err:
        raise missing_package("Reading a bag", err, "bodyseg_ros[bags]") from err
    report = anonymize_bag(source, target, values, ReleaseRules(**rules), show)
    for topic, treatment in report.topics.items():
        progress_console.print(f"{topic}: {treatment}")
    _say(report, target)


def _say(report: Any, target: Path) -> None:
    """Print what was done to each camera."""
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
