"""How far away people's keypoints and trunks are, from the depth of their own pixels alone.

Masks are a few pixels too large or too small, depth has holes, and at the edge of a limb it shows what is behind. So of
each limb only the core of its mask counts, of several surfaces there the nearest, and without enough measurements
nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES

__all__ = ["ANCHOR", "BodyDepth", "measure_depth"]

Array = NDArray[np.float32]
#: Index of a person's anchor (the middle of the trunk) after the keypoints.
ANCHOR: Final = len(KEYPOINT_NAMES)
_TRUNK: Final = np.array(
    [KEYPOINT_NAMES.index(f"{side}_{part}") for part in ("shoulder", "hip") for side in ("left", "right")]
)
#: Radius of a limb around a keypoint, m, and the share of it whose surface counts for the keypoint.
_LIMB_M: Final = 0.06
_SPOT: Final = 0.4
#: Radius of the middle of the trunk, and the radius to try if nothing is measured there, m.
_TRUNK_M: Final = (0.1, 0.2)
#: Smallest limb radius, px.
_LEAST_PX: Final = 2.5
#: Samples along the diameter of a limb's disc.
_LATTICE: Final = 15
#: Pixels at more than this share of the mask's half width from its edge belong to the core.
_CORE: Final = 0.5
#: Thickness of a surface: anything farther behind its nearest part is another surface, m.
_SURFACE_M: Final = 0.08
#: Share of the nearest samples that is ignored as outliers.
_OUTLIERS: Final = 0.1
#: Minimum measured pixels of a limb and of a spot, and their minimum share of the core of a limb.
_FEWEST: Final = 4
_FEWEST_IN_SPOT: Final = 3
_LEAST_SHARE: Final = 0.2
#: Maximum distance of a keypoint from its person's mask, px, unless _SPOT is more.
_BESIDE_PX: Final = 2.0
#: A limb is what this share of its core shows in front: what is behind it and behind the trunk may be seen past it.
_NEARER: Final = 0.25
#: A surface this far behind the person's median depth must be the nearest one of its limb, m.
_BEHIND_M: Final = 0.15
#: Maximum distance of a body part from the median depth, m.
_REACH_M: Final = 1.5
#: Approximate number of pixels of a person's surroundings that are sampled for the surface.
_SURFACE_PX: Final = 5000
#: Minimum number of measured pixels of a person.
_FEWEST_PX: Final = 12
_NOWHERE: Final = np.float32(np.inf)


@dataclass(frozen=True)
class BodyDepth:
    """Depth of N people, in grid px and m; NaN if unknown.

    anchors: (N, 2) x, y of the middle of the trunk. z: (N, 18) m, of the keypoints and the anchor. spread: (N, 18) m,
    half the range of two thirds of the samples. surfaces: for each person (M, 3) x, y, z of pixels on the body.
    """

    anchors: Array
    z: Array
    spread: Array
    surfaces: tuple[Array, ...]


def measure_depth(
    labels: NDArray[np.int16], depth: Array, keypoints: Array, visible: NDArray[np.bool_], focal_px: float
) -> BodyDepth:
    """Measure N people.

    labels: (h, w), a person's index or -1. depth: (h, w) m, 0 if unknown. keypoints: (N, 17, 2) grid px; visible: (N,
    17), which to measure. focal_px: focal length, grid px.
    """
    inner = _edge_distance(labels)
    middle = _middle_depths(labels, depth, inner, len(keypoints))
    anchors = _anchors(labels, keypoints, visible)
    points = np.concatenate([keypoints, anchors[:, None]], axis=1)
    asked = np.concatenate([visible, np.ones((len(points), 1), np.bool_)], axis=1)
    points = np.where(asked[..., None], points, np.float32(np.nan))
    radii = np.array([*[_LIMB_M] * ANCHOR, _TRUNK_M[0]], np.float32)
    z, spread = _limb_depths(labels, depth, inner, points, radii, middle, focal_px)
    hidden = np.isnan(z[:, ANCHOR])
    if hidden.any():
        around = np.array(_TRUNK_M[1:], np.float32)
        wide, wide_spread = _limb_depths(labels, depth, inner, points[:, ANCHOR:], around, middle, focal_px)
        found = np.isfinite(wide[:, 0])
        z[hidden, ANCHOR] = np.where(found, wide[:, 0], middle)[hidden]
        spread[hidden, ANCHOR] = np.where(found, wide_spread[:, 0], np.float32(_BEHIND_M))[hidden]
    surfaces = tuple(_surface(labels, depth, person, z[person, ANCHOR], focal_px) for person in range(len(points)))
    return BodyDepth(anchors, z, spread, surfaces)


def _edge_distance(labels: NDArray[np.int16]) -> Array:
    """Distance of people's pixels from the nearest pixel with another label, px; pixels at an edge have 1."""
    distance = np.zeros(labels.shape, np.float32)
    x, y, width, height = cv2.boundingRect((labels >= 0).view(np.uint8))
    box = np.s_[y : y + height, x : x + width]
    # Both pixels beside an edge are at the edge. The image border is not an edge.
    part, inside = labels[box], np.ones((height, width), np.uint8)
    across, down = part[:, 1:] != part[:, :-1], part[1:] != part[:-1]
    inside[:, 1:][across] = inside[:, :-1][across] = inside[1:][down] = inside[:-1][down] = 0
    if width and height:
        distance[box] = cv2.distanceTransform(inside, cv2.DIST_L2, 3) + np.float32(1)
    return distance


