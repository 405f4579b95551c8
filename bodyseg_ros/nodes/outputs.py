"""What the node `bodyseg` publishes: a table, one row per topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, PART_NAMES
from ..effects import Effect, colored_parts, compose_all
from ..graph.port import Messages
from ..types import Frame, Result, Wanted
from .recipe import Choices

__all__ = ["LABELS", "OUTPUTS", "Output", "Scene", "label_info"]


@dataclass
class Scene:
    """One frame with all that is known of it; pictures are made once, whoever asks.

    header, encoding: the input message's. camera_info: the camera's last message, None if there was none.
    """

    messages: Messages
    header: Any
    encoding: str
    frame: Frame
    result: Result
    choices: Choices
    model: str
    camera_info: Any = None
    _pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def picture(self, name: str, make: Callable[[Scene], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The picture `name`, (H, W, 3) RGB or (H, W, 4) RGBA uint8."""
        if name not in self._pictures:
            self._pictures[name] = make(self)
        return self._pictures[name]


@dataclass(frozen=True)
class Output:
    """One topic.

    needs: what it reads of a result. make: its message, None where the result lacks what it needs.
    """

    topic: str
    type: str
    needs: Callable[[Choices], Wanted]
    make: Callable[[Scene], Any]
