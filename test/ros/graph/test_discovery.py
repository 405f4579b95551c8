"""ROS 2's variables of discovery, as Cyclone DDS is told of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bodyseg_ros.ros.graph.discovery import cyclone_configuration

ROOT = Path(__file__).resolve().parents[3]
SCOPES = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY", "CYCLONEDDS_URI")


def facts(**environment: str) -> tuple[str | None, str | None, list[str]]:
    """AllowMulticast, ParticipantIndex and the peers, None where nothing is said."""
    text = cyclone_configuration(environment)
    if not text:
        return None, None, []
    domain = ElementTree.fromstring(text)[0]
    peers = [peer.attrib["address"] for peer in domain.iter("Peer")]
    return domain.findtext("General/AllowMulticast"), domain.findtext("Discovery/ParticipantIndex"), peers


# What rmw_cyclonedds_cpp's check_create_domain makes of the variables.
def test_ranges_and_peers() -> None:
    reach = "ROS_AUTOMATIC_DISCOVERY_RANGE"
    two = {"ROS_STATIC_PEERS": "10.0.0.2;robot.local"}
    assert facts() == (None, "auto", [])
    assert facts(**two) == (None, "auto", ["10.0.0.2", "robot.local"])
    assert facts(**{reach: "LOCALHOST"}) == ("false", "auto", ["localhost"])
    assert facts(**{reach: "LOCALHOST"}, **two) == ("false", "auto", ["localhost", "10.0.0.2", "robot.local"])
    assert facts(**{reach: "OFF"}, **two) == ("false", "none", [])
    assert facts(**{reach: "SYSTEM_DEFAULT"}, **two) == (None, None, [])
    assert facts(ROS_LOCALHOST_ONLY="1", **{reach: "SUBNET"}, **two) == ("false", "auto", ["localhost"])
    assert facts(ROS_LOCALHOST_ONLY="0") == facts()


def test_what_is_ignored_or_wrong_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert facts(ROS_AUTOMATIC_DISCOVERY_RANGE="localhost")[2] == ["localhost"]
    assert "'localhost'" in caplog.text
    facts(ROS_AUTOMATIC_DISCOVERY_RANGE="OFF", ROS_STATIC_PEERS="10.0.0.2")
    assert "ROS_STATIC_PEERS is ignored" in caplog.text


def test_cyclones_own_settings_come_last() -> None:
    text = cyclone_configuration({"CYCLONEDDS_URI": "file:///cyclone.xml"})
    assert text.endswith(",file:///cyclone.xml")
    assert cyclone_configuration({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}) == ""


class Machines:
    """Two machines on one subnet, 10.77.0.1 and 10.77.0.2: network namespaces with a cable between them."""

    def __init__(self) -> None:
        self.names = [f"bodyseg{uuid.uuid4().hex[:6]}" for _ in range(2)]

    def run(self, *command: str) -> bool:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def build(self) -> bool:
        """Whether this machine allows it."""
        first, second = self.names
        cable = [f"v{name[-6:]}" for name in self.names]
        steps = [
            ("ip", "netns", "add", first),
            ("ip", "netns", "add", second),
            ("ip", "link", "add", cable[0], "netns", first, "type", "veth", "peer", "name", cable[1], "netns", second),
        ]
        for name, end, address in zip(self.names, cable, ("10.77.0.1/24", "10.77.0.2/24"), strict=True):
            steps += [
                ("ip", "-n", name, "addr", "add", address, "dev", end),
                ("ip", "-n", name, "link", "set", end, "up"),
                ("ip", "-n", name, "link", "set", "lo", "up"),
            ]
        return shutil.which("ip") is not None and all(self.run(*step) for step in steps)

    def start(self, where: int, role: str, **environment: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name not in SCOPES}
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[where], sys.executable, "-c", MEETING, role],
            env=kept | environment | {"PYTHONPATH": path, "ROS_DOMAIN_ID": "3"},
            stdout=subprocess.PIPE,
            text=True,
        )

    def meet(self, first: int, second: int, **environment: str) -> bool:
        """Whether a speaker on one machine and a hearer on another find each other within a few seconds."""
        hearer = self.start(second, "hearer", **environment)
        speaker = self.start(first, "speaker", **environment)
        found = "heard" in hearer.communicate(timeout=30)[0]
        speaker.kill()
        speaker.communicate()
        return found


MEETING = """
import sys, time
from bodyseg_ros.ros.graph import RELIABLE, open_graph
graph = open_graph(sys.argv[1], [], "dds")
heard = []
if sys.argv[1] == "hearer":
    graph.subscribe("/words", "std_msgs/msg/String", RELIABLE, heard.append)
else:
    words = graph.publisher("/words", "std_msgs/msg/String")
end = time.monotonic() + (5 if sys.argv[1] == "hearer" else 25)
while time.monotonic() < end and not heard:
    graph.spin_once(0.1)
    if sys.argv[1] == "speaker":
        words.publish(graph.messages.make("std_msgs/msg/String", data="hi"))
print("heard" if heard else "silence", flush=True)
graph.close()
"""


@pytest.fixture
def machines() -> Iterator[Machines]:
    made = Machines()
    built = made.build()
    try:
        if not built:
            pytest.skip("network namespaces cannot be made here: ip and root's rights are needed")
        yield made
    finally:
        for name in made.names:
            made.run("ip", "netns", "del", name)


@pytest.mark.skipif(importlib.util.find_spec("cyclonedds") is None, reason="cyclonedds is not installed")
def test_who_finds_whom_between_two_machines(machines: Machines) -> None:
    reach = "ROS_AUTOMATIC_DISCOVERY_RANGE"
    assert machines.meet(0, 1)
    assert not machines.meet(0, 1, **{reach: "LOCALHOST"})
    assert machines.meet(0, 0, **{reach: "LOCALHOST"})
    assert machines.meet(0, 1, **{reach: "LOCALHOST"}, ROS_STATIC_PEERS="10.77.0.1;10.77.0.2")
    assert not machines.meet(0, 0, **{reach: "OFF"})
