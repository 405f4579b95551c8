"""Photos, videos and cameras: sources of frames, sinks of images.

source.py has the base classes. photos.py uses Pillow, video.py PyAV, webcam.py OpenCV; open_media.py selects by the
user's text. any_image.py converts images from Python programs.
"""

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
