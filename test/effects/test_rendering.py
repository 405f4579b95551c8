"""The drawing functions give what the reference gives.

golden/reference.npz holds what @tensorflow-models/body-pix 2.2.1 and body-segmentation 1.0.2 from npm made of drawn
masks under Node.js 20, with @napi-rs/canvas (Skia, as in Chrome) for the functions that draw on a canvas.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.effects.rendering import (
    blur_body_part,
    draw_bokeh_effect,
    draw_mask,
    draw_pixelated_mask,
    to_colored_mask,
    to_mask,
)
from bodyseg_ros.errors import FrameError

GOLDEN = dict(np.load(Path(__file__).parent / "golden/reference.npz"))
IMAGE, PERSON, PARTS, PARTS_2 = (GOLDEN[f"in_{name}"] for name in ("image", "person", "parts", "parts2"))
RGBA, RGBA_2 = GOLDEN["in_rgba"], GOLDEN["in_rgba2"]

MASKS = {
    "to_mask": lambda: to_mask(PERSON),
    "to_mask_contour": lambda: to_mask(PERSON, (10, 20, 30, 40), (200, 0, 1, 255), True),
    "to_mask_parts": lambda: to_mask([PARTS, PARTS_2], draw_contour=True, foreground_values=[0, 1]),
    "colored": lambda: to_colored_mask(PARTS),
    "colored_two": lambda: to_colored_mask([PARTS, PARTS_2]),
    "binary": lambda: to_mask(RGBA),
    "binary_contour": lambda: to_mask([RGBA, RGBA_2], (1, 2, 3, 4), (5, 6, 7, 8), True, 0.3, [0, 5, 24, 255]),
    "colored_mask": lambda: to_colored_mask([RGBA, RGBA_2], lambda v: (v, 255 - v, 7, 200), (9, 8, 7, 6), 0.7),
}
#: Function → least PSNR, dB, away from the ends, where a browser's blur fades.
PICTURES = {
    "draw_mask": (lambda: draw_mask(IMAGE, to_colored_mask(PARTS)), 50),
    "draw_mask_soft": (lambda: draw_mask(IMAGE, to_mask(PERSON), 0.9, 3, True), 42),
    "pixelated": (lambda: draw_pixelated_mask(IMAGE, to_colored_mask(PARTS)), 45),
    "bokeh": (lambda: draw_bokeh_effect(IMAGE, PERSON, background_blur_amount=4), 45),
    "blur_part": (lambda: blur_body_part(IMAGE, PARTS, [0, 1, 12]), 50),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_the_references_pixel_for_pixel(name: str) -> None:
    np.testing.assert_array_equal(MASKS[name](), GOLDEN[name])


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_nearly_the_references(name: str) -> None:
    draw, least_db = PICTURES[name]
    error = (draw().astype(float) - GOLDEN[name][..., :3])[12:-12, 12:-12]
    assert 10 * np.log10(255**2 / (error**2).mean()) > least_db


def test_a_pixelated_mask_by_hand() -> None:
    """Cells of 10 px, a white line half over the two pixels at each cell's beginning, 0.7 of it over the picture."""
    image = np.full((20, 20, 3), 100, np.uint8)
    mask = np.zeros((20, 20, 4), np.uint8)
    mask[:] = (0, 0, 0, 255)
    mask[:10] = (200, 0, 0, 255)
    picture = draw_pixelated_mask(image, mask)
    assert tuple(picture[5, 5]) == (170, 30, 30)  # 0.7·200 + 0.3·100
    assert tuple(picture[15, 5]) == (30, 30, 30)
    assert tuple(picture[5, 9]) == (189, 119, 119)  # 0.7·(200 + 55/2), 0.7·255/2, and 0.3·100
    assert tuple(picture[15, 10]) == (119, 119, 119)
    assert tuple(draw_pixelated_mask(image, mask, flip_horizontal=True)[5, 10]) == (189, 119, 119)


def test_no_mask_draws_the_picture() -> None:
    np.testing.assert_array_equal(draw_mask(IMAGE, None), IMAGE)
    np.testing.assert_array_equal(draw_mask(IMAGE, None, flip_horizontal=True), IMAGE[:, ::-1])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(FrameError, match="one size"):
        to_mask([])
    with pytest.raises(FrameError, match=r"image.*\(60, 80\).*mask.*\(60, 79\)"):
        draw_mask(IMAGE, to_mask(PERSON[:, 1:]))
    with pytest.raises(FrameError, match="color.* 3"):
        to_colored_mask(np.full((2, 2), 3, np.int8), [(0, 0, 0)])
