"""A change on the page, in Chromium, and the frames of a node that the test sends one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from on_the_page import WHITE, choose, set_threshold

from .conftest import Rig, wait_until
from .test_node_page import free_port

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[web]'")


def test_a_slider_changes_the_next_frame_and_no_later_one(browser: Any, rig: Callable[..., Rig]) -> None:
    port = free_port()
    node = rig(f"web_port:={port}", "web_changes:=true", "internal_resolution:=full")

    def frames(name: str) -> int:
        return int(node.node.diagnostics.totals[name])

    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#layers button")
        choose(page, "mask")
        wait_until(lambda: "mask" in node.node._page.viewers.watched)

        node.send(node.image(stamp_ns=1))
        wait_until(lambda: page.evaluate("!document.getElementById('picture').hidden"))
        first = page.evaluate(WHITE)
        assert 0.05 < first < 0.5
        wait_until(lambda: frames("frames_out") == 1)

        for number, (value, holds) in enumerate([(0.99, lambda now: now < first), (0.01, lambda now: now > first)], 2):
            set_threshold(page, value)
            node.wait(lambda value=value: node.node._page.values["segmentation_threshold"] == value)
            assert frames("frames_in") == number - 1, "the change itself makes no frame"
            node.send(node.image(stamp_ns=number))
            wait_until(lambda holds=holds: holds(page.evaluate(WHITE)))
            assert frames("frames_in") == number, "more than one frame came before the change was seen"
            wait_until(lambda number=number: frames("frames_out") == number)
