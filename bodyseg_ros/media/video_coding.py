"""Select a video's codec from its container, the user's choice and whether images are transparent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import cv2

from ..errors import MediaError

__all__ = ["QUALITY", "Coding", "Container", "choose_coding", "container_of_file", "container_of_stream"]

#: Default of `quality`, 1 to 100; for H.264 a rate factor of 18.
QUALITY: Final = 75
_SEE_THROUGH: Final = ".webm, .mov, .mkv or .gif"


@dataclass(frozen=True)
class Coding:
    """An encoder of FFmpeg. pixels: its pixel format. options: its options."""

    encoder: str
    pixels: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class _Encoder:
    """options: the encoder's options by quality, 1 to 100. see_through: pixel format and options with transparency."""

    name: str
    pixels: str
    options: Callable[[int], dict[str, str]]
    see_through: tuple[str, dict[str, str]] | None = None


def _factor(worst: int, slope: float) -> Callable[[int], str]:
    """Rate factor by quality: encoders count from 0, the best, to `worst`."""
    return lambda quality: str(max(0, round(worst - slope * quality)))


_CRF_51, _CRF_63 = _factor(51, 0.44), _factor(63, 0.5)

#: Codec → its encoders; the first one available in FFmpeg is used.
_CODECS: Final[Mapping[str, tuple[_Encoder, ...]]] = {
    "h264": (
        _Encoder("libx264", "yuv420p", lambda quality: {"crf": _CRF_51(quality), "preset": "veryfast"}),
        _Encoder("libopenh264", "yuv420p", lambda quality: {"b": f"{max(1, quality // 9)}M"}),
        _Encoder("mpeg4", "yuv420p", lambda quality: {"qmin": "2", "qmax": str(max(2, round(20 - quality / 5)))}),
    ),
    "h265": (
        _Encoder(
            "libx265",
            "yuv420p",
            lambda quality: {"crf": _CRF_51(quality), "preset": "veryfast", "x265-params": "log-level=error"},
        ),
    ),
    "vp9": (
        _Encoder(
            "libvpx-vp9",
            "yuv420p",
            lambda quality: {"crf": _CRF_63(quality), "b": "0", "deadline": "realtime", "cpu-used": "5", "row-mt": "1"},
            ("yuva420p", {"auto-alt-ref": "0"}),
        ),
    ),
    "av1": (_Encoder("libsvtav1", "yuv420p", lambda quality: {"crf": _CRF_63(quality), "preset": "9"}),),
    "prores": (
        _Encoder(
            "prores_ks",
            "yuv422p10le",
            lambda quality: {"profile": "hq" if quality > 60 else "lt"},
            ("yuva444p10le", {"profile": "4444"}),
        ),
    ),
    "gif": (_Encoder("gif", "pal8", lambda quality: {"gifflags": "0"}, ("pal8", {})),),
}

_AVX_512F: Final = 13  # in cv2.checkHardwareSupport()
#: Options that make the same file on every run, and whatever the number of cores. With AVX-512, x264's macroblock tree
#: (seen in core 165) changes from run to run.
_REPEATABLE: Final[Mapping[str, Mapping[str, str]]] = {
    "libx264": {"threads": "1"} | ({"x264-params": "asm=AVX2"} if cv2.checkHardwareSupport(_AVX_512F) else {}),
    "libx265": {"x265-params": "log-level=error:frame-threads=1"},
    **{name: {"threads": "1"} for name in ("libopenh264", "mpeg4", "libvpx-vp9")},
}


@dataclass(frozen=True)
class Container:
    """format: FFmpeg's name of the container. codecs: those it holds, the usual one first. options: of its muxer.

    live: sent as it is made, to somebody who watches.
    """

    format: str
    codecs: tuple[str, ...]
    options: Mapping[str, str]
    live: bool = False


#: Encoded data reaches the disk each second.
_FRAGMENTS: Final = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"}
#: bitexact: no random numbers as names of tracks.
_CLUSTERS: Final = {"cluster_time_limit": "1000", "flush_packets": "1", "fflags": "+bitexact"}
_FILES: Final[Mapping[str, Container]] = {
    ".mp4": Container("mp4", ("h264", "h265", "av1"), _FRAGMENTS),
    ".m4v": Container("mp4", ("h264", "h265", "av1"), _FRAGMENTS),
    ".mov": Container("mov", ("h264", "h265", "prores"), _FRAGMENTS),
    ".mkv": Container("matroska", ("h264", "h265", "vp9", "av1", "prores"), _CLUSTERS),
    ".webm": Container("webm", ("vp9", "av1"), _CLUSTERS),
    ".gif": Container("gif", ("gif",), {"loop": "0"}),
}
_STREAMS: Final[Mapping[str, Container]] = {
    **dict.fromkeys(("rtmp", "rtmps"), Container("flv", ("h264",), {"flvflags": "no_duration_filesize"}, live=True)),
    **dict.fromkeys(("rtsp", "rtsps"), Container("rtsp", ("h264", "h265"), {"rtsp_transport": "tcp"}, live=True)),
    **dict.fromkeys(("srt", "tcp", "udp"), Container("mpegts", ("h264", "h265"), {"flush_packets": "1"}, live=True)),
}


def container_of_file(path: Path) -> Container:
    """The container of a file by its suffix. Raises MediaError for another one."""
    suffix = path.suffix.lower()
    if suffix not in _FILES:
        raise MediaError(f"The video {str(path)!r} must end in one of {', '.join(_FILES)}, not {path.suffix!r}.")
    return _FILES[suffix]


def container_of_stream(address: str) -> Container:
    """The container of a stream by its address. Raises MediaError for another protocol."""
    protocol = urlsplit(address).scheme.lower()
    if protocol not in _STREAMS:
        raise MediaError(f"A stream is sent to one of {', '.join(f'{one}://' for one in _STREAMS)}, not {protocol}://.")
    return _STREAMS[protocol]


def choose_coding(
    container: Container, codec: str, quality: int, see_through: bool, encoders: Collection[str], name: str
) -> Coding:
    """Choose the encoder for a container.

    codec: one of its codecs, or 'auto'. quality: 1 to 100. see_through: whether images are transparent. encoders: those
    of the installed FFmpeg. name: of the file or stream, for messages. Raises MediaError if there is none.
    """
    if codec not in ("auto", *container.codecs):
        raise MediaError(f"The codec of {name!r} is {codec!r}, but it must be auto, {', '.join(container.codecs)}.")
    for one in container.codecs if codec == "auto" else (codec,):
        for encoder in _CODECS[one]:
            if encoder.name not in encoders or (see_through and encoder.see_through is None):
                continue
            options = encoder.options(quality)
            if container.live and encoder.name in ("libx264", "libx265"):
                options |= {"tune": "zerolatency"}
            if not container.live:
                options |= _REPEATABLE.get(encoder.name, {})
            if not see_through or encoder.see_through is None:
                return Coding(encoder.name, encoder.pixels, options)
            pixels, more = encoder.see_through
            return Coding(encoder.name, pixels, options | more)
    if see_through:
        raise MediaError(
            f"The images for {name!r} are transparent, but this video needs gray or RGB; transparency goes into a "
            f"{_SEE_THROUGH} file with codec auto, or into PNG files."
        )
    raise MediaError(f"The video {name!r} cannot be written: the installed FFmpeg has no encoder for {codec}.")
