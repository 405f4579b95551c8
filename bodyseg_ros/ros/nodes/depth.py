"""The topic `~/depth_without_people`: depth with people's pixels made invalid, for maps and costmaps."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...refine import shift_edge
from ...space import people_pixels, to_meters
from ...web import Viewers
from ..graph.headers import shorten, stamp_ns
from ..graph.image_messages import image_message, read_depth
from ..graph.port import Graph
from .depth_input import DepthInput
from .node_settings import NodeSettings
from .page_layers import DEPTH_LAYER, depth_picture
from .pairs import Pairs
from .seen_people import SeenPeople

__all__ = ["DepthWithoutPeople"]

#: Depth images and masks kept until their counterpart arrives: one second at 30 frames/s.
_WAITING: Final = 30


class DepthWithoutPeople:
    """Pairs `depth/image` with masks of the same stamp, or older by at most `depth_slop`.

    problem: called with a message about an unusable image. viewers: of the node's live page.
    """

    def __init__(
        self,
        graph: Graph,
        depth: DepthInput,
        settings: NodeSettings,
        problem: Callable[[Exception], None],
        viewers: Viewers,
    ) -> None:
        self._graph, self._depth, self._problem, self._viewers = graph, depth, problem, viewers
        self._publisher = graph.publisher("~/depth_without_people", "sensor_msgs/msg/Image")
        self._pairs = Pairs(_WAITING, ("mask", "depth image"), round(settings.depth_slop * 1e9))
        self._max_px = settings.max_image_px
        self._lock = threading.Lock()
        depth.add(self._take)

    @property
    def listened(self) -> bool:
        """Whether the topic has subscribers or viewers, so that masks are needed."""
        return self._publisher.subscriptions > 0 or DEPTH_LAYER in self._viewers.watched

    def people(self, seen: SeenPeople) -> None:
        """Add the people of one color image, on the worker's thread."""
        if self.listened:
            self._add(0, seen.stamp_ns, seen)

    def _take(self, message: Any) -> None:
        if self.listened:
            self._add(1, stamp_ns(message.header), message)

    def _add(self, side: int, time_ns: int, item: Any) -> None:
        """Add a depth image or a mask, and publish if it completes a pair. Thread-safe for two threads."""
        try:
            with self._lock:
                pair = self._pairs.add(side, time_ns, item)
            if pair is None:
                return
            people, message = pair
            depth = _without(
                people, read_depth(message, self._max_px), message.header.frame_id, self._depth.camera_info
            )
        except FrameError as err:
            self._problem(err)
            return
        self._publisher.publish(image_message(self._graph.messages, message.header, depth, message.encoding))
        if DEPTH_LAYER in self._viewers.watched:
            self._viewers.show(DEPTH_LAYER, depth_picture(depth), people.settings.jpeg_quality)


def _without(people: SeenPeople, depth: NDArray[Any], frame_id: str, depth_info: Any) -> NDArray[Any]:
    """Return (H, W) uint16 or float32 depth with 0 or NaN where people are."""
    if shorten(frame_id) != people.frame_id:
        raise FrameError(
            f"The depth image is of the frame {shorten(frame_id)!r}, but the color image of {people.frame_id!r}; "
            "take the depth that the camera's driver aligns to color."
        )
    invalid = depth.dtype.type(0 if depth.dtype.kind == "u" else np.nan)
    margin_px, margin_m = people.settings.removal_margin_px, people.settings.removal_margin_m
    person, near, margin_px = _seen_by_depth(people, depth.shape, depth_info, margin_px)
    return np.where(people_pixels(to_meters(depth), person, near, margin_px, margin_m), invalid, depth)


def _seen_by_depth(
    people: SeenPeople, size: tuple[int, ...], depth_info: Any, margin_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """Return, at the depth image's size: the mask, the mask with its margin, and the margin.

    Pixels that the color camera does not see count as people.
    """
    if people.person.shape == size:
        return people.person, shift_edge(people.person, margin_px), margin_px
    color, depth = _lens(people.camera_info, people.person.shape, "color"), _lens(depth_info, size, "depth")
    scale = color[:2] / depth[:2]  # color px per depth px
    shift = color[2:] - depth[2:] * scale
    to_color = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP

    def seen(grow_px: int) -> NDArray[np.uint8]:
        # A depth pixel samples one color pixel at its center but covers `scale` of them.
        person = shift_edge(people.person, grow_px + math.floor(scale.max() / 2))
        out = cv2.warpAffine(person, to_color, size[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=1)
        return np.asarray(out, np.uint8)

    return seen(0), seen(margin_px), math.ceil(margin_px / scale.min())


def _lens(info: Any, size: tuple[int, ...], whose: str) -> NDArray[np.float64]:
    """Return (fx, fy, cx, cy) of a camera_info, px. Raises FrameError if there is none of this size."""
    matrix = np.zeros(9) if info is None else np.asarray(info.k, np.float64)
    if info is None or (info.height, info.width) != tuple(size) or not (matrix[0] > 0 and matrix[4] > 0):
        raise FrameError(
            "Depth and color images differ in size, so the camera_info of both is needed; that of the "
            f"{whose} camera has not come, is uncalibrated, or is not of {size[1]}×{size[0]}."
        )
    return matrix[[0, 4, 2, 5]]
