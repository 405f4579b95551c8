"""`bodyseg run --show`: a window with the effects, changed by keys, and a slider for the threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from ..effects import Effect, compose_all, load_effects, needs_of
from ..errors import BodysegError, MissingDependencyError, SettingsError
from ..media import open_source
from ..media.photos import write_photo
from ..model import Model
from ..plugins import plugin_names
from ..settings import Settings
from ..types import Frame, Wanted

__all__ = ["show_window"]

_TITLE: Final = "bodyseg"
_THRESHOLD: Final = "threshold %"
_HELP: Final = "n, p: effect   space: pause   s: save   q: quit"
_NEXT, _BEFORE, _PAUSE, _SAVE, _QUIT = (tuple(map(ord, keys)) for keys in ("n", "p", " ", "s", "q\x1b"))
#: While a photo or a pause is shown, the slider is looked at so often, ms.
_STILL_MS: Final = 50


def show_window(model: Model, inputs: Sequence[str], effects: Sequence[str], settings: Mapping[str, Settings]) -> None:
    """Show the inputs one after the other until q. Raises MissingDependencyError where OpenCV draws no windows."""
    window = _Window(model, effects, settings)
    try:
        for text in inputs:
            with open_source(text) as source:
                if not window.play(iter(source), still=source.fps is None and source.length is not None):
                    return
    finally:
        cv2.destroyAllWindows()


def _open_window(threshold: float | None) -> None:
    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        if threshold is not None:
            cv2.createTrackbar(_THRESHOLD, _TITLE, round(100 * threshold), 100, lambda value: None)
    except cv2.error as err:
        raise MissingDependencyError(
            "--show needs a window, but OpenCV is headless or there is no display. On a machine with a screen, "
            "install OpenCV with windows: pip uninstall opencv-python-headless; "
            "pip install 'opencv-python>=4.8,<5'. Without --show the images are written to files."
        ) from err


class _Window:
    """The chains that can be shown, which one is, and the keys."""

    def __init__(self, model: Model, effects: Sequence[str], settings: Mapping[str, Settings]) -> None:
        self._model, self._settings = model, settings
        self._names = ([list(effects)] if effects else []) + [[name] for name in plugin_names("effects")]
        self._place, self._paused, self._saved = -1, False, 0
        self._chain: tuple[Effect, ...] = ()
        self._threshold: float | None = getattr(model.network.settings, "segmentation_threshold", None)
        _open_window(self._threshold)
        self._turn(1)

    def _turn(self, by: int) -> None:
        """To the next chain that this network can fill and whose settings are complete."""
        for _ in self._names:
            self._place = (self._place + by) % len(self._names)
            try:
                chain = load_effects("--effect", self._names[self._place], self._settings)
            except SettingsError:
                continue
            if needs_of(chain) in self._model.offers:
                self._chain = chain
                return
        raise SettingsError(f"--show has no effect to show: this network offers {self._model.offers}.")

    def play(self, frames: Iterator[Frame], still: bool) -> bool:
        """Show the frames; False once the user has had enough. still: photos, each waits for a key."""
        return all(self._show(frame, wait=still) for frame in frames)

    def _show(self, frame: Frame, wait: bool) -> bool:
        """One frame until a key moves on; while it stays, effect and threshold may change."""
        while True:
            picture = self._draw(frame)
            key = cv2.waitKey(_STILL_MS if wait or self._paused else 1) & 0xFF
            if key in _QUIT or cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
                return False
            if key in _NEXT or key in _BEFORE:
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
        """Compose and show; the picture without the line of text."""
        if self._threshold is not None:
            wanted = cv2.getTrackbarPos(_THRESHOLD, _TITLE) / 100
            if wanted != self._threshold:
                self._threshold = wanted
                self._model.configure(segmentation_threshold=wanted)
        title = " + ".join(self._names[self._place])
        try:
            wanted_maps = needs_of(self._chain) | Wanted.PERSON & self._model.offers
            picture = compose_all(self._chain, frame, self._model.run(frame, wanted_maps))
        except BodysegError as err:
            picture, title = np.zeros_like(frame.image), str(err)
        shown = cv2.cvtColor(picture[..., :3], cv2.COLOR_RGB2BGR)
        cv2.putText(
            shown, f"{title}   {_HELP}", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
        )
        cv2.imshow(_TITLE, shown)
        return picture
