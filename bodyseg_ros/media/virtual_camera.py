"""Write images to a virtual camera: a device of v4l2loopback, which other programs read as a webcam."""

from __future__ import annotations

import os
import stat
import struct
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np

from ..errors import MediaError
from ..types import Frame
from .source import Picture, Sink

__all__ = ["VirtualCameraSink"]

#: linux/videodev2.h: VIDIOC_S_FMT, an _IOWR('V', 5, struct v4l2_format) of 208 bytes where pointers have 8.
_SET_FORMAT: Final = 0xC0D05605
_FORMAT_BYTES: Final = 208
_VIDEO_OUTPUT: Final = 2
_YU12: Final = int.from_bytes(b"YU12", "little")
_PROGRESSIVE, _SRGB = 1, 8


class VirtualCameraSink(Sink):
    """Writes images to a video output device such as /dev/video9, as planar YUV 4:2:0, at their own pace.

    Make the device with `sudo modprobe v4l2loopback video_nr=9 exclusive_caps=1`. The first image sets the size; an odd
    side is made even by repeating the last column or row. Transparent images are blended over black. A path that is no
    device, such as a pipe, gets the same bytes. Raises MediaError if the device is missing or refuses the size.
    """

    api_version = 1

    def __init__(self, path: str | Path, fps: Fraction) -> None:
        self._path = Path(path)
        try:
            self._device = os.open(self._path, os.O_RDWR)
        except OSError as err:
            raise MediaError(
                f"The virtual camera {str(path)!r} cannot be opened: {err.strerror}. Make it with: "
                f"sudo modprobe v4l2loopback video_nr={self._path.name.removeprefix('video')} exclusive_caps=1"
            ) from err
        self._is_device = stat.S_ISCHR(os.fstat(self._device).st_mode)
        self._size: tuple[int, ...] = ()
        self._began, self._first_ns = 0.0, 0

    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write one image: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA, uint8."""
        if not self._size:
            self._size = image.shape[:2]
            self._set_format()
            self._began, self._first_ns = time.monotonic(), frame.stamp_ns
        if image.dtype != np.uint8 or image.shape[:2] != self._size:
            height, width = self._size
            raise MediaError(
                f"The virtual camera {str(self._path)!r} shows uint8 images of {width}×{height}, but a frame is "
                f"{image.dtype} {image.shape}; all must have the same size."
            )
        time.sleep(max(0.0, self._began + (frame.stamp_ns - self._first_ns) / 1e9 - time.monotonic()))
        try:
            os.write(self._device, _planes(image))
        except OSError as err:
            raise MediaError(f"The virtual camera {str(self._path)!r} cannot be written: {err.strerror}.") from err

    def _set_format(self) -> None:
        if not self._is_device:
            return
        import fcntl  # not on every system

        height, width = (side + side % 2 for side in self._size)
        pixels = struct.pack("=8I", width, height, _YU12, _PROGRESSIVE, width, width * height * 3 // 2, _SRGB, 0)
        asked = struct.pack("=II", _VIDEO_OUTPUT, 0) + pixels
        try:
            answer = fcntl.ioctl(self._device, _SET_FORMAT, asked.ljust(_FORMAT_BYTES, b"\0"))
        except OSError as err:
            raise MediaError(
                f"The device {str(self._path)!r} takes no images: {err.strerror}. It must be a video output, as "
                "v4l2loopback makes one; a camera is not."
            ) from err
        taken = struct.unpack_from("=3I", answer, 8)
        if taken != (width, height, _YU12):
            raise MediaError(
                f"The virtual camera {str(self._path)!r} keeps {taken[0]}×{taken[1]}, but the images are "
                f"{width}×{height} in YUV 4:2:0; close the programs that use it, or resize the input."
            )

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        os.close(self._device)


def _planes(image: Picture) -> bytes:
    """An image as the planes Y, U and V, BT.601 in limited range."""
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    if image.shape[2] == 4:
        image = (image[..., :3] * (image[..., 3:] / np.float32(255)) + np.float32(0.5)).astype(np.uint8)
    height, width = image.shape[:2]
    even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return bytes(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420))
