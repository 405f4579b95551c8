"""`bodyseg run`: find people in photos, folders, videos, cameras and bags, and write images and poses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from ..dependencies import missing_package
from ..errors import BodysegError, EngineError, FrameError, MediaError, SettingsError
from ..media import open_source
from ..model import Model
from ..tracking import NOBODY_FOLLOWED, PeopleFollower
from ..types import Wanted
from .error_output import INTERRUPTED, complain
from .model_loading import load_model, plan_model
from .parameter_flags import takes_parameters
from .reporting import print_json, progress_bar, progress_console, shows_progress
from .run_files import FileWriter, Input, VideoOptions, check_bag_name, choose_outputs, is_one_file, is_still, look_at
from .run_window import background_files, show_window

__all__ = ["run"]


@shows_progress
@takes_parameters(
    "model", "network", "engine", "effect", "refinement", "second", "tracking", "tracker", "smoothing", "events"
)
def run(
    inputs: Annotated[
        list[str], typer.Argument(help="Photos, folders of photos, videos, a camera number (0) or stream URL.")
    ],
    values: dict[str, Any],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            help="Output folder; for one photo or video also x.png, x.mp4, x.webm, x.gif, rtmp://…, /dev/video9.",
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
    one PNG per frame. Unreadable inputs are listed and skipped; the exit status is then 1.

    A bag (.mcap, .db3 or a folder) is copied to --out with the node's topics added: bodyseg run in.mcap -o out.mcap
    To publish a recording, use `bodyseg anonymize`.

    With --effect it writes photo_composite.png, or a video. With --show, sliders change threshold, smoothing, frame
    skip and background, and keys the effect: bodyseg run 0 --show --background holiday/

    Example: bodyseg run holiday/ clip.mp4 --write overlay,poses --segmentation-threshold 0.6
    """
    if show and as_json:
        raise typer.BadParameter("There are both --show and --json; give one of them.")
    bags = [Path(text) for text in inputs if is_bag(Path(text))]
    if bags:
        if len(inputs) > 1:
            raise MediaError(f"The bag {str(bags[0])!r} must be the only input; run each bag separately.")
        chosen = values | ({"effects": list(effect)} if effect else {})
        run_bag(bags[0], Path(out), chosen, image_topic, keep_raw, as_json)
        return
    readable, problems = _look_at_all(inputs)
    if not readable:
        _report(problems, "Nothing could be read, so nothing was done.")
    one_file = not show and is_one_file(out, readable)
    if background and not show:
        raise SettingsError("--background is for the window: add --show, or set --virtual-background.source instead.")
    backgrounds = background_files(background or ())
    plan = plan_model(values)
    chain = effect or (plan.own.effects if "effects" in values else ())
    with load_model(plan) as model:
        if show:
            show_window(model, [one.text for one in readable], chain, plan.effects, backgrounds)
            return
        wanted = write or ("composite" if chain else "overlay" if one_file else "" if as_json else "all")
        outputs = choose_outputs(wanted, model.offers, plan.effects, chain) if wanted else {}
        if as_json and Wanted.POSES not in model.offers:
            raise SettingsError("--json prints poses, but this network does not compute them with these settings.")
        follower = PeopleFollower(model.following if Wanted.POSES in model.offers else NOBODY_FOLLOWED)
        video = VideoOptions(codec, quality, sound == "keep")
        writing = FileWriter(out, outputs, inputs, one_file, plan.events, video, sys.stdout if as_json else None)
        with writing as writer, progress_bar(_Rate()) as progress:
            try:
                for one in readable:
                    problems += _process(model, follower, one.text, writer, progress, max_frames)
            except KeyboardInterrupt:
                progress_console.print("bodyseg: stopped; what was written so far is complete and playable.")
                raise typer.Exit(INTERRUPTED) from None
    frames = f"{writer.frames} frame{'s' * (writer.frames != 1)}"
    _report(problems, f"{frames} done by {model.network.card.name}" + (f", results in {out}" if outputs else ""))


def _look_at_all(inputs: Sequence[str]) -> tuple[list[Input], list[str]]:
    """Return the readable inputs, and a sentence for each other one, before a network is loaded."""
    readable, problems = [], []
    for text in inputs:
        try:
            readable.append(look_at(text))
        except BodysegError as err:  # noqa: PERF203 - the others are done all the same
            problems.append(str(err))
    return readable, problems


def _report(problems: list[str], summary: str) -> None:
    """Report what failed, then what was done; exit status 1 if anything failed."""
    for problem in problems:
        complain(problem)
    progress_console.print(summary)
    if problems:
        raise typer.Exit(1)


def is_bag(path: Path) -> bool:
    """Whether a path is a ROS 2 bag, by name or metadata."""
    return path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").is_file()


def run_bag(
    source: Path, target: Path, values: dict[str, Any], image_topic: str, keep_raw: bool, as_json: bool
) -> None:
    """Copy a bag with the node's topics added, with a progress bar."""
    check_bag_name(target)
    try:
        from ..ros.bag import process_bag
    except ModuleNotFoundError as err:
        raise missing_package("Reading a bag", err, "bodyseg_ros[bags]") from err
    with progress_bar(_Rate()) as progress:
        task = progress.add_task(source.name, total=None)
        report = process_bag(
            source,
            target,
            values,
            lambda done, total: progress.update(task, completed=done, total=total),
            image_topic,
            keep_raw,
        )
    if as_json:
        print_json(asdict(report))
    progress_console.print(f"Topics copied: {', '.join(report.copied) or 'none'}.")
    if report.left_out:
        progress_console.print(
            f"Topics left out, as they may show people: {', '.join(report.left_out)}; --keep-raw copies them."
        )
    problems = [f"{source.name}, frame at {stamp_ns} ns: {why}" for stamp_ns, why in report.problems]
    _report(problems, f"{report.frames} frames of {report.image_topic} done, bag in {target}")


def _process(
    model: Model, follower: PeopleFollower, text: str, writer: FileWriter, progress: Progress, max_frames: int
) -> list[str]:
    """Process all frames of one input; return what failed."""
    problems = []
    try:
        with open_source(text) as source, writer.files_of(source) as write:
            total = min(source.length, max_frames or source.length) if source.length else None
            task = progress.add_task(source.stem, total=total)
            follower.restart()
            moves = not is_still(source)
            for count, frame in enumerate(source, start=1):
                try:
                    result = model.run(frame, writer.wanted)
                    write(frame, follower.follow(frame, result) if moves else result)
                except (EngineError, FrameError) as err:
                    problems.append(f"{source.stem}, frame {count}: {err}")
                progress.advance(task)
                if count == max_frames:
                    problems += source.problems
                    break
    except BodysegError as err:
        problems.append(str(err))
    return problems


class _Rate(ProgressColumn):
    """Frames per second so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")
