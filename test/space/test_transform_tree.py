"""Transforms against calculations by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.space import Rigid, TransformTree

S = 1_000_000_000
LEVEL = (0.0, 0.0, 0.0, 1.0)


def turned(degrees: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Rigid:
    """About z."""
    half = math.radians(degrees) / 2
    return Rigid.of((0.0, 0.0, math.sin(half), math.cos(half)), shift)


def moved(pose: Rigid, *point: float) -> list[float]:
    return pose.apply(np.array([point], np.float32))[0].round(5).tolist()


def test_a_chain_of_two_is_one_after_the_other() -> None:
    tree = TransformTree()
    tree.add("base", "mast", 0, turned(90, (1, 0, 0)), fixed=True)
    tree.add("mast", "lidar", 0, turned(0, (0, 0, 2)), fixed=True)
    tree.add("/base", "camera", 0, Rigid.of((-0.5, 0.5, -0.5, 0.5), (0, 0, 1)), fixed=True)
    # (1, 0, 0) of the lidar → (1, 0, 2) of the mast → turned left (0, 1, 2), shifted (1, 1, 2).
    assert moved(tree.lookup("base", "lidar", 5), 1, 0, 0) == [1, 1, 2]
    # Optical: right is −y, down is −z, ahead is x; the camera stands 1 m high.
    assert moved(tree.lookup("camera", "lidar", 5), 1, 0, 0) == [-1, -1, 1]
    assert moved(tree.lookup("lidar", "camera", 5), -1, -1, 1) == [1, 0, 0]
    assert moved(tree.lookup("/lidar", "lidar", 5), 3, 2, 1) == [3, 2, 1]


def test_between_two_stamps_it_is_interpolated() -> None:
    tree = TransformTree()
    tree.add("odom", "base", 10 * S, turned(0))
    tree.add("odom", "base", 11 * S, turned(90, (4, 0, 0)))
    quarter = tree.lookup("odom", "base", 10 * S + S // 4)
    angle = math.radians(22.5)
    np.testing.assert_allclose(moved(quarter, 1, 0, 0), [1 + math.cos(angle), math.sin(angle), 0], atol=1e-5)
    assert moved(tree.lookup("odom", "base", 11 * S), 0, 0, 0) == [4, 0, 0]


def test_the_shorter_way_round_is_taken() -> None:
    start, end = turned(170), turned(190)
    flipped = Rigid(-end.quaternion, end.translation)
    np.testing.assert_allclose(moved(start.toward(flipped, 0.5), 1, 0, 0), [-1, 0, 0], atol=1e-5)


def test_a_robot_that_moves_between_measurement_and_picture() -> None:
    tree = TransformTree()
    for second in (10, 11):
        tree.add("odom", "base", second * S, turned(0, (second - 10.0, 0, 0)))
    tree.add("base", "lidar", 0, turned(0), fixed=True)
    tree.add("base", "camera", 0, turned(0), fixed=True)
    pose = tree.between("camera", 11 * S, "lidar", 10 * S, "odom")
    assert moved(pose, 5, 0, 0) == [4, 0, 0]


@pytest.mark.parametrize(("stamp", "reason"), [(9 * S, "1.000 s before the"), (13 * S, "2.000 s after the")])
def test_nothing_is_guessed_beyond_what_was_heard(stamp: int, reason: str) -> None:
    tree = TransformTree()
    tree.add("odom", "base", 10 * S, turned(0))
    tree.add("odom", "base", 11 * S, turned(0))
    with pytest.raises(FrameError, match=reason):
        tree.lookup("odom", "base", stamp)


def test_frames_that_nothing_connects() -> None:
    tree = TransformTree()
    tree.add("a", "b", 0, turned(0), fixed=True)
    tree.add("c", "d", 0, turned(0), fixed=True)
    with pytest.raises(FrameError, match="No transform is known from the frame 'd' to 'b'"):
        tree.lookup("b", "d", 1)
    with pytest.raises(FrameError, match="to 'ghost'"):
        tree.lookup("ghost", "d", 1)


def test_a_ring_of_frames_ends() -> None:
    tree = TransformTree()
    tree.add("a", "b", 0, turned(0), fixed=True)
    tree.add("b", "a", 0, turned(0), fixed=True)
    with pytest.raises(FrameError, match="No transform is known"):
        tree.lookup("x", "b", 1)
    with pytest.raises(FrameError, match="leads from the frame 'a' to 'a'"):
        tree.add("/a", "a", 0, turned(0))


def test_after_a_jump_back_the_old_is_forgotten_and_memory_is_bounded() -> None:
    tree = TransformTree()
    for second in range(100, 200):
        tree.add("odom", "base", second * S, turned(0, (second, 0, 0)))
    with pytest.raises(FrameError, match="before the oldest"):
        tree.lookup("odom", "base", 150 * S)
    tree.add("odom", "base", 5 * S, turned(0, (5, 0, 0)))
    tree.add("odom", "base", 6 * S, turned(0, (6, 0, 0)))
    assert moved(tree.lookup("odom", "base", 5 * S + S // 2), 0, 0, 0) == [5.5, 0, 0]


@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0, 0.0), (float("nan"), 0.0, 0.0, 1.0)])
def test_what_is_no_rotation_is_refused(quaternion: tuple[float, ...]) -> None:
    with pytest.raises(FrameError, match="quaternion of length"):
        Rigid.of(quaternion, (0, 0, 0))
