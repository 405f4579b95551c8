"""The nodes' live page: which pictures it gets, what it may change, and what it costs the node."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[web]'")

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from bodyseg_ros.ros.nodes.page_layers import DEPTH_LAYER, LAYERS, depth_picture
from privacy_rig import HOLD, Camera, Eye, colored, scene

from .conftest import IMAGE, Rig, header_of, wait_until

Rigs = Callable[..., Rig]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def viewer(node: Any, layer: str) -> Iterator[Callable[[], np.ndarray]]:
    """Somebody who looks at a layer all the time; called, it gives the next picture as it was before its encoding."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    page = node._page.viewers
    entered = page.enter()

    async def enter() -> Any:
        one = entered.__enter__()
        one.ask(layer)
        return one

    async def take() -> np.ndarray:
        picture = await asyncio.wait_for(one.next(), 10)
        one.ask(layer)
        return picture._image

    one = asyncio.run_coroutine_threadsafe(enter(), loop).result()
    try:
        yield lambda: asyncio.run_coroutine_threadsafe(take(), loop).result()
    finally:
        entered.__exit__(None, None, None)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_layer_is_what_subscribers_of_its_topic_get(rig: Rigs) -> None:
    node = rig()
    topics = {"mask": "mask", "parts": "parts_color", "overlay": "overlay", "effects": "composite"}
    for layer, topic in topics.items():
        heard = node.listen(f"/bodyseg/{topic}")
        with viewer(node.node, layer) as take:
            node.send(node.image(stamp_ns=9, encoding="rgb8"))
            shown = take()
        node.wait(lambda heard=heard: heard)
        published = read_image(heard[-1]).image
        expected = published if shown.ndim == 3 else published[..., 0]
        np.testing.assert_array_equal(shown, expected, err_msg=layer)


def test_without_viewers_and_subscribers_nothing_is_computed(rig: Rigs) -> None:
    node = rig()
    node.send(node.image(stamp_ns=1))
    with viewer(node.node, "camera") as take:
        node.send(node.image(stamp_ns=2, encoding="rgb8"))
        np.testing.assert_array_equal(take(), read_image(node.image(stamp_ns=2, encoding="rgb8")).image)
    assert node.node.diagnostics.totals["frames_in"] == 2
    wait_until(lambda: node.node.diagnostics.totals["frames_out"] == 1)


def test_depth_without_people_is_a_layer_once_there_is_depth(rig: Rigs) -> None:
    node = rig("internal_resolution:=full", "removal_margin_px:=0")
    assert list(node.node._layers()) == list(LAYERS)
    depth = np.full((120, 160), 900, np.uint16)
    message = image_message(node.tester.messages, header_of(node.tester.messages, 7), depth, "16UC1")
    with viewer(node.node, DEPTH_LAYER) as take:
        node.send(node.image(stamp_ns=7))
        node.send(message, "/depth/image")
        shown = take()
    assert node.node._layers()[-1] == DEPTH_LAYER
    assert 0 < np.count_nonzero(shown == 0) < shown.size


def test_near_is_bright_and_nothing_is_black() -> None:
    depth = np.array([[0, 1000, 2000, 3000]], np.uint16)
    black, near, middle, far = depth_picture(depth)[0].tolist()
    assert (black, near, far) == (0, 255, 40)
    assert abs(middle - (255 + 40) / 2) <= 1
    meters = np.array([[np.nan, np.inf, 1, 2, 3]], np.float32)
    assert depth_picture(meters)[0].tolist() == [0, 0, near, middle, far]
    assert not depth_picture(np.zeros((2, 2), np.uint16)).any()


def test_the_page_changes_parameters_on_the_graphs_thread(rig: Rigs) -> None:
    node = rig(f"web_port:={free_port()}", "web_changes:=true")
    page, failures = node.node._page, []

    def change() -> None:
        page.change({"segmentation_threshold": 0.25})
        try:
            page.change({"segmentation_threshold": 2.0})
        except SettingsError as err:
            failures.append(str(err))

    thread = threading.Thread(target=change)
    thread.start()
    node.wait(lambda: not thread.is_alive())
    assert page.values["segmentation_threshold"] == 0.25
    assert node.node._live.network.segmentation_threshold == 0.25
    assert "segmentation_threshold" in failures[0]
    assert "from 0 to 1" in failures[0]


def test_a_photo_gets_the_layer_and_leaves_the_camera_alone(rig: Rigs) -> None:
    port = free_port()
    node = rig(f"web_port:={port}")
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 140, 3), np.uint8)).save(file, "PNG")

    def post(layer: str) -> Any:
        address = f"http://127.0.0.1:{port}/photo?layer={layer}"
        return urllib.request.urlopen(urllib.request.Request(address, file.getvalue(), method="POST"), timeout=20)

    with post("mask") as answer:
        assert Image.open(answer).size == (140, 90)
    assert node.node.diagnostics.totals["frames_in"] == 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        post("masks")
    with refused.value as answer:
        assert answer.read().decode().startswith("A photo has the layers overlay, mask, ")


def test_a_page_that_cannot_be_served_is_logged_and_the_node_works(rig: Rigs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = rig(f"web_port:={taken.getsockname()[1]}")
    assert any("The live page cannot use 127.0.0.1, port" in text for text in node.warnings())
    heard = node.listen("/bodyseg/mask", IMAGE)
    node.send(node.image())
    node.wait(lambda: heard)


def test_the_privacy_cameras_page_shows_what_its_topic_shows_and_no_more() -> None:
    camera, port, picture = Camera(), free_port(), scene(20)
    with camera.node(Eye(), f"margin_px:={6}", f"hold_frames:={HOLD}", "max_age:=60.0", f"web_port:={port}") as node:
        with viewer(node, "camera without people") as take:
            for _ in range(HOLD + 1):
                published = camera.shown(camera.message(picture))
                shown = take()
                np.testing.assert_array_equal(shown, published)
                assert not colored(shown).any()
        assert node._page.layers == ["camera without people"]
        assert not [one for one in node._page.parameters if one.live]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/photo", b"photo", timeout=10)
        with refused.value as answer:
            assert answer.code == 403


def test_figures_are_those_of_the_diagnostics(rig: Rigs) -> None:
    node = rig()
    heard = node.listen("/bodyseg/mask")
    node.send(node.image())
    node.wait(lambda: heard)
    wait_until(lambda: node.node.diagnostics.totals["frames_out"] == 1)
    node.node.diagnostics.publish()
    figures = node.node._page.figures
    assert (figures["frames_in"], figures["dropped"], figures["engine"]) == ("1", "0", "fake")
    json.dumps(dict(figures))
