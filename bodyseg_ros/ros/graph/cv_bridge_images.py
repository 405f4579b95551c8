"""Convert rarer image encodings by ROS's cv_bridge, where it is installed."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from .headers import shorten

__all__ = ["BRIDGED", "convert", "require"]

#: Encodings that only cv_bridge converts: (dtype, channels). Those without a color order are read as BGR.
BRIDGED: Final[dict[str, tuple[str, int]]] = {
    **dict.fromkeys(("rgb16", "bgr16", "16UC3"), ("u2", 3)),
    **dict.fromkeys(("rgba16", "bgra16"), ("u2", 4)),
    **{f"bayer_{pattern}16": ("u2", 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    "8UC4": ("u1", 4),
    "32FC3": ("f4", 3),
}

_TRIAL: Final = """
import numpy
from cv_bridge.boost.cv_bridge_boost import cvtColor2
cvtColor2(numpy.zeros((2, 2, 3), "u2"), "rgb16", "rgb8")
"""


def require(encoding: str) -> None:
    """Raise FrameError if cv_bridge is missing or does not work."""
    problem = _problem()
    if problem:
        raise FrameError(
            f"An image has the encoding {encoding!r}, which is read by the ROS package cv_bridge, and {problem}; or "
            "publish rgb8."
        )


def convert(encoding: str, rows: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Convert (height, width·channels) of the encoding's dtype, any byte order, to (height, width, 3) uint8 RGB.

    16 bits become 8 by their range. Floats are 0 to 1, or 0 to 255 if one is above 1. Raises FrameError if cv_bridge
    is missing or refuses the image.
    """
    require(encoding)
    # In our own byte order and without padding: cv_bridge divides `step` by the pixel size, and swaps bytes by a method
    # that NumPy 2 dropped.
    rows = np.ascontiguousarray(rows, rows.dtype.newbyteorder("="))
    message = SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        step=rows.strides[0],
        is_bigendian=int(sys.byteorder == "big"),
        data=rows.data.cast("B"),
    )
    has_order = not encoding[0].isdigit()
    try:
        image: NDArray[Any] = _bridge().imgmsg_to_cv2(message, "rgb8" if has_order else "passthrough")
    except Exception as err:
        raise FrameError(f"cv_bridge refuses an image with the encoding {encoding!r}: {err}") from err
    return image if has_order else _to_bytes(image[..., 2::-1])


def _to_bytes(values: NDArray[Any]) -> NDArray[Any]:
    """Scale 16-bit integers and floats to 0 to 255."""
    if values.dtype == np.uint16:
        values = values >> 8
    elif values.dtype == np.float32:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        values = np.clip(values * (255 if values.max() <= 1 else 1), 0, 255).round()
    return np.ascontiguousarray(values, np.uint8)


@lru_cache(maxsize=1)
def _problem() -> str:
    """Why cv_bridge cannot be used, and what to do; '' if it works.

    It is tried in a child process: beside NumPy 2 a cv_bridge built for NumPy 1 is imported and then crashes.
    """
    if find_spec("cv_bridge") is None:
        return "that is not installed: install it (apt: ros-<distribution>-cv-bridge) and use the runtime rclpy"
    child = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, text=True, check=False)
    if child.returncode == 0:
        return ""
    said = shorten((child.stderr.strip().splitlines() or [""])[-1])
    how = f"crashes (signal {-child.returncode})" if child.returncode < 0 else f"fails ({said})"
    return (
        f"that {how} beside NumPy {np.__version__}: install the NumPy it was built for, for most distributions by "
        "pip install 'numpy<2'"
    )


@lru_cache(maxsize=1)
def _bridge() -> Any:
    from cv_bridge import CvBridge

    return CvBridge()
