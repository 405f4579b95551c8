"""Lifecycle, descriptors and parameter services, asked for by rclpy. Skipped where there is no ROS 2."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph import RELIABLE, open_graph

rclpy = pytest.importorskip("rclpy", reason="rclpy is not importable: no ROS 2 here")

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters  # noqa: E402

Start = Callable[..., "subprocess.Popen[str]"]
Ask = Callable[[Any, str, Any], Any]


@pytest.fixture
def ask(domain: dict[str, str]) -> Iterator[Ask]:
    """Calls a service and returns its response."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asker", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def call(kind: Any, name: str, request: Any) -> Any:
        client = node.create_client(kind, name)
        assert client.wait_for_service(15)
        future = client.call_async(request)
        executor.spin_until_future_complete(future, 15)
        node.destroy_client(client)
        return future.result()

    yield call
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture(params=["rclpy", "dds"])
def runtime(request: pytest.FixtureRequest) -> str:
    """The node's."""
    return str(request.param)


def state(ask: Ask) -> str:
    return str(ask(GetState, "/echo/get_state", GetState.Request()).current_state.label)


def change(ask: Ask, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(ask(ChangeState, "/echo/change_state", request).success)


def set_gain(ask: Ask, name: str = "gain", **value: Any) -> tuple[bool, str]:
    parameter = Parameter(name=name, value=ParameterValue(**value))
    (result,) = ask(SetParameters, "/echo/set_parameters", SetParameters.Request(parameters=[parameter])).results
    return result.successful, result.reason


def test_the_node_starts_by_itself_and_goes_through_its_states(start: Start, ask: Ask, runtime: str) -> None:
    start(runtime)
    assert state(ask) == "active"
    assert change(ask, Transition.TRANSITION_DEACTIVATE)
    assert state(ask) == "inactive"
    assert change(ask, Transition.TRANSITION_CLEANUP)
    assert state(ask) == "unconfigured"
    assert change(ask, Transition.TRANSITION_CONFIGURE)
    assert change(ask, Transition.TRANSITION_ACTIVATE)
    assert state(ask) == "active"


def test_without_autostart_it_waits(start: Start, ask: Ask, runtime: str) -> None:
    start(runtime, "--ros-args", "-p", "autostart:=false")
    assert state(ask) == "unconfigured"
    assert change(ask, Transition.TRANSITION_CONFIGURE)
    assert state(ask) == "inactive"


def test_a_step_that_cannot_be_done_fails_with_its_reason(start: Start, ask: Ask, runtime: str) -> None:
    process = start(runtime, "--ros-args", "-p", "label:=bad", "-p", "autostart:=false")
    assert state(ask) == "unconfigured"
    assert not change(ask, Transition.TRANSITION_CONFIGURE)
    assert state(ask) == "unconfigured"
    process.terminate()
    _, log = process.communicate(timeout=20)
    assert "The label is bad." in log


def test_an_empty_list_in_a_file_is_one(start: Start, ask: Ask, runtime: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("/**:\n  ros__parameters:\n    words: []\n")
    start(runtime, "--ros-args", "--params-file", str(file))
    assert state(ask) == "active"


def test_the_shutdown_transition_ends_the_process(start: Start, ask: Ask, runtime: str) -> None:
    process = start(runtime)
    assert state(ask) == "active"
    assert change(ask, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "cleaned up" in log


def test_parameters_have_descriptors(start: Start, ask: Ask, runtime: str) -> None:
    start(runtime)
    request = DescribeParameters.Request(names=["gain", "label"])
    gain, label = ask(DescribeParameters, "/echo/describe_parameters", request).descriptors
    assert (gain.type, gain.description, gain.read_only) == (
        ParameterType.PARAMETER_DOUBLE,
        "Factor on every byte.",
        False,
    )
    assert (gain.floating_point_range[0].from_value, gain.floating_point_range[0].to_value) == (0.0, 2.0)
    assert gain.additional_constraints == "a number from 0 to 2"
    assert label.read_only


def test_parameters_change_live_or_are_refused_with_a_sentence(start: Start, ask: Ask, runtime: str) -> None:
    start(runtime)
    double, text = ParameterType.PARAMETER_DOUBLE, ParameterType.PARAMETER_STRING
    assert set_gain(ask, type=double, double_value=0.5) == (True, "")
    assert set_gain(ask, type=double, double_value=1.5) == (
        False,
        "Parameter gain is 1.5, which this node does not like.",
    )
    # A whole number is a number too, as it is in a parameter file.
    assert set_gain(ask, type=ParameterType.PARAMETER_INTEGER, integer_value=1) == (True, "")
    refused, reason = set_gain(ask, type=double, double_value=3.0)
    assert not refused
    assert "gain" in reason
    refused, reason = set_gain(ask, "label", type=text, string_value="other")
    assert not refused
    assert "label" in reason
    words = ["a", "b"]
    assert set_gain(ask, "words", type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=words) == (True, "")
    refused, reason = set_gain(ask, "words", type=double, double_value=1.0)
    assert (refused, reason) == (False, "Parameter words is 1.0, but it must be a list of strings.")


def test_a_change_takes_effect_on_the_next_picture(
    start: Start, ask: Ask, runtime: str, domain: dict[str, str], until: Callable[..., None]
) -> None:
    start(runtime)
    peer = open_graph("peer", [], "rclpy")
    got: list[Any] = []
    out = peer.publisher("/image", "sensor_msgs/msg/Image")
    back = peer.subscribe("/echo/echo", "sensor_msgs/msg/Image", RELIABLE, got.append)
    until(lambda: out.subscriptions and back.publishers, peer)

    def echoed() -> list[int]:
        got.clear()
        data = peer.messages.pack(np.array([10, 20, 30], np.uint8))
        image = peer.messages.make("sensor_msgs/msg/Image", height=1, width=1, step=3, encoding="rgb8", data=data)
        out.publish(image)
        until(lambda: got, peer)
        return np.asarray(got[0].data).tolist()

    assert echoed() == [10, 20, 30]
    assert set_gain(ask, type=ParameterType.PARAMETER_DOUBLE, double_value=2.0) == (True, "")
    assert echoed() == [20, 40, 60]
    peer.close()
