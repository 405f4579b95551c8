"""`bodyseg effects`: list effects, show their parameters with an example, make a gallery."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from ..body import PART_NAMES
from ..effects import compose_all, contact_sheet, load_effects, needs_of
from ..effects.example import example, room
from ..media.photos import read_photo, write_photo
from ..model import Model
from ..plan import parameters_of, plugin_settings
from ..plugins import load_plugin, plugin_names
from ..settings import split_groups
from ..types import Frame, Result, Wanted
from .model_loading import load_model, plan_model, sample_photo
from .parameter_flags import takes_parameters
from .params import print_text
from .reporting import progress_console, shows_progress, track
from .short_help import ShortHelpCommand

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Effects on an image and the people in it. They can be chained: bodyseg run photo.jpg "
    "--effect virtual_background --effect color_transfer; in the node, set the parameter effects.\n\n"
    "Example: bodyseg effects show pixelate",
)

#: Long side of a gallery's pictures, and the quality of their JPEGs.
_GALLERY_PX: Final = 320
_JPEG_QUALITY: Final = 82
#: Effects on gallery.jpg, with the width of each image.
_ON_THE_SHEET: Final = (
    "the photo", "overlay", "colored_parts", "skeleton", "cutout", "blur_background", "virtual_background", "pixelate",
    "blur_parts", "anonymize", "remove_people, nothing learned", "virtual_background + color_transfer",
)  # fmt: skip
_TILE_PX: Final = 180
#: Backgrounds drawn for the gallery: file → share of red, green and blue light in the room.
_BACKDROPS: Final = {"room.png": (1.0, 1.0, 1.0), "evening.png": (0.3, 0.33, 0.45)}
#: Gallery: task → caption → effects, with parameters where the defaults would show nothing.
_TASKS: Final[dict[str, dict[str, tuple[tuple[str, ...], dict[str, Any]]]]] = {
    "Draw on the image": {
        "overlay": (("overlay",), {}),
        "overlay, mask: background": (
            ("overlay",), {"overlay.mask": "background", "overlay.color": [0, 0, 0], "overlay.opacity": 0.7}
        ),
        "colored_parts": (("colored_parts",), {}),
        "colored_parts, palette: spectral": (("colored_parts",), {"colored_parts.palette": "spectral"}),
        "skeleton": (("skeleton",), {}),
    },
    "Cut out": {
        "cutout": (("cutout",), {}),
        "cutout, background: magenta": (("cutout",), {"cutout.background": "magenta"}),
        "alpha": (("alpha",), {"alpha.feather_px": 10}),
        "smooth_step": (("smooth_step",), {"smooth_step.low": 0.1}),
    },
    "Change the background": {
        "blur_background": (("blur_background",), {}),
        "virtual_background": (("virtual_background",), {}),
    },
    "Match the background": {
        "virtual_background + color_transfer": (
            ("virtual_background", "color_transfer"), {"virtual_background.source": "room.png"}
        ),
        "seamless_clone": (("seamless_clone",), {"seamless_clone.source": "room.png"}),
        "virtual_background, source: evening.png": (
            ("virtual_background",), {"virtual_background.source": "evening.png"}
        ),
        "virtual_background + harmonize": (
            ("virtual_background", "harmonize"), {"virtual_background.source": "evening.png"}
        ),
    },
    "Hide": {
        "anonymize": (("anonymize",), {}),
        "anonymize, what: faces, how: pixelate": (
            ("anonymize",), {"anonymize.what": "faces", "anonymize.how": "pixelate"}
        ),
        "pixelate": (("pixelate",), {}),
        "pixelate, what: parts": (("pixelate",), {"pixelate.what": "parts"}),
        "blur_parts": (("blur_parts",), {"blur_parts.strength": 0.03}),
        "remove_people, nothing learned": (("remove_people",), {}),
    },
    "Move": {
        "crop_to_people": (("crop_to_people",), {"crop_to_people.margin": 0.05}),
        "mirror": (("mirror",), {}),
    },
}  # fmt: skip
_SHOWN: Final = {caption: shown for task in _TASKS.values() for caption, shown in task.items()}


@app.command("list")
def list_effects() -> None:
    """List all effects, built-in and installed, and the result fields they read.

    Example: bodyseg effects list
    """
    table = Table("Name", "What it makes", "Reads")
    for name in plugin_names("effects"):
        effect = load_plugin("effects", name)
        # What some effects read depends on their settings.
        needs = effect.needs if isinstance(getattr(effect, "needs", None), Wanted) else effect(effect.Settings()).needs
        names = [flag.name.lower() for flag in Wanted if flag.name and flag in needs and flag.value]
        table.add_row(name, _first_line(effect), ", ".join(names) or "–")
    Console().print(table)


def _first_line(effect: Any) -> str:
    return (inspect.getdoc(effect) or "").partition("\n")[0]


@app.command("show", cls=ShortHelpCommand)
@takes_parameters("effect")
def show(
    name: Annotated[str, typer.Argument(help="Name of an effect, as `bodyseg effects list` shows it.")],
    values: dict[str, Any],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Image file to write; default: NAME.png.")] = None,
) -> None:
    """Show what an effect does and its parameters, and write an example on a drawn image.

    Example: bodyseg effects show overlay --overlay.opacity 0.9 --out overlay.png
    """
    effect = load_plugin("effects", name)
    console = Console(highlight=False)
    console.print(f"{name}: {inspect.getdoc(effect)}", markup=False)
    print_text([(f"effect {name}", parameter) for parameter in parameters_of("effects", name)])
    if name == "blur_parts":
        console.print(f"\nParts: {', '.join(PART_NAMES)}", soft_wrap=True)
    path = out or Path(f"{name}.png")
    chain = load_effects("NAME", (name,), plugin_settings("effects", split_groups(values)[1]))
    write_photo(path, compose_all(chain, *example()))
    console.print(f"\nAn example is in {path}", soft_wrap=True)


@app.command(cls=ShortHelpCommand)
@shows_progress
@takes_parameters("model", "network", "engine", "effect", "refinement", "second")
def gallery(
    values: dict[str, Any],
    photo: Annotated[
        str, typer.Argument(metavar="[PHOTO]", help="A photo with people in it; default: matplotlib's sample portrait.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page and its images.")] = Path("gallery"),
) -> None:
    """Make a page with every effect on a photo: gallery.md, a small image of each with the command that makes it, and
    gallery.jpg with some of them.

    Example: bodyseg effects gallery me.jpg --out gallery
    """
    with load_model(plan_model(values)) as model:
        source = Path(photo or sample_photo())
        frame, result = _seen(model, source)
    out.mkdir(parents=True, exist_ok=True)
    for name, light in _BACKDROPS.items():
        write_photo(out / name, np.rint(room(*frame.size) * light).astype(np.uint8))
    groups = split_groups(values)[1]
    pictures = list(_pictures(frame, result, groups, out))
    files = {caption: _written(out, file, picture) for caption, file, picture in pictures}
    chosen = {caption: picture for caption, _, picture in pictures if caption in _ON_THE_SHEET}
    _written(out, "gallery", contact_sheet(chosen, columns=6, tile_width_px=_TILE_PX))
    lines = ["# Every effect on one photo", "", "Made by `bodyseg effects gallery PHOTO`; each by its own command.", ""]
    lines += [f"![the photo]({files['the photo']})", ""]
    for task, captions in _TASKS.items():
        lines += [f"## {task}", "", *_rows([one for one in captions if one in files], files, source.name, groups)]
    (out / "gallery.md").write_text("\n".join(lines), encoding="utf-8")
    progress_console.print(f"{len(files)} pictures and gallery.md in {out}")


def _seen(model: Model, photo: Path) -> tuple[Frame, Result]:
    """Return the photo, reduced, and the model's result on it."""
    image = read_photo(photo)
    scale = min(1.0, _GALLERY_PX / max(image.shape[:2]))
    # The network gets the full photo; its result is reduced with the photo.
    result = model.run(Frame(image), model.offers)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Frame(small), _resized(result, size)


