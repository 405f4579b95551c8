from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bodyseg_ros.errors import FrameError, MediaError
from bodyseg_ros.media import frame_of
from bodyseg_ros.types import Frame

RED = (200, 10, 20)


def red(height: int = 4, width: int = 5) -> np.ndarray:
    return np.full((height, width, 3), RED, np.uint8)


def test_what_an_image_may_be(tmp_path: Path) -> None:
    Image.fromarray(red()).save(tmp_path / "red.png")
    opaque = np.dstack([red(), np.full((4, 5), 255, np.uint8)])
    for image in (red(), Image.fromarray(red()), tmp_path / "red.png", str(tmp_path / "red.png"), opaque):
        np.testing.assert_array_equal(frame_of(image).image, red())
    assert frame_of(tmp_path / "red.png").frame_id == "red"
    frame = Frame(red(), stamp_ns=5)
    assert frame_of(frame) is frame


def test_gray_becomes_rgb() -> None:
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5)
    for image in (gray, gray[..., None], Image.fromarray(gray)):
        np.testing.assert_array_equal(frame_of(image).image, np.dstack([gray] * 3))


def test_what_is_see_through_lies_over_black() -> None:
    image = np.dstack([red(), np.zeros((4, 5), np.uint8)])
    for each in (image, Image.fromarray(image)):
        assert not frame_of(each).image.any()


def test_reversed_channels_are_copied_in_one_block() -> None:
    image = frame_of(red()[..., ::-1]).image
    assert image.flags.c_contiguous
    assert tuple(image[0, 0]) == RED[::-1]


def pretend(library: str, dtype: str, shape: tuple[int, ...]) -> object:
    """A tensor of a library that need not be installed."""
    kind = type("Tensor", (), {"__module__": f"{library}._tensor", "shape": shape, "dtype": dtype})
    return kind()


F32 = np.float32


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (red() / F32(255), "(image * 255).astype(np.uint8)"),
        (red().astype(F32), "np.clip(image, 0, 255).astype(np.uint8)"),
        (red().astype(np.int64), "np.clip(image, 0, 255).astype(np.uint8)"),
        (red().astype(np.uint16), "(image // 257).astype(np.uint8)"),
        (red()[..., 0] > 3, "image.astype(np.uint8) * 255"),
        (np.moveaxis(red(), 2, 0), "np.transpose(image, (1, 2, 0))"),
        (np.moveaxis(red(), 2, 0) / F32(255), "(np.transpose(image, (1, 2, 0)) * 255).astype(np.uint8)"),
        (red()[None], "image[0]"),
        (np.moveaxis(red(), 2, 0)[None], "np.transpose(image[0], (1, 2, 0))"),
        (np.stack([red()] * 2), "list(image)"),
    ],
)
def test_the_line_that_mends_an_array_does(image: np.ndarray, line: str) -> None:
    with pytest.raises(FrameError, match="but it is") as caught:
        frame_of(image)
    assert str(caught.value).endswith(f"Give {line}.")
    mended = eval(line, {"np": np, "image": image})
    for each in mended if isinstance(mended, list) else [mended]:
        assert frame_of(each).size == (4, 5)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (pretend("torch", "torch.uint8", (4, 5, 3)), "Give image.detach().cpu().numpy()."),
        (
            pretend("torch", "torch.float32", (1, 3, 4, 5)),
            "Give (np.transpose(image.detach().cpu().numpy()[0], (1, 2, 0)) * 255).astype(np.uint8).",
        ),
        (pretend("tensorflow", "<dtype: 'uint8'>", (4, 5, 3)), "Give image.numpy()."),
        (None, "imread"),
        (b"\xff\xd8", "PIL.Image.open(io.BytesIO(image))"),
        (3, "but it is int"),
        (np.zeros((4, 5, 2), np.uint8), "but it is uint8 (4, 5, 2)"),
        (np.array([[None]]), "but it is object (1, 1)."),
        (np.zeros(7, np.uint8), "but it is uint8 (7,)"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
    ],
)
def test_what_is_not_an_image(image: object, said: str) -> None:
    with pytest.raises(FrameError) as caught:
        frame_of(image)
    assert said in str(caught.value)


def test_a_path_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="nobody.png"):
        frame_of(tmp_path / "nobody.png")
    with pytest.raises(MediaError, match="PIL.*floating-point"):
        frame_of(Image.fromarray(np.zeros((4, 5), F32)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pil_image_from_a_file_is_shown_as_the_file_says(tmp_path: Path, orientation: int) -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(frame_of(opened).image, frame_of(tmp_path / "a.png").image)
        # Turned by hand: Pillow keeps the tag, which is no longer true.
        np.testing.assert_array_equal(frame_of(opened.rotate(0)).image, image)
