"""Encode images to video packets without a container, as messages carry them."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
from av.error import FFmpegError

from ..errors import MediaError
from .source import Picture
from .video_coding import QUALITY, Container, choose_coding
from .video_sink import encoder_picture, set_picture_format

__all__ = ["PacketEncoder"]

_PACKETS: Final = Container("", ("h264", "h265"), {}, live=True)
_ENCODERS: Final = {"libx264", "libopenh264", "libx265"} & av.codecs_available
#: Images from one key frame to the next, if the size stays the same.
_GROUP: Final = 30


class PacketEncoder:
    """Each image gives one packet (Annex B), at once; key frames carry the parameter sets.

    codec: h264 or h265. One thread, so that the packets are the same on every run. Raises MediaError if FFmpeg has no
    encoder for it.
    """

    def __init__(self, codec: str) -> None:
        self._coding = choose_coding(_PACKETS, codec, QUALITY, False, _ENCODERS, codec)
        self._context: av.VideoCodecContext | None = None
        self._size: tuple[int, ...] = ()
        self._count = 0

    def encode(self, image: Picture) -> tuple[bytes, bool]:
        """Return (packet, whether it is a key frame) of an image (H, W, 3) uint8 RGB; another size starts anew."""
        if self._context is None or image.shape != self._size:
            self._context, self._size = self._open(image.shape[0], image.shape[1]), image.shape
        picture = encoder_picture(image, self._coding, self._space)
        picture.pts, picture.time_base = self._count, self._context.time_base
        self._count += 1
        try:
            packets = self._context.encode(picture)
        except FFmpegError as err:
            raise MediaError(f"A picture of {image.shape[1]}×{image.shape[0]} cannot be encoded: {err}.") from err
        if len(packets) != 1:
            raise MediaError(f"{self._coding.encoder} gave {len(packets)} packets for one picture.")
        return bytes(packets[0]), packets[0].is_keyframe

    def _open(self, height: int, width: int) -> av.VideoCodecContext:
        context = av.CodecContext.create(self._coding.encoder, "w")
        assert isinstance(context, av.VideoCodecContext)
        self._space = set_picture_format(context, self._coding, height, width)
        context.framerate, context.time_base, context.gop_size = Fraction(_GROUP), Fraction(1, _GROUP), _GROUP
        context.options = {**self._coding.options, "threads": "1"}
        return context
