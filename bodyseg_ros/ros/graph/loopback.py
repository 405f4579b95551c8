"""A private graph on this machine, separate from any robot's, for tests and the demo."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

from ...dependencies import missing_package
from ...errors import GraphError

__all__ = ["private_environment", "private_graph"]

#: Loopback has no multicast, so everybody queries the first ports of this machine. Large packets avoid splitting an
#: image into thousands.
_LOOPBACK = (
    '<CycloneDDS><Domain><General><AllowMulticast>false</AllowMulticast><Interfaces><NetworkInterface name="lo"/>'
    "</Interfaces><MaxMessageSize>65500B</MaxMessageSize><FragmentSize>65000B</FragmentSize></General><Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>40"
    '</MaxAutoParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>'
)

#: What a runtime imports.
_PACKAGES: Final = {"dds": ("cyclonedds", "rosbags"), "zenoh": ("zenoh", "xxhash", "rosbags")}


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
    raise GraphError("All ROS domains from 1 to 99 are in use on this machine; stop some processes.")


@contextmanager
def private_graph(runtime: str) -> Iterator[dict[str, str]]:
    """The environment of private_environment() for the runtime 'dds' or 'zenoh', the latter with a router of its own.

    Raises MissingDependencyError where the runtime is not installed, GraphError where there is no such one.
    """
    environment = private_environment()
    _require(runtime)
    if runtime == "dds":
        yield environment
        return
    from .zenoh_session import open_router

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    with open_router(endpoint):
        yield environment | {
            "RMW_IMPLEMENTATION": "rmw_zenoh_cpp",
            "ZENOH_SESSION_CONFIG_URI": "",
            "ZENOH_CONFIG_OVERRIDE": f"connect/endpoints={json.dumps([endpoint])}",
        }


def _require(runtime: str) -> None:
    """Import a runtime's packages."""
    if runtime not in _PACKAGES:
        raise GraphError(f"There is no private graph of the runtime {runtime!r}; there are {' and '.join(_PACKAGES)}.")
    try:
        for package in _PACKAGES[runtime]:
            import_module(package)
    except ModuleNotFoundError as err:
        raise missing_package(f"The runtime {runtime!r}", err, f"bodyseg_ros[{runtime}]") from err
