from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodyseg_ros.errors import EngineError, FrameError, ResultError
from bodyseg_ros.types import Frame, Outputs, Poses, Result


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5), np.uint8), r"uint8 array of shape any×any×3.*uint8 \(4, 5\)"),
        (np.zeros((4, 5, 4), np.uint8), r"but it is uint8 \(4, 5, 4\)"),
        (np.zeros((4, 5, 3), np.float32), r"but it is float32"),
        (np.zeros((0, 5, 3), np.uint8), r"at least one pixel.*5×0"),
        ("picture", r"but it is str"),
        (np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (20_000, 20_000, 3)), r"at most 100,000,000 pixels"),
    ],
)
def test_what_is_not_a_frame(image: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        Frame(image)  # type: ignore[arg-type]


def test_outputs_share_a_grid_and_are_finite() -> None:
    with pytest.raises(EngineError, match=r"must share one grid.*they are a \(2, 2, 1\), b \(3, 2, 1\)"):
        Outputs({"a": np.zeros((1, 2, 2, 1)), "b": np.zeros((3, 2, 1))}, 16)
    bad = np.zeros((2, 2, 1), np.float32)
    for poison in (np.nan, np.inf):
        bad[0, 0, 0] = poison
        with pytest.raises(EngineError, match="'a' contains NaN or infinity"):
            Outputs({"a": bad}, 16)
    with pytest.raises(EngineError, match="has no output 'c'.*a"):
        Outputs({"a": np.zeros((2, 2, 1))}, 16)["c"]
    with pytest.raises(EngineError, match="must be h×w×channels"):
        Outputs({"a": np.zeros(3)}, 16)


def test_poses_and_results_are_checked() -> None:
    with pytest.raises(FrameError, match="Keypoints must be"):
        Poses(np.zeros((1, 16, 2), np.float32), np.zeros((1, 17), np.float32), np.zeros(1, np.float32))
    with pytest.raises(FrameError, match="A part map must be an int8 array of shape 4×5"):
        Result((4, 5), parts=np.zeros((5, 4), np.int8))


def people(*scores: float, size: tuple[int, int] = (1, 4), **maps: np.ndarray) -> Result:
    """A result with as many people as scores, keypoints all at their index."""
    count = len(scores)
    points = np.repeat(np.arange(count, dtype=np.float32), 34).reshape(count, 17, 2)
    poses = Poses(points, np.full((count, 17), 0.9, np.float32), np.array(scores, np.float32))
    return Result(size, poses=poses, **maps)


def test_one_persons_mask_and_parts() -> None:
    instances = np.array([[0, 0, 1, -1]], np.int16)
    parts = np.array([[3, 4, 5, -1]], np.int8)
    first, second = people(0.9, 0.5, instances=instances, parts=parts)
    np.testing.assert_array_equal(first.mask, [[1, 1, 0, 0]])
    np.testing.assert_array_equal(second.parts, [[-1, -1, 5, -1]])
    assert (first.index, second.index, second.score) == (0, 1, 0.5)
    with pytest.raises(ResultError, match="Wanted.INSTANCES"):
        _ = people(0.9)[0].mask
    with pytest.raises(ResultError, match="Wanted.PARTS"):
        _ = people(0.9, instances=instances)[0].parts


def test_a_results_people_are_a_sequence() -> None:
    result = people(0.9, 0.5)
    assert len(result) == 2
    assert [person.index for person in result] == [0, 1]
    assert (result[-1].index, result[-2].index) == (1, 0)
    for beyond in (2, -3):
        with pytest.raises(IndexError, match=f"no person {beyond}: this result has 2 people"):
            _ = result[beyond]
    assert list(people()) == []
    for ask in (len, list, lambda result: result[0]):
        with pytest.raises(ResultError, match="Wanted.POSES"):
            ask(Result((1, 4)))


def test_what_a_result_prints() -> None:
    person = np.array([[1, 0, 0, 0]], np.uint8)
    parts, instances = np.zeros((1, 4), np.int8), np.zeros((1, 4), np.int16)
    assert repr(people(0.9, person=person, parts=parts, instances=instances)) == (
        "Result 1×4: 1 person, person 25 %, parts, instances"
    )
    assert repr(people()) == "Result 1×4: no people"
    assert repr(Result((480, 640), mirrored=True)) == "Result 480×640 (mirrored): nothing was asked for"


def test_results_with_the_same_in_them_are_equal() -> None:
    first, second = (people(0.9, person=np.ones((1, 4), np.uint8)) for _ in range(2))
    assert first == second
    assert first == replace(second, frame=Frame(np.zeros((1, 4, 3), np.uint8)))
    assert first != replace(second, person=np.zeros((1, 4), np.uint8))
    assert first != replace(second, person=None)
    assert first != people(0.8, person=np.ones((1, 4), np.uint8))
    assert first != "a result"
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_the_name_of_a_value() -> None:
    parts = Result((1, 4), parts=np.zeros((1, 4), np.int8))
    assert [parts.label(value) for value in (-1, 0, 23)] == ["background", "left_face", "right_foot"]
    classes = Result((1, 4), classes=np.zeros((1, 4), np.uint8), class_names=("background", "cat"))
    assert classes.label(np.uint8(1)) == "cat"
    assert Result((1, 4)).label(1) == "person"
    for result, value in ((parts, 24), (classes, 2), (Result((1, 4)), -1)):
        with pytest.raises(ResultError, match=str(value)):
            result.label(value)
