"""Frames that are prepared and decoded while another is in the network."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines.fake import FakeEngine
from bodyseg_ros.errors import EngineError
from bodyseg_ros.ros.graph.image_messages import read_image
from bodyseg_ros.ros.nodes import overlap
from bodyseg_ros.ros.nodes.fair_lock import FairLock
from bodyseg_ros.ros.nodes.mailbox import Mailbox
from bodyseg_ros.ros.nodes.node_model import NodeModel
from bodyseg_ros.ros.nodes.overlap import OverlappingWorker
from bodyseg_ros.types import Wanted

from .conftest import Rig, wait_until

Rigs = Callable[..., Rig]


class Line:
    """An overlapping worker on whole numbers, whose steps are written down and can be held or made to fail.

    said: 'prepare 1', 'network 1', 'decode 1', each as the step begins, and 'out 1' at the end.
    """

    def __init__(
        self, *, keep_all: bool = False, turns: FairLock | None = None, network: FairLock | None = None
    ) -> None:
        self.said: list[str] = []
        self.failed: list[str] = []
        self.failing: set[str] = set()
        self._held: dict[str, Callable[[], Any]] = {}
        self.box: Mailbox[int] = Mailbox(keep_all=keep_all, slots=8 if keep_all else 1)
        problem = lambda err: self.failed.append(str(err))  # noqa: E731 - shorter than a method
        self.worker = OverlappingWorker(
            self.box, self._steps, problem, "worker", turns or FairLock(), network or FairLock()
        )

    def hold(self, step: str, until: Callable[[], Any]) -> None:
        """Let a step, once begun, wait."""
        self._held[step] = lambda: wait_until(until)

    def put(self, item: int, until: str = "") -> None:
        self.box.put(item)
        self.wait(until or f"prepare {item}")

    def wait(self, step: str) -> None:
        wait_until(lambda: step in self.said)

    def out(self) -> list[int]:
        return [int(text.split()[1]) for text in self.said if text.startswith("out")]

    def _steps(self, item: int) -> Generator[None, None, None]:
        self._do(f"prepare {item}")
        yield
        self._do(f"network {item}")
        yield
        self._do(f"decode {item}")
        self.said.append(f"out {item}")

    def _do(self, step: str) -> None:
        self.said.append(step)
        self._held.get(step, lambda: None)()
        if step in self.failing:
            raise EngineError(step)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The worker's time, s: each step takes none, unless a test says so."""
    now = [0.0]
    monkeypatch.setattr(overlap, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return now


@pytest.fixture
def line(clock: list[float]) -> Iterator[Callable[..., Line]]:
    """Makes lines that are stopped at the end."""
    with ExitStack() as stack:

        def make(**options: Any) -> Line:
            made = Line(**options)
            stack.callback(made.worker.stop)
            return made

        yield make


def test_the_next_one_is_prepared_and_the_last_one_decoded_while_one_is_in_the_network(
    line: Callable[..., Line],
) -> None:
    one = line()
    one.hold("network 1", lambda: "prepare 2" in one.said)
    one.hold("decode 1", lambda: "network 2" in one.said)
    one.hold("network 2", lambda: "out 1" in one.said)
    one.put(1, "network 1")
    one.put(2, "out 2")
    assert one.out() == [1, 2]
    assert (one.failed, one.worker.dropped) == ([], 0)


@pytest.mark.parametrize("newest", ["prepared", "in preparation", "in the mailbox"])
def test_a_newer_one_takes_the_place_of_what_has_not_entered(line: Callable[..., Line], newest: str) -> None:
    turns, go_on, left = FairLock(), threading.Event(), threading.Event()
    one = line(turns=turns)
    one.hold("network 1", go_on.is_set)
    if newest == "in preparation":
        one.hold("prepare 4", left.is_set)
    one.hold("decode 1", lambda: {"network 2", "network 3", "network 4"} & set(one.said))
    one.put(1, "network 1")
    one.put(2)
    one.put(3)
    with turns if newest == "in the mailbox" else nullcontext():
        one.put(4, "network 1" if newest == "in the mailbox" else "prepare 4")
        go_on.set()
        wait_until(lambda: not one.worker._busy or "network 4" in one.said)
    left.set()
    one.wait("out 4")
    assert one.out() == [1, 4]
    assert "network 2" not in one.said
    assert "network 3" not in one.said
    assert one.worker.dropped == 2


def test_what_waits_in_the_mailbox_is_dropped_as_ever(line: Callable[..., Line]) -> None:
    turns = FairLock()
    one = line(turns=turns)
    with turns:
        for item in range(5):
            one.box.put(item)
    one.wait("out 4")
    assert one.out() == [4]
    assert one.worker.dropped == 4


def test_one_that_is_overtaken_by_what_cannot_be_prepared_goes_on(line: Callable[..., Line]) -> None:
    one, go_on = line(), threading.Event()
    one.failing = {"network 1", "prepare 3"}
    one.hold("network 1", go_on.is_set)
    one.put(1, "network 1")
    one.put(2)
    one.put(3)
    go_on.set()
    one.wait("out 2")
    assert (one.out(), one.failed, one.worker.dropped) == ([2], ["prepare 3", "network 1"], 0)


def test_keeping_all_keeps_the_order_whatever_fails(line: Callable[..., Line]) -> None:
    one = line(keep_all=True)
    one.failing = {"prepare 3", "network 7", "decode 11", "network 12", "prepare 13"}
    for item in range(40):
        one.box.put(item)
    one.wait("out 39")
    assert one.out() == [item for item in range(40) if item not in (3, 7, 11, 12, 13)]
    assert sorted(one.failed) == sorted(one.failing)
    assert one.worker.dropped == 0


def test_where_the_network_is_much_quicker_than_the_rest_one_comes_after_the_other(
    line: Callable[..., Line], clock: list[float]
) -> None:
    """Then what is prepared early would only wait and age."""
    one, order = line(), [f"{step} {item}" for item in (2, 3, 4) for step in ("prepare", "network", "decode", "out")]

    def next_one_lies_there(item: int) -> bool:
        """Before the step goes on, and for a while, in which nothing else may begin."""
        if item < 4 and not one.box.waiting:
            one.box.put(item + 1)
        time.sleep(0.01)
        return True

    def takes(step: str, seconds: float) -> None:
        def go() -> None:
            next_one_lies_there(int(step[-1]))
            clock[0] += seconds

        one._held[step] = go

    for item in (2, 3, 4):
        takes(f"network {item}", 4.0)
        takes(f"decode {item}", 10.0)
    one._held["decode 1"] = lambda: clock.__setitem__(0, clock[0] + 10.0)
    one.put(1, "out 1")
    one.put(2, "out 4")
    assert one.said[4:] == order
    assert one.worker.dropped == 0


@pytest.mark.parametrize("keep_all", [False, True])
@pytest.mark.parametrize("where", ["prepare 1", "network 1", "decode 1"])
def test_stopping_ends_both_threads_wherever_frames_are(
    line: Callable[..., Line], where: str, *, keep_all: bool
) -> None:
    one, go_on = line(keep_all=keep_all), threading.Event()
    one.hold(where, go_on.is_set)
    one.put(1, where)
    giver = threading.Thread(target=lambda: [one.box.put(item) for item in range(2, 20)])
    giver.start()
    stopping = threading.Thread(target=one.worker.stop)
    stopping.start()
    wait_until(lambda: one.box.closed)
    go_on.set()
    stopping.join(10)
    giver.join(10)
    assert not stopping.is_alive()
    assert not giver.is_alive()
    assert not any(thread.is_alive() for thread in one.worker._threads)
    said = list(one.said)
    one.box.put(20)
    assert one.said == said
    assert one.out() == ([1] if where == "decode 1" else [])


def test_stopping_while_others_have_their_turn(line: Callable[..., Line]) -> None:
    turns, network = FairLock(), FairLock()
    one = line(turns=turns, network=network)
    with network:
        one.put(1)
        wait_until(lambda: network._waiting)
        stopping = threading.Thread(target=one.worker.stop)
        stopping.start()
        wait_until(lambda: one.box.closed)
    stopping.join(10)
    assert not stopping.is_alive()
    assert "network 1" not in one.said
    with turns, network:
        pass  # both were given back


def test_a_prepared_one_is_replaced_while_another_camera_is_in_the_network(line: Callable[..., Line]) -> None:
    network = FairLock()
    one = line(network=network)
    with network:
        one.put(1)
        wait_until(lambda: network._waiting)
        one.put(2)
        wait_until(lambda: one.worker.dropped)
    one.wait("out 2")
    assert one.out() == [2]


def test_cameras_that_share_a_network_take_turns(line: Callable[..., Line]) -> None:
    """Both always have a frame waiting; one is in the network, until the other waits before it."""
    turns, network, served, inside, most = FairLock(), FairLock(), [], [0], [0]
    cameras = {name: line(turns=turns, network=network) for name in ("left", "right")}

    def serve(name: str) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        served.append(name)
        if len(served) < 12:
            cameras[name].box.put(len(served))
            wait_until(lambda: network._waiting)
        inside[0] -= 1

    for name, camera in cameras.items():
        camera._do = lambda step, name=name: serve(name) if step.startswith("network") else None
    with network:
        for camera in cameras.values():
            before = len(network._waiting)
            camera.box.put(0)
            wait_until(lambda before=before: len(network._waiting) > before)
    wait_until(lambda: len(served) >= 12)
    assert served[:12] == ["left", "right"] * 6
    assert most == [1]


class Accelerator:
    """What the fake engine becomes: it leaves the CPU alone, and sees the picture.

    hold: called while a frame is in the network.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hold: Callable[[], Any] = lambda: None
        self.entered: list[float] = []
        draw = FakeEngine.infer

        def infer(engine: FakeEngine, tensor: np.ndarray) -> dict[str, np.ndarray]:
            self.entered.append(float(tensor.mean()))
            self.hold()
            heads = dict(draw(engine, tensor))
            rows, columns = heads["segments"].shape[1:3]
            stride = engine.source.output_stride
            # What the tensor holds by now: other frames were prepared meanwhile.
            heads["segments"] = tensor[:, ::stride, ::stride, :1][:, :rows, :columns] * np.float32(4)
            return heads

        monkeypatch.setattr(FakeEngine, "infer", infer)
        monkeypatch.setattr(FakeEngine, "leaves_cpu", True)


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Accelerator:
    return Accelerator(monkeypatch)


SMOOTH = ("refine.smoothing:=0.5", "refine.motion_gate:=1.0", "refine.cut:=1.0", "confidence_encoding:=32FC1")


def stamps(messages: list[Any]) -> list[int]:
    return [message.header.stamp.nanosec for message in messages]


@pytest.mark.parametrize("policy", ["newest", "all"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_mask_is_that_of_one_frame_after_the_other(
    rig: Rigs, accelerator: Accelerator, seed: int, policy: str
) -> None:
    chance = random.Random(seed)
    accelerator.hold = lambda: time.sleep(chance.choice([0.0, 0.001, 0.006]))
    node = rig(*SMOOTH, "internal_resolution:=full", "segmentation_threshold:=0.5", f"frame_policy:={policy}")
    maps, masks = node.listen("/bodyseg/confidence"), node.listen("/bodyseg/mask")
    images = [node.image(stamp, size=chance.choice([(60, 80), (33, 49)])) for stamp in range(1, 61)]
    for image in images:
        node.send(image)
        time.sleep(chance.choice([0.0, 0.001, 0.004]))
    node.wait(lambda: stamps(maps)[-1:] == stamps(masks)[-1:] == [60])
    assert stamps(maps) == stamps(masks) == sorted(set(stamps(masks)))
    totals = node.node.diagnostics.totals
    assert len(masks) + totals["dropped"] == 60
    assert totals["dropped"] == 0 or policy == "newest"
    sequential = NodeModel(node.node._plan)
    for mask, confidence in zip(masks, maps, strict=True):
        frame = read_image(images[mask.header.stamp.nanosec - 1])
        result = sequential.run(node.node._live, frame, Wanted.CONFIDENCE)
        np.testing.assert_array_equal(read_image(mask).image[..., 0], result.person * 255)
        np.testing.assert_array_equal(np.asarray(confidence.data).view(np.float32), result.confidence.ravel())
        assert 0 < result.person.mean() < 1


def test_a_live_change_is_for_frames_that_are_prepared_after_it(rig: Rigs, accelerator: Accelerator) -> None:
    go_on = threading.Event()
    node = rig("internal_resolution:=full", "segmentation_threshold:=0.5", "refine.grow_px:=1")
    accelerator.entered.clear()
    accelerator.hold = lambda: wait_until(go_on.is_set)
    masks = node.listen("/bodyseg/mask")
    images = [node.image(1), node.image(2)]
    before = node.node._live
    node.send(images[0])
    wait_until(lambda: accelerator.entered)
    node.graph.set_parameters({"segmentation_threshold": 0.9, "refine.grow_px": 3, "flip_horizontal": True})
    node.send(images[1])
    wait_until(lambda: node.node._worker._prepared)
    go_on.set()
    node.wait(lambda: len(masks) == 2)
    sequential = NodeModel(node.node._plan)
    for choices, image, mask in zip((before, node.node._live), images, masks, strict=True):
        person = sequential.run(choices, read_image(image), Wanted.PERSON).person
        np.testing.assert_array_equal(read_image(mask).image[..., 0], person * 255)


def test_whatever_goes_wrong_with_a_frame_is_told_and_the_others_come_out(
    rig: Rigs, accelerator: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = rig("frame_policy:=all", "internal_resolution:=full")
    warmed_up = len(accelerator.entered)

    def fail() -> None:
        if len(accelerator.entered) == warmed_up + 2:
            raise EngineError("the network went wrong")

    accelerator.hold = fail
    decode = type(node.node._model._model.network).decode

    def decoded(self: Any, outputs: Any, prepared: Any, wanted: Wanted) -> Any:
        if prepared.geometry.width == 81:
            raise ZeroDivisionError("the decoder went wrong")
        return decode(self, outputs, prepared, wanted)

    monkeypatch.setattr(type(node.node._model._model.network), "decode", decoded)
    masks = node.listen("/bodyseg/mask")
    images = [node.image(stamp, size=(60, 81 if stamp == 4 else 80)) for stamp in range(1, 8)]
    images[5].encoding = "yuv420"
    for image in images:
        node.send(image)
    node.wait(lambda: stamps(masks)[-1:] == [7])
    assert stamps(masks) == [1, 3, 5, 7]
    totals = node.node.diagnostics.totals
    assert (totals["errors"], totals["bad_frames"], totals["dropped"]) == (2, 1, 0)
    for reason in ("the network went wrong", "the decoder went wrong", "'yuv420', which is not supported"):
        assert any(reason in text for text in node.warnings())


def test_nothing_is_published_once_it_is_deactivated(rig: Rigs, accelerator: Accelerator) -> None:
    go_on = threading.Event()
    node = rig()
    accelerator.entered.clear()
    accelerator.hold = lambda: wait_until(go_on.is_set)
    masks = node.listen("/bodyseg/mask")
    node.send(node.image(1))
    wait_until(lambda: accelerator.entered)
    node.send(node.image(2))
    wait_until(lambda: node.node._worker._prepared)
    with node.node._shared.turns:
        pass  # the CPU's thread waits for something to do
    stopping = threading.Thread(target=node.node.deactivate)
    stopping.start()
    wait_until(lambda: node.node._worker.mailbox.closed)
    go_on.set()
    stopping.join(10)
    assert not stopping.is_alive()
    node.node.cleanup()
    node.node.configure()
    node.node.activate()
    node.send(node.image(3))
    node.wait(lambda: masks)
    assert stamps(masks) == [3]


@pytest.mark.parametrize(
    ("parameters", "overlaps"),
    [
        ((), True),
        (("overlap:=never",), False),
        (("model_path:=", "engine:=auto", "network:=background", "overlap:=always"), False),
    ],
)
def test_it_is_done_where_the_engine_leaves_the_cpu_and_the_network_needs_no_last_frame(
    rig: Rigs, accelerator: Accelerator, parameters: tuple[str, ...], *, overlaps: bool
) -> None:
    node = rig(*parameters)
    assert isinstance(node.node._worker, OverlappingWorker) == overlaps
    assert node.node._facts()["overlap"] == str(overlaps).lower()
    masks = node.listen("/bodyseg/mask")
    node.send(node.image(1))
    node.wait(lambda: masks)


def test_on_a_cpu_it_is_done_only_where_it_is_asked_for(rig: Rigs) -> None:
    assert not isinstance(rig().node._worker, OverlappingWorker)
    assert isinstance(rig("overlap:=always").node._worker, OverlappingWorker)
