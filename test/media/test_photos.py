"""Photos: what comes in is upright 8-bit RGB or a sentence, what goes out comes back."""

from __future__ import annotations

import io
import logging
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from bodyseg_ros.errors import MediaError
from bodyseg_ros.media import open_sink, open_source, read_photo, write_photo
from bodyseg_ros.media.photos import PhotoSink, PhotoSource
from bodyseg_ros.types import Frame

from .drawn import letter_f, read_all


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def close(a: np.ndarray, b: np.ndarray, levels: float) -> bool:
    """Mean difference: lossy coding may ring at edges."""
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) <= levels


@pytest.mark.parametrize(
    ("kind", "options", "levels"),
    [
        ("PNG", {}, 0), ("BMP", {}, 0), ("TIFF", {}, 0), ("TIFF", {"compression": "tiff_lzw"}, 0), ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0), ("GIF", {}, 0), ("JPEG", {"quality": 95}, 4),
        ("JPEG", {"quality": 95, "progressive": True}, 4),
    ],
)  # fmt: skip
def test_every_format_gives_the_picture_back(tmp_path: Path, kind: str, options: dict, levels: int) -> None:
    file = tmp_path / "drawn"
    file.write_bytes(encoded(Image.fromarray(letter_f()), kind, **options))
    with open_source(str(file)) as source:
        (frame,) = source
    assert close(frame.image, letter_f(), levels)


def test_opencv_reads_the_same_pixels(tmp_path: Path) -> None:
    file = tmp_path / "drawn.jpg"
    cv2.imwrite(str(file), letter_f()[..., ::-1])
    assert close(read_photo(file), cv2.imread(str(file))[..., ::-1], 0)


def test_real_photos_are_decoded_as_opencv_does(shared: Path) -> None:
    for file in sorted((shared / "media" / "photos").glob("*.jpg")):
        assert np.array_equal(read_photo(file), cv2.imread(str(file))[..., ::-1]), file.name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int, kind: str) -> None:
    # Row 0 and column 0 of the stored picture, by the EXIF 2.3 table of tag 0x0112.
    stored = {
        1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud,
        5: lambda p: p.swapaxes(0, 1), 6: np.rot90, 7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
        8: lambda p: np.rot90(p, 3),
    }[orientation](letter_f())  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    file = tmp_path / "turned"
    file.write_bytes(encoded(image, kind, exif=exif, **options))
    assert close(read_photo(file), letter_f(), 4)


def test_nonsense_exif_does_not_cost_the_photo(tmp_path: Path) -> None:
    file = tmp_path / "odd.jpg"
    file.write_bytes(encoded(Image.fromarray(letter_f()), "JPEG", exif=b"Exif\0\0" + b"II*\0\xff\xff\xff\xff" * 4))
    assert read_photo(file).shape == (96, 64, 3)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    want = np.arange(256)
    color, opaque = np.dstack([ramp] * 3), np.full_like(ramp, 65535)
    for name, image in {"gray": ramp, "color": color, "alpha": np.dstack([color, opaque])}.items():
        for suffix in (".png", ".tiff") if name == "gray" else (".png",):
            file = tmp_path / f"{name}{suffix}"
            cv2.imwrite(str(file), image)
            read = read_photo(file)
            assert read.shape == (4, 256, 3)
            assert np.abs(read.astype(int) - want[None, :, None]).max() <= 1, file.name


def test_gray_palette_and_bilevel_become_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(letter_f())
    for mode in ("L", "P", "1", "LA"):
        file = tmp_path / f"{mode}.png"
        image.convert(mode).save(file)
        assert close(read_photo(file), np.asarray(image.convert(mode).convert("RGB")), 0), mode


def test_cmyk_keeps_its_colors(tmp_path: Path) -> None:
    file = tmp_path / "cmyk.jpg"
    Image.fromarray(letter_f()).convert("CMYK").save(file, quality=95)
    assert close(read_photo(file), letter_f(), 4)


