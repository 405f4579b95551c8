"""Whether other implementations of rmw_zenoh's wire hear us, and we them: pictures at 30 Hz both ways, a late joiner.

    pip install zenoh-ros2-sdk pamoja-ros2 && python benchmark/zenoh_peers.py

zenoh-ros2-sdk (ROBOTIS) runs in a process of its own, pamoja-ros2 says how it would write the keys. Both are met on a
router of this script's own, on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from bodyseg_ros.ros.graph import LATCHED, RELIABLE, Graph, Qos, open_graph
from bodyseg_ros.ros.graph.headers import make_header, stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.loopback import private_graph
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.zenoh_keys import topic_key

IMAGE, LABEL = "sensor_msgs/msg/Image", "vision_msgs/msg/LabelInfo"
#: Without a second slash: zenoh-ros2-sdk 0.1.8 looks for publishers of latched topics by names that it does not mangle.
LABEL_TOPIC = "/label_info"
#: Until two that have just met know of each other.
SETTLE_S = 2.0


def pace(count: int, rate: float) -> Any:
    """`count` turns at a rate; the time to wait before each, as little as need be."""
    began = time.monotonic()
    for turn in range(count):
        yield max(0.0, began + turn / rate - time.monotonic())


def a_picture(messages: RosbagMessages, height: int, width: int) -> Any:
    return image_message(
        messages, make_header(messages, time.time_ns(), "camera"), np.full((height, width, 3), 90, np.uint8), "bgr8"
    )


class Tally:
    """How many pictures came, and how old they were."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []

    def take(self, message: Any) -> None:
        self.ages_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)

    @property
    def report(self) -> dict[str, float]:
        ages = sorted(self.ages_ms) or [float("nan")]
        return {"pictures": len(self.ages_ms), "median_ms": round(statistics.median(ages), 2), "max_ms": ages[-1]}


def peer(role: str, count: int, rate: float, height: int, width: int) -> None:
    """The other side: zenoh-ros2-sdk with the message types of rosbags."""
    import zenoh_ros2_sdk as sdk
    from zenoh_ros2_sdk.qos import QosDurability, QosProfile

    messages = RosbagMessages()
    session = sdk.ZenohSession.get_instance()
    session.store = messages.store  # it would fetch definitions by git
    session._registered_types |= {IMAGE: IMAGE, LABEL: LABEL}
    known = {"msg_definition": "", "type_hash": messages.type_hash(IMAGE)}
    if role == "speak":
        publisher = sdk.ROS2Publisher("/peer/image", IMAGE, **known)
        sys.stdin.readline()
        for wait_s in pace(count, rate):
            time.sleep(wait_s)
            picture = a_picture(messages, height, width)
            publisher.publish(
                **{name: getattr(picture, name) for name in picture.__dataclass_fields__ if name[0] != "_"}
            )
        time.sleep(SETTLE_S)
        return
    tally, labels = Tally(), []
    latched = QosProfile(durability=QosDurability.TRANSIENT_LOCAL, history_depth=1)
    subscriber = sdk.ROS2Subscriber("/us/image", IMAGE, tally.take, **known)
    label = sdk.ROS2Subscriber(
        LABEL_TOPIC, LABEL, labels.append, msg_definition="", type_hash=messages.type_hash(LABEL), qos=latched
    )
    print("ready", flush=True)
    sys.stdin.readline()
    topics = {name for name, _ in sdk.get_topic_names_and_types(timeout=5.0)}
    print(json.dumps(tally.report | {"labels": len(labels), "listed": "/us/image" in topics}), flush=True)
    del subscriber, label


def start(role: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    sizes = [str(value) for value in (arguments.count, arguments.rate, *arguments.size)]
    return subprocess.Popen(
        [sys.executable, __file__, "--peer", role, *sizes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def serve(graph: Graph, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        graph.spin_once(0.01)  # type: ignore[attr-defined]


def we_speak(graph: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Our pictures to the peer, who also comes too late for a label."""
    graph.publisher(LABEL_TOPIC, LABEL, LATCHED).publish(graph.messages.make(LABEL, threshold=0.5))
    out = graph.publisher("/us/image", IMAGE, RELIABLE)
    with start("hear", arguments) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        serve(graph, SETTLE_S)
        seen = out.subscriptions
        for wait_s in pace(arguments.count, arguments.rate):
            time.sleep(wait_s)
            out.publish(a_picture(graph.messages, *arguments.size))
        serve(graph, SETTLE_S)
        process.stdin.write("\n")
        process.stdin.flush()
        return {"subscriptions_seen": seen} | json.loads(process.stdout.readline() or "{}")


def we_hear(graph: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The peer's pictures to us."""
    tally = Tally()
    subscription = graph.subscribe("/peer/image", IMAGE, Qos(depth=30), tally.take)
    with start("speak", arguments) as process:
        assert process.stdin
        while not subscription.publishers:
            graph.spin_once(0.05)
        serve(graph, SETTLE_S)
        process.stdin.write("\n")
        process.stdin.flush()
        nodes = [end.node for end in graph.endpoints() if end.topic == "/peer/image" and end.publishes]
        while process.poll() is None:
            graph.spin_once(0.05)
    return tally.report | {"peer_nodes": nodes}


def same_keys(messages: RosbagMessages) -> dict[str, bool]:
    """Whether pamoja-ros2 writes the keys of our topics as we do."""
    from pamoja.ros2 import entity_key

    types = {IMAGE: "/bodyseg/mask", LABEL: "/bodyseg/label_info", "bodyseg_ros/msg/PersonPoseArray": "/a/b/poses"}
    return {
        name: entity_key(7, topic, kind, messages.type_hash(kind))
        == topic_key(7, topic, kind, messages.type_hash(kind))
        for kind, topic in types.items()
        for name in (topic,)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--rate", type=float, default=30.0)
    parser.add_argument("--size", type=int, nargs=2, default=[480, 640], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--peer", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        role, count, rate, height, width = arguments.peer
        peer(role, int(count), float(rate), int(height), int(width))
        os._exit(0)  # the peer's session keeps threads that do not end
    root = str(Path(__file__).resolve().parents[1])
    with private_graph("zenoh") as environment:
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        os.environ |= environment | {"PYTHONPATH": path}
        graph = open_graph("us", [], "zenoh")
        report = {
            "keys": same_keys(RosbagMessages()),
            "us_to_peer": we_speak(graph, arguments),
            "peer_to_us": we_hear(graph, arguments),
        }
        graph.close()
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
