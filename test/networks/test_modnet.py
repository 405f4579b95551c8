"""MODNet's ONNX form, as its authors export it (onnx/export_onnx.py), on a file whose matte is the picture's green."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bodyseg_ros as bodyseg


def write_modnet(path: Path) -> Path:
    """A file with MODNet's names, open sides and layout: matte = (green + 1) / 2."""
    onnx = pytest.importorskip("onnx", reason="the network is made with onnx: pip install '.[onnx]'")
    pytest.importorskip("onnxruntime", reason="the network runs in onnxruntime: pip install '.[onnx]'")
    helper, number, sides = onnx.helper, onnx.TensorProto.FLOAT, ["batch_size", "height", "width"]
    weights = {"w": np.array([0, 0.5, 0]).reshape(1, 3, 1, 1), "b": np.array([0.5])}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "w", "b"], ["output"])],
        "modnet",
        [helper.make_tensor_value_info("input", number, [sides[0], 3, *sides[1:]])],
        [helper.make_tensor_value_info("output", number, [sides[0], 1, *sides[1:]])],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))
    return path


def test_the_matte_of_a_file_in_its_published_form(tmp_path: Path) -> None:
    path = write_modnet(tmp_path / "modnet.onnx")
    image = np.full((300, 400, 3), (250, 51, 250), np.uint8)
    image[:, 200:] = (5, 204, 5)
    with bodyseg.load("portrait-modnet-512", model_path=str(path)) as model:
        result = model.segment(image)
        assert model.engine.input.shape[1:] == (3, None, None)
    assert result.person.shape == (300, 400)
    np.testing.assert_allclose(result.confidence[150, [50, 350]], (51 / 255, 204 / 255), atol=1e-3)
    assert result.person[:, :195].sum() == 0 and result.person[:, 205:].all()


def test_the_file_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(bodyseg.ModelNotFoundError, match=r"modnet_photographic_portrait_matting.onnx.*model_path"):
        bodyseg.load("portrait-modnet-512")
