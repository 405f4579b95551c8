"""Parameters of mask refinement; everything is off by default."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["RefineSettings"]


class RefineSettings(Settings):
    """Processing of the person mask after the network, in the order of the fields."""

    guided_radius_px: int = live(
        0, "Snap edges to the image (guided filter): half width of its window, source px; 0: off.", ge=0, le=200
    )
    guided_epsilon: float = live(
        0.0001,
        "Contrast below which the guided filter ignores an edge, as variance of brightness (0 to 1).",
        ge=1e-6,
        le=1.0,
    )
    smoothing: float = live(
        0.0, "Weight of earlier frames where the image is static; reduces flicker. 0: off.", ge=0.0, le=0.98
    )
    motion_gate: float = live(
        0.04, "Brightness change (0 to 1) above which a pixel counts as moving and is not smoothed.", ge=0.001, le=1.0
    )
    cut: float = live(
        0.2,
        "Mean brightness change (0 to 1) treated as a cut; restarts smoothing and frame_skip.",
        ge=0.001,
        le=1.0,
    )
    max_gap: float = live(
        0.5, "Time gap that restarts smoothing and frame_skip, s; a step back in time always does.", ge=0.001, le=60.0
    )
    weak_threshold: float = live(
        1.0,
        "Hysteresis: pixels above this probability count as person if connected to a pixel above "
        "segmentation_threshold; values from segmentation_threshold up turn it off.",
        ge=0.0,
        le=1.0,
    )
    open_px: int = live(0, "Remove specks and hairs thinner than twice this; 0: off.", ge=0, le=100)
    close_px: int = live(0, "Close gaps and cracks thinner than twice this; 0: off.", ge=0, le=100)
    fill_holes: float = live(
        0.0, "Fill holes in people up to this share of the image's area; 0: off, 1: all.", ge=0.0, le=1.0
    )
    grow_px: int = live(0, "Grow the mask by this much; negative: shrink.", ge=-100, le=100)
