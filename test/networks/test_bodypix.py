"""BodyPix's options and edges, on tensors made by hand: no weights needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodyseg_ros.body import POSE_TREE
from bodyseg_ros.catalog import load_card
from bodyseg_ros.errors import EngineError
from bodyseg_ros.networks import flip_if_asked
from bodyseg_ros.networks.bodypix import BodyPix, BodyPixSettings
from bodyseg_ros.networks.person_poses import close_up_scores
from bodyseg_ros.types import Frame, Poses, Wanted

CARD = load_card("bodypix-mobilenet-050")
CHANNELS = {
    "float_segments": 1,
    "float_part_heatmaps": 24,
    "float_heatmaps": 17,
    "float_short_offsets": 34,
    "float_long_offsets": 34,
    "MobilenetV1/displacement_fwd_2/BiasAdd": 32,
    "MobilenetV1/displacement_bwd_2/BiasAdd": 32,
    "float_part_offsets": 48,
}


def network(stride: int = 16, **options: object) -> BodyPix:
    return BodyPix(CARD, BodyPixSettings(**options), stride)


def empty_outputs(rows: int, columns: int) -> dict[str, np.ndarray]:
    tensors = {name: np.zeros((1, rows, columns, channels), np.float32) for name, channels in CHANNELS.items()}
    tensors["float_segments"] -= 8
    tensors["float_heatmaps"] -= 8
    return tensors


def left_half_person(rows: int, columns: int) -> dict[str, np.ndarray]:
    """A person in the left half, part 12 above 0, with a nose in the second column."""
    tensors = empty_outputs(rows, columns)
    tensors["float_segments"][:, :, : columns // 2] = 8
    tensors["float_part_heatmaps"][:, rows // 2 :, :, 12] = 5
    tensors["float_heatmaps"][:, 1, 1, :] = 5
    return tensors


@pytest.mark.parametrize(
    ("size", "resolution", "stride", "expected"),
    [  # v = side · fraction; v if (v − 1) mod stride = 0, else floor(v / stride)·stride + 1, by hand
        ((480, 640), "medium", 16, (241, 321)),
        ((480, 640), "low", 16, (113, 161)),
        ((480, 640), "full", 8, (481, 641)),
        ((512, 410), 0.1, 16, (49, 33)),
        ((512, 410), 2.0, 8, (1025, 817)),
        ((1, 1), "medium", 16, (1, 1)),
        ((1, 4000), "medium", 16, (1, 2001)),
        ((482, 642), 0.5, 16, (241, 321)),
    ],
)
def test_input_size(size: tuple[int, int], resolution: object, stride: int, expected: tuple[int, int]) -> None:
    frame = Frame(np.zeros((*size, 3), np.uint8))
    prepared = network(stride, internal_resolution=resolution).prepare(frame)
    assert prepared.tensor.shape == (1, *expected, 3)
    assert prepared.tensor.dtype == np.float32


@pytest.mark.parametrize("size", [(3000, 4000), (1, 2_000_000), (2_000_000, 1), (480, 640)])
@pytest.mark.parametrize("most", [200_000, 4_194_304])
def test_the_network_sees_no_more_than_it_may(size: tuple[int, int], most: int) -> None:
    geometry = network(internal_resolution="full", max_input_px=most)._geometry(*size)
    seen = geometry.input_height * geometry.input_width
    assert seen <= most * 1.05 + max(geometry.input_height, geometry.input_width), "k·stride + 1 may go a little over"
    if size[0] * size[1] < most:
        assert seen > size[0] * size[1] * 0.9


def test_normalisation_of_mobilenet_and_resnet() -> None:
    image = np.zeros((33, 33, 3), np.uint8)
    image[:] = (255, 0, 127)
    tensor = network(internal_resolution="full").prepare(Frame(image)).tensor
    np.testing.assert_allclose(tensor[0, 5, 5], [1.0, -1.0, 127 / 127.5 - 1], atol=1e-6)
    resnet = BodyPix(load_card("bodypix-resnet50"), BodyPixSettings(internal_resolution="full"), 32)
    tensor = resnet.prepare(Frame(image)).tensor
    np.testing.assert_allclose(tensor[0, 5, 5], [255 - 123.15, -115.90, 127 - 103.06], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3), (17, 16), (241, 321)])
@pytest.mark.parametrize("resolution", [0.1, "medium", 2.0])
def test_any_frame_size_decodes(size: tuple[int, int], resolution: object) -> None:
    bodypix = network(internal_resolution=resolution)
    prepared = bodypix.prepare(Frame(np.full((*size, 3), 90, np.uint8)))
    rows, columns = ((side - 1) // 16 + 1 for side in prepared.tensor.shape[1:3])
    tensors = empty_outputs(rows, columns)
    tensors["float_segments"] += 16
    result = bodypix.decode(tensors, prepared, Wanted.EVERYTHING)
    assert result.person is not None and result.person.shape == size
    assert result.person.all()
    assert result.poses is not None and len(result.poses) == 0
    assert result.instances is not None and (result.instances == -1).all()


def test_zero_people() -> None:
    bodypix = network()
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    result = bodypix.decode(empty_outputs(16, 21), prepared, Wanted.EVERYTHING)
    assert not result.person.any()
    assert (result.parts == -1).all()
    assert (result.instances == -1).all()
    assert len(result.poses) == 0


def test_only_the_wanted_is_computed() -> None:
    bodypix = network()
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    tensors = left_half_person(16, 21)
    result = bodypix.decode(tensors, prepared, Wanted.POSES)
    assert result.poses is not None and len(result.poses) >= 1
    assert result.person is None and result.parts is None and result.instances is None
    only_mask = {"float_segments": tensors["float_segments"]}
    assert bodypix.decode(only_mask, prepared, Wanted.PERSON).person is not None
    assert network(segment_body_parts=False).decode(tensors, prepared, Wanted.EVERYTHING).parts is None
    assert network(multi_segmentation=False).decode(tensors, prepared, Wanted.EVERYTHING).instances is None


def test_flip_mirrors_masks_and_poses_without_renaming() -> None:
    frame = Frame(np.zeros((241, 321, 3), np.uint8))
    straight, flipped = network(), network(flip_horizontal=True)
    prepared = straight.prepare(frame)
    rows, columns = ((side - 1) // 16 + 1 for side in prepared.tensor.shape[1:3])
    tensors = left_half_person(rows, columns)
    plain = straight.decode(tensors, prepared, Wanted.EVERYTHING)
    mirror = flip_if_asked(flipped.decode(tensors, flipped.prepare(frame), Wanted.EVERYTHING), flipped.settings)
    assert mirror.mirrored
    for name in ("person", "confidence", "parts", "instances"):
        np.testing.assert_array_equal(getattr(mirror, name), getattr(plain, name)[:, ::-1])
    np.testing.assert_allclose(mirror.poses.keypoints[..., 0], 320 - plain.poses.keypoints[..., 0])
    np.testing.assert_array_equal(mirror.poses.keypoints[..., 1], plain.poses.keypoints[..., 1])
    np.testing.assert_array_equal(mirror.poses.keypoint_scores, plain.poses.keypoint_scores)


def test_the_form_of_2018_gives_one_pose_and_it_owns_every_pixel() -> None:
    tensors = left_half_person(16, 21)
    v1 = {"segment_2": tensors["float_segments"], "part_heatmap_2": tensors["float_part_heatmaps"],
          "heatmap_2": tensors["float_heatmaps"], "offset_2": tensors["float_short_offsets"]}  # fmt: skip
    bodypix = network()
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    result = bodypix.decode(v1, prepared, Wanted.EVERYTHING)
    assert len(result.poses) == 1
    np.testing.assert_array_equal(result.instances == 0, result.person == 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"float_segments": None}, r"no output for segments.*float_part_heatmaps"),
        ({"float_segments": np.zeros((1, 16, 20, 1))}, r"must share one grid"),
        ({"float_heatmaps": np.zeros((1, 16, 21, 16))}, r"heatmaps is \(16, 21, 16\).*should give \(16, 21, 17\)"),
        ({"float_heatmaps": np.full((1, 16, 21, 17), np.nan)}, r"'heatmaps' contains NaN or infinity"),
    ],
)
def test_a_wrong_answer_of_the_network_is_refused(change: dict, message: str) -> None:
    tensors = {name: value for name, value in (empty_outputs(16, 21) | change).items() if value is not None}
    bodypix = network()
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    with pytest.raises(EngineError, match=message):
        bodypix.decode(tensors, prepared, Wanted.EVERYTHING)


def test_a_model_of_another_stride_is_named() -> None:
    bodypix = network(stride=8)
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    with pytest.raises(EngineError, match=r"241×321.*stride 8.*\(31, 41, 1\).*output_stride"):
        bodypix.decode(empty_outputs(16, 21), prepared, Wanted.PERSON)


@pytest.mark.parametrize("form", ["channels first", "displacements in one", "finer stride"])
def test_other_forms_of_the_same_heads_say_the_same(form: str) -> None:
    plain, tensors = network(score_threshold=0.01), left_half_person(31, 41)
    tensors["MobilenetV1/displacement_fwd_2/BiasAdd"] += 40
    changed, other = dict(tensors), network(score_threshold=0.01)
    if form == "channels first":
        changed = {name: np.moveaxis(array, 3, 1) for name, array in tensors.items()}
        other = BodyPix(CARD.model_copy(update={"layout": "nchw"}), BodyPixSettings(score_threshold=0.01), 16)
    elif form == "displacements in one":
        both = [changed.pop(f"MobilenetV1/displacement_{way}_2/BiasAdd") for way in ("fwd", "bwd")]
        changed["float_mid_offsets"] = np.concatenate(both, axis=3)
    frame = Frame(np.zeros((960, 1280, 3), np.uint8))
    if form == "finer stride":  # the file has stride 8, whatever was asked for
        frame, plain = Frame(np.zeros((480, 640, 3), np.uint8)), network(8, score_threshold=0.01)
    expected = plain.decode(tensors, plain.prepare(frame), Wanted.EVERYTHING)
    found = other.decode(changed, other.prepare(frame), Wanted.EVERYTHING)
    for name in ("person", "parts", "instances"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.poses.keypoints, expected.poses.keypoints)
    assert len(found.poses) and (found.poses.keypoints[0, 5] != found.poses.keypoints[0, 0]).any()


def test_a_file_of_one_size_sees_that_size() -> None:
    fixed = BodyPix(CARD.model_copy(update={"input_size": (241, 321)}), BodyPixSettings(internal_resolution=2.0), 16)
    prepared = fixed.prepare(Frame(np.zeros((480, 480, 3), np.uint8)))
    assert prepared.tensor.shape == (1, 241, 321, 3)
    assert (prepared.geometry.pad_left, prepared.geometry.pad_top) == (80, 0)


def test_maps_made_by_the_engine_are_taken() -> None:
    bodypix = network()
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    tensors = left_half_person(16, 21)
    del tensors["float_part_heatmaps"]
    person = np.zeros((480, 640), np.uint8)
    person[:9] = 1
    parts = np.where(person == 1, np.int8(3), np.int8(-1))
    maps = {"map:person": person, "map:parts": parts, "map:confidence": person * np.float32(0.9)}
    result = bodypix.decode(tensors | maps, prepared, Wanted.EVERYTHING)
    np.testing.assert_array_equal(result.person, person)
    np.testing.assert_array_equal(result.parts, parts)
    assert result.confidence.max() == np.float32(0.9)
    assert len(result.poses) == 1
    np.testing.assert_array_equal(result.instances == 0, person == 1)


def test_which_maps_an_engine_is_asked_for() -> None:
    bodypix = network(segmentation_threshold=0.25, segment_body_parts=False)
    prepared = bodypix.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    assert bodypix.maps_wanted(prepared, Wanted.POSES) is None
    maps = bodypix.maps_wanted(prepared, Wanted.EVERYTHING)
    assert (maps.geometry, maps.threshold, maps.confidence, maps.parts) == (prepared.geometry, 0.25, True, False)
    maps = network().maps_wanted(prepared, Wanted.PARTS)
    assert (maps.confidence, maps.parts) == (False, True)
    assert maps.segments.search("float_segments") and maps.part_heatmaps.search("float_part_heatmaps")
    onnx = BodyPix(CARD.model_copy(update={"layout": "nchw"}), BodyPixSettings(), 16)
    assert onnx.maps_wanted(prepared, Wanted.PARTS) is None


def face(scores: float, width_px: float) -> Poses:
    """Nose, eyes and ears with the score, the ears so far apart; the other keypoints are out of sight."""
    keypoints, joint_scores = np.zeros((1, 17, 2), np.float32), np.full((1, 17), 0.05, np.float32)
    keypoints[0, :5, 0] = np.linspace(100, 100 + width_px, 5)
    joint_scores[0, :5] = scores
    return Poses(keypoints, joint_scores, joint_scores.mean(axis=1))


def test_a_face_that_fills_the_picture_scores_what_is_seen_of_it() -> None:
    """Five keypoints of 0.9: 4.5 / 5, where the reference has (4.5 + 0.6) / 17 = 0.3."""
    assert close_up_scores(face(0.9, 200), (480, 640), 0.3)[0] == pytest.approx(0.9, abs=1e-6)
    assert face(0.9, 200).scores[0] == pytest.approx(0.3)
    assert close_up_scores(face(0.9, 90), (480, 640), 0.3)[0] == 0  # it does not fill the picture
    assert close_up_scores(face(0.2, 200), (480, 640), 0.3)[0] == 0  # nothing is visible
    twice = face(0.9, 200)
    found_before = replace(twice, scores=np.array([0.6 / 17], np.float32))  # what its keypoints add an earlier pose has
    assert close_up_scores(found_before, (480, 640), 0.3)[0] == pytest.approx(0, abs=1e-6)
    assert close_up_scores(Poses.none(), (480, 640), 0.3).shape == (0,)


def test_close_ups_are_people_unless_told_as_in_the_reference() -> None:
    """A root and four keypoints around it, their offsets leading from one to the next."""
    tensors = empty_outputs(31, 41)
    tensors["float_heatmaps"][0, 10, 15:20, :] = -8
    places = {0: (10, 15), 1: (8, 17), 2: (8, 13), 3: (10, 20), 4: (10, 10)}
    for keypoint, (row, column) in places.items():
        tensors["float_heatmaps"][0, row, column, keypoint] = 2
    for edge, (parent, child) in enumerate(POSE_TREE):
        if child in places:
            (py, px), (cy, cx) = places[parent], places[child]
            tensors["MobilenetV1/displacement_fwd_2/BiasAdd"][0, py, px, [edge, edge + 16]] = (
                16 * (cy - py),
                16 * (cx - px),
            )
            tensors["MobilenetV1/displacement_bwd_2/BiasAdd"][0, cy, cx, [edge, edge + 16]] = (
                16 * (py - cy),
                16 * (px - cx),
            )
    frame = Frame(np.zeros((480, 640, 3), np.uint8))
    seen = {}
    for score in (0.7, 1.0):
        plain = network(close_up_score=score, internal_resolution="full")
        poses = plain.decode(tensors, plain.prepare(frame), Wanted.POSES).poses
        assert poses is not None
        seen[score] = len(poses)
    assert seen == {0.7: 1, 1.0: 0}