def _resized(result: Result, size: tuple[int, int]) -> Result:
    """Resize maps and keypoints to (width, height)."""
    scale = np.array([size[0] / result.size[1], size[1] / result.size[0]])
    maps = {
        name: cv2.resize(array, size, interpolation=cv2.INTER_NEAREST)
        for name in ("person", "confidence", "parts", "instances")
        if (array := getattr(result, name)) is not None
    }
    poses = result.poses and replace(result.poses, keypoints=(result.poses.keypoints * scale).astype(np.float32))
    return Result((size[1], size[0]), **maps, poses=poses)


def _pictures(
    frame: Frame, result: Result, groups: dict[str, dict[str, Any]], folder: Path
) -> Iterator[tuple[str, str, np.ndarray[Any, np.dtype[np.uint8]]]]:
    """Return (caption, file name without suffix, image) for each effect whose inputs the network provides."""
    yield "the photo", "photo", frame.image
    for caption, (names, shown) in track(list(_SHOWN.items()), "effects"):
        own = split_groups(
            {key: str(folder / value) if value in tuple(_BACKDROPS) else value for key, value in shown.items()}
        )[1]
        merged = {name: own.get(name, {}) | groups.get(name, {}) for name in names}
        chain = load_effects("NAME", names, plugin_settings("effects", merged))
        if (needs_of(chain) & Wanted.POSES and result.poses is None) or (
            needs_of(chain) & Wanted.PARTS and result.parts is None
        ):
            continue
        picture = compose_all(chain, frame, _only(result, needs_of(chain)))
        file = "".join(letter if letter.isalnum() else "_" for letter in caption)
        yield caption, file, picture


