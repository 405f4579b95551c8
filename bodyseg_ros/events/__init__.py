"""Events: what tracked people do that a robot acts on."""

from .event_settings import EventSettings
from .event_watcher import EventWatcher
from .person_event import EventKind, PersonEvent

__all__ = ["EventKind", "EventSettings", "EventWatcher", "PersonEvent"]
