"""Where people are in one color image, for removing them from other sensors' messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...mirror import mirror_array
from ...space import PeopleView
from ...types import Result
from ..graph.headers import shorten, stamp_ns
from .camera_info import pinhole_of
from .node_settings import NodeSettings

__all__ = ["SeenPeople"]


@dataclass(frozen=True)
class SeenPeople:
    """People in one image.

    frame_id: of the camera. person: (H, W) uint8, 1 for person, in the camera's orientation. camera_info: its message,
    if known. settings: in force for the image.
    """

    stamp_ns: int
    frame_id: str
    person: NDArray[np.uint8]
    camera_info: Any
    settings: NodeSettings

    @classmethod
    def of(cls, header: Any, result: Result, camera_info: Any, settings: NodeSettings) -> SeenPeople | None:
        """Return the people of the image under `header`; None if no mask was computed."""
        if result.person is None:
            return None
        person = mirror_array(result.person) if result.mirrored else result.person
        return cls(stamp_ns(header), shorten(header.frame_id), person, camera_info, settings)

    @cached_property
    def view(self) -> PeopleView:
        """Return the view in which points are looked up. Raises FrameError if camera_info is missing or of another
        size.
        """
        if self.camera_info is None:
            raise FrameError(
                "The camera_info of the color camera has not come, so points cannot be laid on its pictures; remap "
                "camera_info to its topic."
            )
        camera = pinhole_of(self.camera_info, self.person.shape, rectified=self.settings.image_rectified)
        return PeopleView(camera, self.person, self.settings.removal_margin_px, self.settings.removal_margin_m)
