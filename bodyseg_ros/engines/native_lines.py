"""Lines that native code writes to standard error although nothing is wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Final

__all__ = ["without_line"]

_STDERR: Final = 2
_one_at_a_time = threading.Lock()


@contextmanager
def without_line(line: bytes) -> Iterator[None]:
    """Drop a line that native code writes in the block; the process's other errors follow after the block."""
    with _one_at_a_time, TemporaryFile() as held:
        try:
            real = os.dup(_STDERR)
        except OSError:  # standard error is closed
            yield
            return
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            held.seek(0)
            for written in held:
                if written.rstrip() != line:
                    os.write(real, written)
            os.close(real)
