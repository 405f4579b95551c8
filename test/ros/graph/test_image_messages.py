"""Every encoding against a known picture, and what is refused before memory is taken."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.graph.image_messages import (
    ENCODINGS,
    compressed_message,
    image_message,
    read_compressed,
    read_image,
    used_bits,
)
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages

MESSAGES = RosbagMessages()
HEIGHT, WIDTH = 4, 6
#: Four flat quarters, so that chroma and color filters, which see blocks of pixels, meet one color each.
QUARTERS = ((250, 30, 40), (20, 200, 60), (30, 60, 220), (200, 200, 200))


def picture(height: int = 16, width: int = 24) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    for index, color in enumerate(QUARTERS):
        row, column = divmod(index, 2)
        rgb[row * height // 2 :][: height // 2, column * width // 2 :][:, : width // 2] = color
    return rgb


def yuv(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) Y, Cb, Cr after ITU-R BT.601, video range."""
    red, green, blue = (rgb[..., channel].astype(float) / 255 for channel in range(3))
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - y) / 1.772, (red - y) / 1.402
    return np.rint(np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], axis=-1)).astype(np.uint8)


def packed(rgb: np.ndarray, encoding: str) -> np.ndarray:
    """The picture's rows of bytes in an encoding, made here from its description."""
    height, width = rgb.shape[:2]
    alpha = np.full((height, width, 1), 7, np.uint8)
    gray = rgb[..., 0]
    y, u, v = np.moveaxis(yuv(rgb), -1, 0)
    if encoding in ("rgb8", "rgba8"):
        out = rgb if encoding == "rgb8" else np.concatenate([rgb, alpha], axis=-1)
    elif encoding in ("bgr8", "8UC3", "bgra8"):
        out = np.concatenate([rgb[..., ::-1], alpha], axis=-1)[..., : 4 if encoding == "bgra8" else 3]
    elif encoding in ("mono8", "8UC1"):
        out = gray
    elif encoding in ("uyvy", "yuv422"):
        out = np.stack([u[:, ::2], y[:, ::2], v[:, ::2], y[:, 1::2]], axis=-1)
    elif encoding in ("yuyv", "yuv422_yuy2"):
        out = np.stack([y[:, ::2], u[:, ::2], y[:, 1::2], v[:, ::2]], axis=-1)
    elif encoding in ("nv12", "nv21"):
        first, second = (u, v) if encoding == "nv12" else (v, u)
        chroma = np.stack([first[::2, ::2], second[::2, ::2]], axis=-1).reshape(height // 2, width)
        out = np.concatenate([y, chroma])
    else:
        pattern = encoding.removeprefix("bayer_")[:4]
        out = np.zeros((height, width), np.uint8)
        for index, letter in enumerate(pattern):
            row, column = divmod(index, 2)
            out[row::2, column::2] = rgb[row::2, column::2, "rgb".index(letter)]
    return np.ascontiguousarray(out).reshape(out.shape[0], -1)


def message(rows: np.ndarray, encoding: str, height: int, width: int, pad: int = 0, **fields: Any) -> Any:
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=99)
    stamp = MESSAGES.make("builtin_interfaces/msg/Time", sec=3, nanosec=4)
    header = MESSAGES.make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
    told = {"height": height, "width": width, "encoding": encoding, "step": padded.shape[1], "header": header}
    return MESSAGES.make("sensor_msgs/msg/Image", data=MESSAGES.pack(padded), **(told | fields))


@pytest.mark.parametrize("pad", [0, 10])
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if "16" not in name])
def test_8_bit_encodings(encoding: str, pad: int) -> None:
    rgb = picture()
    frame = read_image(message(packed(rgb, encoding), encoding, *rgb.shape[:2], pad))
    expected = np.repeat(rgb[..., :1], 3, axis=2) if encoding in ("mono8", "8UC1") else rgb
    error = np.abs(frame.image.astype(int) - expected)
    error[7:9], error[:, 11:13] = 0, 0  # filters mix colors where two meet
    assert error.max() <= (3 if encoding.startswith(("yuv", "uyvy", "yuyv", "nv")) else 0)
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_004, "camera")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_16_bit_encodings_keep_the_high_byte(encoding: str, big: bool) -> None:
    values = (np.arange(24).reshape(4, 6) * 256 + 200).astype(">u2" if big else "<u2")
    frame = read_image(message(values.view(np.uint8), encoding, 4, 6, pad=4, is_bigendian=int(big)), mono16_bits=16)
    assert (frame.image == np.arange(24).reshape(4, 6, 1)).all()


