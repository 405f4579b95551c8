"""Read the pictures of a video topic, and put others into its messages: H.264 and H.265."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from ..types import Frame
from .graph.headers import shorten, stamp_ns
from .graph.rosbag_types import RosbagMessages
from .graph.video_messages import VIDEO_TYPES, VideoDecoder, decoder_of, video_format

__all__ = ["VIDEOS", "VideoRewriter", "codec_of", "origin_of"]

VIDEOS: Final = tuple(VIDEO_TYPES.values())
#: FFmpeg's decoder → codec of the encoder.
_CODECS: Final = {"h264": "h264", "hevc": "h265"}
#: FFmpeg's AV_PKT_FLAG_KEY, as FFMPEGPacket.flags has it.
_KEY: Final = 1


def codec_of(name: str) -> str:
    """h264 or h265 by what a message says about its format; '' for another one."""
    return _CODECS.get(decoder_of(name), "")


def origin_of(message: Any) -> tuple[str, int]:
    """(frame id, stamp in ns) of a picture's or a packet's message."""
    if hasattr(message, "header"):
        return shorten(message.header.frame_id), stamp_ns(message.header)
    return shorten(message.frame_id), int(message.timestamp.sec) * 10**9 + int(message.timestamp.nanosec)


class VideoRewriter:
    """The packets of one topic in their order; each needs those before it.

    max_px: of a picture. Raises MissingDependencyError without PyAV.
    """

    def __init__(self, max_px: int) -> None:
        self._decoder = VideoDecoder(RosbagMessages(), max_px)
        # Not before it is known that PyAV is there.
        from ..media.packet_encoder import PacketEncoder

        self._make_encoder = PacketEncoder
        self._encoders: dict[str, PacketEncoder] = {}

    def read(self, message: Any) -> Frame:
        """The packet's own picture. Raises FrameError, as before the first key frame."""
        frame_id, stamp = origin_of(message)
        return Frame(self._decoder.decode_own(message), stamp, frame_id)

    def with_picture(self, message: Any, image: NDArray[np.uint8]) -> Any:
        """The message with a packet of a picture (H, W, 3) uint8 RGB; same header, format and pts.

        Raises FrameError for another format, and MediaError where FFmpeg has no encoder, or it fails.
        """
        codec = codec_of(video_format(message))
        if not codec:
            raise FrameError(f"Packets of the format {shorten(video_format(message))!r} cannot be written.")
        if codec not in self._encoders:
            self._encoders[codec] = self._make_encoder(codec)
        data, is_key = self._encoders[codec].encode(image)
        made = replace(message, data=np.frombuffer(data, np.uint8))
        if hasattr(message, "flags"):
            made = replace(made, width=image.shape[1], height=image.shape[0], flags=_KEY * is_key)
        return made
