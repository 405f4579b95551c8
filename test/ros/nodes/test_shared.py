"""Several cameras in one process: one network, fair turns, and nobody in another's way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bodyseg_ros.catalog import card
from bodyseg_ros.engines.fake import FakeEngine
from bodyseg_ros.plan import Plan, make_plan
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import SENSOR
from bodyseg_ros.ros.nodes import bodyseg
from bodyseg_ros.ros.nodes import run_node as run
from bodyseg_ros.ros.nodes.fair_lock import FairLock
from bodyseg_ros.ros.nodes.mailbox import Mailbox
from bodyseg_ros.ros.nodes.node_model import NodeModel
from bodyseg_ros.ros.nodes.shared import Shared
from bodyseg_ros.ros.nodes.worker import Worker
from bodyseg_ros.settings import Settings
from bodyseg_ros.types import Frame, Wanted

from .conftest import DEEP, IMAGE, Rig, header_of, wait_until

PICTURE = Frame(np.zeros((48, 64, 3), np.uint8))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """Every engine that is opened."""
    engines: list[FakeEngine] = []
    make = FakeEngine.__init__

    def noted(self: FakeEngine, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        engines.append(self)

    monkeypatch.setattr(FakeEngine, "__init__", noted)
    return engines


def test_those_who_wait_go_in_the_order_they_came() -> None:
    turns, order, ready = FairLock(), [], []

    def go(number: int) -> None:
        ready.append(number)
        with turns:
            order.append(number)

    with turns:
        threads = []
        for number in range(5):
            threads.append(threading.Thread(target=go, args=(number,)))
            threads[-1].start()
            wait_until(lambda: len(turns._waiting) == len(threads))
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == list(range(5))


def test_a_busy_camera_does_not_take_another_ones_turn() -> None:
    """One camera always has a frame waiting; the other's next frame is served after at most one of those."""
    turns, served, busy = FairLock(), [], threading.Event()
    boxes: dict[str, Mailbox[str]] = {name: Mailbox() for name in ("fast", "slow")}

    def handle(name: str) -> None:
        served.append(name)
        boxes["fast"].put("fast")  # the fast camera never rests
        busy.wait(0.005)

    workers = [Worker(box, handle, served.append, name, turns) for name, box in boxes.items()]
    boxes["fast"].put("fast")
    for count in range(1, 4):
        wait_until(lambda: served[-1:] == ["fast"])
        before = len(served)
        boxes["slow"].put("slow")
        wait_until(lambda count=count: served.count("slow") == count)
        # One that was in hand, one that waited already.
        assert served.index("slow", before) - before <= 2
    for worker in workers:
        worker.stop()


def test_a_frame_waits_in_the_mailbox_until_its_turn_and_may_be_replaced() -> None:
    turns, seen, box = FairLock(), [], Mailbox[int]()
    worker = Worker(box, seen.append, seen.append, "worker", turns)
    with turns:
        box.put(1)
        wait_until(lambda: turns._waiting)
        box.put(2)
    wait_until(lambda: seen)
    worker.stop()
    assert (seen, box.dropped) == ([2], 1)


def plan(**values: Any) -> Plan[Settings]:
    return make_plan(values, Settings)


