"""Refine a result's person mask, frame by frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..frame_sequence import FrameSequence
from ..mirror import mirror_array
from ..types import Frame, Result
from .mask_edges import apply_guided_filter, apply_hysteresis, fill_holes, open_and_close, shift_edge
from .refine_settings import RefineSettings

__all__ = ["Refiner"]

_OFF: Final = RefineSettings()
#: Motion is detected on an image reduced by this factor, where camera noise averages out.
_SMALLER: Final = 4
#: Minimum distance of thresholds from 0 and 1, to avoid dividing by zero.
_LEAST: Final = 0.001


class _Memory:
    """State kept across setting changes: the last frame's smoothed probability and reduced brightness, (H, W)."""

    def __init__(self) -> None:
        self.frames = FrameSequence()
        self.confidence = self.small = np.zeros((0, 0), np.float32)


class Refiner:
    """Applies the settings to one camera's results, in order; keeps the last frame.

    Parts, instances and poses are unchanged.
    """

    def __init__(self, settings: RefineSettings = _OFF) -> None:
        self.settings = settings
        self._memory = _Memory()

    def with_settings(self, settings: RefineSettings) -> Refiner:
        """Return a refiner with other settings and the same state."""
        other = Refiner(settings)
        other._memory = self._memory
        return other

    @property
    def is_on(self) -> bool:
        """Whether it changes anything; if not, refine() returns its argument."""
        chosen = self.settings
        cleans = chosen.open_px or chosen.close_px or chosen.fill_holes or chosen.grow_px or chosen.weak_threshold < 1
        return bool(chosen.guided_radius_px or chosen.smoothing or cleans)

    def refine(self, frame: Frame, result: Result, network: Any) -> Result:
        """Refine `person` and `confidence` of a result.

        network: the network's settings; its segmentation_threshold is used, or 0.5 if it has none.
        """
        if not self.is_on or result.person is None:
            return result
        chosen, person, confidence = self.settings, result.person, result.confidence
        threshold = getattr(network, "segmentation_threshold", 0.5)
        if confidence is None:  # a network without probabilities
            confidence, threshold = person.astype(np.float32), 0.5
        if chosen.guided_radius_px or chosen.smoothing:
            confidence = self._filter(frame, confidence, threshold, mirrored=result.mirrored)
            person = (confidence > np.float32(threshold)).view(np.uint8)
        if chosen.weak_threshold < threshold:
            person = apply_hysteresis(person, (confidence > np.float32(chosen.weak_threshold)).view(np.uint8))
        person = open_and_close(person, chosen.open_px, chosen.close_px)
        if chosen.fill_holes:
            person = fill_holes(person, chosen.fill_holes * person.size)
        person = shift_edge(person, chosen.grow_px)
        return replace(result, person=person, confidence=None if result.confidence is None else confidence)

    def _filter(
        self, frame: Frame, confidence: NDArray[np.float32], threshold: float, *, mirrored: bool
    ) -> NDArray[np.float32]:
        """Align probabilities (H, W) with the frame's edges, then smooth them over time."""
        chosen = self.settings
        gray = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
        if mirrored:
            gray = mirror_array(gray)
        if chosen.guided_radius_px:
            middle = min(max(threshold, _LEAST), 1 - _LEAST)
            radius_px, epsilon = chosen.guided_radius_px, chosen.guided_epsilon
            confidence = apply_guided_filter(gray, confidence, radius_px, epsilon, middle)
        return self._smooth(frame, confidence, gray) if chosen.smoothing else confidence

    def _smooth(self, frame: Frame, confidence: NDArray[np.float32], gray: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Exponential smoothing: less where the image moves, none after a cut or a jump in time."""
        height, width = gray.shape
        size = (max(1, width // _SMALLER), max(1, height // _SMALLER))
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
        last = self._memory
        if last.frames.follows(frame, max_gap_s=self.settings.max_gap, cut=self.settings.cut):
            still = 1 - np.abs(small - last.small) * np.float32(1 / self.settings.motion_gate)
            # Pixels beside moving ones count as moving.
            still = cv2.erode(np.clip(still, 0, 1), np.ones((3, 3), np.uint8))
            weight = cv2.resize(still, (width, height), interpolation=cv2.INTER_LINEAR)
            weight = weight * np.float32(self.settings.smoothing)
            confidence = np.asarray(confidence + weight * (last.confidence - confidence), np.float32)
        last.confidence, last.small = confidence, np.asarray(small, np.float32)
        return confidence