def test_rgb8_is_not_copied() -> None:
    told = message(packed(picture(), "rgb8"), "rgb8", 16, 24)
    assert np.shares_memory(read_image(told).image, told.data)


def test_the_last_row_needs_no_padding() -> None:
    told = message(packed(picture(), "bgr8"), "bgr8", 16, 24, pad=8)
    told.data = told.data[:-8]
    assert (read_image(told).image == picture()).all()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"encoding": "yuv999"}, r"encoding 'yuv999', which is not supported.*rgb8, bgr8, .*bayer_grbg8.*32FC3\."),
        ({"encoding": ""}, "encoding '', which is not supported"),
        ({"height": 0}, "A rgb8 image is 24×0.*it must have at least one pixel."),
        ({"height": 10_000, "width": 10_001}, "is 10001×10000.*at most 100,000,000 pixels are allowed."),
        ({"height": 9_000, "width": 9_000, "step": 27_000}, "needs 243000000 bytes of data.*it has 1152."),
        ({"step": 71}, "24 px wide has a step of 71 bytes.*a row takes 72."),
        ({"step": 0}, "has a step of 0 bytes"),
        ({"data": np.zeros(1151, np.uint8)}, "a step of 72 bytes needs 1152 bytes of data.*it has 1151."),
        ({"data": np.zeros(0, np.uint8)}, "but it has 0."),
        ({"encoding": "nv12", "height": 15}, "A nv12 image is 24×15.*its pixels are in blocks of 2×2."),
        ({"encoding": "uyvy", "width": 23}, "blocks of 2×1"),
    ],
)
def test_what_cannot_be_an_image_is_refused(fields: dict[str, Any], sentence: str) -> None:
    told = message(packed(picture(), "rgb8"), "rgb8", 16, 24)
    for name, value in fields.items():
        setattr(told, name, value)
    with pytest.raises(FrameError, match=sentence):
        read_image(told)


def compressed(data: bytes, kind: str = "jpeg") -> Any:
    stamp = MESSAGES.make("builtin_interfaces/msg/Time", sec=3, nanosec=4)
    header = MESSAGES.make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
    packed_data = MESSAGES.pack(np.frombuffer(data, np.uint8))
    return MESSAGES.make("sensor_msgs/msg/CompressedImage", header=header, format=kind, data=packed_data)


@pytest.mark.parametrize(("extension", "error"), [(".png", 0), (".jpg", 12)])
def test_compressed_images(extension: str, error: int) -> None:
    rgb = picture(64, 96)
    data = cv2.imencode(extension, rgb[..., ::-1])[1].tobytes()
    frame = read_compressed(compressed(data, f"bgr8; {extension[1:]} compressed bgr8"))
    away = np.abs(frame.image.astype(int) - rgb)
    away[24:40], away[:, 40:56] = 0, 0
    assert away.max() <= error
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_004, "camera")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "0 bytes.*'jpeg'.*JPEG nor PNG"),
        (b"GIF89a", "is neither JPEG nor PNG"),
        (b"\xff\xd8\xff\xe0", "is neither JPEG nor PNG"),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\0\0\0\1\0\0\x08\2\0\0\0",
            "is 65536×65536, but at most 100,000,000 pixels",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\1\x08\2\0\0\0", "is 0×1.*it must have at least one pixel"),
        (b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3", "is 65535×65535, but at most"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\2\x08\2\0\0\0", "with format 'jpeg' is damaged"),
    ],
)
def test_what_cannot_be_decoded_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(FrameError, match=sentence):
        read_compressed(compressed(data))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "32FC1"])
