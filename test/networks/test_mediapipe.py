"""MediaPipe's selfie segmentation against mediapipe's own run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import Located, load_card, locate
from bodyseg_ros.networks.prepare import stretch_frame
from bodyseg_ros.types import Frame

NAMES = ("mediapipe-selfie", "mediapipe-selfie-landscape")


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_those_of_mediapipe(name: str) -> None:
    """mediapipe_reference.npz: selfie_segmentation of mediapipe 0.10.14 on scikit-image's astronaut, above 0.5."""
    data = pytest.importorskip("skimage.data")
    if locate(load_card(name), 16, 4) is None:
        pytest.skip(
            f"the file of {name} is not here: pip install mediapipe==0.10.14, or put it into $BODYSEG_MODEL_PATH"
        )
    image = data.astronaut()
    with np.load(Path(__file__).with_name("mediapipe_reference.npz")) as reference:
        wanted = np.unpackbits(reference[name]).reshape(image.shape[:2])
    with bodyseg.load(name) as model:
        found = model(image).person
    assert (found & wanted).sum() / (found | wanted).sum() > 0.99


def test_the_image_is_sampled_without_means_or_half_pixels() -> None:
    card = load_card("mediapipe-selfie")
    image = np.random.default_rng(0).integers(0, 256, (1024, 512, 3)).astype(np.uint8)
    prepared = stretch_frame(Frame(image), 256, 256, card)
    np.testing.assert_allclose(prepared.tensor[0], image[::4, ::2] / 255, atol=1e-6)
    between = stretch_frame(Frame(image[:512, :384]), 256, 256, card).tensor[0, :, 1]
    np.testing.assert_allclose(between, (image[:512:2, 1] / 2 + image[:512:2, 2] / 2) / 255, atol=1e-6)


def test_an_installed_package_s_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mediapipe/modules/selfie_segmentation"
    folder.mkdir(parents=True)
    (tmp_path / "mediapipe/__init__.py").write_text("raise AssertionError('it was imported')")
    (folder / "selfie_segmentation.tflite").write_bytes(b"")
    monkeypatch.delenv("BODYSEG_MODEL_PATH", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert locate(load_card("mediapipe-selfie"), 16, 4) == Located(folder / "selfie_segmentation.tflite", "found")
