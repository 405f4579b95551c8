"""Photos, videos and cameras: sources and sinks."""

from .base import Picture, Sink, Source
from .opening import open_sink, open_source
from .photos import read_photo, write_photo

__all__ = ["Picture", "Sink", "Source", "open_sink", "open_source", "read_photo", "write_photo"]
