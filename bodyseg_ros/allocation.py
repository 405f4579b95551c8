"""How the C library hands out memory: a setting of the process, for programs."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

__all__ = ["keep_freed_memory"]

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
#: The most that glibc takes for a threshold of mmap on 64 bit.
_FROM_HEAP: Final = 32 * 2**20
_KEPT: Final = 256 * 2**20


def keep_freed_memory() -> None:
    """Have the memory of one frame's pictures serve the next one; what is not glibc is left as it is.

    As it comes, glibc gives blocks of a picture's size back to the kernel, which clears every page again for the next
    frame: that took as long as all other work on a frame. Up to 256 MB of freed memory stay with the process.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _FROM_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
