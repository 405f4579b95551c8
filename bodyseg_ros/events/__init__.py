"""Events: states of tracked people that a robot can react to."""

from .event_settings import EventSettings
from .event_watcher import EventWatcher
from .person_event import EventKind, PersonEvent

__all__ = ["EventKind", "EventSettings", "EventWatcher", "PersonEvent"]