def _middle_depths(labels: NDArray[np.int16], depth: Array, inner: Array, people: int) -> Array:
    """Median depth of each person's inner pixels, (N,) m; NaN if there are too few."""
    every = np.s_[::2, ::2]
    there = (depth[every] > 0) & (inner[every] > 2)
    owners, z = labels[every][there], depth[every][there]
    found = [z[owners == person] for person in range(people)]
    return np.array([np.median(one) if len(one) >= _FEWEST_PX else np.nan for one in found], np.float32)


def _anchors(labels: NDArray[np.int16], keypoints: Array, visible: NDArray[np.bool_]) -> Array:
    """Middle of the trunk, (N, 2) px: of shoulders and hips, else of all visible keypoints; always inside the person's
    mask.
    """
    anchors = np.full((len(keypoints), 2), np.nan, np.float32)
    height, width = labels.shape
    for person, points in enumerate(keypoints):
        trunk = [place for place in _TRUNK if visible[person, place]]
        used = points[trunk] if len(trunk) > 1 else points[visible[person]]
        if len(used):
            anchors[person] = used.mean(axis=0)
            x, y = np.rint(anchors[person]).astype(int)
            if 0 <= y < height and 0 <= x < width and labels[y, x] == person:
                continue
        row, column = np.nonzero(labels[::2, ::2] == person)
        own = np.stack([column, row], axis=-1).astype(np.float32) * 2
        if len(own):
            center = anchors[person] if len(used) else own.mean(axis=0)
            anchors[person] = own[((own - center) ** 2).sum(axis=1).argmin()]
        else:
            anchors[person] = np.nan
    return anchors


