"""bodyseg_ros: person masks, 24 body parts, several people and their poses, for ROS 2 and without it.

import bodyseg_ros as bodyseg
model = bodyseg.load()
result = model.segment(image)  # (H, W, 3) uint8 RGB; result.person, .parts, .instances, .poses
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

# A checkout, a virtual environment's install and a colcon install (which has the messages) add up.
__path__ = pkgutil.extend_path(__path__, __name__)

if TYPE_CHECKING:
    from .body import KEYPOINT_NAMES, NO_PART, PART_COLORS, PART_NAMES, POSE_TREE, SKELETON
    from .errors import BodysegError
    from .model import Model, load
    from .types import Frame, Poses, Result, Wanted

__all__ = [
    "KEYPOINT_NAMES",
    "NO_PART",
    "PART_COLORS",
    "PART_NAMES",
    "POSE_TREE",
    "SKELETON",
    "BodysegError",
    "Frame",
    "Model",
    "Poses",
    "Result",
    "Wanted",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the command's help and a node's messages wait for no NumPy."""
    for module in ("errors", "body", "types", "model") if name in __all__ else ():
        found = getattr(import_module(f".{module}", __name__), name, None)
        if found is not None:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
