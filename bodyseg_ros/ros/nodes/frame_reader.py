"""Convert a camera's messages to frames, by the node's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...types import Frame
from ..graph.image_messages import check_picture, read_compressed, read_image, used_bits
from .node_settings import InputSettings

__all__ = ["FrameReader"]


class FrameReader:
    """Reads one camera's images; remembers how many bits its 16-bit images use.

    log: called once with what was detected.
    """

    def __init__(self, settings: InputSettings, log: Callable[[str], None]) -> None:
        self._settings, self._log = settings, log
        self._used_bits = 0

    def check(self, message: Any) -> None:
        """Raise FrameError if an image's description is invalid or the image is too large."""
        check_picture(message, self._settings.max_image_px)

    def read(self, message: Any) -> Frame:
        """Read a sensor_msgs Image or CompressedImage as a frame. Raises FrameError."""
        self.check(message)
        if not hasattr(message, "encoding"):
            return read_compressed(message, self._settings.compressed_colors)
        return read_image(message, self._bits(message))

    def _bits(self, message: Any) -> int:
        """Bits of the parameter; automatic: as many as the brightest pixel so far needs, never fewer again."""
        if self._settings.mono16_bits:
            return self._settings.mono16_bits
        bits = used_bits(message)
        if bits > self._used_bits:
            self._used_bits = bits
            if bits < 16:
                self._log(
                    f"The 16-bit pictures use {bits} bits so far, so those are shown as 0 to 255; mono16_bits sets it."
                )
        return self._used_bits or 16
