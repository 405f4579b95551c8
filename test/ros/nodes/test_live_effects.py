"""Effects change while frames come, and no frame is lost to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from bodyseg_ros.plugins import load_plugin, plugin_names
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from bodyseg_ros.ros.nodes.compositor import CompositorNode
from bodyseg_ros.types import Wanted

from .conftest import Rig, header_of
from .test_compositor import mask_of

Rigs = Callable[..., Rig]
NAMES = plugin_names("effects")


def needs(name: str) -> Wanted:
    effect = load_plugin("effects", name)
    return effect(effect.Settings()).needs


def switch(rig: Rig, names: list[str], frames: Callable[[int], None], topic: str) -> None:
    """Send frames and change the effects from another thread meanwhile, each at least twice."""
    heard, done, troubles = rig.listen(topic), threading.Event(), []

    def change() -> None:
        try:
            for round_ in range(2):
                for name in names:
                    chain = [name] if round_ else [name, "mirror"]
                    rig.graph.set_parameters({"effects": chain})
                    done.wait(0.01)
        except Exception as err:  # noqa: BLE001 - a thread of a test must not fail unheard
            troubles.append(err)
        done.set()

    thread = threading.Thread(target=change)
    thread.start()
    sent = 0
    while not done.is_set() or sent < 20:
        sent += 1
        frames(sent)
        rig.wait(lambda sent=sent: len(heard) == sent or rig.node.diagnostics.totals["bad_frames"])
    thread.join()
    assert not troubles
    assert not rig.node.diagnostics.totals["bad_frames"], rig.warnings()
    assert [message.header.stamp.nanosec for message in heard] == list(range(1, sent + 1))
    assert {(message.height, message.width) for message in heard} == {(120, 160)}


def test_the_compositor_switches_under_load(rig: Rigs) -> None:
    node = rig(make=CompositorNode)

    def frame(stamp: int) -> None:
        node.send(node.image(stamp_ns=stamp))
        node.send(mask_of(node, stamp), "/mask")

    switch(node, [name for name in NAMES if needs(name) in Wanted.PERSON], frame, "/compositor/composite")


def test_the_node_switches_under_load(rig: Rigs) -> None:
    node = rig()
    switch(node, NAMES, lambda stamp: node.send(node.image(stamp_ns=stamp)), "/bodyseg/composite")


def test_a_background_from_a_topic(rig: Rigs) -> None:
    node = rig("effects:=[virtual_background]", "virtual_background.source:=topic", make=CompositorNode)
    heard = node.listen("/compositor/composite")
    behind = np.full((30, 40, 3), 77, np.uint8)
    node.send(
        image_message(node.tester.messages, header_of(node.tester.messages, 1), behind, "rgb8"), "/background/image"
    )
    node.send(node.image(stamp_ns=2))
    node.send(mask_of(node, 2), "/mask")
    node.wait(lambda: heard)
    assert (read_image(heard[0]).image[:, 100:] == 77).all()


def test_what_was_learnt_outlives_a_change_of_another_parameter(rig: Rigs) -> None:
    node = rig("effects:=[remove_people]", make=CompositorNode)
    (before,) = node.node._live.composite
    node.graph.set_parameters({"jpeg_quality": 50})
    assert node.node._live.composite == (before,)


@pytest.mark.parametrize("encoding", ["mono8", "rgba8", "rgb8"])
def test_effects_on_any_encoding(rig: Rigs, encoding: str) -> None:
    node = rig("effects:=[blur_background, overlay, mirror]", make=CompositorNode)
    heard = node.listen("/compositor/composite")
    node.send(node.image(stamp_ns=2, encoding=encoding))
    node.send(mask_of(node, 2), "/mask")
    node.wait(lambda: heard)
    assert (heard[0].height, heard[0].width) == (120, 160)
