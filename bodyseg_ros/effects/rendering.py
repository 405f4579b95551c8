"""The reference's drawing functions, with its defaults, on arrays.

After tfjs-models ``body-pix/src/output_rendering_util.ts`` (2.2.1) and ``body-segmentation/src/shared/calculators/
render_util.ts`` (1.0.2). The first two equal the reference's pixels. The others use OpenCV instead of a canvas, whose
resampling and blur differ by browser. Blurs mirror the image at its border, where a browser fades it out.

Segmentations are person masks (H, W) uint8, people above 0, part maps (H, W) int8, −1 background, or the reference's
masks, (H, W, 4) uint8: value in red, probability in alpha; one or a list. Colors are RGBA.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import PART_COLORS
from ..errors import FrameError
from ..mirror import mirror_array
from .blending import Picture, blur, mix

__all__ = [
    "blur_body_part",
    "draw_bokeh_effect",
    "draw_mask",
    "draw_pixelated_mask",
    "to_colored_mask",
    "to_mask",
]

Array = NDArray[Any]
Segmentations = Array | Sequence[Array]
Rgba = tuple[int, int, int, int]
#: Channels from 0 to 1.
Shares = NDArray[np.float32]

_CONTOUR_RGBA = (0, 255, 255, 255)
_WHITE_RGBA = (255, 255, 255, 255)


def _as_list(segmentation: Segmentations) -> list[Array]:
    arrays = [segmentation] if isinstance(segmentation, np.ndarray) else list(segmentation)
    if not arrays or any(array.shape[:2] != arrays[0].shape[:2] or array.ndim not in (2, 3) for array in arrays):
        shapes = [array.shape for array in arrays]
        raise FrameError(f"Segmentations must be one or more arrays of one size, H×W or H×W×4, but they are {shapes}.")
    return arrays


def _read_values(array: Array, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the value of each pixel, and the person mask."""
    if array.ndim == 3:
        return array[..., 0].astype(np.int64), array[..., 3] >= int(255 * threshold + 0.5)
    values = array.astype(np.int64)
    return values, values >= 0 if np.issubdtype(array.dtype, np.signedinteger) else values > 0


def to_mask(
    segmentation: Segmentations,
    foreground: Rgba = (0, 0, 0, 0),
    background: Rgba = (0, 0, 0, 255),
    draw_contour: bool = False,
    foreground_threshold: float = 0.5,
    foreground_values: Collection[int] | None = None,
) -> Picture:
    """`toMask` and `toBinaryMask`: people in one color, the rest in another; (H, W, 4) uint8 RGBA.

    foreground_values: which values are people, such as part ids; None: all. foreground_threshold: least probability, of
    masks that have one. draw_contour: cyan along the edge, as the reference draws it.
    """
    arrays = _as_list(segmentation)
    mask = np.empty((*arrays[0].shape[:2], 4), np.uint8)
    mask[:] = background
    strokes = np.zeros(mask.shape[:2], bool)
    for array in arrays:
        values, here = _read_values(array, foreground_threshold)
        if foreground_values is not None:
            here = here & np.isin(values, list(foreground_values))
        mask[here] = foreground
        if draw_contour:
            strokes |= _find_strokes(here)
    mask[strokes] = _CONTOUR_RGBA
    return mask


