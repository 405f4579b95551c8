"""The masks of one camera's recording, in a private file, so that memory stays constant.

Masks are stored in cells of a few pixels, at most `_LONG_SIDE` on the longer side. A cell counts as person if one of
its pixels does, so masks can only grow.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from array import array
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Cells", "MaskFile", "Sightings", "margin_cells", "to_cells", "to_pixels"]

#: (h, w) uint8, 1 for person.
Cells = NDArray[np.uint8]
_LONG_SIDE: Final = 320
_SHAPE: Final = struct.Struct("<HH")


def _cell_px(size: tuple[int, int]) -> int:
    """Side of a cell in an image of (height, width) px."""
    return max(1, -(-max(size) // _LONG_SIDE))


def margin_cells(margin_px: int, size: tuple[int, int]) -> int:
    """Convert a margin in px to cells of an image of (height, width) px, rounded up."""
    return -(-margin_px // _cell_px(size))


def to_cells(person: NDArray[np.uint8]) -> Cells:
    """Convert a mask (H, W) uint8, 0 and 1, to cells."""
    height, width = person.shape
    side = _cell_px((height, width))
    if side == 1:
        return person.copy()
    padded = np.pad(person, ((0, -height % side), (0, -width % side)))
    rows = np.maximum.reduce(padded.reshape(-1, side, padded.shape[1]), axis=1)
    return np.ascontiguousarray(np.maximum.reduce(rows.reshape(rows.shape[0], -1, side), axis=2))


def to_pixels(cells: Cells, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Convert cells to a mask (H, W) uint8 of an image of (height, width) px."""
    side = _cell_px(size)
    whole = (cells.shape[1] * side, cells.shape[0] * side)
    grown = cv2.resize(cells, whole, interpolation=cv2.INTER_NEAREST) if side > 1 else cells
    return np.ascontiguousarray(grown[: size[0], : size[1]], np.uint8)


class MaskFile:
    """Packed masks in a temporary file that is deleted when the process ends in any way."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="bodyseg-")  # noqa: SIM115 - it lives as long as this object
        self._starts = array("Q", [0])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, cells: Cells) -> int:
        """Store a mask; return its number, from 0."""
        packed = _SHAPE.pack(*cells.shape) + zlib.compress(np.packbits(cells).tobytes(), 1)
        self._file.seek(self._starts[-1])
        self._file.write(packed)
        self._starts.append(self._starts[-1] + len(packed))
        return len(self) - 1

    def read(self, number: int) -> Cells:
        """The mask of that number."""
        start, end = self._starts[number], self._starts[number + 1]
        self._file.seek(start)
        packed = self._file.read(end - start)
        height, width = _SHAPE.unpack_from(packed)
        bits = np.frombuffer(zlib.decompress(packed[_SHAPE.size :]), np.uint8)
        return np.unpackbits(bits, count=height * width).reshape(height, width)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Sightings:
    """The detections in each frame of one camera.

    strong: people; weak: people by a lower threshold. reasons: why frames could not be judged, by frame number.
    times_ns, stamps_ns, sizes: of each frame.
    """

    def __init__(self) -> None:
        self.times_ns, self.stamps_ns = array("q"), array("q")
        self.strong, self.weak = MaskFile(), MaskFile()
        self.reasons: dict[int, str] = {}
        self._sizes: dict[tuple[int, int], int] = {}
        self._size_numbers = array("I")

    def __len__(self) -> int:
        return len(self.times_ns)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) px of a frame; (0, 0) if it could not be read."""
        return list(self._sizes)[self._size_numbers[index]]

    @property
    def first_size(self) -> tuple[int, int]:
        """(height, width) px of the first frame that could be read; (0, 0) if none could."""
        return next((size for size in self._sizes if size[0]), (0, 0))

    def add(self, time_ns: int, stamp_ns: int, size: tuple[int, int], strong: Cells, weak: Cells) -> None:
        """The next frame."""
        self.times_ns.append(time_ns)
        self.stamps_ns.append(stamp_ns)
        self._size_numbers.append(self._sizes.setdefault(size, len(self._sizes)))
        self.strong.append(strong)
        self.weak.append(weak)

    def add_blind(self, time_ns: int, stamp_ns: int, size: tuple[int, int], reason: str) -> None:
        """Add a frame that could not be judged."""
        self.reasons[len(self)] = reason
        nothing = np.zeros((1, 1), np.uint8)
        self.add(time_ns, stamp_ns, size, nothing, nothing)

    def close(self) -> None:
        """Let go of the files."""
        self.strong.close()
        self.weak.close()
