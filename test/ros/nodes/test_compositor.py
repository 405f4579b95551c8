"""The compositor brings image and mask of the same moment together, and only those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.effects.background import BlurBackground
from bodyseg_ros.errors import SettingsError
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from bodyseg_ros.ros.nodes.compositor import CompositorNode
from bodyseg_ros.types import Frame, Result

from .conftest import Rig, header_of

Rigs = Callable[..., Rig]


def mask_of(rig: Rig, stamp_ns: int, size: tuple[int, int] = (120, 160)) -> object:
    """The left half is a person."""
    mask = np.zeros(size, np.uint8)
    mask[:, : size[1] // 2] = 255
    return image_message(rig.tester.messages, header_of(rig.tester.messages, stamp_ns), mask, "mono8")


@pytest.fixture
def node(rig: Rigs) -> Rig:
    plain = ("effects:=[virtual_background]", "virtual_background.feather_px:=0")
    return rig(*plain, "waiting_frames:=3", make=CompositorNode)


def test_image_and_mask_of_one_stamp_make_a_picture(node: Rig) -> None:
    heard = node.listen("/compositor/composite")
    image = node.image(stamp_ns=5)
    node.send(image)
    node.send(mask_of(node, 4), "/mask")
    node.send(mask_of(node, 5), "/mask")
    node.wait(lambda: heard)
    assert heard[0].header.stamp.nanosec == 5
    picture, given = read_image(heard[0]).image, read_image(image).image
    np.testing.assert_array_equal(picture[:, :80], given[:, :80])
    assert (picture[:, 80:] == (0, 110, 80)).all()


def test_it_does_not_matter_which_comes_first(node: Rig) -> None:
    heard = node.listen("/compositor/composite")
    node.send(mask_of(node, 5), "/mask")
    node.send(node.image(stamp_ns=5))
    node.wait(lambda: heard)


def test_what_finds_no_partner_does_not_pile_up(node: Rig) -> None:
    for stamp in range(10):
        node.send(node.image(stamp_ns=stamp))
    assert [len(waiting) for waiting in node.node._pairs.waiting] == [3, 0]
    heard = node.listen("/compositor/composite")
    node.send(mask_of(node, 9), "/mask")
    node.wait(lambda: heard)
    assert [len(waiting) for waiting in node.node._pairs.waiting] == [0, 0]


def test_a_mask_of_another_size_is_refused_and_the_next_pair_goes_through(node: Rig) -> None:
    heard = node.listen("/compositor/composite")
    for stamp, size in ((1, (60, 80)), (2, (120, 160))):
        node.send(node.image(stamp_ns=stamp))
        node.send(mask_of(node, stamp, size), "/mask")
        node.wait(lambda stamp=stamp: len(heard) + node.node.diagnostics.totals["bad_frames"] == stamp)
    assert heard[0].header.stamp.nanosec == 2
    (warning,) = node.warnings()
    assert "The mask is (60, 80), but the image of the same stamp is (120, 160)" in warning


def test_an_effect_that_needs_more_than_a_mask_is_refused(rig: Rigs, node: Rig) -> None:
    with pytest.raises(SettingsError, match="effects is .'skeleton'..*compositor.*person mask"):
        rig("effects:=[skeleton]", make=CompositorNode)
    with pytest.raises(SettingsError, match="the compositor has a person mask only"):
        node.graph.set_parameters({"effects": ["colored_parts"]})


def test_a_picture_of_other_numbers_is_no_mask(node: Rig) -> None:
    """Parts or instances taken for a mask would show the people whom the effect hides."""
    heard = node.listen("/compositor/composite")
    numbers = np.ones((120, 160), np.uint8)
    wrong = image_message(node.tester.messages, header_of(node.tester.messages, 1), numbers, "mono8")
    node.send(node.image(stamp_ns=1))
    node.send(wrong, "/mask")
    node.wait(lambda: any("must be mono8 of 0 and 255" in text for _, text in node.graph.said))
    node.send(node.image(stamp_ns=2))
    node.send(mask_of(node, 2), "/mask")
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [2]


@pytest.mark.parametrize(("stamp", "reason"), [(0, "has no stamp"), (5, "a stamp that one before it had")])
def test_without_a_stamp_of_its_own_no_picture_is_composed(rig: Rigs, stamp: int, reason: str) -> None:
    """A network two pictures behind its camera: the mask would be that of another picture."""
    node = rig("effects:=[anonymize]", make=CompositorNode)
    heard = node.listen("/compositor/composite")
    for _ in range(3):
        node.send(node.image(stamp_ns=stamp))
    for _ in range(2):
        node.send(mask_of(node, stamp), "/mask")
    node.send(node.image(stamp_ns=9))
    node.send(mask_of(node, 9), "/mask")
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [9]
    assert node.node.diagnostics.totals["bad_frames"] == (5 if stamp == 0 else 3)
    said = [text for text in node.warnings() if reason in text]
    assert len(said) == 2, "of the image once, of the mask once"


def test_an_effect_that_fails_is_told_once_and_the_next_picture_comes(
    rig: Rigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = rig(make=CompositorNode)
    compose = BlurBackground.compose

    def fails(self: BlurBackground, frame: Frame, result: Result) -> Any:
        if frame.stamp_ns < 3:
            raise ZeroDivisionError("nobody expected this")
        return compose(self, frame, result)

    monkeypatch.setattr(BlurBackground, "compose", fails)
    heard = node.listen("/compositor/composite")
    for stamp in (1, 2, 3):
        node.send(node.image(stamp_ns=stamp))
        node.send(mask_of(node, stamp), "/mask")
        node.wait(lambda stamp=stamp: node.node.diagnostics.totals["frames_out"] == stamp)
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [3]
    assert node.node.diagnostics.totals["errors"] == 2
    (warning,) = node.warnings()
    assert "ZeroDivisionError: nobody expected this" in warning
