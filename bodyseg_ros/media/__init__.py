"""Photos, videos and cameras: sources and sinks."""

from .any_image import ImageLike, frame_of
from .open_media import open_sink, open_source
from .photos import read_photo, write_photo
from .source import Picture, Sink, Source

__all__ = [
    "ImageLike",
    "Picture",
    "Sink",
    "Source",
    "frame_of",
    "open_sink",
    "open_source",
    "read_photo",
    "write_photo",
]
