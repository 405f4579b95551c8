"""Who finds whom on DDS: ROS 2's variables as a configuration of Cyclone DDS, the same as rmw_cyclonedds_cpp makes.

Source: rcl 9.2 (Jazzy) ``discovery_options.c``, ``localhost.c`` and ``init.c``; rmw_cyclonedds_cpp 2.2
``check_create_domain``. Humble reads none of them but ROS_LOCALHOST_ONLY.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import quoteattr

__all__ = ["cyclone_configuration"]

_log = logging.getLogger(__name__)

_RANGES: Final = ("SUBNET", "LOCALHOST", "OFF", "SYSTEM_DEFAULT")
#: How many processes of a machine may be on a domain: rmw_cyclonedds_cpp's number.
_MOST_PARTICIPANTS: Final = 32


def cyclone_configuration(environment: Mapping[str, str]) -> str:
    """What CYCLONEDDS_URI is to hold, from ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_STATIC_PEERS and ROS_LOCALHOST_ONLY.

    What CYCLONEDDS_URI holds already comes last, so it overrules. A range that ROS does not know counts as LOCALHOST.
    """
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "") or "SUBNET"
    peers = [peer for peer in environment.get("ROS_STATIC_PEERS", "").split(";") if peer]
    if environment.get("ROS_LOCALHOST_ONLY", "").startswith("1"):
        reach, peers = "LOCALHOST", []
    if reach not in _RANGES:
        _log.warning(
            "ROS_AUTOMATIC_DISCOVERY_RANGE is %r, but it must be one of %s; LOCALHOST is taken, as ROS does.",
            reach,
            ", ".join(_RANGES),
        )
        reach = "LOCALHOST"
    if peers and reach in ("OFF", "SYSTEM_DEFAULT"):
        _log.warning("ROS_STATIC_PEERS is ignored under ROS_AUTOMATIC_DISCOVERY_RANGE=%s, as ROS does.", reach)
    ours = "" if reach == "SYSTEM_DEFAULT" else _fragment(reach, peers)
    return ",".join(filter(None, (ours, environment.get("CYCLONEDDS_URI", ""))))


def _fragment(reach: str, peers: list[str]) -> str:
    general = "" if reach == "SUBNET" else "<General><AllowMulticast>false</AllowMulticast></General>"
    if reach == "OFF":  # a tag that nobody else has
        found = f"<ParticipantIndex>none</ParticipantIndex><Tag>ros_discovery_off_{os.getpid()}</Tag>"
    else:
        addresses = ["localhost", *peers] if reach == "LOCALHOST" else peers
        listed = "".join(f"<Peer address={quoteattr(address)}/>" for address in addresses)
        found = (
            "<ParticipantIndex>auto</ParticipantIndex>"
            f"<MaxAutoParticipantIndex>{_MOST_PARTICIPANTS}</MaxAutoParticipantIndex>"
            f"{f'<Peers>{listed}</Peers>' if listed else ''}"
        )
    return f"<CycloneDDS><Domain>{general}<Discovery>{found}</Discovery></Domain></CycloneDDS>"
