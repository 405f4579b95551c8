"""QoS: the three profiles that nodes use, overrides by parameters, and compatibility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import SettingsError

__all__ = ["LATCHED", "RELIABLE", "SENSOR", "Qos", "mismatch", "override_qos"]


@dataclass(frozen=True)
class Qos:
    """Keep the last `depth` messages; `reliable`: resend lost ones; `latched`: send them to late joiners (ROS:
    transient local).
    """

    depth: int = 10
    reliable: bool = True
    latched: bool = False


#: Camera input: best effort, newest only.
SENSOR = Qos(depth=1, reliable=False)
#: Results.
RELIABLE = Qos(depth=2)
#: Published once and valid from then on, such as label names.
LATCHED = Qos(depth=1, latched=True)


def mismatch(offered: Qos, requested: Qos) -> str:
    """Say why a subscriber receives nothing from a publisher with this QoS; '' if it does receive."""
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
    """Apply parameters such as `qos_overrides./camera/image.subscription.reliability` to `qos`.

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
