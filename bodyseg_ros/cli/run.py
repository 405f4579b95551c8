"""`bodyseg run`: find people in photos, folders, videos, cameras and bags, and write images and poses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import ProgressColumn, Task
from rich.text import Text

from ..errors import BodysegError, SettingsError
from ..plan import Plan
from ..ros.nodes.node_settings import NodeSettings
from ..types import Wanted
from .error_output import INTERRUPTED
from .many_files import Jobs, Scheduler, failure_of, for_each, for_others, report_problems
from .model_loading import load_model, plan_model
from .parameter_flags import takes_parameters
from .reporting import count, print_json, progress_bar, progress_console, shows_progress
from .run_files import (
    Input,
    VideoOptions,
    check_fits,
    choose_outputs,
    is_one_file,
    look_at,
    name_outputs,
    spare_inputs,
)
from .run_journal import RunJournal
from .run_task import Choices, Done, RunTask, drop_model, keep_model, run_task
from .run_window import background_files, show_window
from .storage import absolute, expand, join, refuse_memory

__all__ = ["run"]


@shows_progress
@takes_parameters(
    "model", "network", "engine", "effect", "refinement", "second", "tracking", "tracker", "smoothing", "events"
)
def run(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders of photos, videos, bags, a camera number (0) or stream URL; s3://… and the like."
        ),
    ],
    values: dict[str, Any],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            help="Output folder; for one photo, video or bag also x.png, x.mp4, x.webm, x.gif, rtmp://…, /dev/video9, "
            "x.mcap.",
        ),
    ] = "out",
    write: Annotated[
        str,
        typer.Option(
            help="Outputs, comma-separated: mask, parts, parts_color, overlay, cutout, classes, poses, composite "
            "(with --effect), or all. Default: all; with --effect: composite; for a single output file: overlay."
        ),
    ] = "",
    effect: Annotated[
        list[str] | None,
        typer.Option(help="Effect for the composite; repeatable, applied in order. See `bodyseg effects list`"),
    ] = None,  # otherwise the `effects` of --params
    show: Annotated[bool, typer.Option("--show", help="Show a window instead of writing files.")] = False,
    background: Annotated[
        list[str] | None,
        typer.Option(help="With --show: photo, video or folder of photos for the background slider; repeatable."),
    ] = None,
    max_frames: Annotated[int, typer.Option(min=0, help="Stop each input after this many frames; 0: no limit.")] = 0,
    codec: Annotated[
        str,
        typer.Option(help="auto, h264, h265, vp9, av1, prores or gif."),
    ] = VideoOptions.codec,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Video quality.")] = VideoOptions.quality,
    sound: Annotated[Literal["keep", "drop"], typer.Option(help="A video's sound.")] = "keep",
    image_topic: Annotated[str, typer.Option(help="For a bag: the image topic; '': the only one in it.")] = "",
    keep_raw: Annotated[
        bool,
        typer.Option("--keep-raw", help="For a bag: copy image topics even if an effect hides people."),
    ] = False,
    jobs: Jobs = 1,
    scheduler: Scheduler = "",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the lines of poses.jsonl on standard output; without --write or an effect no files."
        ),
    ] = False,
) -> None:
    """Find people in photos, folders, videos, a camera or a ROS 2 bag.

    For photo.jpg it writes photo_mask.png (0/255), photo_parts.png (0 background, part id + 1),
    photo_parts_color.png, photo_overlay.png (with skeletons), photo_cutout.png (RGBA), photo_classes.png (the number
    of the class in the model's card) and a line in poses.jsonl, as far as the network computes them.
    In a video, people have ids and smoothed keypoints, unless --tracker is none; the lines then have events.
    For a video, mask, parts_color and overlay are videos of the same rate and length; parts, classes and cut-outs are
    one PNG per frame. Unreadable inputs are listed and skipped; the exit status is then 1. If a run of several inputs
    was interrupted, or one failed, the same command does what is left.

    A bag (.mcap, .db3 or a folder) is copied to --out with the node's topics added: bodyseg run in.mcap -o out.mcap
    To publish a recording, use `bodyseg anonymize`.

    With --effect it writes photo_composite.png, or a video. With --show, sliders change threshold, smoothing, frame
    skip and background, and keys the effect: bodyseg run 0 --show --background holiday/

    Example: bodyseg run holiday/ clip.mp4 --write overlay,poses --segmentation-threshold 0.6
    """
    if show and as_json:
        raise typer.BadParameter("There are both --show and --json; give one of them.")
    if background and not show:
        raise SettingsError("--background is for the window: add --show, or set --virtual-background.source instead.")
    inputs, (out,) = expand(inputs), expand([out])
    if jobs > 1 or scheduler:
        refuse_memory([*inputs, out])
    readable, problems = _look_at_all(inputs)
    if not readable:
        report_problems(problems, "Nothing could be read, so nothing was done.")
    video = VideoOptions(codec, quality, sound == "keep")
    choices = Choices(values, write, tuple(effect or ()), max_frames, video, image_topic, keep_raw)
    if show:
        _show(choices, readable, background or ())
        return
    if as_json and 0 < sum(one.bag for one in readable) < len(readable):
        raise SettingsError("--json prints lines for photos and videos, and a report for bags; do them in two runs.")
    one_file, where = is_one_file(out, readable), out
    try:
        choices, model = _check(choices, readable, out, one_file, as_json)
        if jobs > 1 or scheduler:
            drop_model()  # other processes load their own
            # Workers have other current folders; a camera's number is no path.
            readable = [replace(one, text=absolute(one.text)) if Path(one.text).exists() else one for one in readable]
            out = absolute(out)
            choices = replace(choices, values=for_others(choices.values, min(jobs, len(readable))))
        if len(readable) > 1:
            done = _do_several(choices, readable, out, as_json, jobs, scheduler, problems)
        else:
            tasks = _tasks(choices, readable, out, one_file, as_json, None)
            done = _do_all(tasks, None, jobs, scheduler, problems)
    finally:
        drop_model()
    skipped = sum(one.before for one in done)
    if skipped:
        progress_console.print(f"{skipped} of {len(readable)} inputs had been done before.")
    _tell(done, problems, model, f", results in {where}" if choices.write else "", as_json)


def _look_at_all(inputs: Sequence[str]) -> tuple[list[Input], list[str]]:
    """Return the readable inputs, and a sentence for each other one, before a network is loaded."""
    readable, problems = [], []
    for text in inputs:
        try:
            readable.append(look_at(text))
        except BodysegError as err:  # noqa: PERF203 - the others are done all the same
            problems.append(str(err))
    return readable, problems


def _show(choices: Choices, readable: Sequence[Input], background: Sequence[str]) -> None:
    """The window instead of files."""
    bags = [one.text for one in readable if one.bag]
    if bags:
        raise SettingsError(f"--show is for photos, videos and cameras, but the input is the bag {bags[0]!r}.")
    backgrounds = background_files(background)
    plan = plan_model(choices.values)
    with load_model(plan) as model:
        show_window(model, [one.text for one in readable], _chain(choices, plan), plan.effects, backgrounds)


def _chain(choices: Choices, plan: Plan[NodeSettings]) -> tuple[str, ...]:
    """The effects of the flags, or else those of a parameter file."""
    return choices.effects or (tuple(plan.own.effects) if "effects" in choices.values else ())


def _check(choices: Choices, readable: Sequence[Input], out: str, one_file: bool, as_json: bool) -> tuple[Choices, str]:
    """Load the network and check the choices by what it computes. Returns them with all outputs named, and the
    network's name, which is '' if there are bags only. Raises SettingsError and MediaError.
    """
    if all(one.bag for one in readable):
        return choices, ""
    plan = plan_model(choices.values)
    chain = _chain(choices, plan)
    model = keep_model(plan, choices.values)
    write = choices.write or ("composite" if chain else "overlay" if one_file else "" if as_json else "all")
    outputs = choose_outputs(write, model.offers, plan.effects, chain) if write else {}
    if as_json and Wanted.POSES not in model.offers:
        raise SettingsError("--json prints poses, but this network does not compute them with these settings.")
    if one_file:
        check_fits(out, outputs)
    spare_inputs(out, outputs, readable, one_file)
    return replace(choices, write=",".join(outputs), effects=chain), model.network.card.name


def _tasks(
    choices: Choices, readable: Sequence[Input], out: str, one_file: bool, as_json: bool, journal: RunJournal | None
) -> list[RunTask]:
    """One for each input. journal: of several."""
    chain = {"effects": list(choices.effects)} if choices.effects else {}
    for_bags = replace(choices, values=choices.values | chain, write="", effects=())
    poses = "poses" in choices.outputs
    tasks = []
    for number, (one, names) in enumerate(zip(readable, name_outputs(readable), strict=True)):
        lines = record = ""
        if journal:
            lines = journal.lines_of(number) if (poses or as_json) and not one.bag else ""
            record = journal.record_of(number)
        elif poses:
            lines = join(out, "poses.jsonl")
        prints = as_json and not one.bag and not journal
        chosen = for_bags if one.bag else choices
        tasks.append(RunTask(number, one.text, out, chosen, names, one_file, lines, prints, record))
    return tasks


def _do_several(
    choices: Choices, readable: Sequence[Input], out: str, as_json: bool, jobs: int, scheduler: str, problems: list[str]
) -> list[Done]:
    """Several inputs; adds what failed to the problems."""
    bags = any(one.bag for one in readable)
    if scheduler and not choices.write and not bags:
        raise SettingsError("--json with --scheduler needs --write poses and an --out that the workers see.")
    place = out if choices.write or bags else ""
    printed = [sys.stdout] if as_json and not bags else []
    with RunJournal(place, len(readable), "poses" in choices.outputs, printed) as journal:
        done = _do_all(_tasks(choices, readable, out, False, as_json, journal), journal, jobs, scheduler, problems)
    if not problems:
        journal.remove()
    return done


def _do_all(
    tasks: Sequence[RunTask], journal: RunJournal | None, jobs: int, scheduler: str, problems: list[str]
) -> list[Done]:
    """Do each task, and tell of each bag. Adds what failed to the problems, in the tasks' order."""
    all_done: dict[int, Done] = {}
    failed: dict[int, list[str]] = {}
    try:
        with progress_bar(_Rate()) as progress:
            for task, made in for_each(run_task, tasks, jobs, scheduler, progress):
                if journal:
                    journal.finish(task.number, failed=isinstance(made, Exception))
                if isinstance(made, Exception):
                    if len(tasks) == 1:
                        raise made
                    failed[task.number] = [failure_of(task.source, made)]
                    continue
                for remark in made.remarks:
                    progress_console.print(remark)
                all_done[task.number], failed[task.number] = made, made.problems
    except KeyboardInterrupt:
        more = " The same command does what is left." if journal else ""
        progress_console.print(f"bodyseg: stopped; what was written so far is complete and playable.{more}")
        raise typer.Exit(INTERRUPTED) from None
    problems += [problem for _, found in sorted(failed.items()) for problem in found]
    return [done for _, done in sorted(all_done.items())]


def _tell(done: Sequence[Done], problems: Sequence[str], model: str, where: str, as_json: bool) -> None:
    """Say what failed, then what was done; exit status 1 if anything failed. model: '' if there were bags only."""
    reports = {one.target: one.report for one in done if one.report}
    if as_json and reports:
        print_json(reports if len(done) > 1 else next(iter(reports.values())))
    frames = sum(one.frames for one in done if not one.report and not one.before)
    report_problems(problems, f"{count(frames, 'frame')} done by {model}{where}" if model else "")


class _Rate(ProgressColumn):
    """Frames per second so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed and not task.fields.get("of_inputs") else "")
