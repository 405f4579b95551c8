"""QoS: what every node here offers and asks for, and what does not fit."""

from __future__ import annotations

import pytest

from bodyseg_ros.ros.graph.qos import LATCHED, RELIABLE, SENSOR, Qos, mismatch


def test_pictures_come_as_cameras_send_them_and_results_go_out_reliably() -> None:
    # As rmw's sensor-data profile, with the newest picture alone; nothing but label names waits for who comes later.
    assert (SENSOR.depth, SENSOR.reliable, SENSOR.latched) == (1, False, False)
    assert (RELIABLE.depth, RELIABLE.reliable, RELIABLE.latched) == (2, True, False)
    assert (LATCHED.depth, LATCHED.reliable, LATCHED.latched) == (1, True, True)


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("requested", [True, False])
def test_less_than_was_asked_for_is_a_mismatch_and_more_is_none(offered: bool, requested: bool) -> None:
    # The table of the DDS specification (1.4, 2.2.3.14 and 2.2.3.4): offered must be at least what is requested.
    fits = offered or not requested
    reliability = mismatch(Qos(reliable=offered), Qos(reliable=requested))
    durability = mismatch(Qos(latched=offered), Qos(latched=requested))
    assert ("best effort" in reliability) is not fits
    assert ("transient local" in durability) is not fits
    assert fits == (not reliability) == (not durability)
