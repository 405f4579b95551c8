"""`bodyseg run --show`: a window with effects, sliders for parameters and the background, and keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from ..effects import Effect, compose_all, load_effects, needs_of
from ..effects.backdrop import BackdropSettings
from ..errors import BodysegError, MissingDependencyError, SettingsError
from ..media import open_source
from ..media.photos import is_photo, write_photo
from ..model import Model
from ..plugins import loadable_plugins, plugin_names
from ..refine import RefineSettings
from ..settings import Settings, build, parameters
from ..types import Frame, Wanted

__all__ = ["background_files", "show_window"]

_TITLE: Final = "bodyseg"
_HELP: Final = (
    "hold c: color transfer, s: seamless clone, m: smooth step, h: harmonize",
    "n, p: next and previous effect, space: pause, w: write picture, q: quit",
)
_NEXT, _BEFORE, _PAUSE, _SAVE, _QUIT = (tuple(map(ord, keys)) for keys in ("n", "p", " ", "w", "q\x1b"))
#: While one of these keys is held, its effects are shown.
_HELD: Final = {
    ord("c"): ("virtual_background", "color_transfer"),
    ord("s"): ("seamless_clone",),
    ord("m"): ("smooth_step", "virtual_background"),
    ord("h"): ("virtual_background", "harmonize"),
}
#: A key counts as held for so long, s: keyboards repeat it after at most 0.7 s, then 25 times a second.
_UNTIL_REPEATED_S, _BETWEEN_REPEATS_S = 0.8, 0.3
#: Sliders for parameters: title, name, and slider steps per unit.
_SLIDERS: Final = (
    ("threshold %", "segmentation_threshold", 100),
    ("smoothing %", "refine.smoothing", 100),
    ("frame skip", "frame_skip", 1),
)
_BACKGROUND: Final = "background"
#: Width of a picture on which the text has its full size.
_TEXT_PX: Final = 560
#: While a photo or a pause is shown, sliders and keys are read this often, ms.
_STILL_MS: Final = 50


def background_files(texts: Sequence[str]) -> list[str]:
    """Photos and videos for the background slider; folders stand for their photos. Raises SettingsError."""
    files: list[str] = []
    for text in texts:
        path = Path(text)
        found = [str(one) for one in sorted(path.iterdir()) if one.is_file() and is_photo(one)] if path.is_dir() else []
        if not found and not path.is_file():
            raise SettingsError(f"--background is {text!r}, but it must be a photo, a video, or a folder of photos.")
        files += found or [text]
    return files


def show_window(
    model: Model,
    inputs: Sequence[str],
    effects: Sequence[str],
    settings: Mapping[str, Settings],
    backgrounds: Sequence[str],
) -> None:
    """Show the inputs one after the other until q. Raises MissingDependencyError where OpenCV draws no windows.

    effects: shown first. settings: of effects, by name. backgrounds: files for the background slider.
    """
    window = _Window(model, effects, settings, backgrounds)
    try:
        for text in inputs:
            with open_source(text) as source:
                if not window.play(iter(source), still=source.fps is None and source.length is not None):
                    return
    finally:
        cv2.destroyAllWindows()


class _Slider:
    """A trackbar of the window; `moved` receives its place whenever that changes."""

    def __init__(self, title: str, low: int, high: int, place: int, moved: Callable[[int], None]) -> None:
        self._title, self._place, self._moved = title, place, moved
        cv2.createTrackbar(title, _TITLE, place, high, lambda _: None)
        cv2.setTrackbarMin(title, _TITLE, low)

    def read(self) -> None:
        place = cv2.getTrackbarPos(self._title, _TITLE)
        if place != self._place:
            self._place = place
            self._moved(place)


@dataclass
class _HeldKey:
    """The key that is held. Windows report presses and the keyboard's repeats, but no releases."""

    key: int = 0
    until_s: float = 0.0

    def press(self, key: int) -> None:
        repeats = self.now == key
        self.key = key
        self.until_s = time.monotonic() + (_BETWEEN_REPEATS_S if repeats else _UNTIL_REPEATED_S)

    @property
    def now(self) -> int:
        """The key, 0 if none."""
        return self.key if time.monotonic() < self.until_s else 0


