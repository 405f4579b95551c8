"""Keep the messages of native libraries off the terminal."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

__all__ = ["hold_native_noise", "mute_native_logs"]

_STDERR = 2


def mute_native_logs() -> None:
    """Set the libraries' own log switches, unless the user has; call before importing them."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET


@contextmanager
def hold_native_noise() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 past Python, and show it only if the block fails.

    TensorFlow, LiteRT and CUDA print before their switches count. With --verbose nothing is held back.
    """
    if logging.getLogger().isEnabledFor(logging.INFO) or not _is_descriptor(sys.stderr):
        yield
        return
    ours = sys.stderr
    ours.flush()
    with TemporaryFile() as held, os.fdopen(os.dup(_STDERR), "w", buffering=1) as terminal:
        os.dup2(held.fileno(), _STDERR)
        sys.stderr = terminal
        try:
            yield
        except BaseException:
            held.seek(0)
            terminal.write(held.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr = ours
            os.dup2(terminal.fileno(), _STDERR)


def _is_descriptor(stream: IO[str] | None) -> bool:
    """Whether a stream writes to file descriptor 2; in tests and notebooks it does not."""
    try:
        return stream is not None and stream.fileno() == _STDERR
    except (OSError, io.UnsupportedOperation):
        return False
