"""A graph of one's own on this machine, apart from any robot's: for tests and the demo."""

from __future__ import annotations

import random
import socket

from ...errors import GraphError

__all__ = ["private_environment"]

#: Loopback has no multicast, so everybody asks the first ports of this machine who is there; it takes large
#: packets, so a picture need not go in thousands of small ones.
_LOOPBACK = (
    '<CycloneDDS><Domain><General><AllowMulticast>false</AllowMulticast><Interfaces><NetworkInterface name="lo"/>'
    "</Interfaces><MaxMessageSize>65500B</MaxMessageSize><FragmentSize>65000B</FragmentSize></General><Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>40"
    '</MaxAutoParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>'
)


def private_environment() -> dict[str, str]:
    """Environment variables under which processes meet on loopback alone, in a domain nobody uses now."""
    for domain in random.sample(range(1, 100), 99):
        # RTPS 2.5, 9.6.2: discovery of a domain's first participant listens on this port.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", 7410 + 250 * domain))
            except OSError:
                continue
        return {
            "ROS_DOMAIN_ID": str(domain),
            "CYCLONEDDS_URI": _LOOPBACK,
            "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp",
        }
    raise GraphError("All ROS domains from 1 to 99 are in use on this machine; end what you do not need.")
