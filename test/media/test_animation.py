"""Animated pictures are read whole, at their own times, as they are shown."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from bodyseg_ros.errors import MediaError
from bodyseg_ros.media import open_source
from bodyseg_ros.media.animation import AnimationSource

from .drawn import letter_f, read_all

DURATIONS = [40, 200, 90]


def animated(path: Path, kind: str, **options) -> Path:
    images = [Image.fromarray(letter_f(shift=shift)) for shift in (0, 5, 10)]
    images[0].save(path, kind, save_all=True, append_images=images[1:], duration=DURATIONS, **options)
    return path


@pytest.mark.parametrize(
    ("kind", "options"),
    [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("AVIF", {"quality": 100, "subsampling": "4:4:4"})],
)
def test_every_image_at_its_time(tmp_path: Path, kind: str, options: dict) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    with open_source(str(animated(tmp_path / "a.png", kind, **options))) as source:
        assert isinstance(source, AnimationSource)
        assert (source.length, source.fps) == (3, Fraction(25))
        frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [0, 40_000_000, 240_000_000]
    for frame, shift in zip(frames, (0, 5, 10), strict=True):
        assert np.abs(frame.image.astype(int) - letter_f(shift=shift)).mean() < 2


def test_the_orientation_holds_for_every_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with open_source(str(animated(tmp_path / "a.webp", "WEBP", lossless=True, exif=exif))) as source:
        for frame, shift in zip(source, (0, 5, 10), strict=True):
            np.testing.assert_array_equal(frame.image, np.rot90(letter_f(shift=shift), -1))


def test_the_still_of_an_animated_png_is_no_part_of_it(tmp_path: Path) -> None:
    still = Image.new("RGB", (64, 96), "white")
    images = [Image.fromarray(letter_f(shift=shift)) for shift in (0, 5)]
    still.save(tmp_path / "a.png", save_all=True, append_images=images, default_image=True, duration=50)
    with open_source(str(tmp_path / "a.png")) as source:
        assert source.length == 2
        for frame, shift in zip(source, (0, 5), strict=True):
            np.testing.assert_array_equal(frame.image, letter_f(shift=shift))


def test_an_animation_cut_short_gives_what_is_whole(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 96, 64, 3)).astype(np.uint8)
    images = [Image.fromarray(one) for one in noise]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=50)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) * 5 // 6])
    frames, sentence = read_all(AnimationSource(tmp_path / "a.png"))
    assert len(frames) == 2
    assert "a.png' is damaged or truncated" in sentence
    assert sentence.endswith("2 of 3 images could be read.")


def test_a_photo_is_no_animation(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(letter_f()).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    with pytest.raises(MediaError, match=r"a\.png' is no animation: it has one image"):
        AnimationSource(tmp_path / "a.png")
