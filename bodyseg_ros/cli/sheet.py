"""`bodyseg sheet`: a model's results on a folder of photos, in one image."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..effects import contact_sheet, load_effects
from ..errors import MissingDependencyError
from ..media import open_source, write_photo
from ..types import Frame
from .model_loading import load_model, plan_model
from .parameter_flags import takes_parameters
from .reporting import progress_console, shows_progress, track

__all__ = ["sheet"]

_EFFECTS: Final = ("overlay", "colored_parts", "skeleton")
#: Public-domain photos of people in installed packages: package → files in its folder.
_SAMPLES: Final = {
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "skimage": ("data/astronaut.png", "data/camera.png"),
}


@shows_progress
@takes_parameters("model", "network", "engine", "effect", "refinement", "second")
def sheet(
    values: dict[str, Any],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Photos and folders; default: the portraits in matplotlib and scikit-image."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Image file to write, PNG or JPEG.")] = Path("sheet.png"),
    width: Annotated[int, typer.Option(min=40, max=2000, help="Width of each photo, px.")] = 240,
    at_most: Annotated[int, typer.Option(min=1, help="Maximum number of photos per input.")] = 24,
) -> None:
    """Write an image with one row per photo: a model's masks, parts and skeletons.

    Example: bodyseg sheet holiday/ --model bodypix-mobilenet-050 --out sheet.png
    """
    plan = plan_model(values)
    with load_model(plan) as model:
        effects = zip(_EFFECTS, load_effects("", _EFFECTS, plan.effects), strict=True)
        shown = {name.replace("_", " "): effect for name, effect in effects if effect.needs in model.offers}
        pictures: dict[str, Any] = {}
        frames = list(_frames(inputs or _samples(), at_most))
        for number, frame in enumerate(track(frames, "photos"), 1):
            result = model.run(frame)
            pictures[f"{number} {frame.frame_id}"] = frame.image
            for name, effect in shown.items():
                pictures[f"{number} {name}"] = effect.compose(frame, result)
    write_photo(out, contact_sheet(pictures, columns=1 + len(shown), tile_width_px=width))
    progress_console.print(f"{out}: {model.network.card.name}")


def _frames(inputs: list[str], at_most: int) -> Iterator[Frame]:
    for text in inputs:
        with open_source(text) as source:
            yield from islice(source, at_most)


def _samples() -> list[str]:
    """Sample photos that are installed."""
    found = []
    for package, files in _SAMPLES.items():
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            found += [str(Path(spec.submodule_search_locations[0]) / file) for file in files]
    if not found:
        raise MissingDependencyError(
            "The default photos are matplotlib's and scikit-image's, but neither is installed: give photos, or "
            "install them with: pip install matplotlib scikit-image"
        )
    return found
