"""How topics are sent: the three ways that every node here uses, what parameters override, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import SettingsError

__all__ = ["LATCHED", "RELIABLE", "SENSOR", "Qos", "mismatch", "override_qos"]


@dataclass(frozen=True)
class Qos:
    """How a topic is sent: keep the last `depth` messages; resend lost ones if `reliable`; the last ones also
    for those who come later if `latched` (ROS: transient local).
    """

    depth: int = 10
    reliable: bool = True
    latched: bool = False


#: Pictures in: best effort, the newest one.
SENSOR = Qos(depth=1, reliable=False)
#: Results out.
RELIABLE = Qos(depth=2)
#: What is said once and holds: label names.
LATCHED = Qos(depth=1, latched=True)


def mismatch(offered: Qos, requested: Qos) -> str:
    """Why a subscriber asking for `requested` hears nothing of a publisher offering `offered`; '' if it does."""
    reasons = []
    if requested.reliable and not offered.reliable:
        reasons.append("the subscriber asks for reliable, the publisher offers best effort")
    if requested.latched and not offered.latched:
        reasons.append("the subscriber asks for transient local, the publisher offers volatile")
    return " and ".join(reasons)


_POLICIES: Mapping[str, Mapping[Any, dict[str, Any]]] = {
    "history": {"keep_last": {}},
    "reliability": {"reliable": {"reliable": True}, "best_effort": {"reliable": False}},
    "durability": {"transient_local": {"latched": True}, "volatile": {"latched": False}},
}


def override_qos(qos: Qos, overrides: Mapping[str, Any], topic: str, entity: str) -> Qos:
    """`qos` with what parameters such as `qos_overrides./camera/image.subscription.reliability` say.

    topic: full name. entity: 'publisher' or 'subscription'. Raises SettingsError for an unknown policy or value.
    """
    prefix = f"qos_overrides.{topic}.{entity}."
    for name, value in overrides.items():
        policy = name.removeprefix(prefix)
        if policy == name:
            continue
        allowed = _POLICIES.get(policy, {})
        if policy == "depth" and type(value) is int and value > 0:
            qos = replace(qos, depth=value)
        elif isinstance(value, str) and value in allowed:
            qos = replace(qos, **allowed[value])
        else:
            raise SettingsError(
                f"Parameter {name} is {value!r}; allowed are depth (an integer from 1), history (keep_last), "
                "reliability (reliable, best_effort) and durability (transient_local, volatile)."
            )
    return qos
