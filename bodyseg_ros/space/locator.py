"""Locates people in space: keypoints, positions, boxes and velocities from depth images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, SKELETON
from ..errors import FrameError, ResultError
from ..mirror import mirror_result
from ..person import VISIBLE_SCORE, missing
from ..tracking import KeypointSmoother, Motion, SmoothingSettings
from ..tracking.motion import NOMINAL_STEP_S, UNTIMED_STEP_S
from ..types import Poses, Result
from .body_depth import ANCHOR, BodyDepth, measure_depth
from .depth_view import DepthImage
from .people_in_space import PeopleInSpace
from .pinhole import Pinhole
from .rigid import Rigid

__all__ = ["PeopleLocator"]

Array = NDArray[np.float32]
#: Maximum side of the grid on which depth is looked up, px; larger images are subsampled.
_LARGEST_PX: Final = 960
#: Standard deviations: of a keypoint in the image, px; of depth, m per m² of distance, as of structured light
#: (K. Khoshelham, S. O. Elberink, "Accuracy and Resolution of Kinect Depth Data", Sensors 2012, equation 9); and of the
#: velocity's change in a second, m/s.
_KEYPOINT_SD_PX: Final = 2.0
_DEPTH_SD: Final = 0.0015
_CHANGE_SD: Final = 0.5
#: Standard deviation of a new person's speed, m/s.
_SPEED_SD: Final = 1.0
#: A larger gap between frames resets velocities, s.
_LONGEST_S: Final = 2.0
#: Minimum size of a person for smoothing, m, for people who are visible only in part.
_LEAST_SIZE_M: Final = 0.5
#: Percentiles of the surface left out at each end of the box, against outliers.
_BOX_TAIL: Final = 0.5
#: Width of a drawn limb, in units of the visible keypoints' long side, if there is no mask.
_LIMB_WIDTH: Final = 0.06


def _chain() -> tuple[tuple[int, int, float], ...]:
    """(keypoint, nearer one, longest distance between them, m), from the trunk outwards; adults up to 2.1 m."""
    joint = KEYPOINT_NAMES.index
    chain = [(joint(name), ANCHOR, 0.95) for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    for side in ("left", "right"):
        shoulder, elbow, wrist, hip, knee, ankle = (
            joint(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        )
        chain += [(shoulder, ANCHOR, 0.65), (elbow, shoulder, 0.45), (wrist, elbow, 0.4)]
        chain += [(hip, ANCHOR, 0.65), (knee, hip, 0.6), (ankle, knee, 0.6)]
    return tuple(chain)


_CHAIN: Final = _chain()


class PeopleLocator:
    """Locates the people of one camera, frame by frame: velocities and smoothing need the frames before.

    Not thread-safe. Frames must have one target frame; use a new locator for another one.
    """

    def __init__(self) -> None:
        self._smoother = KeypointSmoother(axes=3, min_size=_LEAST_SIZE_M)
        self._motions: dict[int, tuple[Motion, int]] = {}
        self._stamp_ns = 0

    def locate(
        self,
        result: Result,
        depth: DepthImage,
        camera: Pinhole,
        to_target: Rigid | None = None,
        stamp_ns: int = 0,
        min_score: float = VISIBLE_SCORE,
        smoothing: SmoothingSettings | None = None,
    ) -> PeopleInSpace:
        """Locate the people of a result with poses.

        Without instances people's pixels are guessed from their keypoints. camera: the color camera, of the result's
        size. to_target: takes points of the color camera's optical frame to the target frame; None: they stay there.
        stamp_ns: of the frame. min_score: of a keypoint that is located. smoothing: as of keypoints in the image.
        Raises ResultError without poses, FrameError for a camera of another size.
        """
        if result.poses is None:
            raise ResultError(missing("people", "POSES"))
        if camera.size != result.size or depth.camera.size != depth.depth.shape:
            raise FrameError(
                f"The camera's size is {camera.size}, but the result's {result.size}; the depth camera's is "
                f"{depth.camera.size}, but the depth image's {depth.depth.shape}. Each must be equal."
            )
        poses, instances = _in_camera_view(result)
        shrink = max(1, round(camera.focal[0] / depth.camera.focal[0]), math.ceil(max(result.size) / _LARGEST_PX))
        seen = (poses.keypoint_scores >= np.float32(min_score)) & np.isfinite(poses.keypoints).all(axis=-1)
        labels = _draw_people(poses.keypoints, seen, result.size) if instances is None else instances
        labels = np.ascontiguousarray(labels[::shrink, ::shrink])
        view = depth.seen_by(camera, labels, shrink)
        body = measure_depth(labels, view, poses.keypoints / np.float32(shrink), seen, camera.focal[0] / shrink)
        pixels = np.concatenate([poses.keypoints, body.anchors[:, None] * np.float32(shrink)], axis=1)
        points, covariances = _in_space(camera, pixels, body)
        to_target, count = to_target or Rigid.still(), len(poses)
        turn = to_target.rotation.astype(np.float32)
        covariances = np.asarray(turn @ covariances @ turn.T, np.float32)
        points = to_target.apply(points.reshape(-1, 3)).reshape(points.shape)
        ids: tuple[int | None, ...] = (None,) * count if result.tracks is None else result.tracks.ids
        step_s = self._step_s(stamp_ns)
        positions, velocities = self._follow(ids, points[:, ANCHOR], covariances[:, ANCHOR], step_s)
        boxes = np.array([_box(camera, surface, shrink, to_target) for surface in body.surfaces], np.float32)
        boxes = boxes.reshape(count, 2, 3)
        return PeopleInSpace(
            ids,
            self._smooth(ids, points[:, :ANCHOR], poses.keypoint_scores, step_s, smoothing),
            covariances[:, :ANCHOR],
            positions,
            covariances[:, ANCHOR],
            velocities,
            boxes[:, 0],
            boxes[:, 1],
            to_target.inverse(),
        )

    def _step_s(self, stamp_ns: int) -> float:
        """Seconds since the last frame; resets everything if this frame does not follow it."""
        step_s = (stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns = stamp_ns
        if not -_LONGEST_S < step_s < _LONGEST_S:
            self._motions.clear()
        return step_s if UNTIMED_STEP_S < step_s < _LONGEST_S else NOMINAL_STEP_S

    def _smooth(
        self,
        ids: Sequence[int | None],
        points: Array,
        scores: Array,
        step_s: float,
        smoothing: SmoothingSettings | None,
    ) -> Array:
        known = [number for number in ids if number is not None]
        settings = smoothing or SmoothingSettings()
        if not settings.keypoints or len(known) < len(ids):
            return points
        return self._smoother.smooth(known, points, scores, step_s, settings)

    def _follow(
        self, ids: Sequence[int | None], measured: Array, covariances: Array, step_s: float
    ) -> tuple[Array, Array]:
        """Update filtered positions and velocities, (N, 3) each."""
        positions, velocities = measured.copy(), np.full_like(measured, np.nan)
        before, self._motions = self._motions, {}
        for row, number in enumerate(ids):
            if number is None:
                continue
            motion, frames = before.pop(number, (None, 0))
            if motion is not None:
                motion.advance(step_s, _CHANGE_SD)
            if np.isfinite(measured[row]).all():
                spread = float(np.sqrt(covariances[row].trace() / 3))
                if motion is None:
                    motion = Motion(measured[row], np.zeros(3, np.float32), (spread**2, 0.0, _SPEED_SD**2))
                else:
                    motion.correct(measured[row], spread)
                frames += 1
                positions[row] = motion.place
                if frames > 1:
                    velocities[row] = motion.velocity
            if motion is not None:
                self._motions[number] = motion, frames
        return positions, velocities


def _in_camera_view(result: Result) -> tuple[Poses, NDArray[np.int16] | None]:
    """Poses and instances in the camera's orientation, not mirrored."""
    assert result.poses is not None
    if not result.mirrored:
        return result.poses, result.instances
    turned = mirror_result(Result(result.size, instances=result.instances, poses=result.poses, mirrored=True))
    assert turned.poses is not None
    return turned.poses, turned.instances


