"""Whether other implementations of rmw_zenoh's wire hear us, and we them: pictures at 30 Hz both ways, a late joiner.

    pip install zenoh-ros2-sdk pamoja-ros2 && python benchmark/zenoh_peers.py
    python benchmark/zenoh_peers.py --only us_to_us

zenoh-ros2-sdk (ROBOTIS) runs in a process of its own, pamoja-ros2 says how it would write the keys. Both are met on a
router of this script's own, on loopback.

`us_to_us` compares the way from one process to another through the runtime `zenoh` (message made into bytes, sent,
received, handed to the graph's thread, made into a message) with bare Zenoh: the same bytes put in one process and in
hand in the other. The two take turns, so the ratio of the two depends little on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zenoh

from bodyseg_ros.allocation import keep_freed_memory
from bodyseg_ros.ros.graph import LATCHED, RELIABLE, Graph, Qos, open_graph
from bodyseg_ros.ros.graph.headers import make_header, stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.loopback import private_graph
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.zenoh_keys import topic_key
from bodyseg_ros.ros.graph.zenoh_session import open_session

IMAGE, LABEL = "sensor_msgs/msg/Image", "vision_msgs/msg/LabelInfo"
#: Without a second slash: zenoh-ros2-sdk 0.1.8 looks for publishers of latched topics by names that it does not mangle.
LABEL_TOPIC = "/label_info"
BARE_KEY = "bare/image"
#: zenoh-ros2-sdk 0.1.8 means to block when a reliable topic is congested, as rmw_zenoh does, but looks for that option
#: in a module which today's zenoh does not have, and drops pictures instead.
BLOCK = 'qos/publication=[{"key_exprs": ["**"], "config": {"congestion_control": "block"}}]'
#: Until two that have just met know of each other.
SETTLE_S = 2.0


def pace(count: int, rate: float) -> Any:
    """`count` turns at a rate; the time to wait before each, as little as need be."""
    began = time.monotonic()
    for turn in range(count):
        yield max(0.0, began + turn / rate - time.monotonic())


def a_picture(messages: RosbagMessages, height: int, width: int) -> Any:
    return image_message(
        messages, make_header(messages, 0, "camera"), np.full((height, width, 3), 90, np.uint8), "bgr8"
    )


def stamped(messages: RosbagMessages, picture: Any) -> Any:
    """The picture as of now."""
    return replace(picture, header=make_header(messages, time.time_ns(), "camera"))


class Tally:
    """How many pictures came, and how old they were."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []

    def take(self, message: Any) -> None:
        self.note(stamp_ns(message.header))

    def note(self, sent_ns: int) -> None:
        self.ages_ms.append((time.time_ns() - sent_ns) / 1e6)

    @property
    def report(self) -> dict[str, float]:
        ages = sorted(self.ages_ms) or [float("nan")]
        return {
            "pictures": len(self.ages_ms),
            "fastest_tenth_ms": round(ages[len(ages) // 10], 2),
            "median_ms": round(statistics.median(ages), 2),
            "max_ms": round(ages[-1], 2),
        }


def peer(role: str, count: int, rate: float, height: int, width: int) -> None:
    """The other side: zenoh-ros2-sdk with the message types of rosbags."""
    import zenoh_ros2_sdk as sdk
    from zenoh_ros2_sdk.qos import QosDurability, QosProfile

    messages = RosbagMessages()
    session = sdk.ZenohSession.get_instance()
    while not any(True for _ in session.session.info.routers_zid()):  # it asks for latched messages once, at once
        time.sleep(0.01)
    session.store = messages.store  # it would fetch definitions by git
    session._registered_types |= {IMAGE: IMAGE, LABEL: LABEL}
    known = {"msg_definition": "", "type_hash": messages.type_hash(IMAGE)}
    if role == "speak":
        publisher = sdk.ROS2Publisher("/peer/image", IMAGE, **known)
        sys.stdin.readline()
        picture = a_picture(messages, height, width)
        names = [name for name in picture.__dataclass_fields__ if name[0] != "_"]
        for wait_s in pace(count, rate):
            time.sleep(wait_s)
            now = stamped(messages, picture)
            publisher.publish(**{name: getattr(now, name) for name in names})
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


def compare() -> None:
    """Our other side, which receives pictures through the graph and through a bare session."""
    graph: Any = open_graph("compare", [], "zenoh")
    through_graph, bare = Tally(), Tally()

    def take(sample: Any) -> None:
        sample.payload.to_bytes()
        bare.note(int.from_bytes(sample.attachment.to_bytes(), "little"))

    session = open_session()
    kept = graph.subscribe("/us/image", IMAGE, Qos(depth=30), through_graph.take)
    reader = session.declare_subscriber(BARE_KEY, take)
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    while not ended.is_set():
        graph.spin_once(0.05)
    print(json.dumps({"through_graph": through_graph.report, "bare": bare.report}), flush=True)
    del kept, reader


def start(role: str, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    sizes = [str(value) for value in (arguments.count, arguments.rate, *arguments.size)]
    return subprocess.Popen(
        [sys.executable, __file__, "--peer", role, *sizes],
        env=os.environ | {"ZENOH_CONFIG_OVERRIDE": f"{os.environ['ZENOH_CONFIG_OVERRIDE']};{BLOCK}"},
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
        picture = a_picture(graph.messages, *arguments.size)
        for wait_s in pace(arguments.count, arguments.rate):
            time.sleep(wait_s)
            out.publish(stamped(graph.messages, picture))
        serve(graph, SETTLE_S)
        process.stdin.write("\n")
        process.stdin.flush()
        return {"subscriptions_seen": seen} | json.loads(process.stdout.readline() or "{}")


def us_to_us(graph: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Pictures to another process of ours, and the same bytes by bare Zenoh in between."""
    session = open_session()
    out = graph.publisher("/us/image", IMAGE, RELIABLE)
    bare = session.declare_publisher(BARE_KEY, congestion_control=zenoh.CongestionControl.BLOCK)
    picture = a_picture(graph.messages, *arguments.size)
    data = graph.messages.serialize(picture, IMAGE)
    with start("compare", arguments) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        serve(graph, SETTLE_S)
        for turn, wait_s in enumerate(pace(2 * arguments.count, 2 * arguments.rate)):
            time.sleep(wait_s)
            if turn % 2:
                bare.put(data, attachment=time.time_ns().to_bytes(8, "little"))
            else:
                out.publish(stamped(graph.messages, picture))
        serve(graph, SETTLE_S)
        process.stdin.write("\n")
        process.stdin.flush()
        report = json.loads(process.stdout.readline() or "{}")
    session.close()
    ratios = {
        f"ratio_of_{name}": round(report["through_graph"][name] / report["bare"][name], 2)
        for name in ("fastest_tenth_ms", "median_ms")
    }
    return report | ratios | {"load": round(os.getloadavg()[0], 1)}


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
    parser.add_argument("--only", choices=("us_to_peer", "peer_to_us", "us_to_us"))
    parser.add_argument("--peer", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    keep_freed_memory()
    if arguments.peer:
        role, count, rate, height, width = arguments.peer
        if role == "compare":
            compare()
        else:
            peer(role, int(count), float(rate), int(height), int(width))
        os._exit(0)  # the peer's session keeps threads that do not end
    root = str(Path(__file__).resolve().parents[1])
    with private_graph("zenoh") as environment:
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        os.environ |= environment | {"PYTHONPATH": path}
        graph = open_graph("us", [], "zenoh")
        ways = {"us_to_peer": we_speak, "peer_to_us": we_hear, "us_to_us": us_to_us}
        try:
            report = {name: way(graph, arguments) for name, way in ways.items() if arguments.only in (None, name)}
        finally:
            graph.close()
    if arguments.only is None:
        report["keys"] = same_keys(RosbagMessages())
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
