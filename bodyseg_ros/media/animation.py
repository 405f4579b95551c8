"""Read animated pictures (GIF, PNG, WebP, AVIF) whole, with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import ImageOps

from ..errors import MediaError
from ..types import Frame
from .photos import open_photo, rgb_image
from .source import Source

__all__ = ["AnimationSource", "is_animation"]

#: Pillow formats whose images follow each other in time; those of a TIFF are pages.
_MOVING: Final = ("AVIF", "GIF", "PNG", "WEBP")
#: Display time of an image without one, ms; as in browsers.
_USUAL_MS: Final = 100
_SHORTEST_MS: Final = 10


def is_animation(path: Path) -> bool:
    """Whether a file holds several images that are shown in sequence."""
    try:
        with open_photo(path) as image:
            return image.format in _MOVING and bool(getattr(image, "is_animated", False))
    except MediaError:
        return False


class AnimationSource(Source):
    """The images of an animated picture, upright; stamp_ns: the time at which each is shown.

    A GIF's images lie over each other as the file says. Transparency is blended over black, and the EXIF orientation
    applied. The image that an animated PNG has for viewers without animation is left out, where it is none of the
    animation's. Raises MediaError for a file that is no animation; for a damaged one at the end, after the images
    before the damage.
    """

    api_version = 1

    def __init__(self, text: str | Path) -> None:
        super().__init__(text)
        self._path = Path(text)
        with open_photo(self._path) as image:
            if image.format not in _MOVING or not getattr(image, "is_animated", False):
                raise MediaError(f"The file {str(self._path)!r} is no animation: it has one image.")
            self._first = int(bool(image.info.get("default_image")))
            self.length = image.n_frames - self._first  # type: ignore[attr-defined] # of an animated image
            image.seek(self._first)
            image.load()
            self.fps = Fraction(1000) / _shown_ms(image)

    def __iter__(self) -> Iterator[Frame]:
        assert self.length is not None
        since_ms, count = Fraction(0), 0
        try:
            with open_photo(self._path) as image:
                for count in range(self.length):
                    image.seek(self._first + count)
                    image.load()
                    name = f"An image of {str(self._path)!r}"
                    shown = np.asarray(rgb_image(ImageOps.exif_transpose(image), name), np.uint8)
                    yield Frame(shown, round(since_ms * 1_000_000), self.stem)
                    since_ms += _shown_ms(image)
        except MediaError as err:
            raise MediaError(f"{err} {count} of {self.length} images could be read.") from err


def _shown_ms(image: Any) -> Fraction:
    """Display time of the current image, ms."""
    stated = Fraction(image.info.get("duration") or _USUAL_MS).limit_denominator(1000)
    return stated if stated >= _SHORTEST_MS else Fraction(_USUAL_MS)
