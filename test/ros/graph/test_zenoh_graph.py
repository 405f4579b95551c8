"""What a peer under rmw_zenoh sees of us, by Zenoh's own client; domains, routers that come and go."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import GraphError
from bodyseg_ros.ros.graph import RELIABLE, open_graph
from bodyseg_ros.ros.graph.names import wire_type
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.zenoh_keys import Attachment, parse_token

zenoh = pytest.importorskip("zenoh", reason="eclipse-zenoh is not installed")

from bodyseg_ros.ros.graph.zenoh_session import open_router  # noqa: E402

Until = Callable[..., None]


@pytest.fixture
def client(domain: dict[str, str], zenoh_router: str) -> Any:
    config = zenoh.Config()
    config.insert_json5("mode", '"client"')
    config.insert_json5("connect/endpoints", json.dumps([zenoh_router]))
    session = zenoh.open(config)
    yield session
    session.close()


def test_a_picture_arrives_at_its_key_with_its_attachment(client: Any, domain: dict[str, str], until: Until) -> None:
    got: list[Any] = []
    reader = client.declare_subscriber(f"{domain['ROS_DOMAIN_ID']}/n/picture/**", got.append)
    graph = open_graph("n", [], "zenoh")
    make = graph.messages.make
    out = graph.publisher("~/picture", "sensor_msgs/msg/Image")
    data = np.arange(640 * 480 * 3, dtype=np.uint32).astype(np.uint8)
    image = make("sensor_msgs/msg/Image", height=480, width=640, step=1920, encoding="bgr8", data=data,
                 header=make("std_msgs/msg/Header", frame_id="camera"))  # fmt: skip
    until(lambda: got or out.publish(image), graph)
    for _ in range(3):
        out.publish(image)
    until(lambda: len(got) >= 4, graph)
    message = graph.messages.deserialize(got[-1].payload.to_bytes(), "sensor_msgs/msg/Image")
    assert message.header.frame_id == "camera"
    assert (message.data == data).all()
    numbers = [Attachment.unpack(sample.attachment.to_bytes()) for sample in got]
    sequence = [one.sequence for one in numbers]
    assert sequence == list(range(sequence[0], sequence[0] + len(got)))
    assert len({one.gid for one in numbers}) == 1
    assert numbers[0].stamp_ns < numbers[-1].stamp_ns
    reader.undeclare()
    graph.close()


def test_the_graph_is_told_by_tokens(client: Any, domain: dict[str, str], until: Until) -> None:
    graph = open_graph("other", ["--ros-args", "-r", "__ns:=/robot1"], "zenoh")
    graph.publisher("~/mask", "sensor_msgs/msg/Image", RELIABLE)
    seen: dict[tuple[str, str], Any] = {}

    def look() -> bool:
        for reply in client.liveliness().get(f"@ros2_lv/{domain['ROS_DOMAIN_ID']}/**"):
            token = parse_token(str(reply.ok.key_expr))
            seen[token.kind, token.topic] = token
        return ("MP", "/robot1/other/mask") in seen

    until(look, graph)
    assert seen["NN", ""].node_name == "/robot1/other"
    assert seen["MP", "/robot1/other/mask"].qos == RELIABLE
    assert seen["MP", "/robot1/other/mask"].type == "sensor_msgs/msg/Image"
    graph.close()
    until(lambda: not list(client.liveliness().get(f"@ros2_lv/{domain['ROS_DOMAIN_ID']}/**")), _Idle())


class _Idle:
    def spin_once(self, patience_s: float) -> None:
        """Wait for others."""
        import time

        time.sleep(patience_s)


def test_a_service_answers_with_the_requests_number_and_gid(client: Any, domain: dict[str, str], until: Until) -> None:
    graph = open_graph("n", [], "zenoh")
    asked: list[bool] = []

    def enable(request: Any) -> dict[str, Any]:
        asked.append(request.data)
        if not request.data:
            raise GraphError("Parameter gain is 1.5, which this node does not like.")
        return {"success": True, "message": "done"}

    graph.service("~/enable", "std_srvs/srv/SetBool", enable)
    type_hash = graph.messages.type_hash("std_srvs/srv/SetBool")
    key = f"{domain['ROS_DOMAIN_ID']}/n/enable/std_srvs::srv::dds_::SetBool_/{type_hash}"
    gid = bytes(range(16))
    replies: list[Any] = []

    def ask(number: int, on: bool) -> Any:
        replies.clear()
        request = graph.messages.serialize(
            graph.messages.make("std_srvs/srv/SetBool_Request", data=on), "std_srvs/srv/SetBool_Request"
        )
        client.get(key, replies.append, payload=request, attachment=Attachment(number, 1, gid).pack())
        until(lambda: replies, graph)
        reply = replies[0].ok
        told = Attachment.unpack(reply.attachment.to_bytes())
        assert (told.sequence, told.gid) == (number, gid)
        return graph.messages.deserialize(reply.payload.to_bytes(), "std_srvs/srv/SetBool_Response")

    until(lambda: any(True for _ in client.liveliness().get("@ros2_lv/**/SS/**")), graph)
    answers = [ask(5, True), ask(6, False)]
    assert [(one.success, one.message) for one in answers] == [
        (True, "done"),
        (False, "Parameter gain is 1.5, which this node does not like."),
    ]
    assert asked == [True, False]
    # A query without rmw_zenoh's attachment is answered by nobody, and the next one is served.
    client.get(key, replies.append, payload=b"nonsense")
    for _ in range(5):
        graph.spin_once(0.02)
    assert ask(7, True).success
    graph.close()


def test_parameters_and_lifecycle_are_asked_for_by_services(
    client: Any, domain: dict[str, str], start: Callable[..., Any], until: Until
) -> None:
    messages, idle = RosbagMessages(), _Idle()
    make = messages.make

    def ask(name: str, kind: str, **fields: Any) -> Any:
        key = f"{domain['ROS_DOMAIN_ID']}/echo/{name}/{wire_type(kind)}/{messages.type_hash(kind)}"
        request = messages.serialize(make(f"{kind}_Request", **fields), f"{kind}_Request")
        replies: list[Any] = []
        client.get(key, replies.append, payload=request, attachment=Attachment(1, 1, bytes(16)).pack())
        until(lambda: replies, idle)
        return messages.deserialize(replies[0].ok.payload.to_bytes(), f"{kind}_Response")

    def set_gain(value: float) -> Any:
        gain = make("rcl_interfaces/msg/ParameterValue", type=3, double_value=value)
        asked = [make("rcl_interfaces/msg/Parameter", name="gain", value=gain)]
        return ask("set_parameters", "rcl_interfaces/srv/SetParameters", parameters=asked).results[0]

    process = start("zenoh")
    until(lambda: any("%echo%enable/" in str(one.ok.key_expr) for one in client.liveliness().get("@ros2_lv/**")), idle)
    names = ask("list_parameters", "rcl_interfaces/srv/ListParameters").result.names
    assert names == ["use_sim_time", "autostart", "gain", "label", "words"]
    assert set_gain(0.5).successful
    assert set_gain(3.0).reason == "Parameter gain is 3.0, but it must be a number from 0 to 2."
    (gain,) = ask("get_parameters", "rcl_interfaces/srv/GetParameters", names=["gain"]).values
    assert gain.double_value == 0.5
    (described,) = ask("describe_parameters", "rcl_interfaces/srv/DescribeParameters", names=["gain"]).descriptors
    assert described.description == "Factor on every byte."
    assert ask("get_state", "lifecycle_msgs/srv/GetState").current_state.label == "active"
    shutdown = make("lifecycle_msgs/msg/Transition", label="shutdown")
    assert ask("change_state", "lifecycle_msgs/srv/ChangeState", transition=shutdown).success
    _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "cleaned up" in log


def test_domains_are_apart(domain: dict[str, str], until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    here = open_graph("here", [], "zenoh")
    monkeypatch.setenv("ROS_DOMAIN_ID", str((int(domain["ROS_DOMAIN_ID"]) + 1) % 100))
    there = open_graph("there", [], "zenoh")
    got: list[Any] = []
    there.subscribe("/words", "std_msgs/msg/String", RELIABLE, got.append)
    words = here.publisher("/words", "std_msgs/msg/String")
    for _ in range(10):
        words.publish(here.messages.make("std_msgs/msg/String", data="hi"))
        there.spin_once(0.02)
    assert not got
    assert words.subscriptions == 0
    assert [end.node for end in here.endpoints()] == ["/here", "/here"]  # /words and /rosout
    here.close()
    there.close()


def test_a_router_that_comes_late_and_goes(
    monkeypatch: pytest.MonkeyPatch, domain: dict[str, str], until: Until
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.delenv("ZENOH_CONFIG_OVERRIDE")
    override = f'connect/endpoints=["{endpoint}"];connect/retry={{"period_init_ms":100,"period_max_ms":200}}'
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", override)
    speaker, hearer = (open_graph(name, [], "zenoh") for name in ("speaker", "hearer"))
    got: list[str] = []
    hearer.subscribe("/words", "std_msgs/msg/String", RELIABLE, lambda message: got.append(message.data))
    words = speaker.publisher("/words", "std_msgs/msg/String")

    def say(text: str) -> None:
        words.publish(speaker.messages.make("std_msgs/msg/String", data=text))

    monkeypatch.delenv("ZENOH_CONFIG_OVERRIDE")
    router = open_router(endpoint)
    until(lambda: "first" in got or say("first"), hearer)
    router.close()
    until(lambda: "without" in got or say("without"), hearer)  # peers stay connected
    router = open_router(endpoint)
    until(lambda: "again" in got or say("again"), hearer)
    speaker.close()
    hearer.close()
    router.close()


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("ZENOH_CONFIG_OVERRIDE", "mode", "'mode'"),
        ("ZENOH_CONFIG_OVERRIDE", "no/such/key=1", "no/such/key"),
        ("ZENOH_SESSION_CONFIG_URI", "/nowhere.json5", "/nowhere.json5"),
        ("ZENOH_ROUTER_CHECK_ATTEMPTS", "often", "'often'"),
        ("ROS_DOMAIN_ID", "-1", "'-1'"),
    ],
)
def test_wrong_variables_are_named(
    monkeypatch: pytest.MonkeyPatch, domain: dict[str, str], variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(GraphError, match=named) as refused:
        open_graph("n", [], "zenoh")
    assert variable in str(refused.value)