def _draw_people(points: Array, seen: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.int16]:
    """Estimate instances, (H, W), from keypoints: limbs of constant width; higher scores in front."""
    labels = np.full(size, -1, np.int16)
    for person in range(len(points) - 1, -1, -1):
        visible = seen[person]
        if not visible.any():
            continue
        places = np.clip(np.rint(np.where(visible[:, None], points[person], 0)), -(2**14), 2**14).astype(int)
        tall = float(np.ptp(points[person][visible], axis=0).max())
        width = max(1, round(_LIMB_WIDTH * tall))
        trunk = [place for place in (5, 6, 12, 11) if visible[place]]  # around it: shoulders, then hips
        if trunk:
            cv2.fillPoly(labels, [places[trunk]], person)
        for one, other in SKELETON:
            if visible[one] and visible[other]:
                cv2.line(labels, places[one].tolist(), places[other].tolist(), person, width)
        for place in np.flatnonzero(visible):
            cv2.circle(labels, places[place].tolist(), width // 2, person, cv2.FILLED)
    return labels


def _in_space(camera: Pinhole, pixels: Array, body: BodyDepth) -> tuple[Array, Array]:
    """Points (N, 18, 3) m of pixels (N, 18, 2) in the camera's frame, and covariances; NaN where unknown."""
    known = np.isfinite(body.z)
    pixels = np.where(known[..., None], pixels, np.float32(0))
    flat = camera.unproject(pixels.reshape(-1, 2)).reshape(pixels.shape)
    rays = np.concatenate([flat, np.ones((*known.shape, 1), np.float32)], axis=-1)
    points = rays * body.z[..., None]
    points[~_reachable(points)] = np.nan
    return points, _covariances(rays, points[..., 2], body.spread, camera)


def _reachable(points: Array) -> NDArray[np.bool_]:
    """(N, 18) which points can be of one body, judged from the trunk outwards; not those without a position."""
    known = np.asarray(np.isfinite(points).all(axis=-1))
    base = np.repeat(points[:, ANCHOR, None], ANCHOR + 1, axis=1)
    allowed = np.zeros(known.shape, np.float32)
    for place, nearer, longest in _CHAIN:
        limit = allowed[:, nearer] + np.float32(longest)
        away = points[:, place] - base[:, nearer]
        # A point farther away than a limb's length is the wall, not a limb whose nearer end is unknown.
        known[:, place] &= (np.sqrt((away**2).sum(axis=-1)) <= limit) & (away[:, 2] <= longest)
        base[:, place] = np.where(known[:, place, None], points[:, place], base[:, nearer])
        allowed[:, place] = np.where(known[:, place], np.float32(0), limit)
    return known


def _covariances(rays: Array, z: Array, spread: Array, camera: Pinhole) -> Array:
    """Covariances (N, P, 3, 3) m² of points at depth z (N, P) along rays (N, P, 3)."""
    along = spread**2 + (np.float32(_DEPTH_SD) * z**2) ** 2
    across = (np.float32(_KEYPOINT_SD_PX / camera.focal[0]) * z) ** 2
    sideways = np.diag(np.array([1, 1, 0], np.float32))
    return along[..., None, None] * rays[..., :, None] * rays[..., None, :] + across[..., None, None] * sideways


def _box(camera: Pinhole, surface: Array, shrink: int, to_target: Rigid) -> tuple[Array, Array]:
    """Center and size, (3,) m each, of the box of pixels (M, 3) x, y, z."""
    if not len(surface):
        return np.full(3, np.nan, np.float32), np.full(3, np.nan, np.float32)
    z = surface[:, 2:]
    points = np.column_stack((camera.unproject(surface[:, :2] * np.float32(shrink)) * z, z))
    low, high = np.percentile(to_target.apply(points), (_BOX_TAIL, 100 - _BOX_TAIL), axis=0)
    return (low + high) / 2, high - low
