"""The demo's clip: one person of a photo twice, on crossing paths over a drawn background, with ids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..effects import compose_all, contact_sheet, load_effects
from ..errors import MissingDependencyError
from ..lab.moving_people import Scene, Walker, paste
from ..media import open_sink, write_photo
from ..model import Model
from ..types import Frame, Wanted

__all__ = ["write_clip"]

Picture = NDArray[np.uint8]
_SIZE: Final = (360, 480)
_FPS: Final = 8
_SECONDS: Final = 3.0
_TILES: Final = 6
_WANTED: Final = Wanted.PERSON | Wanted.POSES | Wanted.INSTANCES
#: The second one is a little behind the first.
_SCENE: Final = Scene(
    (
        Walker(lambda time_s: (0.2 + 0.2 * time_s, 1.0), (0, 0, 0), height=0.85),
        Walker(lambda time_s: (0.8 - 0.2 * time_s, 0.99), (0, 0, 0), height=0.7),
    ),
    _SECONDS,
)


def write_clip(model: Model, photo: Picture, folder: Path) -> tuple[list[Path], list[set[int]]] | None:
    """Write FOLDER/people.mp4, if there is a video writer, and people.png; return the files, and each frame's ids.

    photo: (H, W, 3) uint8 RGB, whose best person is cut out. None if there is none, or the model lacks masks or poses.
    """
    cutout = _cut_out(model, photo) if _WANTED & ~Wanted.INSTANCES in model.offers else None
    if cutout is None:
        return None
    frames = [moment.frame for moment in paste(_SCENE, [cutout, _disguise(cutout)], _background(), _FPS)]
    drawn, ids = [], []
    overlay = load_effects("", ("overlay", "skeleton"), {})
    for frame, result in zip(frames, model.track(frames, _WANTED & model.offers), strict=True):
        drawn.append(compose_all(overlay, frame, result))
        ids.append({*(result.tracks.ids if result.tracks else ())})
    files = [folder / "people.png"]
    places = np.linspace(0, len(frames) - 1, _TILES).round().astype(int).tolist()
    write_photo(files[0], contact_sheet({f"{frames[at].stamp_ns / 1e9:.1f} s": drawn[at] for at in places}))
    with ExitStack() as open_files:
        try:
            write: Callable[[Picture, Frame], None] = open_files.enter_context(
                open_sink(folder / "people.mp4", Fraction(_FPS))
            )
        except MissingDependencyError:
            return files, ids
        for image, frame in zip(drawn, frames, strict=True):
            write(image, frame)
    return [folder / "people.mp4", *files], ids


def _cut_out(model: Model, photo: Picture) -> Picture | None:
    """The best person of a photo, (h, w, 4) RGBA with soft edges; None if there is none."""
    result = model(photo, _WANTED & model.offers)
    if not len(result) or result.person is None:
        return None
    person = result[0]
    left, top, right, bottom = person.box
    mask = person.mask if result.instances is not None else result.person
    alpha = cv2.GaussianBlur(mask * np.uint8(255), (0, 0), 1)
    return np.dstack([photo, alpha])[top:bottom, left:right]


def _disguise(person: Picture) -> Picture:
    """The person's mirror image in warmer colors."""
    warm = np.clip(person[:, ::-1, :3] * np.array([1.15, 0.95, 0.75]), 0, 255).astype(np.uint8)
    return np.dstack([warm, person[:, ::-1, 3]])


def _background() -> Picture:
    """A room: a wall that grows darker upwards, and a floor."""
    height, width = _SIZE
    shade = np.linspace(150, 215, height)[:, None, None] * np.array([0.96, 1.0, 1.03])
    room = np.repeat(shade, width, axis=1).astype(np.uint8)
    floor = round(0.82 * height)
    room[floor:] = (150, 130, 110)
    cv2.line(room, (0, floor), (width, floor), (120, 105, 90), 3)
    return room
