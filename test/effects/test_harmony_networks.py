"""Networks of every form that harmonize takes, on small files whose answer is known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data
from skimage.color import deltaE_cie76, rgb2lab

import bodyseg_ros as bodyseg
from bodyseg_ros.effects import load_effects
from bodyseg_ros.effects.effect import Effect
from bodyseg_ros.effects.harmony_networks import apply_table
from bodyseg_ros.errors import EngineError, SettingsError
from bodyseg_ros.plan import plugin_settings
from bodyseg_ros.types import Frame, Result
from effects.caffe_files import write_caffe_network

SIDE = 32


def harmonize(path: Path, **settings: object) -> Effect:
    """The effect with a network's file, without a soft edge."""
    own = {"model_path": str(path), "feather_px": 0} | settings
    (effect,) = load_effects("effects", ("harmonize",), plugin_settings("effects", {"harmonize": own}))
    return effect


def compose(effect: Effect, color: tuple[int, int, int] = (100, 150, 200), side: int = 2 * SIDE) -> np.ndarray:
    """The effect on one color, a person in the left half."""
    person = np.zeros((side, side), np.uint8)
    person[:, : side // 2] = 1
    return effect.compose(Frame(np.full((side, side, 3), color, np.uint8)), Result((side, side), person=person))


def write_onnx(path: Path, node: str, constant: np.ndarray, shape: tuple[int, ...], inputs: list[str]) -> Path:
    """A network of one node that reads the picture 'x', or only the constant 'c'."""
    onnx = pytest.importorskip("onnx", reason="the network is made with onnx: pip install '.[onnx]'")
    pytest.importorskip("onnxruntime", reason="the network runs in onnxruntime: pip install '.[onnx]'")
    number, helper = onnx.TensorProto.FLOAT, onnx.helper
    graph = helper.make_graph(
        [helper.make_node(node, inputs, ["y"])],
        "small",
        [helper.make_tensor_value_info("x", number, [1, SIDE, SIDE, 4])],
        [helper.make_tensor_value_info("y", number, list(shape))],
        [onnx.numpy_helper.from_array(constant.astype(np.float32), "c")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


def test_a_painted_picture_changes_people_alone(tmp_path: Path) -> None:
    """The network answers 0.5 · RGB + 0.25 · mask."""
    weights = np.vstack([0.5 * np.eye(3), np.full(3, 0.25)])
    path = write_onnx(tmp_path / "half.onnx", "MatMul", weights, (1, SIDE, SIDE, 3), ["x", "c"])
    picture = compose(harmonize(path, engine="onnxruntime"))
    np.testing.assert_allclose(picture[16, 4], (50 + 63.75, 75 + 63.75, 100 + 63.75), atol=1)
    assert (picture[:, SIDE:] == (100, 150, 200)).all()


def test_a_table_changes_people_alone_at_any_size(tmp_path: Path) -> None:
    """A table of two entries along each axis that makes a negative."""
    corners = np.stack(np.meshgrid(*3 * [[0.0, 1.0]], indexing="ij"), axis=-1)
    path = write_onnx(tmp_path / "negative.onnx", "Identity", 1 - corners[None], (1, 2, 2, 2, 3), ["c"])
    effect = harmonize(path)
    for side in (2 * SIDE, 301):
        picture = compose(effect, side=side)
        np.testing.assert_allclose(
            picture[:, : side // 2], np.broadcast_to((155, 105, 55), (side, side // 2, 3)), atol=1
        )
        assert (picture[:, side // 2 :] == (100, 150, 200)).all()


def test_a_video_keeps_part_of_the_change_before(tmp_path: Path) -> None:
    """The table's color is the mask's share of the picture: 0.25 in the first frame, 0.75 from then on."""
    onnx = pytest.importorskip("onnx", reason="the network is made with onnx: pip install '.[onnx]'")
    pytest.importorskip("onnxruntime", reason="the network runs in onnxruntime: pip install '.[onnx]'")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    constants = {
        "mask": np.array([0, 0, 0, 1], np.float32).reshape(4, 1),
        "cells": np.zeros((1, 2, 2, 2, 3), np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "mask"], ["m"]),
            helper.make_node("ReduceMean", ["m"], ["share"], keepdims=0),
            helper.make_node("Add", ["cells", "share"], ["y"]),
        ],
        "share",
        [helper.make_tensor_value_info("x", number, [1, SIDE, SIDE, 4])],
        [helper.make_tensor_value_info("y", number, [1, 2, 2, 2, 3])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    path = tmp_path / "share.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))

    def shares(*frames: tuple[float, int]) -> list[float]:
        """Colors, 0 to 1, of frames with their stamps in s and columns of person, of 4; the effect is new."""
        effect, found = harmonize(path, smoothing=0.8), []
        for stamp, columns in frames:
            person = np.zeros((64, 64), np.uint8)
            person[:, : 16 * columns] = 1
            frame = Frame(np.full((64, 64, 3), 100, np.uint8), stamp_ns=int(stamp * 1e9))
            found.append(effect.compose(frame, Result((64, 64), person=person))[0, 0, 0] / 255)
        return found

    steps = shares((1.0, 1), (1.1, 3), (1.2, 3))
    np.testing.assert_allclose(steps, [0.25, 0.25 + 0.2 * 0.5, 0.35 + 0.2 * 0.4], atol=0.005)
    np.testing.assert_allclose(shares((1.0, 1), (3.0, 3)), [0.25, 0.75], atol=0.005)  # after a gap
    np.testing.assert_allclose(shares((0.0, 1), (0.0, 3)), [0.25, 0.75], atol=0.005)  # photos


def test_people_that_an_earlier_effect_has_faded_out_stay_unseen(tmp_path: Path) -> None:
    table = np.zeros((1, 2, 2, 2, 3))
    effect = harmonize(write_onnx(tmp_path / "black.onnx", "Identity", table, table.shape, ["c"]))
    person, image = np.zeros((40, 60), np.uint8), np.full((40, 60, 3), 90, np.uint8)
    person[10:30, 20:40] = 1
    faded = Result((40, 60), person=person, alpha=np.zeros((40, 60), np.uint8))
    assert (effect.compose(Frame(image), faded) == 90).all()
    half = Result((40, 60), person=person, alpha=np.full((40, 60), 128, np.uint8))
    np.testing.assert_allclose(effect.compose(Frame(image), half), 45, atol=1)  # the edge may reach beyond the mask


def test_a_table_is_looked_up_by_red_green_and_blue() -> None:
    table = np.zeros((2, 2, 2, 3))
    table[1, 0, 0], table[0, 1, 0], table[0, 0, 1] = (0, 1, 0), (0, 0, 1), (1, 1, 0)
    image = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)]], np.uint8)
    expected = np.array([[(0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 0, 0)]])
    np.testing.assert_allclose(apply_table(image, table), expected, atol=1)
    half = apply_table(np.array([[(128, 0, 0)]], np.uint8), table)
    np.testing.assert_allclose(half, [[(0, 128, 0)]], atol=1)


@pytest.mark.parametrize("shape", [(1, 3), (2, 2, 2, 2, 3), (1, 2, 2, 3, 3), (1, 16, 16, 3)])
def test_another_output_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_onnx(tmp_path / "odd.onnx", "Identity", np.zeros(shape), shape, ["c"])
    with pytest.raises(EngineError, match=r"1×n×n×n×3.*1×32×32×3.*outputs \[\("):
        compose(harmonize(path))


def test_nobody_and_no_background_need_no_network(tmp_path: Path) -> None:
    table = np.zeros((1, 2, 2, 2, 3))
    effect = harmonize(write_onnx(tmp_path / "black.onnx", "Identity", table, table.shape, ["c"]))
    for value in (0, 1):
        frame = Frame(np.full((40, 60, 3), 90, np.uint8))
        assert (effect.compose(frame, Result((40, 60), person=np.full((40, 60), value, np.uint8))).flat == 90).all()


@pytest.mark.parametrize(("light", "brighter"), [((0.35, 0.35, 0.45), False), ((1.0, 1.0, 1.0), True)])
def test_the_shipped_network_brings_people_into_the_light_of_their_background(
    light: tuple[float, float, float], brighter: bool
) -> None:
    """A real person in the wrong light: her difference from the photo in the right one falls."""
    photo = data.astronaut().astype(np.float32)
    with bodyseg.load() as model:
        person = model.segment(photo.astype(np.uint8)).person
    right = photo * light
    wrong = photo * (0.4, 0.4, 0.4) if brighter else photo
    composite = np.where(person[..., None] == 1, wrong, right).astype(np.uint8)
    (effect,) = load_effects("effects", ("harmonize",), {})
    changed = effect.compose(Frame(composite), Result(person.shape, person=person))
    before, after = (np.abs(image[person == 1] - right[person == 1]).mean() for image in (composite, changed))
    assert after < 0.75 * before


def test_the_shipped_network_leaves_a_photo_nearly_as_it_is() -> None:
    photo = data.astronaut()
    with bodyseg.load() as model:
        person = model.segment(photo).person
    (effect,) = load_effects("effects", ("harmonize",), {})
    changed = effect.compose(Frame(photo), Result(person.shape, person=person))
    assert (changed[person == 0] == photo[person == 0]).mean() > 0.97  # but for the soft edge
    difference = deltaE_cie76(rgb2lab(photo), rgb2lab(changed))[person == 1]
    assert difference.mean() < 3


WEIGHTS = np.array([[0.5, 0, 0, 0.25], [0, 0.5, 0, 0], [0, 0, 1, 0]], np.float32)
BIAS = np.array([1, 2, 3], np.float32)
MEAN = np.array([104.00699, 116.66877, 122.67892])
"""Of blue, green and red: demo.py of wasidennis/DeepHarmonization."""


@pytest.mark.parametrize("named", ["harmonize.caffemodel", "deploy.prototxt"])
def test_a_caffe_network_gets_its_blobs_as_published(tmp_path: Path, named: str) -> None:
    write_caffe_network(tmp_path, WEIGHTS, BIAS, SIDE)
    picture = compose(harmonize(tmp_path / named))
    blob = np.append(np.array([200, 150, 100]) - MEAN, 255 - 128)
    np.testing.assert_allclose(picture[10, 10], (WEIGHTS @ blob + BIAS + MEAN)[::-1], atol=1)
    assert (picture[:, SIDE:] == (100, 150, 200)).all()


def test_caffe_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write_caffe_network(tmp_path, WEIGHTS[:1], BIAS[:1], SIDE)
    with pytest.raises(SettingsError, match=r"harmonize.caffemodel.*1×3×32×32.*\(1, 1, 32, 32\)"):
        harmonize(path)
    write_caffe_network(tmp_path, WEIGHTS, BIAS, SIDE)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SettingsError, match="harmonize.caffemodel.*ONNX"):
        harmonize(path)
    write_caffe_network(tmp_path, WEIGHTS, BIAS, 4096)
    with pytest.raises(SettingsError, match=r"deploy.prototxt.*16 to 2048.*4096"):
        harmonize(path)
    (tmp_path / "other.prototxt").touch()
    with pytest.raises(SettingsError, match="deploy.prototxt, other.prototxt"):
        harmonize(path)
    (tmp_path / "harmonize.prototxt").write_text("")
    with pytest.raises(SettingsError, match=r"harmonize.prototxt.*states \[\]"):
        harmonize(path)