def test_images_out_have_their_encoding_step_and_header(encoding: str) -> None:
    channels = {"mono8": 1, "32FC1": 1}.get(encoding, len(encoding) - 1)
    made = np.arange(HEIGHT * WIDTH * channels).reshape(HEIGHT, WIDTH, channels)
    made = (
        made[..., 0].astype(np.float32 if encoding == "32FC1" else np.uint8) if channels == 1 else made.astype(np.uint8)
    )
    header = compressed(b"").header
    told = image_message(MESSAGES, header, made, encoding)
    assert told.header is header
    assert (told.height, told.width, told.encoding) == (HEIGHT, WIDTH, encoding)
    assert told.step == WIDTH * channels * made.itemsize
    sent = np.asarray(told.data).view(made.dtype).reshape(made.shape)
    order = [2, 1, 0, 3][:channels]
    assert (sent == (made[..., order] if encoding.startswith("bgr") else made)).all()
    if encoding not in ("32FC1", "mono8"):
        assert (read_image(told).image == made[..., :3]).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_go_out_as_jpeg(channels: int) -> None:
    rgb = picture(64, 96)
    shown = np.concatenate([rgb, np.full((64, 96, 1), 9, np.uint8)], axis=-1)[..., :channels]
    told = compressed_message(MESSAGES, compressed(b"").header, shown, 95)
    assert told.format == "jpeg"
    away = np.abs(read_compressed(told).image.astype(int) - rgb)
    away[24:40], away[:, 40:56] = 0, 0
    assert away.max() <= 8
    assert len(compressed_message(MESSAGES, told.header, shown, 5).data) < len(told.data)


@pytest.mark.parametrize(
    ("image_format", "stored_bgr"),
    [
        ("jpeg", True),  # older drivers say no more
        ("png", True),
        ("rgb8; jpeg compressed bgr8", True),
        ("bgr8; jpeg compressed bgr8", True),
        ("bgra8; png compressed bgr8", True),
        ("rgb8; jpeg compressed rgb8", False),
        ("bgr8; jpeg compressed rgb8", False),
        ("rgb8; png compressed ", False),
        ("mono8; jpeg compressed ", True),
    ],
)
def test_compressed_colors_are_read_as_image_transport_reads_them(image_format: str, stored_bgr: bool) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    given = red[..., ::-1] if stored_bgr else red  # what imencode is handed, which takes it for BGR
    data = cv2.imencode(".png", np.ascontiguousarray(given))[1].reshape(-1)
    message = MESSAGES.make(
        "sensor_msgs/msg/CompressedImage", header=MESSAGES.make("std_msgs/msg/Header"), format=image_format, data=data
    )
    assert read_compressed(message).image[16, 16].tolist() == [255, 0, 0]
    # A driver that labels wrongly is overruled.
    as_stored = [255, 0, 0] if stored_bgr else [0, 0, 255]
    assert read_compressed(message, "as_stored").image[16, 16].tolist() == as_stored
    assert read_compressed(message, "swapped").image[16, 16].tolist() == as_stored[::-1]


@pytest.mark.parametrize(
    ("brightest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (9000, 14), (65535, 16)]
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_dark_16_bit_pictures_keep_their_upper_bits(brightest: int, bits: int, big_endian: bool) -> None:
    values = np.array([[0, brightest]], np.uint16)
    message = MESSAGES.make(
        "sensor_msgs/msg/Image",
        header=MESSAGES.make("std_msgs/msg/Header"),
        height=1, width=2, encoding="mono16", is_bigendian=int(big_endian), step=4,
        data=values.astype(">u2" if big_endian else "<u2").reshape(-1).view(np.uint8),
    )  # fmt: skip
    assert used_bits(message) == bits
    expected = [0, brightest * 256 // 2**bits]
    assert read_image(message, bits).image[0, :, 0].tolist() == read_image(message).image[0, :, 0].tolist() == expected
    assert read_image(message, 8).image[0, 1, 0] == min(brightest, 255)  # brighter than said: white


def test_other_pictures_have_no_16_bits() -> None:
    message = image_message(MESSAGES, MESSAGES.make("std_msgs/msg/Header"), picture(), "rgb8")
    assert used_bits(message) == 0
