"""Strides and dilations of the 2018 networks, against the package that set them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import ModelSource, open_model

from .mobilenet_2018 import network_graph, picture
from .tiny import small_network, traced, write_v1

WIDTHS = (25, 100)


@pytest.fixture(scope="module", params=WIDTHS)
def files(request, tmp_path_factory) -> tuple[int, Path]:
    folder = tmp_path_factory.mktemp("v1")
    return request.param, write_v1(folder, network_graph(request.param / 100))


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_heads_of_every_stride_are_the_reference_s(files: tuple[int, Path], stride: int) -> None:
    width, path = files
    source = ModelSource(path, "tfjs-v1", output_stride=stride, any_stride=True)
    found = open_model(source).function(picture()[None].astype(np.float32) / 127.5 - 1)
    with np.load(Path(__file__).with_name("mobilenet_2018_reference.npz")) as reference:
        for head in ("segments", "heatmaps"):
            np.testing.assert_allclose(found[f"output_raw_{head}"][0], reference[f"{head}_{width}_{stride}"], atol=2e-4)


def test_without_any_stride_the_file_is_run_as_it_is(files: tuple[int, Path]) -> None:
    source = ModelSource(files[1], "tfjs-v1", output_stride=8)
    found = open_model(source).function(np.zeros((1, 97, 97, 3), np.float32))
    assert found["output_raw_segments"].shape == (1, 7, 7, 1)


def test_another_network_is_refused(tmp_path: Path) -> None:
    source = ModelSource(write_v1(tmp_path, traced(small_network)), "tfjs-v1", output_stride=8, any_stride=True)
    with pytest.raises(ModelFileError, match="not a MobileNetV1 of 2018: it has 0 blocks"):
        open_model(source)
