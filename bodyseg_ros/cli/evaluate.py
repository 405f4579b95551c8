"""`bodyseg eval`: person IoU on labelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..errors import SettingsError
from ..training.labelled import labelled_photos, score, summary
from ..types import Wanted
from .loading import load_model
from .options import takes_parameters

__all__ = ["evaluate"]


@takes_parameters("model", "network", "engine")
def evaluate(
    folder: Annotated[
        Path, typer.Argument(help="photos/ and masks/ of the same names, or COCO's images/ and panoptic/.")
    ],
    values: dict[str, Any],
    long_side: Annotated[
        int, typer.Option(min=0, help="Let the network see photos at this long side, px; 0: internal_resolution's.")
    ] = 513,
    worst: Annotated[int, typer.Option(min=0, help="Also list this many of the worst photos.")] = 0,
) -> None:
    """Measure a model's person masks on labelled photos: intersection over union.

    Example: bodyseg eval my_photos --model bodypix-mobilenet-050 --output-stride 8
    """
    scores = []
    with load_model(values) as model:
        if Wanted.PERSON not in model.network.offers:
            raise SettingsError("This network makes no person masks; there is nothing to compare with the labels.")
        for labelled in track(labelled_photos(folder), "photos", console=Console(stderr=True)):
            image = labelled.image()
            if long_side:
                fraction = long_side / max(image.shape[:2])
                model.configure(internal_resolution=min(max(fraction, 0.1), 2.0))
            person = model.segment(image, Wanted.PERSON).person
            assert person is not None  # it was asked for, and the network offers it
            scores.append(score(labelled.photo.name, person, labelled.mask()))
    table = Table("person masks", "")
    for one in sorted(scores, key=lambda one: one.iou)[:worst]:
        table.add_row(one.name, f"{one.iou:.3f}")
    table.add_section()
    for name, figure in summary(scores).items():
        table.add_row(name, f"{figure:.3f}")
    Console().print(table)