def test_equal_choices_share_one_engine_that_the_last_one_closes(
    opened: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[FakeEngine] = []
    monkeypatch.setattr(FakeEngine, "close", lambda self: closed.append(self))
    shared = Shared()
    values = {"engine": "fake", "internal_resolution": "low"}
    # What the network decodes with may differ, and so may effects.
    plans = [plan(**values, segmentation_threshold=share) for share in (0.0, 1.0)]
    models = [NodeModel(one, shared) for one in plans]
    NodeModel(plan(**values, **{"fake.people": 3}), shared).close()
    assert len(opened) == 2
    closed.clear()
    areas = [model.run(one, PICTURE, Wanted.PERSON).person.sum() for model, one in zip(models, plans, strict=True)]
    assert areas[0] > 0 == areas[1]
    models[0].close()
    assert closed == []
    models[1].close()
    assert closed == [opened[0]]
    NodeModel(plan(**values), shared).close()
    assert len(opened) == 3


def test_the_shared_network_is_asked_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]
    run_once, pause = FakeEngine.infer, threading.Event()

    def counted(self: FakeEngine, *given: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        pause.wait(0.002)
        inside[0] -= 1
        return run_once(self, *given)

    monkeypatch.setattr(FakeEngine, "infer", counted)
    shared = Shared()
    low = plan(engine="fake", internal_resolution="low")
    models = [NodeModel(low, shared) for _ in range(3)]

    def work(model: NodeModel) -> None:
        for _ in range(5):
            model.run(low, PICTURE, Wanted.PERSON)

    threads = [threading.Thread(target=work, args=(model,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1]


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    """Where the program's nodes are; it ends with the test."""
    bus, graphs = Bus(), []

    def on_bus(name: str, arguments: list[str], runtime: str) -> FakeGraph:
        graphs.append(FakeGraph(name, bus, arguments))
        return graphs[-1]

    monkeypatch.setattr(run, "open_graph", on_bus)
    yield bus
    for graph in graphs:
        graph.shutdown()


def arguments(model_file: Path, *parameters: str) -> list[str]:
    fake = (f"model_path:={model_file}", "engine:=fake", "internal_resolution:=low")
    return ["--ros-args", "-r", "__ns:=/robot", *(word for text in (*fake, *parameters) for word in ("-p", text))]


def test_each_camera_has_a_node_in_its_namespace_and_all_have_one_network(
    bus: Bus, opened: list[FakeEngine], model_file: Path
) -> None:
    program = threading.Thread(target=bodyseg.main, args=(arguments(model_file, "cameras:=[front, /rear]"),))
    program.start()
    tester = FakeGraph("tester", bus)
    heard: dict[str, list[Any]] = {}
    for topic, type_name in (
        ("/robot/front/bodyseg/mask", IMAGE),
        ("/rear/bodyseg/mask", IMAGE),
        ("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    ):
        tester.subscribe(topic, type_name, DEEP, heard.setdefault(topic, []).append)
    pictures = {name: tester.publisher(f"{name}/image", IMAGE, SENSOR) for name in ("/robot/front", "/rear")}
    wait_until(lambda: all(publisher.subscriptions for publisher in pictures.values()))
    for stamp, name in enumerate(["/robot/front", "/rear", "/robot/front"], start=1):
        image = image_message(tester.messages, header_of(tester.messages, stamp), PICTURE.image, "bgr8")
        pictures[name].publish(image)
        mask = heard[f"{name}/bodyseg/mask"]
        wait_until(lambda mask=mask, stamp=stamp: stamps(mask)[-1:] == [stamp], tester.spin_once)
    assert stamps(heard["/robot/front/bodyseg/mask"]) == [1, 3]
    assert stamps(heard["/rear/bodyseg/mask"]) == [2]
    wait_until(lambda: len({name for name, _ in told(heard)}) == 2, tester.spin_once)
    wait_until(
        lambda: {("/robot/front/bodyseg: frames", "2"), ("/rear/bodyseg: frames", "1")} <= told(heard), tester.spin_once
    )
    assert len(opened) == 1


def test_the_network_is_known_from_the_start_and_no_file_is_read_for_a_live_change(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    node = rig()
    monkeypatch.setattr(card, "read_card", lambda path: pytest.fail("a card was read"))
    node.graph.set_parameters({"segmentation_threshold": 0.4})
    assert node.node._live.network.segmentation_threshold == 0.4


def test_opencv_has_the_threads_that_the_engine_has(rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(cv2, "setNumThreads", threads.append)
    rig()
    rig("threads:=3")
    assert threads == [3]


def stamps(messages: list[Any]) -> list[int]:
    return [message.header.stamp.nanosec for message in messages]


def told(heard: dict[str, list[Any]]) -> set[tuple[str, str]]:
    """(whose status, frames out) of all that came on /diagnostics."""
    return {
        (status.name, next(item.value for item in status.values if item.key == "frames_out"))
        for message in heard["/diagnostics"]
        for status in message.status
    }


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        ("cameras:=[front, front]", "cameras is .'front', 'front'..*each camera may appear only once"),
        ("cameras:=3", "cameras is 3.* list of strings"),
        ("cameras:=[front, 3d]", "'/robot/3d' is not a ROS name"),
    ],
)
def test_wrong_names_of_cameras_are_refused(bus: Bus, model_file: Path, parameter: str, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        bodyseg.main(arguments(model_file, parameter))


def test_where_one_camera_cannot_be_served_the_program_ends_and_says_why(bus: Bus, model_file: Path) -> None:
    with pytest.raises(SystemExit, match="jpeg_quality is 0"):
        bodyseg.main(arguments(model_file, "cameras:=[front, rear]", "jpeg_quality:=0"))
