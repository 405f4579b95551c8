"""A Zenoh session as rmw_zenoh opens it: environment variables, defaults, and a router for tests and the demo.

Source: ros2/rmw_zenoh, README.md ("Configuration") and ``DEFAULT_RMW_ZENOH_SESSION_CONFIG.json5``, branch rolling.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final

import zenoh

from ...errors import GraphError

__all__ = ["open_router", "open_session", "router_listens"]

_log = logging.getLogger(__name__)

_ROUTER: Final = "tcp/localhost:7447"
#: Where rmw_zenoh's session file differs from Zenoh's defaults. Caches of latched topics need timestamps.
_SESSION_DEFAULTS: Final[Mapping[str, Any]] = {
    "mode": "peer",
    "connect/endpoints": [_ROUTER],
    "connect/timeout_ms": -1,
    "connect/exit_on_failure": False,
    "listen/endpoints": ["tcp/localhost:0"],
    "scouting/multicast/enabled": False,
    "scouting/gossip/enabled": True,
    "timestamping/enabled": True,
    "queries_default_timeout": 600_000,
    "transport/unicast/open_timeout": 60_000,
    "transport/unicast/accept_timeout": 60_000,
    "transport/link/tx/lease": 60_000,
    "transport/link/tx/keep_alive": 2,
    "transport/link/tx/queue/congestion_control/block/wait_before_close": 60_000_000,
    "transport/shared_memory/enabled": False,
}
_ROUTER_DEFAULTS: Final[Mapping[str, Any]] = {
    "mode": "router",
    "listen/endpoints": [_ROUTER],
    "scouting/multicast/enabled": False,
    "scouting/gossip/enabled": True,
    "timestamping/enabled": True,
    "transport/link/tx/lease": 60_000,
    "transport/link/tx/keep_alive": 2,
}


def open_session() -> zenoh.Session:
    """Open a session by ZENOH_SESSION_CONFIG_URI, ZENOH_CONFIG_OVERRIDE and ZENOH_ROUTER_CHECK_ATTEMPTS.

    Without a router nothing is received until one starts; that is logged once. Raises GraphError.
    """
    session = _open(_config("ZENOH_SESSION_CONFIG_URI", _SESSION_DEFAULTS), "session")
    if not _wait_for_router(session):
        _log.warning(
            "No Zenoh router was found; other nodes are invisible until one starts. Start one: ros2 run rmw_zenoh_cpp "
            "rmw_zenohd"
        )
    return session


def router_listens(patience_s: float = 0.5) -> bool:
    """Whether a router accepts TCP connections where a session would look for it. Raises GraphError."""
    for endpoint in json.loads(_config("ZENOH_SESSION_CONFIG_URI", _SESSION_DEFAULTS).get_json("connect/endpoints")):
        host, _, port = str(endpoint).partition("/")[2].partition("?")[0].rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), patience_s).close()
        except (OSError, ValueError) as err:
            _log.debug("Nobody listens at %s: %s", endpoint, err)
        else:
            return True
    return False


def open_router(endpoint: str = "") -> zenoh.Session:
    """Open a router like rmw_zenohd. endpoint: its address; '' uses ZENOH_ROUTER_CONFIG_URI. Raises GraphError."""
    config = _config("ZENOH_ROUTER_CONFIG_URI", _ROUTER_DEFAULTS)
    if endpoint:
        config.insert_json5("listen/endpoints", json.dumps([endpoint]))
    return _open(config, "router")


def _open(config: zenoh.Config, what: str) -> zenoh.Session:
    try:
        return zenoh.open(config)
    except zenoh.ZError as err:
        raise GraphError(f"The Zenoh {what} cannot be opened: {err}.") from err


def _config(variable: str, defaults: Mapping[str, Any]) -> zenoh.Config:
    """Read the file that the variable names, else the defaults; then apply ZENOH_CONFIG_OVERRIDE."""
    path = os.environ.get(variable, "")
    try:
        config = zenoh.Config.from_file(path) if path else zenoh.Config()
        if not path:
            for key, value in defaults.items():
                config.insert_json5(key, json.dumps(value))
    except zenoh.ZError as err:
        raise GraphError(f"{variable} is {path!r}, but it cannot be read as a Zenoh configuration: {err}.") from err
    for entry in filter(None, (part.strip() for part in os.environ.get("ZENOH_CONFIG_OVERRIDE", "").split(";"))):
        key, equals, value = entry.partition("=")
        try:
            if not equals:
                raise GraphError("it has no '='")
            config.insert_json5(key.strip(), value.strip())
        except (zenoh.ZError, GraphError) as err:
            raise GraphError(
                f'ZENOH_CONFIG_OVERRIDE has {entry!r}, but it must be key/path=value, such as mode="client": {err}.'
            ) from err
    return config


def _wait_for_router(session: zenoh.Session) -> bool:
    """Check for a router ZENOH_ROUTER_CHECK_ATTEMPTS times: 0 for ever, negative never, default once."""
    text = os.environ.get("ZENOH_ROUTER_CHECK_ATTEMPTS", "") or "1"
    try:
        attempts = int(text)
    except ValueError:
        raise GraphError(f"ZENOH_ROUTER_CHECK_ATTEMPTS is {text!r}, but it must be an integer.") from None
    if attempts < 0:
        return True
    tried = 0
    while True:
        for _ in range(10):  # the first connection takes a moment
            if any(True for _ in session.info.routers_zid()):
                return True
            time.sleep(0.1)
        tried += 1
        if attempts and tried >= attempts:
            return False
