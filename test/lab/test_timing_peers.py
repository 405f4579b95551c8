"""The other end of a peer's loop."""

from __future__ import annotations

import sys

import pytest

from bodyseg_ros.errors import BodysegError
from bodyseg_ros.lab.peers.peer import Peer

LOOP = """
import json, sys
print(json.dumps({"name": json.loads(sys.stdin.readline())["weights"]}), flush=True)
for line in sys.stdin:
    print(json.dumps({"task": json.loads(line)["task"]}), flush=True)
    if "last" in line: sys.exit("no more")
"""


def test_a_peer_answers_line_by_line_and_its_end_is_told() -> None:
    with Peer("loop", (sys.executable, "-c", LOOP), {}, {"weights": "w"}) as peer:
        assert peer.name == "w"
        assert [peer.ask({"task": task})["task"] for task in ("mask", "last")] == ["mask", "last"]
        with pytest.raises(BodysegError, match="status 1.*no more"):
            peer.ask({"task": "mask"})


def test_a_peer_that_does_not_start_says_why() -> None:
    with pytest.raises(BodysegError, match="status 1.*ModuleNotFoundError.*'nowhere'"):
        Peer("loop", (sys.executable, "-c", "import nowhere"), {}, {})
