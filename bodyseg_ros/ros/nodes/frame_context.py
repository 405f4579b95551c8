"""One frame and everything known about it: the input of a node's outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...events import EventWatcher
from ...space import PeopleInSpace
from ...types import Frame, Result
from ..graph.port import Messages
from .live_settings import LiveSettings

__all__ = ["FrameContext", "Painter"]


@dataclass
class FrameContext:
    """One frame and everything known about it; each image is made once and cached.

    message: the image message as received. live: the parameters in force for this frame. camera_info: the camera's last
    message, or None. inference_ms: time to compute the result. watcher: follows people's events.
    """

    messages: Messages
    message: Any
    frame: Frame
    result: Result
    live: LiveSettings
    model: str = ""
    camera_info: Any = None
    inference_ms: float = 0.0
    located: PeopleInSpace | None = None
    watcher: EventWatcher | None = None
    _pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def picture(self, name: str, paint: Painter) -> NDArray[np.uint8] | None:
        """Return the image `name`, (H, W, 3) RGB or (H, W, 4) RGBA uint8; None if the result lacks what it shows."""
        if name not in self._pictures:
            image = paint(self)
            if image is None:
                return None
            self._pictures[name] = image
        return self._pictures[name]


Painter = Callable[[FrameContext], NDArray[np.uint8] | None]
