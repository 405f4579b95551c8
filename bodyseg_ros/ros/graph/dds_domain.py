"""This process's DDS domain: created for the first participant, destroyed with the last."""

from __future__ import annotations

import os
import threading
from typing import Final

from cyclonedds.core import DDSException
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.qos import Policy
from cyclonedds.qos import Qos as DdsQos

from ...errors import GraphError
from .discovery import cyclone_configuration

__all__ = ["join_domain", "leave_domain"]

_lock: Final = threading.Lock()
#: Domain number → (domain, participants of this process on it).
_joined: Final[dict[int, tuple[Domain, int]]] = {}


def join_domain(number: int) -> DomainParticipant:
    """Create a participant as the environment says; `leave_domain` ends it. Raises GraphError."""
    with _lock:
        try:
            domain, users = _joined.get(number) or (Domain(number, cyclone_configuration(os.environ)), 0)
            participant = DomainParticipant(number, DdsQos(Policy.Userdata(b"enclave=/;")))
        except (DDSException, UnicodeEncodeError) as err:
            raise GraphError(
                f"The DDS domain {number} cannot be joined: {err}. Check CYCLONEDDS_URI "
                f"({os.environ.get('CYCLONEDDS_URI', 'not set')!r}), ROS_STATIC_PEERS, and that the machine has a "
                "network."
            ) from err
        _joined[number] = (domain, users + 1)
        return participant


def leave_domain(number: int, participant: DomainParticipant) -> None:
    """Remove a participant; the last one destroys the domain, so that the next join reads the settings anew."""
    with _lock:
        participant.__del__()
        domain, users = _joined.pop(number)
        if users > 1:
            _joined[number] = (domain, users - 1)
        else:
            domain.__del__()
