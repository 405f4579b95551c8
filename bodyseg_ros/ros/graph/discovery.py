"""DDS discovery: ROS 2's environment variables as a Cyclone DDS configuration, as rmw_cyclonedds_cpp makes it.

Source: rcl 9.2 (Jazzy) ``discovery_options.c``, ``localhost.c`` and ``init.c``; rmw_cyclonedds_cpp 2.2
``check_create_domain``. Humble reads only ROS_LOCALHOST_ONLY.
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
#: Maximum number of processes of a machine on one domain; rmw_cyclonedds_cpp's number.
_MOST_PARTICIPANTS: Final = 32


def cyclone_configuration(environment: Mapping[str, str]) -> str:
    """Build the value of CYCLONEDDS_URI from ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_STATIC_PEERS and ROS_LOCALHOST_ONLY.

    The existing CYCLONEDDS_URI comes last, so it takes precedence. An unknown range counts as LOCALHOST.
    """
    reach = environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "") or "SUBNET"
    peers = [peer for peer in environment.get("ROS_STATIC_PEERS", "").split(";") if peer]
    if environment.get("ROS_LOCALHOST_ONLY", "").startswith("1"):
        reach, peers = "LOCALHOST", []
    if reach not in _RANGES:
        _log.warning(
            "ROS_AUTOMATIC_DISCOVERY_RANGE is %r, but it must be one of %s; using LOCALHOST, as ROS does.",
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
    if reach == "OFF":  # a unique tag
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
