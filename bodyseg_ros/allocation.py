"""Set how the C library reuses freed memory, for the whole process."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["keep_freed_memory"]

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
#: glibc's maximum for the mmap threshold on 64 bit.
_FROM_HEAP: Final = 32 * 2**20
_KEPT: Final = 256 * 2**20


def keep_freed_memory() -> None:
    """Reuse freed memory for the next frame's images; does nothing without glibc.

    By default glibc returns blocks of image size to the kernel, which clears every page again for the next frame. That
    took as long as all other work on a frame. The process now keeps up to 256 MB of freed memory.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
