"""`~/events` as a robot hears it."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Rig

EVENTS = "bodyseg_ros/msg/PersonEventArray"


def test_a_subscriber_is_told_who_is_there_and_who_left(rig: Callable[..., Rig]) -> None:
    node = rig("fake.people:=2", "events.hold_s:=0.1", "events.leave_s:=0.25")
    poses = node.listen("/bodyseg/poses", "bodyseg_ros/msg/PersonPoseArray")

    def send(first: int, count: int) -> None:
        for frame in range(first, first + count):
            node.send(node.image(stamp_ns=frame * 100_000_000))
            node.wait(lambda frame=frame: poses and poses[-1].header.stamp.nanosec == frame * 100_000_000)

    send(1, 2)
    heard = node.listen("/bodyseg/events", EVENTS)
    send(3, 4)
    (entered,) = heard
    assert entered.header.frame_id == "camera" and entered.header.stamp.nanosec == 400_000_000
    told = [(event.track_id, event.kind, event.name, event.began) for event in entered.events]
    assert told == [("1", 0, "entered", True), ("2", 0, "entered", True)]
    assert all(event.distance != event.distance for event in entered.events)  # no depth
    node.graph.set_parameters({"score_threshold": 1.0})  # from now on nobody is seen
    send(7, 3)
    assert [(event.track_id, event.kind, event.name) for event in heard[-1].events] == [
        ("1", 1, "left"),
        ("2", 1, "left"),
    ]
    assert len(heard) == 2
