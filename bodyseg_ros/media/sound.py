"""A video's soundtrack, copied as it is beside pictures that were made anew."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from ..errors import MediaError

__all__ = ["add_sound"]


def add_sound(pictures: Path, original: Path, target: Path) -> int:
    """Write a video with the pictures of one file and the sound of another; returns the number of soundtracks.

    Nothing but sound is taken of the original: no metadata, no chapters, no subtitles. Raises MediaError where the
    container of `target` does not take the sound's coding.
    """
    try:
        with (
            av.open(f"file:{pictures}") as shown,
            av.open(f"file:{original}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as heard,
            av.open(f"file:{target}", "w") as output,
        ):
            sounds = list(heard.streams.audio)
            video = shown.streams.video[0]
            tracks: dict[Any, Any] = {video: output.add_stream_from_template(video)}
            tracks |= {sound: output.add_stream_from_template(sound) for sound in sounds}
            sources = [_timed(shown, [video], Fraction(0))]
            if sounds:
                sources.append(_timed(heard, sounds, _begin(original)))
            for _, _, packet in heapq.merge(*sources, key=lambda one: one[:2]):
                packet.stream = tracks[packet.stream]
                output.mux(packet)
            return len(sounds)
    except (FFmpegError, OSError, ValueError) as err:
        raise MediaError(
            f"The sound of {str(original)!r} cannot be written to {str(target)!r}: {err}. Take a name that ends in "
            ".mkv, or leave the sound out."
        ) from err


def _begin(path: Path) -> Fraction:
    """When the first picture is shown, s."""
    with av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace") as container:
        first: Any = next(container.decode(container.streams.best("video")))
        return Fraction((first.pts or 0) * first.time_base)


def _timed(container: Any, streams: list[Any], begin: Fraction) -> Iterator[tuple[Fraction, int, Any]]:
    """(time in s, number, packet) in the order they lie in the file, counted from `begin`; none from before it."""
    for number, packet in enumerate(container.demux(streams)):
        if packet.dts is None or packet.pts is None:
            continue
        shift = round(begin / packet.time_base)
        packet.pts -= shift
        packet.dts -= shift
        if packet.pts >= 0:
            yield packet.dts * packet.time_base, number, packet
