"""A result at one look: what was found, drawn over the picture."""

from __future__ import annotations

from ..types import Frame, Result
from .blending import Picture
from .drawing import Overlay, OverlaySettings, Skeleton, SkeletonSettings
from .effect import Effect, compose_all

__all__ = ["plot"]


def plot(frame: Frame, result: Result) -> Picture:
    """The picture with masks and skeletons, as far as there are any; (H, W, 3) uint8 RGB."""
    layers: list[Effect] = []
    if result.person is not None:
        layers.append(Overlay(OverlaySettings()))
    if result.poses is not None:
        layers.append(Skeleton(SkeletonSettings()))
    return compose_all(layers, frame, result).copy()
