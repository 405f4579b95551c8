"""Photos, videos and cameras: sources and sinks."""

from .open_media import open_sink, open_source
from .photos import read_photo, write_photo
from .source import Picture, Sink, Source

__all__ = ["Picture", "Sink", "Source", "open_sink", "open_source", "read_photo", "write_photo"]