def _find_strokes(here: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that stay cyan. The reference paints row by row, so only strokes from the row below survive. Edge pixels
    have a diagonal neighbor that is not a person; pixels at the image border do not count.
    """
    strokes = np.zeros_like(here)
    inner = here[:-2, :-2] & here[:-2, 2:] & here[2:, :-2] & here[2:, 2:]
    edges = np.zeros_like(here)
    edges[1:-1, 1:-1] = here[1:-1, 1:-1] & ~inner
    strokes[:-1, 1:] |= edges[1:, :-1]
    strokes[:-1, :-1] |= edges[1:, 1:]
    return strokes


def to_colored_mask(
    segmentation: Segmentations,
    value_to_color: Callable[[int], Sequence[int]] | Sequence[Sequence[int]] = PART_COLORS,
    background: Rgba = _WHITE_RGBA,
    foreground_threshold: float = 0.5,
) -> Picture:
    """`toColoredPartMask` and `toColoredMask`: each value in its color; (H, W, 4) uint8 RGBA.

    value_to_color: a function or a table from the value to RGB or RGBA. The background is white as in body-pix;
    body-segmentation's is (0, 0, 0, 255). Raises FrameError for a value without a color.
    """
    arrays = _as_list(segmentation)
    mask = np.empty((*arrays[0].shape[:2], 4), np.uint8)
    mask[:] = background
    for array in arrays:
        values, here = _read_values(array, foreground_threshold)
        for value in np.unique(values[here]).tolist():
            try:
                color = value_to_color(value) if callable(value_to_color) else value_to_color[value]
            except LookupError as err:
                raise FrameError(f"There is no color for the value {value}.") from err
            mask[here & (values == value)] = (*color, 255)[:4]
    return mask


def _blur_mask(mask: Picture, blur_px: float) -> Shares:
    """RGBA with colors multiplied by alpha, 0 to 1, blurred as CSS blur(): Gaussian, nothing outside."""
    shares: Shares = np.divide(mask, 255, dtype=np.float32)
    shares[..., :3] *= shares[..., 3:]
    if blur_px == 0:
        return shares
    blurred = cv2.GaussianBlur(shares, (0, 0), blur_px, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32).reshape(shares.shape)


def _check_sizes(image: Picture, mask: Array) -> None:
    if image.shape[:2] != mask.shape[:2]:
        raise FrameError(f"The image is {image.shape[:2]}, but the mask is {mask.shape[:2]}: (height, width) px.")


def _finish(picture: Shares, flip: bool) -> Picture:
    """0 to 1 to uint8, mirrored if asked."""
    done = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return mirror_array(done) if flip else done


def draw_mask(
    image: Picture,
    mask_image: Picture | None,
    mask_opacity: float = 0.7,
    mask_blur_amount: float = 0,
    flip_horizontal: bool = False,
) -> Picture:
    """`drawMask`: draw a mask (H, W, 4) uint8 RGBA over an image (H, W, 3) uint8 RGB; None draws none."""
    picture: Shares = np.divide(image, 255, dtype=np.float32)
    if mask_image is not None:
        _check_sizes(image, mask_image)
        mask = _blur_mask(mask_image, mask_blur_amount) * np.float32(mask_opacity)
        picture = mask[..., :3] + picture * (np.float32(1) - mask[..., 3:])
    return _finish(picture, flip_horizontal)


def draw_pixelated_mask(
    image: Picture,
    mask_image: Picture,
    mask_opacity: float = 0.7,
    mask_blur_amount: float = 0,
    flip_horizontal: bool = False,
    pixel_cell_width: float = 10,
) -> Picture:
    """`drawPixelatedMask`: draw a mask as cells with a white grid over an image; arrays as in draw_mask.

    The mask should be opaque, as from to_colored_mask; transparent pixels show black.
    """
    _check_sizes(image, mask_image)
    height, width = image.shape[:2]
    mask = _blur_mask(mask_image, mask_blur_amount)
    size = (max(1, int(width / pixel_cell_width)), max(1, int(height / pixel_cell_width)))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    canvas: Shares = np.asarray(large, np.float32).reshape(mask.shape)[..., :3]
    # A line one pixel wide between two pixels covers half of each.
    for row in range(size[1]):
        _whiten(canvas, round(row * pixel_cell_width), rows=True)
    for column in range(size[0]):
        _whiten(canvas, round(column * pixel_cell_width), rows=False)
    picture: Shares = image.astype(np.float32) / 255 * np.float32(1 - mask_opacity) + canvas * np.float32(mask_opacity)
    return _finish(picture, flip_horizontal)


def _whiten(canvas: Shares, at: int, rows: bool) -> None:
    line = canvas[max(0, at - 1) : at + 1] if rows else canvas[:, max(0, at - 1) : at + 1]
    line += (1 - line) / 2


def draw_bokeh_effect(
    image: Picture,
    segmentation: Segmentations,
    foreground_threshold: float = 0.5,
    background_blur_amount: float = 3,
    edge_blur_amount: float = 3,
    flip_horizontal: bool = False,
) -> Picture:
    """`drawBokehEffect`: people sharp before their background, blurred; (H, W, 3) uint8 RGB."""
    mask = to_mask(segmentation, (0, 0, 0, 255), (0, 0, 0, 0), foreground_threshold=foreground_threshold)
    return _keep_sharp(image, mask, background_blur_amount, edge_blur_amount, flip_horizontal)


def blur_body_part(
    image: Picture,
    segmentation: Segmentations,
    part_ids: Collection[int] = (0, 1),
    foreground_threshold: float = 0.5,
    background_blur_amount: float = 3,
    edge_blur_amount: float = 3,
    flip_horizontal: bool = False,
) -> Picture:
    """`blurBodyPart`: blur selected parts, faces by default; (H, W, 3) uint8 RGB.

    As in the reference, a line around the parts stays sharp, and the default is too weak to anonymize; use the effect
    blur_parts for that.
    """
    colors: tuple[Rgba, Rgba] = (0, 0, 0, 0), (0, 0, 0, 255)
    mask = to_mask(segmentation, *colors, True, foreground_threshold, part_ids)
    return _keep_sharp(image, mask, background_blur_amount, edge_blur_amount, flip_horizontal)


def _keep_sharp(image: Picture, mask: Picture, blur_px: float, edge_px: float, flip: bool) -> Picture:
    _check_sizes(image, mask)
    soft = blur(image, blur_px) if blur_px else image
    share = np.rint(_blur_mask(mask, edge_px)[..., 3] * 255).astype(np.uint8)
    picture = mix(soft, image, share)
    return mirror_array(picture) if flip else picture
