"""Detect a network that does not see: all zeros, constant, implausible, or repeated outputs.

An empty room and a broken engine both give an empty mask. The person probabilities differ: those of a working network
vary over any image, at least near its border, and with every change of the image.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..types import Frame, Result

__all__ = ["MaskCheck"]

#: Minimum range of the logits of one image. On images of one color BodyPix and bodyseg-mobilenet-075 gave 0.18 and more
#: from 32×48 px on, 2.1 and more at 640×480, other networks more; float32 noise is below 1e-5.
_LEAST_SPREAD: Final = 0.05
#: Minimum logit of the image's most likely pixel. On the same images it was −5.3 and more, −13.7 with DeepLab.
_LEAST_PEAK: Final = -20.0
#: Number of consecutive different images with bit-identical outputs after which the network counts as stuck. One is
#: enough if they differ in more than `_MUCH` of their pixels.
_STUCK: Final = 5
_MUCH: Final = 0.01


class MaskCheck:
    """Checks the person probabilities of one image after the other."""

    def __init__(self) -> None:
        self._picture: NDArray[np.uint8] | None = None
        self._confidence: NDArray[np.float32] | None = None
        self._unchanged = 0

    def check(self, frame: Frame, result: Result) -> None:
        """Raise EngineError if the probabilities cannot be those of a network that sees the frame."""
        confidence = result.confidence
        if confidence is None:
            raise EngineError("The network gave no person probabilities, so a failure cannot be detected.")
        low, high = _logit(confidence.min()), _logit(confidence.max())
        if math.isnan(high):
            raise EngineError("The network's output contains NaN. Check the model file and the engine's precision.")
        if high - low < _LEAST_SPREAD:
            raise EngineError(
                "The network's output is constant over the whole image (probability "
                f"{float(confidence.max()):.3g}). Check the model file and the engine."
            )
        if high < _LEAST_PEAK:
            raise EngineError(
                "The network's output is out of range: no pixel has a probability above "
                f"{float(confidence.max()):.3g}, less than any real image gives. Check the model file and the "
                "engine's precision."
            )
        self._check_change(frame.image, confidence)

    def _check_change(self, picture: NDArray[np.uint8], confidence: NDArray[np.float32]) -> None:
        before, self._picture = self._picture, picture
        last, self._confidence = self._confidence, confidence
        if before is None or before.shape != picture.shape or not np.array_equal(last, confidence):  # type: ignore[arg-type] # set together
            self._unchanged = 0
            return
        changed = float((before != picture).any(axis=2).mean())
        self._unchanged += changed > 0
        if changed > _MUCH or self._unchanged >= _STUCK:
            raise EngineError(
                "The network's output is stuck: it did not change by a single bit although the image did. "
                "Restart the node; check the engine."
            )


def _logit(probability: Any) -> float:
    """Logit of a float32 probability; those rounded to 0 and 1 count as 1e-38 and 1 − 6e-8."""
    share = np.clip(np.float64(probability), 1e-38, 1 - 2.0**-24)
    return float(np.log(share / (1 - share)))
