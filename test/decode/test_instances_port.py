"""Owners of pixels on random offsets, against the reference's shader written down again, line by line, in Python.

Source: tfjs-models ``body-pix/src/multi_person/decode_multiple_masks_webgl.ts`` (body-pix 2.2.1). What a texture gives
outside its bounds the shader leaves open; here it is the texture's border.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from bodyseg_ros.decode import instance_map
from bodyseg_ros.decoder_inputs import LongOffsets
from bodyseg_ros.geometry import Geometry, padded_geometry
from bodyseg_ros.types import Poses

STRIDE = 8
REFINE_STEPS = 3
MIN_SCORE = 0.3


def position_in_output(pos: float, pad: float, scale: float) -> float:
    return ((pos + pad + 1.0) * scale - 1.0) / STRIDE


def mix(a: float, b: float, share: float) -> float:
    return a * (1 - share) + b * share


def sample_long_offsets(offsets: np.ndarray, h: float, w: float, d: int, k: int) -> float:
    def get(row: int, column: int) -> float:
        rows, columns, _ = offsets.shape
        return float(offsets[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1), 17 * d + k])

    fh, fw = h - math.floor(h), w - math.floor(w)
    cl_h, cl_w, fl_h, fl_w = math.ceil(h), math.ceil(w), math.floor(h), math.floor(w)
    o1 = mix(get(fl_h, fl_w), get(fl_h, cl_w), fw)
    o2 = mix(get(cl_h, fl_w), get(cl_h, cl_w), fw)
    return mix(o1, o2, fh)


def find_nearest_pose(offsets: np.ndarray, poses: Poses, geometry: Geometry, h: int, w: int) -> int:
    scale_y = geometry.input_height / (geometry.height + geometry.pad_top + geometry.pad_bottom)
    scale_x = geometry.input_width / (geometry.width + geometry.pad_left + geometry.pad_right)
    ends = []
    for k in range(17):
        strided_h = position_in_output(h, geometry.pad_top, scale_y)
        strided_w = position_in_output(w, geometry.pad_left, scale_x)
        y = h + sample_long_offsets(offsets, strided_h, strided_w, 0, k)
        x = w + sample_long_offsets(offsets, strided_h, strided_w, 1, k)
        for _ in range(REFINE_STEPS):
            y_rounded, x_rounded = round(min(y, geometry.height - 1)), round(min(x, geometry.width - 1))
            strided_h = position_in_output(y_rounded, geometry.pad_top, scale_y)
            strided_w = position_in_output(x_rounded, geometry.pad_left, scale_x)
            y += sample_long_offsets(offsets, strided_h, strided_w, 0, k)
            x += sample_long_offsets(offsets, strided_h, strided_w, 1, k)
        ends.append((y, x))
    min_dist, i_min = 1_000_000.0, -1
    for i in range(len(poses)):
        cur_dist_sum, num_kpt = 0.0, 0
        for k in range(17):
            if poses.keypoint_scores[i, k] > MIN_SCORE:
                pose_x, pose_y = (float(value) for value in poses.keypoints[i, k])
                num_kpt += 1
                cur_dist_sum += (ends[k][1] - pose_x) ** 2 + (ends[k][0] - pose_y) ** 2
        if num_kpt and cur_dist_sum / num_kpt < min_dist:
            min_dist, i_min = cur_dist_sum / num_kpt, i
    return i_min


@pytest.mark.parametrize("size", [(18, 34), (34, 18), (26, 26)], ids=["padded above", "padded left", "not padded"])
def test_random_offsets(size: tuple[int, int]) -> None:
    """The network sees more pixels than the picture has, so that the kernel follows each pixel by itself too."""
    rng = np.random.default_rng(sum(size))
    geometry = padded_geometry(*size, 41, 41)
    poses = Poses(
        rng.uniform(0, max(size), (4, 17, 2)).astype(np.float32),
        rng.uniform(0, 1, (4, 17)).astype(np.float32),
        np.ones(4, np.float32),
    )
    offsets = rng.normal(0, 12, (6, 6, 34)).astype(np.float32)
    expected = [[find_nearest_pose(offsets, poses, geometry, h, w) for w in range(size[1])] for h in range(size[0])]
    found = instance_map(
        LongOffsets(offsets, STRIDE, geometry), np.ones(size, np.uint8), poses,
        refine_steps=REFINE_STEPS, min_keypoint_score=MIN_SCORE,
    )  # fmt: skip
    assert len(np.unique(expected)) == 4
    assert np.count_nonzero(found != expected) <= 1  # a position that is half way between two pixels


def test_offsets_above_the_picture_are_read_in_the_padding() -> None:
    """One cell of the padding leads to the second person; the picture's first row would lead to the first."""
    geometry = padded_geometry(16, 48, 49, 49)  # 16 px of padding above and below
    offsets = np.zeros((7, 7, 34), np.float32)
    offsets[2:5, :, :17] = -8  # from the picture up into the padding
    offsets[:2, :, 17:] = 30  # from there to the right
    points = np.zeros((2, 17, 2), np.float32)
    points[0], points[1] = (5, -8), (65, -8)
    poses = Poses(points, np.ones((2, 17), np.float32), np.ones(2, np.float32))
    person = np.zeros((16, 48), np.uint8)
    person[2, 4] = 1
    found = instance_map(
        LongOffsets(offsets, STRIDE, geometry), person, poses, refine_steps=2, min_keypoint_score=MIN_SCORE
    )
    assert found[2, 4] == 1
