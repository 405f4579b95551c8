"""Where the people of a frame are: finds the depth image of its moment and the transforms."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from ...errors import FrameError
from ...space import DepthImage, PeopleInSpace, PeopleLocator, Pinhole, Rigid, to_meters
from ...types import Result
from ..graph.headers import shorten, stamp_ns
from ..graph.image_messages import read_depth
from .camera_info import pinhole_of
from .depth_input import DepthInput
from .live_settings import LiveSettings
from .nearest import Nearest
from .node_settings import NodeSettings
from .transforms import Transforms

__all__ = ["Locating"]

#: Depth images are waited for if the last one came within this time, s.
_ALIVE_S: Final = 1.0
#: Depth images are kept if people were located within this time, s.
_ASKED_S: Final = 10.0
#: Interval of looking for a transform, s.
_RETRY_S: Final = 0.005
_NEVER: Final = float("-inf")
_FOREVER: Final = float("inf")
#: Color images in the network at once, and more.
_MOST_AWAITED: Final = 10


class Locating:
    """Locates the people of one camera while depth images arrive.

    A depth image of another camera or size is registered by both camera_info and tf. problem: called with the reason
    why people cannot be located.
    """

    def __init__(
        self,
        depth: DepthInput,
        settings: NodeSettings,
        transforms: Transforms,
        problem: Callable[[Exception], None],
    ) -> None:
        self._depth, self._settings, self._transforms, self._problem = depth, settings, transforms, problem
        self._locator = PeopleLocator()
        self._changed = threading.Condition()
        self._nearest = self._unpaired()
        #: Stamps of color images whose depth is looked for → the depth image, once it is found.
        self._awaited: dict[int, Any] = {}
        self._asked_s = self._came_s = _NEVER
        self._color_frame = ""
        depth.add(self._take)

    def _unpaired(self) -> Nearest:
        slop_ns = round(self._settings.space_slop * 1e9)
        # Of cameras up to 1 / slop images/s, one within half of it is the nearest, whatever comes.
        return Nearest(("depth image", "color image"), slop_ns, _FOREVER, close_ns=slop_ns // 2)

    def expect(self, header: Any) -> None:
        """Look for the depth image of the color image under `header`, while the network runs."""
        self._color_frame = shorten(header.frame_id)
        self._asked_s = time.monotonic()
        if self._came_s == _NEVER:
            return
        color_ns = stamp_ns(header)
        try:
            with self._changed:
                self._nearest.add_item(color_ns, color_ns)
                while len(self._awaited) >= _MOST_AWAITED:  # of frames that failed
                    del self._awaited[next(iter(self._awaited))]
                self._awaited[color_ns] = None
                self._collect()
        except FrameError as err:
            self._problem(err)

    def locate(self, header: Any, result: Result, camera_info: Any, live: LiveSettings) -> PeopleInSpace | None:
        """Locate the people of an expected image, on the worker's thread; None if there is no depth of it."""
        depth = self._depth_of(stamp_ns(header))
        if depth is None or result.poses is None:
            return None
        try:
            return self._located(header, result, camera_info, live, depth)
        except FrameError as err:
            self._problem(err)
            return None

    def _take(self, message: Any) -> None:
        """Receive one depth image, on the graph's thread."""
        self._came_s = now_s = time.monotonic()
        if self._color_frame and shorten(message.header.frame_id) != self._color_frame:
            self._transforms.start()  # /tf is subscribed only where it is needed
        asked = now_s - self._asked_s <= _ASKED_S
        try:
            with self._changed:
                if not asked:  # nobody listens: the newest one is enough
                    self._nearest = self._unpaired()
                self._nearest.add_mask(stamp_ns(message.header), message)
                self._collect()
                self._changed.notify_all()
        except FrameError as err:
            if asked:
                self._problem(err)

    def _collect(self, given_up_ns: int = 0) -> None:
        for color_ns, depth in self._nearest.settled(given_up_ns):
            if depth is None:
                self._awaited.pop(color_ns, None)
            elif color_ns in self._awaited:
                self._awaited[color_ns] = depth

    def _depth_of(self, color_ns: int) -> Any:
        """Return the depth image nearest in time, or None, after waiting for a nearer one while depth arrives."""
        until_s = time.monotonic() + self._settings.space_wait
        with self._changed:
            while self._awaited.get(color_ns) is None and color_ns in self._awaited:
                now_s = time.monotonic()
                if now_s >= until_s or now_s - self._came_s > _ALIVE_S:
                    self._collect(given_up_ns=color_ns)
                    break
                self._changed.wait(_RETRY_S)
            return self._awaited.pop(color_ns, None)

    def _located(
        self, header: Any, result: Result, camera_info: Any, live: LiveSettings, message: Any
    ) -> PeopleInSpace:
        settings, size = live.settings, result.size
        if camera_info is None:
            raise FrameError(
                "The camera_info of the color camera has not come, so people cannot be located; remap camera_info to "
                "its topic."
            )
        camera = pinhole_of(camera_info, size, rectified=settings.image_rectified)
        depth = to_meters(read_depth(message, settings.max_image_px))
        until_s = time.monotonic() + settings.space_wait
        color_frame, depth_frame, color_ns = self._color_frame, shorten(message.header.frame_id), stamp_ns(header)
        depth_camera = self._depth_camera(camera, depth.shape, depth_frame)
        to_color = self._transform(color_frame, color_ns, depth_frame, stamp_ns(message.header), until_s)
        target = settings.target_frame.lstrip("/") or color_frame
        to_target = self._transform(target, color_ns, color_frame, color_ns, until_s)
        return self._locator.locate(
            result,
            DepthImage(depth, depth_camera, to_color),
            camera,
            to_target,
            color_ns,
            settings.visible_score,
            live.following.smoothing,
        )

    def _depth_camera(self, color: Pinhole, size: tuple[int, ...], frame: str) -> Pinhole:
        info = self._depth.camera_info
        if info is not None:
            return pinhole_of(info, size, rectified=self._settings.depth_rectified)
        if frame == self._color_frame and size == color.size:
            return color  # aligned by the driver
        raise FrameError(
            f"The depth image is of {size[1]}×{size[0]} px and the frame {frame!r}, the color image of "
            f"{color.size[1]}×{color.size[0]} px and {self._color_frame!r}, so the camera_info of the depth camera is "
            "needed; remap depth/camera_info to its topic."
        )

    def _transform(self, target: str, target_ns: int, source: str, source_ns: int, until_s: float) -> Rigid:
        """Look up a transform; one that is not known yet is waited for."""
        # Without a fixed frame both are looked up at one time, so a camera that moves in the target frame counts.
        fixed = self._settings.removal_fixed_frame if target_ns != source_ns else ""
        while True:
            try:
                return self._transforms.lookup(target, target_ns, source, source_ns, fixed)
            except FrameError:  # noqa: PERF203 - it is looked up once, almost always
                if time.monotonic() >= until_s:
                    raise
                time.sleep(_RETRY_S)
