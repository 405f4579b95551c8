"""The kernels in C give what NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyseg_ros.decode import confidence_map, decode_poses, instance_map, part_map, person_map, sigmoid
from bodyseg_ros.decoder_inputs import LongOffsets, PoseHeads, PoseLimits
from bodyseg_ros.errors import EngineError
from bodyseg_ros.geometry import Geometry, padded_geometry, replicated_geometry
from bodyseg_ros.kernels import compiled
from bodyseg_ros.networks.prepare import resize_padded
from bodyseg_ros.types import Poses
from golden import bodypix_cases

pytestmark = pytest.mark.skipif(compiled.LIBRARY is None, reason="the kernels were not built")

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 150)
strides = st.sampled_from([8, 16, 32])


def both(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """What the kernel gives, and what NumPy gives."""
    with pytest.MonkeyPatch.context() as patch:
        quick = function(*arguments, **options)
        patch.setattr(compiled, "LIBRARY", None)
        return quick, function(*arguments, **options)


@settings(max_examples=60, deadline=None)
@given(seeds, sides, sides, st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_prepared_pictures(seed: int, height: int, width: int, rows: int, columns: int, replicated: bool) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    geometry = (replicated_geometry if replicated else padded_geometry)(height, width, rows, columns)
    quick, plain = both(resize_padded, image, geometry, (2 / 255, 0.5, 1.0), (-1.0, 0.25, 3.0))
    np.testing.assert_array_equal(quick, plain)


@pytest.mark.parametrize("view", ["mirrored", "upside down", "cut out", "channels swapped"])
def test_pictures_that_are_views(view: str) -> None:
    whole = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)
    image = {
        "mirrored": whole[:, ::-1],
        "upside down": whole[::-1],
        "cut out": whole[3:30, 7:50],
        "channels swapped": whole[..., ::-1],
    }[view]
    quick, plain = both(resize_padded, image, padded_geometry(*image.shape[:2], 17, 33))
    np.testing.assert_array_equal(quick, plain)


@settings(max_examples=40, deadline=None)
@given(seeds, sides, sides, strides, st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_masks(seed: int, height: int, width: int, stride: int, threshold: float) -> None:
    segments = np.random.default_rng(seed).normal(0, 3, (3, 5, 1)).astype(np.float32)
    geometry = padded_geometry(height, width, 2 * stride + 1, 4 * stride + 1)
    quick, plain = both(person_map, segments, geometry, threshold)
    assert np.count_nonzero(quick != plain) <= 1  # the last float digit at the threshold
    assert quick.dtype == plain.dtype == np.uint8
    np.testing.assert_allclose(*both(confidence_map, segments, geometry), rtol=0, atol=5e-7)


@settings(max_examples=40, deadline=None)
@given(seeds, sides, sides, strides)
def test_parts(seed: int, height: int, width: int, stride: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = padded_geometry(height, width, 2 * stride + 1, 4 * stride + 1)
    heatmaps = rng.normal(0, 4, (3, 5, 24)).astype(np.float32)
    person = rng.integers(0, 2, (height, width)).astype(np.uint8)
    quick, plain = both(part_map, heatmaps, person, geometry)
    assert np.count_nonzero(quick != plain) <= 2  # ties in the last float digit
    assert quick.dtype == plain.dtype == np.int8


def test_logits_so_sure_that_scores_tie() -> None:
    """Scores that float32 rounds to 1, or to next to nothing: the first part wins."""
    heatmaps = np.random.default_rng(5).choice([-200.0, -85.0, 17.0, 18.0, 40.0], (3, 5, 24)).astype(np.float32)
    quick, plain = both(part_map, heatmaps, np.ones((60, 90), np.uint8), padded_geometry(60, 90, 17, 33))
    assert np.count_nonzero(quick != plain) <= 0.02 * plain.size  # sums of 1s end in another digit


def test_logits_without_end() -> None:
    segments = np.array([[-3e38, 3e38, 0], [88, -88, 104], [1e30, 0, -1e30]], np.float32)[..., None]
    quick, plain = both(confidence_map, segments, padded_geometry(40, 40, 17, 17))
    assert np.isfinite(quick).all()
    np.testing.assert_allclose(quick, plain, rtol=0, atol=5e-7)


@pytest.mark.parametrize(("input_px", "cells"), [(1, 1), (17, 1), (17, 2), (256, 16), (224, 14)])
def test_grids_of_any_kind(input_px: int, cells: int) -> None:
    """One cell, one pixel, and cells that hold no whole number of network pixels, which are left to NumPy."""
    segments = np.random.default_rng(cells).normal(0, 3, (cells, cells, 1)).astype(np.float32)
    geometry = Geometry(61, 47, input_px, input_px)
    quick, plain = both(person_map, segments, geometry, 0.5)
    np.testing.assert_array_equal(quick, plain)
    np.testing.assert_array_equal(quick, mask_by_hand(segments[..., 0], input_px) if input_px > 1 else plain)


def mask_by_hand(logits: np.ndarray, input_px: int) -> np.ndarray:
    """61 × 47 px of a head on a grid of its own, threshold 0.5: what the reference's steps say, number by number."""
    cells = len(logits)

    def between(values: np.ndarray, place: float) -> np.ndarray:
        first = min(int(place), len(values) - 1)
        after = min(first + 1, len(values) - 1)
        return values[first] * (1 - (place - first)) + values[after] * (place - first)

    network = np.array([between(logits, px * (cells - 1) / (input_px - 1)) for px in range(input_px)])
    network = np.array([between(network.T, px * (cells - 1) / (input_px - 1)) for px in range(input_px)]).T
    scores = 1 / (1 + np.exp(-network.astype(np.float64)))
    rows = np.array([between(scores, y * (input_px - 1) / 60) for y in range(61)])
    return np.array([between(rows.T, x * (input_px - 1) / 46) for x in range(47)]).T > 0.5


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.sampled_from([0.0, 0.3, 0.5]))
def test_poses(seed: int, rows: int, columns: int, most: int, threshold: float) -> None:
    """Coarse scores, so that many tie, and displacements far beyond the grid."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 12, (rows, columns, 17)) / 12).astype(np.float32)
    tree = [rng.normal(0, 60, (rows, columns, channels)).astype(np.float32) for channels in (34, 32, 32)]
    heads, limits = PoseHeads(scores, *tree, stride=16), PoseLimits(most, threshold, 20.0)
    (quick_points, quick), (plain_points, plain) = both(decode_poses, heads, limits)
    np.testing.assert_array_equal(quick_points, plain_points)
    np.testing.assert_array_equal(quick.keypoint_scores, plain.keypoint_scores)
    np.testing.assert_array_equal(quick.scores, plain.scores)


@pytest.mark.parametrize("people", [2, 5])
@settings(max_examples=12, deadline=None)
@given(seed=seeds, height=st.integers(60, 150), width=st.integers(60, 150))
def test_instances(people: int, seed: int, height: int, width: int) -> None:
    """Fields as smooth as networks give: next to no pixel may differ from following each by itself."""
    rng = np.random.default_rng(seed)
    geometry = padded_geometry(height, width, 33, 49)
    points = rng.uniform(0, 60, (people, 17, 2)).astype(np.float32)
    poses = Poses(points, rng.uniform(0, 1, (people, 17)).astype(np.float32), np.ones(people, np.float32))
    person = np.zeros((height, width), np.uint8)
    person[3:-5, 2:-3] = 1
    long_offsets = rng.uniform(-20, 20, (1, 1, 34)) + np.cumsum(rng.normal(0, 2, (5, 7, 34)), axis=1)
    field = LongOffsets(long_offsets.astype(np.float32), 8, geometry)
    quick, plain = both(instance_map, field, person, poses, refine_steps=6, min_keypoint_score=0.3)
    assert np.count_nonzero(quick != plain) <= 0.01 * person.sum()
    assert quick.dtype == plain.dtype == np.int16


def _zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize("size", [(3, 3), (60, 89), (61, 90)])
def test_masks_of_another_size_are_refused(size: tuple[int, int]) -> None:
    """C would read and write beyond their end."""
    geometry, person = padded_geometry(60, 90, 17, 33), np.ones(size, np.uint8)
    with pytest.raises(ValueError, match=r"mask of shape \(60, 90\)"):
        part_map(_zeros(3, 5, 24), person, geometry)
    poses = Poses(_zeros(2, 17, 2), np.ones((2, 17), np.float32), np.ones(2, np.float32))
    field = LongOffsets(_zeros(3, 5, 34), 8, geometry)
    with pytest.raises(ValueError, match=r"mask of shape \(60, 90\)"):
        instance_map(field, person, poses, refine_steps=1, min_keypoint_score=0.3)


@pytest.mark.parametrize(
    ("head", "name"), [(0, "heatmaps"), (1, "short_offsets"), (2, "displacement_fwd"), (3, "displacement_bwd")]
)
def test_heads_of_another_shape_are_refused(head: int, name: str) -> None:
    """C would read beyond their end."""
    heads = [_zeros(3, 5, channels) for channels in (17, 34, 32, 32)]
    heads[head] = heads[head][..., :-1]
    with pytest.raises(EngineError, match=rf"{name}.*\(3, 5, \d+\).*\(3, 5, \d+\)"):
        PoseHeads(*heads, stride=16)


def test_offsets_of_other_channels_are_refused() -> None:
    with pytest.raises(EngineError, match=r"long_offsets.*\(3, 5, 32\).*\(3, 5, 34\)"):
        LongOffsets(_zeros(3, 5, 32), 8, padded_geometry(60, 90, 17, 33))


@pytest.mark.parametrize("shape", [(0, 5, 24), (3, 5, 0)])
def test_empty_heads_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        part_map(_zeros(*shape), np.ones((60, 90), np.uint8), padded_geometry(60, 90, 17, 33))


def test_many_threads_at_once() -> None:
    """Several cameras share cached grids."""
    rng = np.random.default_rng(2)
    geometries = [padded_geometry(60 + i, 90, 17, 33) for i in range(20)]
    heatmaps = rng.normal(0, 4, (3, 5, 24)).astype(np.float32)

    def decoded(geometry: Geometry) -> Any:
        person = np.ones((geometry.height, geometry.width), np.uint8)
        return part_map(heatmaps, person, geometry)

    expected = [decoded(geometry) for geometry in geometries]
    with ThreadPoolExecutor(8) as pool:
        for got, want in zip(pool.map(decoded, geometries * 10), expected * 10, strict=True):
            np.testing.assert_array_equal(got, want)


def test_instances_of_a_network_that_sees_more_than_the_picture_has() -> None:
    """Steps overshoot there, and next to each other pixels lead to different people."""
    rng = np.random.default_rng(8)
    geometry = padded_geometry(64, 96, 97, 145)
    poses = Poses(
        rng.uniform(0, 90, (3, 17, 2)).astype(np.float32), np.ones((3, 17), np.float32), np.ones(3, np.float32)
    )
    long_offsets = rng.normal(0, 30, (13, 19, 34)).astype(np.float32)
    field, person = LongOffsets(long_offsets, 8, geometry), np.ones((64, 96), np.uint8)
    quick, plain = both(instance_map, field, person, poses, refine_steps=10, min_keypoint_score=0.3)
    assert len(np.unique(plain)) == 3
    assert np.count_nonzero(quick != plain) <= 5  # a step that ends on the line between two pixels


def test_reference_tensors(shared: Path) -> None:
    cases = [case for case in bodypix_cases(shared) if "raw/segments" in case]
    assert len(cases) >= 6
    for case in cases:
        heads = {name: case[f"raw/{name}"][0] for name in ("segments", "part_heatmaps", "heatmaps", "long_offsets")}
        for threshold in (0.3, 0.7):
            person, plain = both(person_map, heads["segments"], case.geometry, threshold)
            np.testing.assert_array_equal(person, plain, case.name)
        quick, plain = both(part_map, heads["part_heatmaps"], person, case.geometry)
        assert np.count_nonzero(quick != plain) <= 5, case.name
        tree = (case[f"raw/{name}"][0] for name in ("short_offsets", "displacement_fwd", "displacement_bwd"))
        pose_heads = PoseHeads(sigmoid(heads["heatmaps"]), *tree, stride=case.stride)
        keypoints, everyone = decode_poses(pose_heads, PoseLimits(10, 0.4, 20.0))
        source = case.geometry.to_source_px(keypoints).astype(np.float32)
        poses = Poses(source, everyone.keypoint_scores, everyone.scores).only(everyone.scores >= 0.4)
        field = LongOffsets(heads["long_offsets"], case.stride, case.geometry)
        quick, plain = both(instance_map, field, person, poses, refine_steps=10, min_keypoint_score=0.3)
        assert np.count_nonzero(quick != plain) <= 1e-4 * person.sum(), case.name


@pytest.mark.parametrize("image", [np.zeros((30, 40, 1), np.uint8), np.zeros((30, 40, 3), np.float32)])
def test_pictures_that_are_none_are_refused(image: np.ndarray) -> None:
    for geometry in (padded_geometry(30, 40, 17, 17), padded_geometry(60, 80, 17, 17)):
        with pytest.raises(ValueError, match="must be uint8"):
            resize_padded(image, geometry)
