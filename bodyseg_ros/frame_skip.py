"""The option frame_skip: run the network on every Nth frame, and move its result along with the frames in between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .frame_sequence import FrameSequence
from .settings import Settings, live
from .types import Frame, Poses, Result, Wanted

__all__ = ["FrameSkipSettings", "FrameSkipper", "KeptResult"]

#: Motion is estimated on images of this size (width, height). It is fixed because OpenCV crashes on narrow images.
_FLOW_PX: Final = (256, 192)
#: OpenCV takes x and y as one map or as two.
_NO_MAP: Final = np.zeros(0, np.float32)
_MAPS: Final = (Wanted.PERSON, Wanted.CONFIDENCE, Wanted.PARTS, Wanted.INSTANCES, Wanted.CLASSES)


class FrameSkipSettings(Settings):
    """On which frames the network runs. Network settings inherit it."""

    frame_skip: int = live(1, "Run the network on every Nth frame of a video or camera; 1: on all.", ge=1, le=60)
    skipped_frames: Literal["move", "hold"] = live(
        "move",
        "Result of the frames in between. move: the network's last result, moved by optical flow. hold: unchanged.",
    )


@dataclass(frozen=True)
class KeptResult:
    """The network's last result, before mirroring and refinement, for the frames after it.

    made_by: what computed it. gray: its image, (h, w) uint8 of the size of the flow.
    """

    result: Result
    wanted: Wanted
    made_by: tuple[Any, ...]
    gray: NDArray[np.uint8]

    def at(self, frame: Frame, wanted: Wanted, settings: FrameSkipSettings) -> Result:
        """The result for a later frame, with the fields in `wanted`."""
        names = [str(one.name).lower() for one in _MAPS if one in wanted]
        arrays = {name: getattr(self.result, name) for name in names if getattr(self.result, name) is not None}
        poses = self.result.poses if wanted & (Wanted.POSES | Wanted.INSTANCES) else None
        if settings.skipped_frames == "move":
            gray = _shrink(frame)
            if arrays:
                origins = _trace(gray, self.gray, frame.size)
                arrays = {name: _move_map(array, origins) for name, array in arrays.items()}
            if poses:
                poses = _move_poses(poses, _trace(self.gray, gray, frame.size))
        return Result(frame.size, poses=poses, class_names=self.result.class_names, **arrays)


class FrameSkipper:
    """Decides on which of one camera's frames the network runs, and keeps its last result."""

    def __init__(self) -> None:
        self._frames = FrameSequence()
        self._kept: KeptResult | None = None
        self._skipped = 0

    def recall(
        self, frame: Frame, wanted: Wanted, made_by: tuple[Any, ...], settings: Any, *, max_gap_s: float, cut: float
    ) -> KeptResult | None:
        """The result to move to this frame; None if the network must run.

        It runs on every Nth frame, and after a gap, a cut, another camera or size, other settings (`made_by`), or if
        more is wanted than before. max_gap_s, cut: as for `FrameSequence.follows`.
        """
        if not isinstance(settings, FrameSkipSettings) or settings.frame_skip == 1:
            self._kept = None
            return None
        follows = self._frames.follows(frame, max_gap_s=max_gap_s, cut=cut)
        kept, due = self._kept, self._skipped + 1 >= settings.frame_skip
        if kept is None or due or not follows or kept.made_by != made_by or wanted not in kept.wanted:
            self._kept = None  # until the network has answered
            return None
        self._skipped += 1
        return kept

    def keep(self, frame: Frame, wanted: Wanted, made_by: tuple[Any, ...], settings: Any, result: Result) -> None:
        """Keep what the network found in a frame."""
        if isinstance(settings, FrameSkipSettings) and settings.frame_skip > 1:
            self._kept, self._skipped = KeptResult(result, wanted, made_by, _shrink(frame)), 0


def _shrink(frame: Frame) -> NDArray[np.uint8]:
    small = cv2.resize(frame.image, _FLOW_PX, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _trace(one: NDArray[np.uint8], other: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Where each pixel of one image is in the other: (H, W, 2) float32, x then y, source px.

    Source: T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as in OpenCV.
    """
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow = np.asarray(finder.calc(one, other, np.zeros((*one.shape, 2), np.float32)), np.float32)
    height, width = size
    scale = np.array([width / _FLOW_PX[0], height / _FLOW_PX[1]], np.float32)
    places = np.asarray(cv2.resize(flow * scale, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    places[..., 0] += np.arange(width, dtype=np.float32)
    places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return places


def _move_map(values: NDArray[Any], origins: NDArray[np.float32]) -> NDArray[Any]:
    how = cv2.INTER_LINEAR if values.dtype == np.float32 else cv2.INTER_NEAREST
    return np.asarray(cv2.remap(values, origins, _NO_MAP, how, borderMode=cv2.BORDER_REPLICATE), values.dtype)


def _move_poses(poses: Poses, places: NDArray[np.float32]) -> Poses:
    """Move keypoints, and boxes like the middle of their person's keypoints."""
    height, width = places.shape[:2]
    x = np.clip(np.rint(poses.keypoints[..., 0]), 0, width - 1).astype(int)
    y = np.clip(np.rint(poses.keypoints[..., 1]), 0, height - 1).astype(int)
    shift = places[y, x] - np.stack([x, y], -1).astype(np.float32)
    boxes = poses.boxes
    if boxes is not None:
        boxes = np.asarray(boxes + np.tile(np.median(shift, axis=1), 2), np.float32)
    return replace(poses, keypoints=np.asarray(poses.keypoints + shift, np.float32), boxes=boxes)