def _limb_depths(
    labels: NDArray[np.int16],
    depth: Array,
    inner: Array,
    points: Array,
    radii: Array,
    middle: Array,
    focal_px: float,
) -> tuple[Array, Array]:
    """Depth and spread of the surface at each point (N, P, 2) px, (N, P) m each.

    radii: (P,) m, of the sampled discs.
    """
    side = np.linspace(-1, 1, _LATTICE)
    disc = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    disc = disc[(disc**2).sum(axis=1) <= 1].astype(np.float32)
    radius = np.maximum(np.float32(focal_px) * radii / middle[:, None], np.float32(_LEAST_PX))
    places = points[:, :, None] + disc * radius[..., None, None]
    known = np.isfinite(places).all(axis=-1)
    column, row = np.rint(np.where(known[..., None], places, 0)).astype(np.intp).transpose(3, 0, 1, 2)
    height, width = labels.shape
    known &= (column >= 0) & (column < width) & (row >= 0) & (row < height)
    at = np.where(known, row * width + column, 0)
    own = known & (labels.reshape(-1)[at] == np.arange(len(points))[:, None, None])
    depths = np.where(own, inner.reshape(-1)[at], 0)
    core = own & (depths >= np.float32(_CORE) * depths.max(axis=-1, keepdims=True))
    z = depth.reshape(-1)[at]
    measured = core & (z > 0) & (np.abs(z - middle[:, None, None]) <= np.float32(_REACH_M))
    px_per_sample = np.minimum(1, np.float32(np.pi / len(disc)) * radius**2)  # small discs sample a pixel several times
    total = measured.sum(axis=-1)
    enough = (total * px_per_sample >= _FEWEST) & (total >= np.float32(_LEAST_SHARE) * core.sum(axis=-1))
    limb, limb_spread, limb_count = _nearest_surface(np.where(measured, z, _NOWHERE))
    away = (disc**2).sum(axis=1)
    in_spot = away <= np.maximum(_SPOT, 1 / radius)[..., None] ** 2
    # A keypoint beside its person's mask is on something else.
    enough &= (own & (away <= np.maximum(_SPOT, _BESIDE_PX / radius)[..., None] ** 2)).any(axis=-1)
    spot, spot_spread, count = _nearest_surface(np.where(measured & in_spot, z, _NOWHERE))
    seen_past = (spot > middle[:, None] + np.float32(_BEHIND_M)) & (limb_count > np.float32(_NEARER) * total)
    of_spot = (count * px_per_sample >= _FEWEST_IN_SPOT) & ~seen_past
    surface, spread = np.where(of_spot, spot, limb), np.where(of_spot, spot_spread, limb_spread)
    unknown = np.float32(np.nan)
    return np.where(enough, surface, unknown), np.where(enough, spread, unknown)


def _nearest_surface(z: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """From samples (…, S) m, infinite if missing: median, spread and number of samples of the nearest surface."""
    z = np.sort(z, axis=-1)
    count = np.isfinite(z).sum(axis=-1)

    def at(place: NDArray[np.intp]) -> Array:
        return np.take_along_axis(z, np.clip(place, 0, z.shape[-1] - 1)[..., None], axis=-1)[..., 0]

    front = at((count * np.float32(_OUTLIERS)).astype(np.intp))
    band = np.float32(_SURFACE_M)
    first = (z < (front - band)[..., None]).sum(axis=-1)
    number = (z <= (front + band)[..., None]).sum(axis=-1) - first
    number = np.where(count > 0, number, 0)
    with np.errstate(invalid="ignore"):  # without samples this is the difference of two infinities
        spread = (at(first + (number * 5) // 6) - at(first + number // 6)) / 2
    return at(first + (number - 1) // 2), np.asarray(spread, np.float32), number


def _surface(labels: NDArray[np.int16], depth: Array, person: int, z: float, focal_px: float) -> Array:
    """Pixels on a person's body, (M, 3) x, y px and z m, without edge pixels that show the background."""
    if not np.isfinite(z):
        return np.zeros((0, 3), np.float32)
    own = labels == person
    x, y, width, height = cv2.boundingRect(own.view(np.uint8))
    every = max(1, round((width * height / _SURFACE_PX) ** 0.5))
    box = np.s_[y : y + height : every, x : x + width : every]
    near = np.where(own[box] & (depth[box] > 0), depth[box], _NOWHERE)
    reach = 2 * max(1, round(_LIMB_M * focal_px / z / every)) + 1
    front = cv2.erode(near, np.ones((reach, reach), np.uint8), borderValue=float(_NOWHERE))
    row, column = np.nonzero(
        (near <= front + np.float32(_BEHIND_M)) & (np.abs(near - np.float32(z)) <= np.float32(_REACH_M))
    )
    return np.stack([column * every + x, row * every + y, near[row, column]], axis=-1).astype(np.float32)
