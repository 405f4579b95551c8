"""What only the dds runtime has to say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")

from bodyseg_ros.errors import GraphError
from bodyseg_ros.ros.graph import RELIABLE, SENSOR, Graph, open_graph

STRING = "std_msgs/msg/String"


@pytest.fixture
def graph(domain: dict[str, str]) -> Iterator[Graph]:
    made = open_graph("node", ["--ros-args", "-r", "__ns:=/robot1"], "dds")
    yield made
    made.close()


def test_a_mismatch_is_said_with_topic_and_policy(
    graph: Graph, until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    peer = open_graph("peer", [], "dds")
    peer.publisher("/words", STRING, SENSOR)
    graph.subscribe("/words", STRING, RELIABLE, print)
    with caplog.at_level(logging.WARNING):
        until(lambda: "A publisher offers less than is asked for on /words (reliability)" in caplog.text, graph)
    peer.close()


def test_what_is_logged_is_on_rosout_too(graph: Graph, until: Callable[..., None]) -> None:
    said: list[Any] = []
    subscription = graph.subscribe("/rosout", "rcl_interfaces/msg/Log", RELIABLE, said.append)
    until(lambda: subscription.publishers, graph)
    graph.log("warn", "Something is odd.")
    until(lambda: said, graph)
    assert (said[0].name, said[0].level, said[0].msg) == ("robot1.node", 30, "Something is odd.")


def test_bytes_that_are_no_message_are_refused(graph: Graph, until: Callable[..., None]) -> None:
    subscription = graph.subscribe("/poses", "bodyseg_ros/msg/PersonPoseArray", RELIABLE, print)
    out = graph.publisher("/poses", "bodyseg_ros/msg/PersonPoseArray")
    until(lambda: out.subscriptions and subscription.publishers, graph)
    with pytest.raises(GraphError, match="/poses"):
        out.publish(b"\0\1\0\0\1")


def test_a_topic_is_published_once_per_node(graph: Graph) -> None:
    graph.publisher("words", STRING)
    with pytest.raises(GraphError, match="/robot1/words.*/robot1/node"):
        graph.publisher("/robot1/words", STRING)


def test_a_domain_that_cannot_be_joined(domain: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLONEDDS_URI", "<CycloneDDS><Domain><General><Nonsense/></General></Domain></CycloneDDS>")
    monkeypatch.setenv("ROS_DOMAIN_ID", "151")
    with pytest.raises(GraphError, match="domain 151.*CYCLONEDDS_URI"):
        open_graph("node", [], "dds")