class _Window:
    """The chains that can be shown, which one is, the sliders and the keys."""

    def __init__(
        self, model: Model, effects: Sequence[str], settings: Mapping[str, Settings], backgrounds: Sequence[str]
    ) -> None:
        self._model, self._settings, self._backgrounds = model, settings, backgrounds
        first = tuple(effects) or (("virtual_background",) if backgrounds else ())
        self._names = ([first] if first else []) + [(name,) for name in plugin_names("effects")]
        self._place, self._paused, self._saved = -1, False, 0
        self._background = 1 if backgrounds else 0
        self._chains: dict[tuple[tuple[str, ...], int], tuple[Effect, ...]] = {}
        self._held = _HeldKey()
        self._sliders = self._open()
        self._turn(1)

    def _open(self) -> list[_Slider]:
        """Open the window with its sliders."""
        network, refine = self._model.network.settings, self._model.refiner.settings
        known = [(network, "", one) for one in parameters(type(network))]
        known += [(refine, "refine.", one) for one in parameters(RefineSettings)]
        by_name = {prefix + one.name: (getattr(owner, one.name), one) for owner, prefix, one in known}
        sliders = []
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            for title, name, steps in _SLIDERS:
                if name in by_name:
                    value, one = by_name[name]
                    low, high, place = (round(steps * float(x)) for x in (one.minimum or 0, one.maximum or 1, value))
                    sliders.append(_Slider(title, low, high, place, self._setter(name, steps)))
            if self._backgrounds:
                count = len(self._backgrounds)
                sliders.append(_Slider(_BACKGROUND, 0, count, self._background, self._choose_background))
        except cv2.error as err:
            raise MissingDependencyError(
                "--show needs a window, but OpenCV is headless or there is no display. On a machine with a screen, "
                "install OpenCV with windows: pip uninstall opencv-python-headless; "
                "pip install 'opencv-python>=4.8,<5'. Without --show the images are written to files."
            ) from err
        return sliders

    def _setter(self, name: str, steps: int) -> Callable[[int], None]:
        return lambda place: self._model.configure(**{name: place / steps if steps > 1 else place})

    def _choose_background(self, place: int) -> None:
        self._background = place

    def _chain(self, names: tuple[str, ...]) -> tuple[Effect, ...]:
        """Effects on the chosen background; those made before keep their state.

        Raises SettingsError if they need settings, or what the network does not compute.
        """
        key = (names, self._background)
        if key not in self._chains:
            chain = load_effects("--effect", names, self._on_background())
            if needs_of(chain) not in self._model.offers:
                raise SettingsError(f"The network does not compute what {' and '.join(names)} need.")
            self._chains[key] = chain
        return self._chains[key]

    def _chosen(self) -> tuple[tuple[Effect, ...], str]:
        """The chain to show and its title: the held key's, or what this one lacks over the other chain."""
        names = self._names[self._place]
        held = _HELD.get(self._held.now, names)
        try:
            return self._chain(held), " + ".join(held)
        except SettingsError as err:
            return self._chain(names), str(err)

    def _on_background(self) -> Mapping[str, Settings]:
        """Settings of the effects, with the chosen background in those that show one; as given at place 0."""
        if not self._background:
            return self._settings
        source = {"source": self._backgrounds[self._background - 1]}
        chosen = {
            name: self._settings.get(name) or build(effect.Settings, {}, prefix=name)
            for name, effect in loadable_plugins("effects")
            if issubclass(effect.Settings, BackdropSettings)
        }
        return {**self._settings, **{name: own.model_copy(update=source) for name, own in chosen.items()}}

    def _turn(self, by: int) -> None:
        """To the next chain that this network can fill and whose settings are complete."""
        for _ in self._names:
            self._place = (self._place + by) % len(self._names)
            try:
                self._chain(self._names[self._place])
            except SettingsError:
                continue
            return
        raise SettingsError(f"--show has no effect to show: this network offers {self._model.offers}.")

    def play(self, frames: Iterator[Frame], still: bool) -> bool:
        """Show the frames; False once the user has had enough. still: photos, each waits for a key."""
        return all(self._show(frame, wait=still) for frame in frames)

    def _show(self, frame: Frame, wait: bool) -> bool:
        """One frame until a key moves on; while it stays, effect and parameters may change."""
        while True:
            picture = self._draw(frame)
            key = cv2.waitKey(_STILL_MS if wait or self._paused else 1) & 0xFF
            if key in _QUIT or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
                return False
            if key in _HELD:
                self._held.press(key)
            elif key in _NEXT or key in _BEFORE:
                self._turn(1 if key in _NEXT else -1)
            elif key in _SAVE:
                self._saved += 1
                write_photo(Path(f"bodyseg_{self._saved}.png"), picture)
            elif key in _PAUSE:
                if wait:
                    return True
                self._paused = not self._paused
            if not (wait or self._paused):
                return True

    def _draw(self, frame: Frame) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Compose and show; the picture without the lines of text."""
        try:
            for slider in self._sliders:
                slider.read()
            chain, title = self._chosen()
            wanted_maps = needs_of(chain) | Wanted.PERSON & self._model.offers
            picture = compose_all(chain, frame, self._model.run(frame, wanted_maps))
        except BodysegError as err:
            picture, title = np.zeros_like(frame.image), str(err)
        shown = cv2.cvtColor(picture[..., :3], cv2.COLOR_RGB2BGR)
        scale = min(1.0, shown.shape[1] / _TEXT_PX)
        for line, text in enumerate((title, *_HELP), start=1):
            place = (round(8 * scale), round(18 * line * scale))
            for gray, width in ((0, 3), (255, 1)):  # white with a black edge, for any picture behind it
                cv2.putText(shown, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * scale, (gray,) * 3, width, cv2.LINE_AA)
        cv2.imshow(_TITLE, shown)
        return picture
