"""Maps made behind the network equal those of the decoders, pixel by pixel but where two scores are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.catalog import load_card
from bodyseg_ros.decode import confidence_map, part_map, person_map, person_mask
from bodyseg_ros.engines.tensorflow import TensorFlowEngine, TensorFlowSettings
from bodyseg_ros.engines.tensorflow_maps import MapMaker
from bodyseg_ros.errors import EngineError
from bodyseg_ros.formats import ModelSource, load_tensorflow
from bodyseg_ros.geometry import Geometry, padded_geometry
from bodyseg_ros.kernels import compiled
from bodyseg_ros.model import Model
from bodyseg_ros.networks.bodypix import BodyPix, BodyPixSettings
from bodyseg_ros.networks.heads import HEAD_NAMES
from bodyseg_ros.types import MAP_CONFIDENCE, MAP_PARTS, MAP_PERSON, Frame, MapsWanted, Wanted
from golden import bodypix_cases

tf = load_tensorflow()

#: Head → channels of a network that tells people from background and parts, and finds no poses.
HEADS = {"float_segments": 1, "float_part_heatmaps": 24, "float_heatmaps": 17, "float_short_offsets": 34}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "xla"])
def maker(request: pytest.FixtureRequest) -> MapMaker:
    return MapMaker(tf, compile_with_xla=request.param)


def wanted(geometry: Geometry, threshold: float = 0.7, confidence: bool = True, parts: bool = True) -> MapsWanted:
    patterns = HEAD_NAMES["segments"], HEAD_NAMES["part_heatmaps"]
    return MapsWanted(geometry, threshold, confidence, parts, *patterns)


def made(maker: MapMaker, segments: np.ndarray, parts: np.ndarray, maps: MapsWanted) -> dict[str, np.ndarray]:
    tensors = {"float_segments": tf.constant(segments[None]), "float_part_heatmaps": tf.constant(parts[None])}
    return {name: tensor.numpy() for name, tensor in maker.with_maps(tensors, maps).items()}


@pytest.mark.parametrize(
    ("size", "network"),
    [((120, 160), (65, 81)), ((300, 90), (81, 65)), ((90, 300), (65, 65)), ((1, 1), (17, 17)), ((256, 3), (33, 17))],
)
def test_random_heads(
    maker: MapMaker, size: tuple[int, int], network: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(sum(size))
    geometry = padded_geometry(*size, *network)
    grid = tuple((side - 1) // 16 + 1 for side in network)
    segments = random.normal(0, 3, (*grid, 1)).astype(np.float32)
    parts = random.normal(0, 3, (*grid, 24)).astype(np.float32)
    found = made(maker, segments, parts, wanted(geometry, 0.4))
    monkeypatch.setattr(compiled, "LIBRARY", None)  # in NumPy
    person = person_mask(confidence_map(segments, geometry), 0.4)
    np.testing.assert_array_equal(found[MAP_PERSON], person)
    np.testing.assert_allclose(found[MAP_CONFIDENCE], confidence_map(segments, geometry), atol=1e-6)
    assert np.count_nonzero(found[MAP_PARTS] != part_map(parts, person, geometry)) <= 5
    assert (found[MAP_PERSON].dtype, found[MAP_PARTS].dtype) == (np.uint8, np.int8)


def test_of_equal_parts_the_first_wins(maker: MapMaker) -> None:
    parts = np.zeros((5, 6, 24), np.float32)
    parts[..., [7, 11, 20]] = 40, 40, 90  # as float32 scores all three are 1
    found = made(maker, np.full((5, 6, 1), 9, np.float32), parts, wanted(padded_geometry(120, 160, 65, 81)))
    assert (found[MAP_PARTS] == 7).all()


def test_the_references_tensors(maker: MapMaker, shared: Path) -> None:
    cases = [case for case in bodypix_cases(shared) if "raw/segments" in case]
    assert len(cases) >= 6
    for case in cases:
        segments, parts = case["raw/segments"][0], case["raw/part_heatmaps"][0]
        for threshold in (0.3, 0.7):
            found = made(maker, segments, parts, wanted(case.geometry, threshold))
            person = person_map(segments, case.geometry, threshold)
            np.testing.assert_array_equal(found[MAP_PERSON], person, case.name)
            assert np.count_nonzero(found[MAP_PARTS] != part_map(parts, person, case.geometry)) <= 5, case.name
            np.testing.assert_allclose(found[MAP_CONFIDENCE], confidence_map(segments, case.geometry), atol=1e-6)


def test_only_what_is_wanted(maker: MapMaker) -> None:
    grids = np.zeros((5, 6, 1), np.float32), np.zeros((5, 6, 24), np.float32)
    geometry = padded_geometry(120, 160, 65, 81)
    assert set(made(maker, *grids, wanted(geometry, confidence=False, parts=False))) == {
        "float_segments", "float_part_heatmaps", MAP_PERSON,
    }  # fmt: skip
    assert set(made(maker, *grids, wanted(geometry))) == {"float_segments", MAP_CONFIDENCE, MAP_PERSON, MAP_PARTS}


@pytest.mark.parametrize("parts", [np.full((5, 6, 24), np.nan), np.zeros((5, 6, 23)), np.zeros((4, 6, 24))])
def test_tensors_of_no_use_are_handed_on(maker: MapMaker, parts: np.ndarray) -> None:
    maps = wanted(padded_geometry(120, 160, 65, 81))
    found = made(maker, np.zeros((5, 6, 1), np.float32), parts.astype(np.float32), maps)
    assert "float_part_heatmaps" in found and MAP_PARTS not in found
    assert set(maker.with_maps({"other": tf.zeros([1])}, maps)) == {"other"}
    assert set(maker.with_maps({"float_segments": tf.zeros([1, 5, 6, 2])}, maps)) == {"float_segments"}


def source(folder: Path, stride: int = 16, poison: float = 0.0) -> ModelSource:
    """A network whose heads are the picture's own colors, mixed at random; poison: added to the part logits."""
    with tf.Graph().as_default() as graph:
        picture = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3], "sub_2")
        for number, (name, channels) in enumerate(HEADS.items()):
            mix = np.random.default_rng(number).normal(0, 6, (1, 1, 3, channels)).astype(np.float32)
            head = tf.nn.conv2d(picture, mix, stride, "SAME") - (9.0 if name == "float_heatmaps" else 0.0)
            tf.add(head, poison if name == "float_part_heatmaps" else 0.0, name)
    (folder / "colors.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return ModelSource(folder / "colors.pb", "frozen", outputs={name: name for name in HEADS})


def model(file: ModelSource, where: str, **options: Any) -> Model:
    network = BodyPix(load_card("bodypix-mobilenet-050"), BodyPixSettings(**options), 16)
    return Model(network, TensorFlowEngine(file, TensorFlowSettings(device="cpu", decode_on_device=where)))


def photo(height: int = 96, width: int = 160) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("asked", [Wanted.EVERYTHING, Wanted.PERSON, Wanted.PARTS, Wanted.INSTANCES, Wanted.POSES])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_result_is_the_same_either_way(tmp_path: Path, asked: Wanted, mirror: bool) -> None:
    file = source(tmp_path)
    options = {"flip_horizontal": mirror, "segmentation_threshold": 0.45}
    there, here = (
        model(file, where, **options).segment(photo(), asked & ~Wanted.CLASSES) for where in ("always", "never")
    )
    for name in ("person", "parts", "instances"):
        ours, theirs = getattr(there, name), getattr(here, name)
        assert (ours is None) == (theirs is None), name
        assert ours is None or np.count_nonzero(ours != theirs) <= (5 if name == "parts" else 0), name
    assert (there.confidence is None) == (here.confidence is None)
    if there.confidence is not None and here.confidence is not None:
        np.testing.assert_allclose(there.confidence, here.confidence, atol=1e-6)
        assert here.person is not None and 0 < here.person.mean() < 1
    assert (there.poses is None) == (here.poses is None)


def test_it_is_done_when_the_device_or_the_setting_says_so(tmp_path: Path) -> None:
    file = source(tmp_path)
    assert not model(file, "auto").engine.makes_maps  # on a CPU
    assert not model(file, "never").engine.makes_maps
    engine = model(file, "always").engine
    assert engine.makes_maps
    network = BodyPix(load_card("bodypix-mobilenet-050"), BodyPixSettings(), 16)
    prepared = network.prepare(Frame(photo()))
    outputs = engine.run(prepared.tensor, network.maps_wanted(prepared, Wanted.PARTS))
    assert set(outputs) == (set(HEADS) - {"float_part_heatmaps"}) | {MAP_PERSON, MAP_PARTS}
    assert set(engine.run(prepared.tensor)) == set(HEADS)


def test_nan_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'part_heatmaps' contains NaN or infinity"):
        model(source(tmp_path, poison=np.nan), "always").segment(photo(), Wanted.PARTS)


def test_another_stride_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="check output_stride"):
        model(source(tmp_path, stride=32), "always").segment(photo(), Wanted.PARTS)


def test_xla_compiles_maps_for_a_few_sizes_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = source(tmp_path)
    there, here = model(file, "always", internal_resolution=0.5), model(file, "never", internal_resolution=0.5)
    there.engine._compiled, there.engine._maps = set(), MapMaker(tf, compile_with_xla=True)  # as on a GPU
    for width in (160, 161, 160, 162, 163, 164, 160):  # the network sees 81 px of all of them
        frame = photo(width=width)
        np.testing.assert_array_equal(
            there.segment(frame, Wanted.PERSON).person, here.segment(frame, Wanted.PERSON).person
        )
    (warning,) = caplog.records
    assert warning.getMessage() == "XLA has compiled the network for 4 sizes; it runs uncompiled from now on."
