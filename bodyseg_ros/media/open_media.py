"""Select the source or sink for an input or output."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from ..errors import MediaError
from ..plugins import load_plugin, plugin_names
from .animation import is_animation
from .photos import is_photo
from .source import USUAL_FPS, Sink, Source
from .video_coding import QUALITY

__all__ = ["is_live", "open_sink", "open_source", "source_kind"]


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


def is_live(path: str) -> bool:
    """Whether an output is watched while it is written: a stream or a virtual camera."""
    return "://" in path or path.startswith("/dev/video")


def open_sink(
    path: str | Path, fps: Fraction | None, codec: str = "auto", quality: int = QUALITY, sound: Path | None = None
) -> Sink:
    """Open the sink for a file name, a stream's address (rtmp://, rtsp://, udp://…) or a virtual camera (/dev/video9).

    A file is a photo if fps is None, otherwise a video of that nominal rate. codec, quality, sound: of videos and
    streams; see `VideoSink`.

    >>> with bodyseg.open_sink("{name}_mask.png", fps=None) as write:
    ...     for result in model.stream("holiday"):
    ...         write(result.person * 255, result.frame)  # beach_mask.png
    """
    text = str(path)
    if not is_live(text) and fps is None:
        photos: Sink = load_plugin("sinks", "photos")(path)
        return photos
    if "://" not in text and is_live(text):
        camera: Sink = load_plugin("sinks", "virtual_camera")(path, fps)
        return camera
    video: Sink = load_plugin("sinks", "stream" if is_live(text) else "video")(
        path, fps or USUAL_FPS, codec, quality, sound
    )
    return video
