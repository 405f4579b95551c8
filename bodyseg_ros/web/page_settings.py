"""The parameters of the live page."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from ..settings import Settings, start_only

__all__ = ["LOOPBACK_NAMES", "PageSettings", "is_loopback"]

#: Host names under which a browser on this machine requests the page.
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


class PageSettings(Settings):
    """Address of the live page, and what its viewers may do."""

    web_port: int = start_only(0, "Port of a live page for browsers; 0: no page.", ge=0, le=65535)
    web_host: str = start_only(
        "127.0.0.1",
        "Address that the page listens on; 0.0.0.0: all. On any other than this machine's own (127.0.0.1) the page "
        "asks for a token.",
    )
    web_token: str = start_only(
        "",
        "Token that opens the page, as in http://robot:8080/?token=…; '': none on this machine's own address, a new "
        "one in the log on others. Whoever is on the ROS graph can read this parameter.",
    )
    web_changes: bool = start_only(False, "Viewers of the page may change live parameters.")

    @field_validator("web_token")
    @classmethod
    def _is_hard_to_guess(cls, token: str) -> str:
        if token and not re.fullmatch(r"[\w-]{12,200}", token, re.ASCII):
            raise PydanticCustomError("allowed", "empty, or 12 to 200 letters, digits, _ and -")
        return token


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
