"""Every parameter of the refinement; all are off unless they are asked for."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["RefineSettings"]


class RefineSettings(Settings):
    """What is done to a person mask after the network, in the order of the fields."""

    guided_radius_px: int = live(
        0, "Let edges follow the frame's (guided filter): half width of its window, source px; 0: off.", ge=0, le=200
    )
    guided_epsilon: float = live(
        0.0001,
        "Contrast below which the guided filter sees no edge, as variance of brightness 0 to 1.",
        ge=1e-6,
        le=1.0,
    )
    smoothing: float = live(
        0.0, "Weight of the frames before, where the picture stands still; against flicker. 0: off.", ge=0.0, le=0.98
    )
    motion_gate: float = live(
        0.04, "Change of brightness (0 to 1) from which a pixel counts as moving and is not smoothed.", ge=0.001, le=1.0
    )
    cut: float = live(0.2, "Mean change of brightness (0 to 1) that is a cut: smoothing begins anew.", ge=0.001, le=1.0)
    max_gap: float = live(
        0.5, "Seconds between two frames after which smoothing begins anew; a step back always does.", ge=0.001, le=60.0
    )
    weak_threshold: float = live(
        1.0,
        "Hysteresis: a pixel above this probability is a person too if it hangs together with one above "
        "segmentation_threshold; from segmentation_threshold up: off.",
        ge=0.0,
        le=1.0,
    )
    open_px: int = live(0, "Remove specks and hairs thinner than twice this; 0: off.", ge=0, le=100)
    close_px: int = live(0, "Close gaps and cracks thinner than twice this; 0: off.", ge=0, le=100)
    fill_holes: float = live(
        0.0, "Fill holes in people of up to this share of the picture's area; 0: off, 1: all.", ge=0.0, le=1.0
    )
    grow_px: int = live(0, "Move the edge outwards; below 0: inwards.", ge=-100, le=100)
