"""A point that moves at nearly constant velocity: a Kalman filter whose axes share one covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOMINAL_STEP_S", "UNTIMED_STEP_S", "Motion"]

#: Assumed time between frames without usable stamps: 30 frames/s.
NOMINAL_STEP_S: Final = 1 / 30
#: Stamps closer than this carry no time: repeated stamps, or numbered photos.
UNTIMED_STEP_S: Final = 1e-4


@dataclass
class Motion:
    """One moving point in any unit of length, here u.

    place, velocity: (D,) float32, u and u/s. spread: variances of place, of place and velocity, of velocity, on each
    axis: u², u²/s, u²/s².
    """

    place: NDArray[np.float32]
    velocity: NDArray[np.float32]
    spread: tuple[float, float, float]

    def advance(self, step_s: float, change_sd: float) -> None:
        """Predict `step_s` seconds ahead. change_sd: standard deviation of the velocity's change in a second, u/s."""
        self.place = self.place + self.velocity * np.float32(step_s)
        place_var, both, velocity_var = self.spread
        change = change_sd**2
        self.spread = (
            place_var + 2 * step_s * both + step_s**2 * velocity_var + change * step_s**3 / 3,
            both + step_s * velocity_var + change * step_s**2 / 2,
            velocity_var + change * step_s,
        )

    def correct(self, measured: NDArray[np.float32], spread: float) -> None:
        """Update with a measured place (D,) u and its standard deviation, u."""
        place_var, both, velocity_var = self.spread
        certain = place_var + spread**2
        gain, velocity_gain = place_var / certain, both / certain
        wrong = measured - self.place
        self.place = self.place + np.float32(gain) * wrong
        self.velocity = self.velocity + np.float32(velocity_gain) * wrong
        self.spread = ((1 - gain) * place_var, (1 - gain) * both, velocity_var - velocity_gain * both)
