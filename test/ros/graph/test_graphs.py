"""The port's promises, on a real graph between two processes, for every pair of runtimes that can talk."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Callable, Iterator
from subprocess import Popen
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph import LATCHED, RELIABLE, SENSOR, Graph, Qos, open_graph

rclpy = pytest.mark.skipif(importlib.util.find_spec("rclpy") is None, reason="rclpy is not importable: no ROS 2 here")
with_dds = pytest.mark.skipif(importlib.util.find_spec("cyclonedds") is None, reason="cyclonedds is not installed")
with_zenoh = pytest.mark.skipif(importlib.util.find_spec("zenoh") is None, reason="eclipse-zenoh is not installed")
#: (the node's, the peer's).
PAIRS = [
    pytest.param(("dds", "dds"), marks=with_dds),
    pytest.param(("zenoh", "zenoh"), marks=with_zenoh),
    *(pytest.param(pair, marks=[with_dds, rclpy]) for pair in (("dds", "rclpy"), ("rclpy", "dds"))),
    pytest.param(("rclpy", "rclpy"), marks=rclpy),
]
IMAGE = "sensor_msgs/msg/Image"
Start = Callable[..., Popen[str]]
Until = Callable[..., None]


@pytest.fixture(params=PAIRS, ids=" to ".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def node_runtime(pair: tuple[str, str]) -> str:
    return pair[0]


@pytest.fixture
def peer(pair: tuple[str, str], domain: dict[str, str]) -> Iterator[Graph]:
    graph = open_graph("peer", [], pair[1])
    yield graph
    graph.close()


def an_image(graph: Graph, height: int = 480, width: int = 640, **fields: Any) -> Any:
    make = graph.messages.make
    stamp = make("builtin_interfaces/msg/Time", sec=12, nanosec=34)
    header = make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
    data = (np.arange(height * width * 3) % 100).astype(np.uint8)
    image = {"encoding": "bgr8", "height": height, "width": width, "step": width * 3, "header": header}
    return make(IMAGE, data=graph.messages.pack(data), **(image | fields))


def test_an_image_goes_there_and_back(node_runtime: str, peer: Graph, start: Start, until: Until) -> None:
    start(node_runtime, "--ros-args", "-r", "__ns:=/robot1", "-r", "image:=/camera/image_raw", "-p", "gain:=2")
    got: list[Any] = []
    out = peer.publisher("/camera/image_raw", IMAGE)
    back = peer.subscribe("/robot1/echo/echo", IMAGE, RELIABLE, got.append)
    until(lambda: out.subscriptions and back.publishers, peer)
    sent = an_image(peer)
    for _ in range(10):
        out.publish(sent)
        until(lambda: got, peer)
    message = got[0]
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (
        12,
        34,
        "camera",
    )
    assert (message.height, message.width, message.step, message.encoding) == (480, 640, 1920, "bgr8")
    assert (np.asarray(message.data) == np.asarray(sent.data) * 2).all()


def test_raw_messages_are_the_bytes_on_the_wire(peer: Graph, start: Start, until: Until) -> None:
    got: list[bytes] = []
    out = peer.publisher("/words", "std_msgs/msg/String")
    peer.subscribe("/words", "std_msgs/msg/String", RELIABLE, got.append, raw=True)
    until(lambda: out.subscriptions, peer)
    cdr = b"\x00\x01\x00\x00\x03\x00\x00\x00hi\x00"
    out.publish(cdr)
    out.publish(peer.messages.make("std_msgs/msg/String", data="hi"))
    until(lambda: len(got) == 2, peer)
    assert [data[: len(cdr)] for data in got] == [cdr, cdr]


def test_a_latched_message_reaches_a_late_subscriber(
    node_runtime: str, peer: Graph, start: Start, until: Until
) -> None:
    start(node_runtime, "--ros-args", "-p", "label:=parts")
    until(lambda: any(end.topic == "/echo/label" for end in peer.endpoints()), peer)
    got: list[Any] = []
    peer.subscribe("/echo/label", "std_msgs/msg/String", LATCHED, got.append)
    until(lambda: got, peer)
    assert got[0].data == "parts"


def test_subscribers_are_counted_as_they_come_and_go(peer: Graph, until: Until) -> None:
    out = peer.publisher("/words", "std_msgs/msg/String")
    assert out.subscriptions == 0
    subscription = peer.subscribe("/words", "std_msgs/msg/String", SENSOR, print)
    until(lambda: out.subscriptions == 1 and subscription.publishers == 1, peer)
    subscription.close()
    until(lambda: out.subscriptions == 0, peer)
    subscription.close()


def test_a_closed_publisher_is_gone_and_its_topic_can_be_published_again(peer: Graph, until: Until) -> None:
    got: list[Any] = []
    subscription = peer.subscribe("/words", "std_msgs/msg/String", RELIABLE, got.append)
    for word in ("one", "two"):
        out = peer.publisher("/words", "std_msgs/msg/String")
        until(lambda out=out: out.subscriptions and subscription.publishers, peer)
        out.publish(peer.messages.make("std_msgs/msg/String", data=word))
        until(lambda word=word: got and got[-1].data == word, peer)
        out.close()
        until(lambda: subscription.publishers == 0, peer)
        out.close()


def test_the_node_is_seen_with_its_topics(node_runtime: str, peer: Graph, start: Start, until: Until) -> None:
    start(node_runtime, "--ros-args", "-r", "__node:=other")
    seen: dict[tuple[str, str, bool], Qos] = {}

    def look() -> bool:
        seen.update({(end.topic, end.node, end.publishes): end.qos for end in peer.endpoints()})
        return ("/image", "/other", False) in seen and ("/other/echo", "/other", True) in seen

    until(look, peer)
    assert not seen["/image", "/other", False].reliable
    assert seen["/other/echo", "/other", True].reliable


def test_qos_is_overridden_by_parameters(node_runtime: str, peer: Graph, start: Start, until: Until) -> None:
    start(node_runtime, "--ros-args", "-p", "qos_overrides./image.subscription.reliability:=reliable")
    until(lambda: any(end.topic == "/image" and end.qos.reliable for end in peer.endpoints()), peer)


def test_a_callback_that_raises_is_logged_and_the_next_message_goes_through(
    node_runtime: str, peer: Graph, start: Start, until: Until
) -> None:
    process = start(node_runtime)
    got: list[Any] = []
    out = peer.publisher("/image", IMAGE)
    back = peer.subscribe("/echo/echo", IMAGE, RELIABLE, got.append)
    until(lambda: out.subscriptions and back.publishers, peer)
    for _ in range(10):  # best effort, keep last 1: one alone may be lost
        out.publish(an_image(peer, 4, 4, encoding="bad"))
        peer.spin_once(0.03)
    until(lambda: got or out.publish(an_image(peer, 4, 4)), peer)
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=20)
    assert "What came on /image failed with ValueError: bad encoding" in log
    assert "cleaned up" in log
    assert process.returncode == 0


def test_a_wrong_parameter_ends_the_node_with_its_sentence(node_runtime: str, start: Start) -> None:
    process = start(node_runtime, "--ros-args", "-p", "gain:=7.5")
    _, log = process.communicate(timeout=20)
    assert "Parameter gain is 7.5, but it must be a number from 0 to 2." in log
    assert process.returncode != 0


def test_a_parameter_for_other_nodes_is_ignored_with_the_nearest_name(
    node_runtime: str, peer: Graph, start: Start, until: Until
) -> None:
    process = start(node_runtime, "--ros-args", "-p", "gian:=1.0", "-p", "label:=still here")
    got: list[Any] = []
    peer.subscribe("/echo/label", "std_msgs/msg/String", LATCHED, got.append)
    until(lambda: got, peer)
    assert got[0].data == "still here"
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=20)
    assert log.count("Ignored: There is no parameter 'gian'. Did you mean gain?") == 1


def test_a_parameter_file_is_read(node_runtime: str, peer: Graph, start: Start, tmp_path: Any, until: Until) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters:\n    label: from the file\n")
    start(node_runtime, "--ros-args", "--params-file", str(file))
    got: list[Any] = []
    peer.subscribe("/echo/label", "std_msgs/msg/String", LATCHED, got.append)
    until(lambda: got, peer)
    assert got[0].data == "from the file"


def test_a_timer_comes_back_until_it_is_cancelled(peer: Graph, until: Until) -> None:
    ticks: list[int] = []
    timer = peer.timer(0.01, lambda: ticks.append(1))
    until(lambda: len(ticks) > 2, peer)
    timer.cancel()
    timer.cancel()
    before = len(ticks)
    for _ in range(5):
        peer.spin_once(0.02)
    assert len(ticks) == before


def test_time_is_the_clocks_under_use_sim_time(node_runtime: str, peer: Graph, until: Until) -> None:
    graph = open_graph("follower", ["--ros-args", "-p", "use_sim_time:=true"], node_runtime)
    clock = peer.publisher("/clock", "rosgraph_msgs/msg/Clock")
    until(lambda: clock.subscriptions, peer)
    make = peer.messages.make
    time = make("rosgraph_msgs/msg/Clock", clock=make("builtin_interfaces/msg/Time", sec=5, nanosec=7))
    until(lambda: graph.now_ns() == 5_000_000_007 or clock.publish(time), graph)
    graph.close()


def test_a_service_answers_and_says_why_not(peer: Graph, start: Start, node_runtime: str) -> None:
    """The node's service is called by rclpy, whatever the node's own runtime."""
    client_side = pytest.importorskip("rclpy", reason="rclpy is not importable: no ROS 2 here")
    if (node_runtime == "zenoh") != (client_side.get_rmw_implementation_identifier() == "rmw_zenoh_cpp"):
        pytest.skip("rclpy's middleware here does not speak the node's wire")
    from std_srvs.srv import SetBool

    start(node_runtime)
    context = client_side.Context()
    client_side.init(context=context)
    node = client_side.create_node("asker", context=context)
    client = node.create_client(SetBool, "/echo/enable")
    assert client.wait_for_service(10)
    executor = client_side.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    answers = []
    for on in (True, False):
        future = client.call_async(SetBool.Request(data=on))
        executor.spin_until_future_complete(future, 10)
        answers.append((future.result().success, future.result().message))
    node.destroy_node()
    context.try_shutdown()
    assert answers == [(True, "done"), (False, "Parameter gain is 1.5, which this node does not like.")]
