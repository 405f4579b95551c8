"""The pictures that the live page of the node `bodyseg` offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ...effects import compose_all, needs_of
from ...types import Wanted
from .frame_context import FrameContext
from .live_settings import LiveSettings
from .outputs import paint_composite, paint_overlay, paint_parts

__all__ = ["DEPTH_LAYER", "LAYERS", "Layer", "depth_picture", "offered_layers"]

#: Made from depth images, not from the camera's.
DEPTH_LAYER: Final = "depth without people"


@dataclass(frozen=True)
class Layer:
    """One picture. needs: what the result must contain. paint: makes it; None if the result lacks what it shows."""

    needs: Callable[[LiveSettings], Wanted]
    paint: Callable[[FrameContext], NDArray[np.uint8] | None]


def _mask(context: FrameContext) -> NDArray[np.uint8] | None:
    person = context.result.person
    return None if person is None else person * np.uint8(255)


def _skeletons(context: FrameContext) -> NDArray[np.uint8]:
    return compose_all(context.live.skeleton, context.frame, context.result)


LAYERS: Final[Mapping[str, Layer]] = {
    "overlay": Layer(
        lambda live: needs_of(live.overlay) | Wanted.INSTANCES,
        lambda context: context.picture("overlay", paint_overlay),
    ),
    "mask": Layer(lambda live: Wanted.PERSON, _mask),
    "parts": Layer(lambda live: Wanted.PARTS, lambda context: context.picture("parts_color", paint_parts)),
    "skeletons": Layer(lambda live: Wanted.POSES, _skeletons),
    "effects": Layer(
        lambda live: needs_of(live.composite), lambda context: context.picture("composite", paint_composite)
    ),
    "camera": Layer(lambda live: Wanted.NOTHING, lambda context: context.frame.image),
}


def offered_layers(live: LiveSettings, offers: Wanted) -> list[str]:
    """Layers that a network can fill; the overlay also without instances."""
    return [name for name, layer in LAYERS.items() if not layer.needs(live) & ~(offers | Wanted.INSTANCES)]


def depth_picture(depth: NDArray[np.uint16] | NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw depth (H, W), uint16 or float32, as gray (H, W) uint8: near is bright, pixels without a depth are black."""
    valid = np.isfinite(depth) & (depth > 0)
    if not valid.any():
        return np.zeros(depth.shape, np.uint8)
    # The two ends, without the outliers that sensors have there.
    near, far = np.percentile(depth[valid], (2, 98))
    share = (depth.astype(np.float32) - near) / max(float(far - near), 1e-6)
    gray = 255 - 215 * np.clip(np.nan_to_num(share, nan=1.0), 0, 1)
    return np.where(valid, gray, 0).astype(np.uint8)
