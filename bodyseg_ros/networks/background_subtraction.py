"""Find people in front of a fixed camera by background subtraction, without a network."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..errors import EngineError
from ..frame_sequence import FrameSequence
from ..geometry import Geometry
from ..refine.mask_edges import open_and_close
from ..settings import live, start_only
from ..types import Frame, Prepared, Result, Wanted
from .network import Network, NetworkSettings

__all__ = ["Background", "BackgroundSettings"]

_log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]
#: OpenCV's subtractors mark shadows with 127, differences with 255.
_SHADOW: Final = 127
#: Minimum standard deviation of a MOG2 pixel, gray levels; gives its default threshold of 20 levels.
_DEVIATION: Final = 5.0
#: A learning rate that changes nothing; at 0 KNN divides by zero, and learns.
_HARDLY: Final = 1e-8


class BackgroundSettings(NetworkSettings):
    """Settings of background subtraction."""

    background_method: Literal["average", "mog2", "knn"] = start_only(
        "average",
        "Background model. average: a running average, fastest. mog2, knn: OpenCV's subtractors, which handle "
        "shadows and moving backgrounds such as leaves.",
    )
    learning_frames: int = live(
        30, "Number of frames to learn the background from, at start and on capture; nobody should be in view.",
        ge=1, le=10_000,
    )  # fmt: skip
    adaptation_rate: float = live(
        0.005, "Weight of each new frame in the background, outside the mask (average) or while nobody is in view "
        "(mog2, knn); 0: never update.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    difference_threshold: float = live(
        20.0, "Minimum difference from the background, gray levels; lower values find more people and more noise.",
        ge=1.0, le=255.0,
    )  # fmt: skip
    blur_px: int = live(3, "Blur radius for noise reduction, px; 0: off.", ge=0, le=50)
    opening_px: int = live(1, "Remove specks and threads up to about twice this width, px.", ge=0, le=50)
    closing_px: int = live(6, "Close gaps and holes up to about twice this width, px.", ge=0, le=100)
    min_area: float = live(
        0.005, "Minimum area of a blob, as a share of the image; smaller blobs are removed.", ge=0.0, le=1.0
    )


class _Memory(Protocol):
    """A background model. Images are uint8, blurred: (H, W) gray for the average, (H, W, 3) RGB for the others."""

    def learn(self, picture: Picture, share: float) -> None:
        """Add an image with this weight."""
        ...

    def differing(self, picture: Picture, threshold: float) -> Picture:
        """Return (H, W) uint8, 255 where the image differs by at least `threshold` gray levels."""
        ...

    def follow(self, picture: Picture, mask: Picture, share: float) -> None:
        """Add the pixels without people, so that still people stay in the mask; mask: (H, W) uint8, 1 for people."""
        ...


class _Average:
    """The running average of gray images."""

    def __init__(self) -> None:
        self._mean: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def learn(self, picture: Picture, share: float) -> None:
        if not self._mean.size:
            self._mean = picture.astype(np.float32)
        cv2.accumulateWeighted(picture, self._mean, share)

    def differing(self, picture: Picture, threshold: float) -> Picture:
        away = cv2.absdiff(picture, cv2.convertScaleAbs(self._mean))
        return np.asarray(cv2.threshold(away, threshold - 0.5, 255, cv2.THRESH_BINARY)[1], np.uint8)

    def follow(self, picture: Picture, mask: Picture, share: float) -> None:
        cv2.accumulateWeighted(picture, self._mean, share, mask=np.equal(mask, 0).view(np.uint8))


class _Subtractor:
    """OpenCV's MOG2 or KNN. They can only learn full images, so they adapt while nobody is in view."""

    def __init__(self, method: str) -> None:
        self._model: cv2.BackgroundSubtractorMOG2 | cv2.BackgroundSubtractorKNN
        if method == "mog2":
            self._model = cv2.createBackgroundSubtractorMOG2()
            # MOG2's threshold is in standard deviations; this minimum keeps it at the requested gray levels or above.
            self._model.setVarInit(_DEVIATION**2)
            self._model.setVarMin(_DEVIATION**2)
        else:
            self._model = cv2.createBackgroundSubtractorKNN()

    def learn(self, picture: Picture, share: float) -> None:
        self._model.apply(picture, learningRate=share)

    def differing(self, picture: Picture, threshold: float) -> Picture:
        if isinstance(self._model, cv2.BackgroundSubtractorMOG2):
            self._model.setVarThreshold((threshold / _DEVIATION) ** 2)
        else:
            self._model.setDist2Threshold(threshold**2)
        seen = self._model.apply(picture, learningRate=_HARDLY)
        return np.asarray(cv2.threshold(seen, _SHADOW, 255, cv2.THRESH_BINARY)[1], np.uint8)

    def follow(self, picture: Picture, mask: Picture, share: float) -> None:
        if not mask.any():
            self.learn(picture, share)


