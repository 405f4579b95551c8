"""How a picture lies in the network's input, by hand."""

from __future__ import annotations

import pytest

from bodyseg_ros.geometry import network_size, padded_geometry


@pytest.mark.parametrize(
    ("size", "input_size", "pads"),
    [
        ((10, 5), (33, 33), (0, 0, 3, 3)),  # 2.5 px on either side; JavaScript's Math.round(2.5) is 3
        ((5, 10), (33, 33), (3, 3, 0, 0)),
        ((10, 6), (33, 33), (0, 0, 2, 2)),
        ((480, 640), (257, 353), (0, 0, 10, 10)),  # (353/257 · 480 − 640) / 2 = 9.65
        ((33, 33), (33, 33), (0, 0, 0, 0)),
    ],
)
def test_pads_are_equal_and_halves_go_up(
    size: tuple[int, int], input_size: tuple[int, int], pads: tuple[int, int, int, int]
) -> None:
    found = padded_geometry(*size, *input_size)
    assert (found.pad_top, found.pad_bottom, found.pad_left, found.pad_right) == pads


@pytest.mark.parametrize(
    ("size", "fraction", "stride", "expected"),
    [
        # body-pix 2.2.1, toValidInputResolution: floor(side / stride) · stride + 1, unless side − 1 is a multiple.
        ((480, 640), 0.5, 16, (241, 321)),
        ((480, 640), 0.5, 8, (241, 321)),
        ((480, 640), 0.25, 32, (97, 161)),
        ((257, 513), 1.0, 16, (257, 513)),
        ((272, 528), 1.0, 16, (273, 529)),
    ],
)
def test_a_side_is_a_multiple_of_the_stride_and_one(
    size: tuple[int, int], fraction: float, stride: int, expected: tuple[int, int]
) -> None:
    assert network_size(*size, fraction, stride) == expected
