"""The fake graph, and what it shares with the dds one."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import EngineError, GraphError, MissingDependencyError
from bodyseg_ros.ros.graph import LATCHED, RELIABLE, SENSOR, Qos, mismatch, open_graph
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.local_graph import Throttle
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages

STRING = "std_msgs/msg/String"


class Steps:
    """A node that writes down what is asked of it, and fails at one step."""

    def __init__(self, graph: FakeGraph, fails: str = "") -> None:
        self.graph, self.fails, self.taken = graph, fails, []

    def _step(self, name: str) -> None:
        self.taken.append(name)
        if name == self.fails:
            raise EngineError(f"{name} failed.")

    def configure(self) -> None:
        self._step("configure")

    def activate(self) -> None:
        self._step("activate")
        self.graph.timer(0.001, self.graph.shutdown)

    def deactivate(self) -> None:
        self._step("deactivate")

    def cleanup(self) -> None:
        self._step("cleanup")


@pytest.fixture
def graph() -> FakeGraph:
    return FakeGraph("node", Bus())


@pytest.fixture
def peer(graph: FakeGraph) -> FakeGraph:
    return FakeGraph("peer", graph.bus)


def test_spin_goes_through_the_steps(graph: FakeGraph) -> None:
    node = Steps(graph)
    graph.spin(node)
    assert node.taken == ["configure", "activate", "deactivate", "cleanup"]


def test_a_failed_step_is_undone_and_raised(graph: FakeGraph) -> None:
    node = Steps(graph, "activate")
    with pytest.raises(EngineError, match="activate failed."):
        graph.spin(node)
    assert node.taken == ["configure", "activate", "deactivate", "cleanup"]


def test_shutdown_ends_spin_from_another_thread(graph: FakeGraph) -> None:
    node = Steps(graph)
    node.activate = lambda: threading.Timer(0.01, graph.shutdown).start()  # type: ignore[method-assign]
    graph.spin(node)
    assert node.taken[-1] == "cleanup"


def test_messages_go_through_in_order_and_old_ones_make_room(graph: FakeGraph, peer: FakeGraph) -> None:
    got: list[str] = []
    graph.subscribe("words", STRING, Qos(depth=2), lambda message: got.append(message.data))
    out = peer.publisher("words", STRING)
    assert out.subscriptions == 1
    for word in "abc":
        out.publish(peer.messages.make(STRING, data=word))
    graph.spin_once()
    assert got == ["b", "c"]


def test_latched_messages_wait_for_whoever_comes(graph: FakeGraph, peer: FakeGraph) -> None:
    peer.publisher("words", STRING, LATCHED).publish(peer.messages.make(STRING, data="a"))
    got: list[Any] = []
    graph.subscribe("words", STRING, LATCHED, got.append)
    graph.subscribe("words", STRING, RELIABLE, got.append)
    graph.spin_once()
    assert [message.data for message in got] == ["a"]


def test_raw_messages_are_cdr(graph: FakeGraph, peer: FakeGraph) -> None:
    got: list[bytes] = []
    graph.subscribe("words", STRING, RELIABLE, got.append, raw=True)
    peer.publisher("words", STRING).publish(b"\0\1\0\0\2\0\0\0a\0")
    graph.spin_once()
    assert got == [b"\0\1\0\0\2\0\0\0a\0"]


def test_nothing_passes_where_qos_does_not_match(graph: FakeGraph, peer: FakeGraph) -> None:
    subscription = graph.subscribe("words", STRING, RELIABLE, print)
    out = peer.publisher("words", STRING, SENSOR)
    assert (out.subscriptions, subscription.publishers) == (0, 0)
    offered, wanted = (end.qos for end in graph.endpoints())
    assert mismatch(offered, wanted) == "the subscriber asks for reliable, the publisher offers best effort"
    assert "transient local" in mismatch(RELIABLE, LATCHED)
    assert mismatch(RELIABLE, SENSOR) == ""


def test_a_closed_subscription_hears_no_more(graph: FakeGraph, peer: FakeGraph) -> None:
    subscription = graph.subscribe("words", STRING, RELIABLE, print)
    out = peer.publisher("words", STRING)
    subscription.close()
    subscription.close()
    assert out.subscriptions == 0
    graph.close()
    peer.close()
    assert graph.endpoints() == []


def test_a_callback_that_raises_is_logged(graph: FakeGraph, peer: FakeGraph) -> None:
    def fail(message: Any) -> None:
        raise EngineError("No power.") if message.data else KeyError("x")

    graph.subscribe("words", STRING, RELIABLE, fail)
    out = peer.publisher("words", STRING)
    for word in ("a", ""):
        out.publish(peer.messages.make(STRING, data=word))
    graph.spin_once()
    assert graph.said == [("error", "No power."), ("error", "What came on /words failed with KeyError: 'x'")]


def test_services_answer_and_say_no(graph: FakeGraph) -> None:
    def answer(request: Any) -> dict[str, Any]:
        if not request.data:
            raise EngineError("No power.")
        return {"success": True, "message": "on"}

    graph.service("~/enable", "std_srvs/srv/SetBool", answer)
    assert graph.bus.call("/node/enable", data=True) == {"success": True, "message": "on"}
    assert graph.bus.call("/node/enable", data=False) == {"success": False, "message": "No power."}
    with pytest.raises(GraphError, match="There is no service '/nobody'.*/node/enable."):
        graph.bus.call("/nobody")


def test_a_timer_does_not_make_up_for_missed_calls(graph: FakeGraph) -> None:
    ticks: list[float] = []
    timer = graph.timer(0.01, lambda: ticks.append(time.monotonic()))
    time.sleep(0.05)
    graph.spin_once()
    graph.spin_once()
    assert len(ticks) == 1
    timer.cancel()
    graph.spin_once(0.02)
    assert len(ticks) == 1


def test_log_says_once_and_now_and_then(graph: FakeGraph) -> None:
    for number in range(3):
        graph.log("warn", f"bad {number}", once=True, key="bad")
        graph.log("info", "slow", every_s=60.0)
        graph.log("debug", "not at this level")
    assert graph.said == [("warn", "bad 0"), ("info", "slow")]


def test_throttling_keeps_no_more_than_it_must_and_lets_no_flood_through() -> None:
    throttle = Throttle()
    passed = [throttle.passes(str(number) * 1000, True, 0.0) for number in range(3000)]
    assert sum(passed) <= 201
    assert sum(len(key) for key in throttle._last) < 100_000
    assert not throttle.passes("0" * 1000, True, 0.0), "what was said once is not said again"


SLOW_TO_END = """
import sys, time
from bodyseg_ros.ros.graph.fake_graph import FakeGraph

