"""Select the source or sink for an input or output."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from ..errors import MediaError
from ..plugins import load_plugin, plugin_names
from .animation import is_animation
from .photos import is_photo
from .source import Sink, Source

__all__ = ["open_sink", "open_source", "source_kind"]


def open_source(text: str) -> Source:
    """Open the source for a user's input.

    A photo, a folder of photos, a video or animation, a camera number or device, a stream URL; or `plugin:input` to
    select a plugin of the group `bodyseg_ros.sources`. Raises MediaError if it cannot be read.

    >>> with bodyseg.open_source("holiday") as source:
    ...     for frame in source:
    ...         print(frame)
    Frame 320×320 'beach' at 0.000 s
    """
    if not text:
        raise MediaError("An input is '', but it must be a photo, a folder, a video, a camera or a stream.")
    name, rest = source_kind(text)
    source: Source = load_plugin("sources", name)(rest)
    return source


def source_kind(text: str) -> tuple[str, str]:
    """Return the source plugin's name and its input. Raises MediaError."""
    path = Path(text)
    plugin, colon, rest = text.partition(":")
    if colon and plugin in plugin_names("sources") and not path.exists():
        return plugin, rest
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|/dev/video", text) or (
        text.isascii() and text.isdigit() and not path.exists()
    ):
        return "webcam", text
    if not path.exists():
        raise MediaError(
            f"There is no file or folder {text!r}; give a photo, folder of photos, video, camera number (0) or "
            "device, or stream URL."
        )
    if path.is_file() and is_animation(path):
        return "animation", text
    return "photos" if path.is_dir() or is_photo(path) else "video", text


def open_sink(path: str | Path, fps: Fraction | None) -> Sink:
    """Open the sink for a file name: photos if fps is None, otherwise a video of that nominal rate.

    >>> with bodyseg.open_sink("{name}_mask.png", fps=None) as write:
    ...     for result in model.stream("holiday"):
    ...         write(result.person * 255, result.frame)  # beach_mask.png
    """
    sink: Sink = load_plugin("sinks", "photos")(path) if fps is None else load_plugin("sinks", "video")(path, fps)
    return sink
