"""One frame with all that is known of it: what the outputs of a node are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Frame, Result
from ..graph.port import Messages
from .live_settings import LiveSettings

__all__ = ["FrameContext", "Painter"]


@dataclass
class FrameContext:
    """One frame with all that is known of it; each picture is made once, whoever asks.

    message: the picture as it came. live: the parameters that held for this frame. camera_info: the camera's last
    message, None if there was none. inference_ms: how long it took to see what is in the frame.
    """

    messages: Messages
    message: Any
    frame: Frame
    result: Result
    live: LiveSettings
    model: str = ""
    camera_info: Any = None
    inference_ms: float = 0.0
    _pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def picture(self, name: str, paint: Painter) -> NDArray[np.uint8] | None:
        """The picture `name`: (H, W, 3) RGB or (H, W, 4) RGBA uint8; None where the result lacks what it shows."""
        if name not in self._pictures:
            image = paint(self)
            if image is None:
                return None
            self._pictures[name] = image
        return self._pictures[name]


Painter = Callable[[FrameContext], NDArray[np.uint8] | None]