class Slow:
    configure = cleanup = lambda self: None
    activate = lambda self: print("active", flush=True)
    def deactivate(self):
        print("ending", flush=True)
        time.sleep(60)

FakeGraph("slow").spin(Slow())
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_the_process_at_once(number: signal.Signals, status: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_END], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    for line in ("active\n", "ending\n"):
        assert process.stdout.readline() == line
        process.send_signal(number)
    _, log = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in log


def test_clock_under_use_sim_time(graph: FakeGraph) -> None:
    follower = FakeGraph("follower", graph.bus, ["--ros-args", "-p", "use_sim_time:=true"])
    assert follower.now_ns() == 0
    make = graph.messages.make
    clock = make("rosgraph_msgs/msg/Clock", clock=make("builtin_interfaces/msg/Time", sec=1, nanosec=2))
    graph.publisher("/clock", "rosgraph_msgs/msg/Clock").publish(clock)
    follower.spin_once()
    assert follower.now_ns() == 1_000_000_002
    assert abs(graph.now_ns() - time.time_ns()) < 60e9


def test_messages_are_made_with_all_fields_and_refuse_others(graph: FakeGraph) -> None:
    pose = graph.messages.make("bodyseg_ros/msg/PersonPose", score=0.5)
    assert (len(pose.keypoints), pose.keypoints[3].name, pose.track_id, pose.visible_parts.size) == (17, "", "", 0)
    with pytest.raises(GraphError, match="bodyseg_ros/msg/PersonPose has no field points, scores."):
        graph.messages.make("bodyseg_ros/msg/PersonPose", scores=1, points=2)
    with pytest.raises(GraphError, match="Unknown .*'a/msg/B'"):
        graph.publisher("a", "a/msg/B")


def test_damaged_messages_are_refused() -> None:
    messages = RosbagMessages()
    with pytest.raises(GraphError, match="A message of type std_msgs/msg/String is damaged"):
        messages.deserialize(b"\0\1\0\0\xff\xff\xff\xffa", STRING)
    with pytest.raises(GraphError, match="This is not a std_msgs/msg/String"):
        messages.serialize(messages.make("std_msgs/msg/Header"), STRING)
    with pytest.raises(GraphError, match="This is not a sensor_msgs/msg/Image"):
        messages.serialize(messages.make("sensor_msgs/msg/Image", data="text", height=-1), "sensor_msgs/msg/Image")


@pytest.mark.parametrize("size", [0, 1, 6, 1000])
@pytest.mark.parametrize("frame_id", ["", "a", "four"])
@pytest.mark.parametrize("type_name", ["sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"])
def test_the_short_way_of_a_pictures_bytes_is_that_of_rosbags(type_name: str, frame_id: str, size: int) -> None:
    messages = RosbagMessages()
    header = messages.make("std_msgs/msg/Header", frame_id=frame_id)
    every_second = np.arange(2 * size).astype(np.uint8)[::2]
    message = messages.make(type_name, header=header, data=every_second)
    data = messages.serialize(message, type_name)
    assert data == bytes(messages.store.serialize_cdr(message, type_name))
    np.testing.assert_array_equal(messages.deserialize(data, type_name).data, every_second)


@pytest.mark.parametrize(
    ("type_name", "type_hash"),
    [
        # What `ros2 topic info -v` shows for these in Jazzy, with vision_msgs 4.1.1.
        ("sensor_msgs/msg/Image", "RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47"),
        ("vision_msgs/msg/LabelInfo", "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783"),
        ("vision_msgs/msg/Detection2DArray", "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"),
        ("bodyseg_ros/msg/PersonPoseArray", "RIHS01_82eed39495ecb2f7957f900db7d63d42958d13e5945615491cbf8c975ef96604"),
    ],
)
def test_type_hashes_are_those_of_ros(type_name: str, type_hash: str) -> None:
    assert RosbagMessages().store.hash_rihs01(type_name) == type_hash


def test_the_other_sides_distribution_is_named_by_ros_distro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert RosbagMessages().make("rmw_dds_common/msg/Gid").data.size == 24
    monkeypatch.setenv("ROS_DISTRO", "noetic")
    with pytest.raises(GraphError, match="ROS_DISTRO is 'noetic'"):
        RosbagMessages()


def test_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GraphError, match="no runtime 'ros1'.*auto, rclpy, dds."):
        open_graph("node", [], "ros1")
    pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")
    monkeypatch.setenv("ROS_DOMAIN_ID", "one")
    with pytest.raises(GraphError, match="ROS_DOMAIN_ID is 'one'.*integer.* 0 to 232."):
        open_graph("node", [], "dds")


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is not None, reason="rclpy is here")
def test_a_missing_runtime_says_what_to_do() -> None:
    with pytest.raises(MissingDependencyError, match="'rclpy'.*[Ss]ource"):
        open_graph("node", [], "rclpy")
