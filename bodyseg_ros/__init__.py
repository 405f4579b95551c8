"""bodyseg_ros: person masks, 24 body parts, several people and their poses, for ROS 2 and without it.

>>> import bodyseg_ros as bodyseg
>>> model = bodyseg.load()
>>> result = model("photo.jpg")  # or an image: (H, W, 3) uint8 RGB
>>> result
Result 320×320: 1 person, person 51 %, confidence, parts, instances

See docs/library.md.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

#: The one place of the version: pyproject.toml reads it here, package.xml repeats it because ROS's tools read that.
__version__ = "0.1.0"

# A checkout, a virtual environment's install and a colcon install (which has the messages) add up.
__path__ = pkgutil.extend_path(__path__, __name__)

if TYPE_CHECKING:
    from .body import KEYPOINT_NAMES, NO_PART, PART_COLORS, PART_NAMES, POSE_TREE, SKELETON
    from .errors import (
        BodysegError,
        EngineError,
        FrameError,
        MediaError,
        MissingDependencyError,
        ModelError,
        ModelFileError,
        ModelNotFoundError,
        PluginError,
        ResultError,
        SettingsError,
    )
    from .events import EventKind, EventWatcher, PersonEvent
    from .media import open_sink, open_source
    from .model import Model, load
    from .person import VISIBLE_SCORE, Person, TrackState
    from .types import Frame, Poses, Result, Tracks, Wanted

#: Module of each public name.
_HOMES = {
    "body": ("KEYPOINT_NAMES", "NO_PART", "PART_COLORS", "PART_NAMES", "POSE_TREE", "SKELETON"),
    "errors": (
        "BodysegError",
        "EngineError",
        "FrameError",
        "MediaError",
        "MissingDependencyError",
        "ModelError",
        "ModelFileError",
        "ModelNotFoundError",
        "PluginError",
        "ResultError",
        "SettingsError",
    ),
    "events": ("EventKind", "EventWatcher", "PersonEvent"),
    "media": ("open_sink", "open_source"),
    "model": ("Model", "load"),
    "person": ("VISIBLE_SCORE", "Person", "TrackState"),
    "types": ("Frame", "Poses", "Result", "Tracks", "Wanted"),
}
__all__ = [
    "KEYPOINT_NAMES",
    "NO_PART",
    "PART_COLORS",
    "PART_NAMES",
    "POSE_TREE",
    "SKELETON",
    "VISIBLE_SCORE",
    "BodysegError",
    "EngineError",
    "EventKind",
    "EventWatcher",
    "Frame",
    "FrameError",
    "MediaError",
    "MissingDependencyError",
    "Model",
    "ModelError",
    "ModelFileError",
    "ModelNotFoundError",
    "Person",
    "PersonEvent",
    "PluginError",
    "Poses",
    "Result",
    "ResultError",
    "SettingsError",
    "TrackState",
    "Tracks",
    "Wanted",
    "load",
    "open_sink",
    "open_source",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use, so the command's help and a node's messages need not load NumPy."""
    for module, names in _HOMES.items():
        if name in names:
            globals()[name] = getattr(import_module(f".{module}", __name__), name)
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
