"""Photos, videos and cameras: sources of frames and sinks of pictures.

source.py holds the base classes of both. photos.py reads and writes by Pillow, video.py by PyAV, webcam.py by OpenCV;
open_media.py chooses by what the user wrote. any_image.py takes the images that Python programs hold.
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