class _Learnt:
    """State kept across setting changes: the background and its number of frames.

    Frames arrive on one thread; capture() may be called from another.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._capture = threading.Event()
        self._frames = FrameSequence()
        self._count = 0
        self._memory: _Memory = _Average()

    def capture(self) -> None:
        """Forget the background with the next frame."""
        self._capture.set()

    def begin(self, frame: Frame) -> None:
        """Forget the background if that is asked for, or the frame does not follow the last."""
        follows = self._frames.follows(frame)
        if self._capture.is_set() or not follows:
            self._capture.clear()
            self._count = 0
            self._memory = _Average() if self._method == "average" else _Subtractor(self._method)

    def mask(self, picture: Picture, settings: BackgroundSettings) -> Picture:
        """Return (H, W) uint8, 1 for people; empty while learning."""
        if self._method == "average":
            picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        if settings.blur_px:
            side = 2 * settings.blur_px + 1
            picture = np.asarray(cv2.GaussianBlur(picture, (side, side), 0), np.uint8)
        if self._count < settings.learning_frames:
            self._count += 1
            self._memory.learn(picture, 1 / self._count)
            if self._count == settings.learning_frames:
                _log.info("Learned the background from %d frames.", self._count)
            return np.zeros(picture.shape[:2], np.uint8)
        mask = _find_people(self._memory.differing(picture, settings.difference_threshold), settings)
        if settings.adaptation_rate:
            self._memory.follow(picture, mask, settings.adaptation_rate)
        return mask


def _find_people(differing: Picture, settings: BackgroundSettings) -> Picture:
    """Clean a difference mask (H, W) uint8, 255, to a person mask, 1: remove specks, gaps and small blobs."""
    differing = open_and_close(differing, settings.opening_px, settings.closing_px)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(differing)
    large = statistics[:, cv2.CC_STAT_AREA] >= settings.min_area * differing.size
    large[0] = False  # label 0 is the background
    return np.asarray(large.view(np.uint8)[labels], np.uint8)


class Background(Network):
    """Background subtraction for a fixed camera; masks only, no poses, no parts.

    The mask is empty while learning. A frame of another size or an earlier stamp restarts learning.
    """

    api_version = 1
    Settings = BackgroundSettings
    settings: BackgroundSettings
    needs_previous = True  # prepare() may start a new background
    learns_background = True

    def __init__(self, card: Card, settings: BackgroundSettings, output_stride: int) -> None:
        super().__init__(card, settings, output_stride)
        self._learnt = _Learnt(settings.background_method)

    @property
    def offers(self) -> Wanted:
        """Only the person mask."""
        return Wanted.PERSON

    def with_settings(self, settings: BackgroundSettings) -> Background:
        """The same background under other options."""
        other = Background(self.card, settings, self.output_stride)
        other._learnt = self._learnt
        return other

    def capture_background(self) -> None:
        """Relearn from the next frames."""
        self._learnt.capture()

    def prepare(self, frame: Frame) -> Prepared:
        """Return the image as tensor (1, H, W, 3) uint8 RGB."""
        self._learnt.begin(frame)
        return Prepared(frame.image[None], Geometry(*frame.size, *frame.size))

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the difference from the background. Raises EngineError if an engine with a network was selected."""
        if "image" not in outputs:
            raise EngineError(
                f"Background subtraction runs no network, but the engine ran one with outputs {', '.join(outputs)}; "
                "set engine to auto, and model and model_path to their defaults."
            )
        mask = self._learnt.mask(outputs["image"][0], self.settings)
        size = mask.shape
        if not wanted & Wanted.PERSON:
            return Result((size[0], size[1]))
        return Result((size[0], size[1]), person=mask)
