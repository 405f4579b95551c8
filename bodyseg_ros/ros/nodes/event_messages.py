"""Events of people as messages."""

from __future__ import annotations

from typing import Any

from ..graph.headers import stamp_ns
from .frame_context import FrameContext

__all__ = ["EVENTS", "events"]

#: The topic.
EVENTS = "~/events"


def events(context: FrameContext) -> Any:
    """A PersonEventArray; None if nothing happened, or people have no ids."""
    if context.watcher is None or context.result.tracks is None:
        return None
    context.watcher.settings = context.live.events
    distances_m = None if context.located is None else context.located.distances
    found = context.watcher.watch(context.result, stamp_ns(context.message.header), distances_m)
    if not found:
        return None
    make = context.messages.make
    return make(
        "bodyseg_ros/msg/PersonEventArray",
        header=context.message.header,
        events=[
            make(
                "bodyseg_ros/msg/PersonEvent",
                track_id=str(event.person_id),
                kind=int(event.kind),
                name=event.kind.name.lower(),
                began=event.began,
                distance=event.distance_m,
            )
            for event in found
        ],
    )
