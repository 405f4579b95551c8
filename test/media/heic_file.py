"""A HEIC photo as phones write it: HEVC tiles, a grid that puts them together, and a turn (ISO 23008-12)."""

from __future__ import annotations

import io
import struct

import av
import numpy as np


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full(kind: bytes, version: int, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _coded(tile: np.ndarray) -> tuple[bytes, bytes]:
    """The hvcC box and the sample of an image, taken from a one-frame MP4."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as file:
        video = file.add_stream("libx265", rate=1, options={"x265-params": "log-level=0:crf=8"})
        video.height, video.width, video.pix_fmt = *tile.shape[:2], "yuv420p"
        for frame in (av.VideoFrame.from_ndarray(np.ascontiguousarray(tile), "rgb24"), None):
            file.mux(video.encode(frame))
    data = stream.getvalue()
    start = data.index(b"hvcC") - 4
    (size,) = struct.unpack_from(">I", data, start)
    with av.open(io.BytesIO(data)) as file:
        sample = next(bytes(packet) for packet in file.demux(video=0) if packet.size)
    return data[start : start + size], sample


def heic(image: np.ndarray, quarter_turns: int = 0) -> bytes:
    """Two tiles side by side; quarter_turns: how far the photo is to be turned, counterclockwise."""
    height, width = image.shape[:2]
    tiles = [_coded(image[:, : width // 2]), _coded(image[:, width // 2 :])]
    properties = [
        *(configuration for configuration, _ in tiles),
        _full(b"ispe", 0, struct.pack(">II", width // 2, height)),
        _full(b"ispe", 0, struct.pack(">II", width, height)),
        _box(b"irot", bytes([quarter_turns])),
    ]
    owned = {1: (0x81, 3), 2: (0x82, 3), 3: (4, 0x85)}  # 0x80: essential
    links = b"".join(struct.pack(">HB", item, len(numbers)) + bytes(numbers) for item, numbers in owned.items())
    kinds = {1: b"hvc1", 2: b"hvc1", 3: b"grid"}
    grid = struct.pack(">BBBBHH", 0, 0, 0, 1, width, height)
    entries = [
        _full(b"infe", 2, struct.pack(">HH", item, 0), kind, b"\0", flags=int(item < 3)) for item, kind in kinds.items()
    ]
    head = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def meta(offset: int) -> bytes:
        places = [(0, offset, len(tiles[0][1])), (0, offset + len(tiles[0][1]), len(tiles[1][1])), (1, 0, len(grid))]
        located = b"".join(
            struct.pack(">HHHHII", item, method, 0, 1, start, size)
            for item, (method, start, size) in enumerate(places, 1)
        )
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, struct.pack(">H", 3)),
            _full(b"iloc", 1, b"\x44\0", struct.pack(">H", 3), located),
            _full(b"iinf", 0, struct.pack(">H", 3), *entries),
            _full(b"iref", 0, _box(b"dimg", struct.pack(">HHHH", 3, 2, 1, 2))),
            _box(b"iprp", _box(b"ipco", *properties), _full(b"ipma", 0, struct.pack(">I", 3), links)),
            _box(b"idat", grid),
        )

    samples = _box(b"mdat", *(sample for _, sample in tiles))
    return head + meta(len(head) + len(meta(0)) + 8) + samples