def _only(result: Result, needs: Wanted) -> Result:
    """Drop what an effect did not ask for: some draw more where there is more, and `bodyseg run` computes no more."""
    needs |= Wanted.POSES if Wanted.INSTANCES in needs else Wanted.NOTHING
    names = (flag.name.lower() for flag in Wanted if flag.name and flag not in needs)
    dropped: dict[str, Any] = {name: None for name in names if hasattr(result, name)}
    return replace(result, **dropped)


def _rows(
    captions: Sequence[str], files: Mapping[str, str], photo: str, groups: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    """Yield tables of up to three pictures: caption, picture, command."""
    for start in range(0, len(captions), 3):
        row = captions[start : start + 3]
        yield "| " + " | ".join(row) + " |"
        yield "|" + "---|" * len(row)
        yield "| " + " | ".join(f"![{caption}]({files[caption]})" for caption in row) + " |"
        yield "| " + " | ".join(_command(photo, caption, groups) for caption in row) + " |"
        yield ""


def _command(photo: str, caption: str, groups: Mapping[str, dict[str, Any]]) -> str:
    """Return the command that makes a picture in full size. groups: the caller's own parameters, by effect."""
    names, shown = _SHOWN[caption]
    own = {f"{name}.{key}": value for name in names for key, value in groups.get(name, {}).items()}
    words = ["bodyseg", "run", photo, *(word for name in names for word in ("--effect", name))]
    for parameter, value in (shown | own).items():
        flag = parameter.replace("_", "-")
        words += [f"--{'no-' * (not value)}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return f"`{shlex.join(words)}`"


def _written(out: Path, name: str, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """Write a small file: JPEG, or PNG if it has transparency."""
    if picture.shape[2] == 4:
        write_photo(out / f"{name}.png", picture)
        return f"{name}.png"
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    (out / f"{name}.jpg").write_bytes(data.tobytes())
    return f"{name}.jpg"