def test_what_is_see_through_lies_over_black(tmp_path: Path) -> None:
    rgba = np.dstack([letter_f(), np.full((96, 64), 255, np.uint8)])
    rgba[:48, :, 3] = 0
    rgba[48:52, :, 3] = 128
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    read = read_photo(tmp_path / "cut.png")
    assert not read[:48].any()
    assert np.abs(read[48:52].astype(int) - letter_f()[48:52] * (128 / 255)).max() <= 1
    assert np.array_equal(read[52:], letter_f()[52:])


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
def test_thin_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / "thin.png"
    write_photo(file, np.full((*size, 3), 77, np.uint8))
    assert read_photo(file).shape == (*size, 3)


def test_names_in_any_script(tmp_path: Path) -> None:
    file = tmp_path / "Größe 写真 №1.png"
    write_photo(file, letter_f())
    with open_source(str(file)) as source:
        (frame,) = source
    assert frame.frame_id == source.stem == "Größe 写真 №1"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {}), ("GIF", {})],
)
def test_a_file_cut_in_half_is_broken(tmp_path: Path, kind: str, options: dict) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind, **options)
    file = tmp_path / f"half.{kind.lower()}"
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=rf"half\.{kind.lower()}' is (damaged or truncated|not a supported photo)"):
        read_photo(file)


def test_each_bad_file_gets_its_sentence(tmp_path: Path) -> None:
    file = tmp_path / "bad.jpg"
    with pytest.raises(MediaError, match=r"bad\.jpg'.*No such file"):
        read_photo(file)
    file.write_bytes(b"")
    with pytest.raises(MediaError, match=r"bad\.jpg'.*0 bytes"):
        read_photo(file)
    file.write_text("I am a poem.")
    with pytest.raises(MediaError, match=r"bad\.jpg'.*JPEG, PNG"):
        read_photo(file)
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(MediaError, match=r"float\.tiff' has floating-point values"):
        read_photo(tmp_path / "float.tiff")


@pytest.mark.parametrize("width", [10_001, 30_000])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, width: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 10_000, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(MediaError, match=r"bomb\.png'.*100,000,000 pixels"):
        read_photo(tmp_path / "bomb.png")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF"]), st.floats(0, 1), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_give_a_picture_or_a_media_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, where: float, flip: bytes
) -> None:
    data = bytearray(encoded(Image.fromarray(letter_f()), kind))
    start = int(where * (len(data) - len(flip)))
    data[start : start + len(flip)] = flip
    file = tmp_path_factory.mktemp("fuzz") / "x"
    file.write_bytes(data)
    try:
        frames, sentence = read_all(PhotoSource(file))
    except MediaError as err:
        frames, sentence = [], str(err)
    assert len(frames) == 1 or repr(str(file)) in sentence


