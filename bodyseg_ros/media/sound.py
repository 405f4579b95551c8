"""Copy a video's sound to a new video with processed images."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from ..errors import MediaError

__all__ = ["Soundtracks"]


class Soundtracks:
    """The sound of a video file, written into an open container as its images are.

    Coded sound is copied if the container takes its codec, otherwise it is coded anew. Nothing else is taken of the
    original: no metadata, no chapters, no subtitles. Sound from before its first image is left out. Create it before
    the first image is written. Raises MediaError for a file that cannot be read.

    count: number of soundtracks; 0 for a container without sound.
    """

    def __init__(self, original: Path, output: Any) -> None:
        self._output, self._original = output, original
        try:
            begin = _begin(original)
            self._input = _opened(original)
        except (FFmpegError, OSError, StopIteration) as err:
            raise MediaError(f"The sound of {str(original)!r} cannot be read: {err}.") from err
        self._tracks = {sound.index: self._track(sound) for sound in self._input.streams.audio if self._has_sound()}
        self.count = len(self._tracks)
        self._packets = self._timed(begin)
        self._next = next(self._packets, None)

    def _has_sound(self) -> bool:
        return self._output.default_audio_codec not in ("", "none", None)

    def _track(self, sound: Any) -> tuple[Any, Any]:
        """The output stream for one of the input's, and a resampler if the sound must be encoded again."""
        if sound.codec_context.codec.canonical_name in self._output.supported_codecs:
            return self._output.add_stream_from_template(sound), None
        codec = self._output.default_audio_codec
        codec = f"lib{codec}" if f"lib{codec}" in av.codecs_available else codec
        rate = 48_000 if codec == "libopus" else sound.rate
        track = self._output.add_stream(codec, rate=rate, layout=sound.layout.name)
        track.codec_context.open()
        layout, frame_size = track.codec_context.layout.name, track.codec_context.frame_size
        return track, av.AudioResampler(track.codec_context.format.name, layout, rate, frame_size or None)

    def _timed(self, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
        """(time in s since the first image, packet) in the order of the file."""
        if not self._tracks:
            return
        for packet in self._input.demux([self._input.streams[index] for index in self._tracks]):
            if packet.dts is None or packet.pts is None:
                continue
            shift = round(begin / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            if packet.pts >= 0:
                yield packet.dts * packet.time_base, packet

    def write_until(self, seconds: Fraction) -> None:
        """Write the sound up to a time, counted from the first image."""
        while self._next is not None and self._next[0] <= seconds:
            self._write(self._next[1])
            self._next = next(self._packets, None)

    def _write(self, packet: Any) -> None:
        track, resampler = self._tracks[packet.stream.index]
        if resampler is None:
            packet.stream = track
            self._output.mux(packet)
            return
        for frame in packet.decode():
            for piece in resampler.resample(frame):
                self._output.mux(track.encode(piece))

    def close(self) -> None:
        """Write what the encoders still hold, and close the input."""
        for track, resampler in self._tracks.values():
            if resampler is not None:
                for piece in resampler.resample(None):
                    self._output.mux(track.encode(piece))
                self._output.mux(track.encode(None))
        self._input.close()


def _opened(path: Path) -> Any:
    return av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")


def _begin(path: Path) -> Fraction:
    """Time at which the first image is shown, s."""
    with _opened(path) as container:
        first: Any = next(container.decode(container.streams.best("video")))
        return Fraction((first.pts or 0) * first.time_base)
