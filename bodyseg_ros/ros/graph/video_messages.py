"""Decode video topics to images: foxglove_msgs/CompressedVideo and ffmpeg_image_transport_msgs/FFMPEGPacket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...dependencies import missing_package
from ...errors import FrameError
from ...types import MAX_PIXELS
from .headers import shorten
from .image_messages import image_message
from .port import Messages

if TYPE_CHECKING:
    import av

__all__ = ["VIDEO_TYPES", "VideoDecoder", "decoder_of", "video_format"]

#: Type by the name of its image_transport plugin, which is also the last part of its topic.
VIDEO_TYPES: Final = {
    "ffmpeg": "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
    "foxglove": "foxglove_msgs/msg/CompressedVideo",
}
#: FFmpeg's decoder by what the message calls the format: a codec or an encoder, such as h264, libx264, hevc_nvenc.
_DECODERS: Final = {"264": "h264", "265": "hevc", "hevc": "hevc", "av1": "libdav1d", "vp9": "vp9", "vp8": "vp8"}
#: Headers of packets whose image the decoder holds back: more than any codec reorders.
_HELD: Final = 32


def video_format(message: Any) -> str:
    """What a packet says about its format."""
    return str(getattr(message, "format", None) or getattr(message, "encoding", ""))


def decoder_of(name: str) -> str:
    """FFmpeg's decoder for a packet's format, as h264 or hevc; '' for an unknown one."""
    # ffmpeg_image_transport adds the pixel formats: 'hevc;yuv420p;bgr8;bgr8'.
    known = re.search("|".join(_DECODERS), name.partition(";")[0].lower())
    return _DECODERS[known.group()] if known else ""


class VideoDecoder:
    """Decodes the packets of one topic in their order; each needs the ones before it.

    messages: makes the images. max_px: maximum number of pixels. Raises MissingDependencyError if PyAV is not
    installed.
    """

    def __init__(self, messages: Messages, max_px: int = MAX_PIXELS) -> None:
        try:
            import av  # noqa: F401 - said when the topic is subscribed to, not at its first message
        except ImportError as err:
            raise missing_package("A video topic", err, "bodyseg_ros[video]") from err
        self._messages, self._max_px = messages, max_px
        self._format = ""
        self._context: av.VideoCodecContext | None = None
        self._headers: dict[int, Any] = {}  # by the packet's number
        self._count = 0
        self._started = False

    def decode(self, message: Any) -> list[Any]:
        """Return the images that a packet completes as sensor_msgs/Image (rgb8), each under its own packet's header.

        That is one image for streams without B frames. After a lost packet, FFmpeg may show remains of older images
        until the next key frame. Raises FrameError for an unknown format, too many pixels, a damaged packet, or one
        before the first key frame.
        """
        return [
            image_message(self._messages, header, picture.to_ndarray(format="rgb24"), "rgb8")
            for picture in self._pictures(message)
            if (header := self._headers.pop(picture.pts or 0, None))
        ]

    def decode_own(self, message: Any) -> NDArray[np.uint8]:
        """Return the packet's own image, (H, W, 3) uint8 RGB.

        Raises FrameError as decode(), and where the image comes with a later packet, as in streams with B frames.
        """
        for picture in self._pictures(message):
            if picture.pts == self._count:
                return np.ascontiguousarray(picture.to_ndarray(format="rgb24"), np.uint8)
        raise FrameError(f"A {shorten(self._format)} packet has no image of its own: streams with B frames have not.")

    def _pictures(self, message: Any) -> list[av.VideoFrame]:
        """Images that a packet completes; pts is the number of their packet."""
        import av

        context = self._open(video_format(message))
        packet = av.Packet(memoryview(message.data).tobytes())
        self._count += 1
        packet.pts = self._count
        self._headers[self._count] = self._header(message)
        self._headers.pop(self._count - _HELD, None)
        try:
            pictures = context.decode(packet)
        except (av.FFmpegError, ValueError) as err:
            raise FrameError(self._refusal(str(err))) from err
        if any(picture.is_corrupt for picture in pictures):
            raise FrameError(self._refusal("an earlier packet is missing"))
        self._started = self._started or bool(pictures)
        return pictures

    def _open(self, name: str) -> av.VideoCodecContext:
        """Return the decoder for a format; a new one if the stream changes its format."""
        import av

        if self._context is not None and name == self._format:
            return self._context
        decoder = decoder_of(name)
        if not decoder:
            raise FrameError(
                f"A video packet has the format {shorten(name)!r}, which is not supported; supported: "
                "h264, h265, av1, vp9, vp8."
            )
        context = av.CodecContext.create(decoder, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.options = {"max_pixels": str(self._max_px), "flags": "low_delay"}
        context.thread_type = "SLICE"  # several images at a time would delay each
        self._context, self._format, self._started, self._headers = context, name, False, {}
        return context

    def _header(self, message: Any) -> Any:
        if hasattr(message, "header"):
            return message.header
        return self._messages.make("std_msgs/msg/Header", stamp=message.timestamp, frame_id=message.frame_id)

    def _refusal(self, why: str) -> str:
        what = "packet cannot be decoded" if self._started else "begins in the middle"
        return f"A {shorten(self._format)} video {what} ({why}); images come from its next key frame on."