def test_a_folder_in_natural_order_with_the_broken_one_named_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("img10.png", "img2.png", "IMG1.png", "same.png", "same.bmp"):
        (tmp_path / name).write_bytes(encoded(Image.fromarray(letter_f()), name[-3:]))
    (tmp_path / "img3.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("no photo")
    (tmp_path / "deeper").mkdir()
    write_photo(tmp_path / "deeper" / "not_taken.png", letter_f())
    source = open_source(str(tmp_path))
    assert (source.length, source.fps, source.stem) == (6, None, tmp_path.name)
    with caplog.at_level(logging.WARNING):
        frames, sentence = read_all(source)
    assert "img3.jpg' is not a supported photo" in sentence
    assert [frame.frame_id for frame in frames] == ["IMG1", "img2", "img10", "same.bmp", "same.png"]
    assert [frame.stamp_ns for frame in frames] == [0, 1, 3, 4, 5]
    assert "img3.jpg" in caplog.text


def test_a_folder_without_photos(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"has no photos.*\.jfif"):
        PhotoSource(tmp_path)


def test_pngs_keep_every_pixel_and_transparency(tmp_path: Path) -> None:
    rgba = np.dstack([letter_f(), np.arange(96 * 64, dtype=np.uint8).reshape(96, 64)])
    frame = Frame(letter_f(), 0, "a/b")
    with open_sink(tmp_path / "new" / "{name}_{index}.png", None) as sink:
        sink(rgba, frame)
        sink(rgba[..., 3], frame)
    back = cv2.imread(str(tmp_path / "new" / "a_b_000000.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(back[..., [2, 1, 0, 3]], rgba)
    gray = cv2.imread(str(tmp_path / "new" / "a_b_000001.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(gray, rgba[..., 3])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a_b_000000.png", "a_b_000001.png"]


def test_jpegs_keep_their_colors(tmp_path: Path) -> None:
    write_photo(tmp_path / "x.jpg", letter_f())
    assert close(cv2.imread(str(tmp_path / "x.jpg"))[..., ::-1], letter_f(), 2)


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    frame = Frame(letter_f())
    with pytest.raises(MediaError, match=r"must end in one of \.png, \.jpg, \.jpeg, not '\.xyz'"):
        PhotoSink(tmp_path / "a.xyz")
    with pytest.raises(MediaError, match=r"a JPEG takes uint8 with 1, 3 channels"):
        write_photo(tmp_path / "a.jpg", np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(MediaError, match=r"is float32 \(2, 2, 3\).*a PNG takes uint8"):
        write_photo(tmp_path / "a.png", np.zeros((2, 2, 3), np.float32))
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match=r"a\.png' cannot be written: "):
        write_photo(tmp_path / "file" / "a.png", letter_f())
    sink = PhotoSink(tmp_path / "same.png")
    sink(letter_f(), frame)
    with pytest.raises(MediaError, match=r"same\.png'.*\{name\} or \{index\}"):
        sink(letter_f(), frame)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_jfif_is_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / "a.jfif").write_bytes(encoded(Image.fromarray(letter_f()), "JPEG", quality=95))
    (frame,), sentence = read_all(PhotoSource(tmp_path))
    assert close(frame.image, letter_f(), 4)
    assert sentence == ""


def test_avif_is_read_where_pillow_reads_it(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    (tmp_path / "a.avif").write_bytes(encoded(Image.fromarray(letter_f()), "AVIF", quality=95))
    assert close(read_photo(tmp_path / "a.avif"), letter_f(), 8)
    assert PhotoSource(tmp_path).length == 1


#: The first box of a HEIC as phones write it (ISO 14496-12, ftyp).
HEIC = struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic") + bytes(40)


def test_a_heic_is_a_photo_and_is_named_with_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(HEIC)
    (tmp_path / "renamed.mov").write_bytes(HEIC)
    for name in ("a.heic", "renamed.mov"):
        with pytest.raises(MediaError, match=rf"{name}.* HEIC, .*pip install pillow-heif"):
            open_source(str(tmp_path / name))


def test_what_a_folder_passes_over_is_named_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("b.heic", "c.NEF", "d.mp4", "e.txt", ".f.heic"):
        (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(MediaError, match=r"has no photos.*b\.heic, c\.NEF, d\.mp4\. pip install pillow-heif"):
        PhotoSource(tmp_path)
    write_photo(tmp_path / "a.png", letter_f())
    frames, sentence = read_all(PhotoSource(tmp_path))
    assert (len(frames), sentence) == (1, "")
    assert "b.heic, c.NEF, d.mp4." in caplog.text
    assert "e.txt" not in caplog.text


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_taken_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    file = tmp_path / f"a.{kind.lower()}"
    red = Image.new("RGB", (64, 96), "red")
    first = Image.fromarray(letter_f())
    file.write_bytes(encoded(first, kind, save_all=True, append_images=[red, first], lossless=True))
    assert close(read_photo(file), letter_f(), 1)
    assert "several images" in caplog.text
    caplog.clear()
    file.write_bytes(encoded(first, kind))
    read_photo(file)
    assert caplog.text == ""


@pytest.mark.parametrize("turns", range(4))
def test_heic_tiles_are_put_together_and_turned(tmp_path: Path, turns: int) -> None:
    pytest.importorskip("pillow_heif")
    av = pytest.importorskip("av")
    if "libx265" not in av.codecs_available:
        pytest.skip("this FFmpeg writes no HEVC, which the drawn photo needs")
    from .heic_file import heic

    drawn = np.kron(letter_f(), np.ones((2, 4, 1), np.uint8))  # 192 × 256, two tiles of 128
    (tmp_path / "a.heic").write_bytes(heic(drawn, turns))
    assert close(read_photo(tmp_path / "a.heic"), np.rot90(drawn, turns), 4)
    (tmp_path / "a.jpg").write_bytes(heic(drawn, turns))  # the content decides
    assert close(read_photo(tmp_path / "a.jpg"), np.rot90(drawn, turns), 4)
