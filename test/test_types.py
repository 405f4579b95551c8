from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.errors import EngineError, FrameError
from bodyseg_ros.types import Frame, Outputs, Poses, Result


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5), np.uint8), r"uint8 array of shape any×any×3, but it is uint8 \(4, 5\)"),
        (np.zeros((4, 5, 4), np.uint8), r"but it is uint8 \(4, 5, 4\)"),
        (np.zeros((4, 5, 3), np.float32), r"but it is float32"),
        (np.zeros((0, 5, 3), np.uint8), r"at least one pixel, but it is 5×0"),
        ("picture", r"but it is str"),
        (np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (20_000, 20_000, 3)), r"at most 100,000,000 pixels"),
    ],
)
def test_what_is_not_a_frame(image: object, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        Frame(image)  # type: ignore[arg-type]


def test_outputs_share_a_grid_and_are_finite() -> None:
    with pytest.raises(EngineError, match=r"must share one grid, but they are a \(2, 2, 1\), b \(3, 2, 1\)"):
        Outputs({"a": np.zeros((1, 2, 2, 1)), "b": np.zeros((3, 2, 1))}, 16)
    bad = np.zeros((2, 2, 1), np.float32)
    for poison in (np.nan, np.inf):
        bad[0, 0, 0] = poison
        with pytest.raises(EngineError, match="'a' holds NaN or infinity"):
            Outputs({"a": bad}, 16)
    with pytest.raises(EngineError, match="has no output 'c'; it has a"):
        Outputs({"a": np.zeros((2, 2, 1))}, 16)["c"]
    with pytest.raises(EngineError, match="must be h×w×channels"):
        Outputs({"a": np.zeros(3)}, 16)


def test_poses_and_results_are_checked() -> None:
    with pytest.raises(FrameError, match="Keypoints must be"):
        Poses(np.zeros((1, 16, 2), np.float32), np.zeros((1, 17), np.float32), np.zeros(1, np.float32))
    with pytest.raises(FrameError, match="A part map must be a int8 array of shape 4×5"):
        Result((4, 5), parts=np.zeros((5, 4), np.int8))


def test_one_persons_mask_and_parts() -> None:
    instances = np.array([[0, 0, 1, -1]], np.int16)
    parts = np.array([[3, 4, 5, -1]], np.int8)
    result = Result((1, 4), instances=instances, parts=parts)
    np.testing.assert_array_equal(result.person_mask(0), [[1, 1, 0, 0]])
    np.testing.assert_array_equal(result.person_parts(1), [[-1, -1, 5, -1]])
    with pytest.raises(ValueError, match="Wanted.INSTANCES"):
        Result((1, 4)).person_mask(0)
