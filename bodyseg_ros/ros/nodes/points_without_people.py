"""Clouds and scans without the people that the camera sees, and clouds of those people alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...space import Rigid
from ..graph.cloud_messages import PointsIn, ScanIn, read_points, read_scan
from ..graph.headers import shorten, stamp_ns
from ..graph.port import Graph, Publisher, Subscription, Timer
from ..graph.qos import SENSOR
from .nearest import Nearest
from .node_settings import NodeSettings
from .seen_people import SeenPeople
from .transforms import Transforms

__all__ = ["CLOUD", "SCAN", "PointsWithoutPeople", "Sensor"]

#: Interval between checks for messages that waited too long, s.
_PERIOD_S: Final = 0.05
#: Maximum number of messages waiting for a transform.
_MOST_LATE: Final = 30


@dataclass(frozen=True)
class Sensor:
    """A kind of message that people are removed from.

    name: for messages to the user. topic: input. without, people: outputs without people, and of people alone; '' for
    none. flat: see PeopleView.find().
    """

    name: str
    topic: str
    type: str
    read: Callable[[Any], PointsIn | ScanIn]
    without: str
    people: str = ""
    flat: bool = False


CLOUD: Final = Sensor(
    "cloud", "points", "sensor_msgs/msg/PointCloud2", read_points, "~/points_without_people", "~/points_people"
)
SCAN: Final = Sensor(
    "scan",
    "scan",
    "sensor_msgs/msg/LaserScan",
    read_scan,
    "~/scan_without_people",
    flat=True,
)


class PointsWithoutPeople:
    """Removes people from one sensor's messages, by the mask nearest in time, while there are subscribers.

    A message that cannot be judged, because its mask, transform or camera_info did not arrive in time, is counted and
    treated as `without_mask` says.

    problem: called with a description of that, and of unusable messages.
    """

    def __init__(
        self,
        graph: Graph,
        sensor: Sensor,
        settings: NodeSettings,
        transforms: Transforms,
        problem: Callable[[Exception], None],
    ) -> None:
        self._graph, self._sensor, self._settings = graph, sensor, settings
        self._transforms, self._problem = transforms, problem
        self._without = graph.publisher(sensor.without, sensor.type)
        self._people: Publisher | None = graph.publisher(sensor.people, sensor.type) if sensor.people else None
        self._nearest = Nearest(("mask", sensor.name), round(settings.removal_slop * 1e9), settings.removal_wait)
        self._lock = threading.Lock()
        #: Messages waiting for a transform: (since, message, its people).
        self._late: list[tuple[float, PointsIn | ScanIn, SeenPeople]] = []
        self._judged = self._not_judged = 0
        self._subscription: Subscription | None = None
        self._timer: Timer | None = None

    @property
    def listened(self) -> bool:
        """Whether the outputs have subscribers, so that masks are needed."""
        return self._without.subscriptions > 0 or (self._people is not None and self._people.subscriptions > 0)

    @property
    def facts(self) -> dict[str, str]:
        """Counts for the diagnostics; empty before the first message."""
        if not self._judged + self._not_judged:
            return {}
        name = self._sensor.topic
        return {f"{name}_judged": str(self._judged), f"{name}_without_mask": str(self._not_judged)}

    def start(self) -> None:
        """Take messages."""
        self._subscription = self._graph.subscribe(self._sensor.topic, self._sensor.type, SENSOR, self._take)
        self._timer = self._graph.timer(_PERIOD_S, self._settle)

    def stop(self) -> None:
        """Stop. Safe to call more than once."""
        if self._subscription:
            self._subscription.close()
        if self._timer:
            self._timer.cancel()
        self._subscription = self._timer = None

    def people(self, seen: SeenPeople) -> None:
        """Add the people of one color image, on the worker's thread."""
        if not self.listened:
            return
        try:
            with self._lock:
                self._nearest.add_mask(seen.stamp_ns, seen)
        except FrameError as err:
            self._problem(err)
        self._settle()

    def _take(self, message: Any) -> None:
        """Receive one message, on the graph's thread."""
        if not self.listened:
            return
        try:
            read = self._sensor.read(message)
        except FrameError as err:
            self._problem(err)
            return
        self._transforms.start()  # /tf is subscribed only where it is needed
        with self._lock:
            try:
                self._nearest.add_item(stamp_ns(message.header), read)
            except FrameError as err:
                self._cannot_judge(read, err)
        self._settle()

    def _settle(self) -> None:
        """Publish everything that is settled. One thread at a time, so that the order is kept."""
        with self._lock:
            now = time.monotonic()
            late, self._late = self._late, []
            for since, read, seen in [*late, *((now, read, seen) for read, seen in self._nearest.settled())]:
                self._judge(read, seen, since, last=now - since >= self._settings.removal_wait)

    def _judge(self, read: PointsIn | ScanIn, seen: SeenPeople | None, since: float, *, last: bool) -> None:
        """Publish what can be judged.

        A missing transform is waited for, except on the last try.
        """
        if seen is None:
            self._cannot_judge(read, self._no_mask())
            return
        try:
            pose = self._pose(read, seen)
        except FrameError as err:
            if last or len(self._late) >= _MOST_LATE:
                self._cannot_judge(read, err)
            else:
                self._late.append((since, read, seen))
            return
        try:
            people = seen.view.find(pose.apply(read.points), flat=self._sensor.flat)
        except FrameError as err:
            self._cannot_judge(read, err)
            return
        self._judged += 1
        self._publish(self._without, read, ~people)
        if self._people:
            self._publish(self._people, read, people)

    def _pose(self, read: PointsIn | ScanIn, seen: SeenPeople) -> Rigid:
        """Transform from the sensor at measurement time to the camera at image time. Raises FrameError if unknown so
        far.
        """
        header, fixed = read.message.header, self._settings.removal_fixed_frame
        source = shorten(header.frame_id)
        return self._transforms.lookup(seen.frame_id, seen.stamp_ns, source, stamp_ns(header), fixed)

    def _no_mask(self) -> FrameError:
        return FrameError(
            f"No mask within {self._settings.removal_slop:g} s of a {self._sensor.name} came in "
            f"{self._settings.removal_wait:g} s (parameters removal_slop and removal_wait). Check that the camera "
            "runs, and that both stamp with the same clock."
        )

    def _cannot_judge(self, read: PointsIn | ScanIn, err: FrameError) -> None:
        self._not_judged += 1
        self._problem(err)
        if self._settings.without_mask == "pass":
            self._without.publish(read.message)

    def _publish(self, publisher: Publisher, read: PointsIn | ScanIn, kept: NDArray[np.bool_]) -> None:
        if publisher.subscriptions:
            publisher.publish(read.only(self._graph.messages, kept))
