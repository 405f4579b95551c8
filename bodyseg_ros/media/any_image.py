"""An image as a Python user has it, as a frame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import FrameError
from ..types import Frame
from .photos import read_photo, rgb_image

__all__ = ["ImageLike", "frame_of"]

#: Types accepted by `frame_of`.
ImageLike = NDArray[np.uint8] | Image.Image | Path | str | Frame

#: How a tensor of these libraries becomes a NumPy array.
_TO_NUMPY: Final = {
    "torch": "image.detach().cpu().numpy()",
    "tensorflow": "image.numpy()",
    "jax": "np.asarray(image)",
    "jaxlib": "np.asarray(image)",
    "cupy": "image.get()",
}
_CHANNELS: Final = (1, 3, 4)
_ALLOWED: Final = (
    "An image must be a uint8 array (H, W, 3) RGB, (H, W) gray or (H, W, 4) RGBA, a PIL image or a path to a photo"
)


def frame_of(image: ImageLike) -> Frame:
    """Convert an image to a Frame: uint8 array (H, W, 3) RGB, (H, W) or (H, W, 1) gray, (H, W, 4) RGBA, PIL image or
    path.

    Transparent pixels are blended over black. Photo files, and PIL images as they were opened from a file, are turned
    and mirrored by their EXIF orientation. A Frame is returned unchanged. BGR arrays cannot be detected: pass
    `image[..., ::-1]` for OpenCV images. Raises FrameError with the fix for anything else, and MediaError for an
    unreadable file.
    """
    if isinstance(image, Frame):
        return image
    if isinstance(image, str | Path):
        path = Path(image)
        return Frame(read_photo(path), frame_id=path.stem)
    if isinstance(image, Image.Image):
        # Pillow copies the tag to images made from others, which may have been turned by hand; those have no format.
        shown = ImageOps.exif_transpose(image) if image.format else image
        return Frame(np.array(rgb_image(shown, "The PIL image"), np.uint8))
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or not _is_picture(image.shape):
        raise FrameError(_advice(image))
    return Frame(_rgb(image))


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS)


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, one block of memory."""
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    if image.shape[2] == 4:
        return np.asarray(rgb_image(Image.fromarray(np.ascontiguousarray(image)), "The image"), np.uint8)
    return np.ascontiguousarray(image)


def _advice(image: Any) -> str:
    """Describe the problem and the Python line that fixes it."""
    library = type(image).__module__.partition(".")[0]
    if not isinstance(image, np.ndarray) and library not in _TO_NUMPY:
        return f"{_ALLOWED}, but it is {_what(image)}"
    # 'uint8' is torch.uint8 and <dtype: 'uint8'> too.
    shape, dtype = tuple(image.shape), re.sub(r"^.*?((bfloat|float|u?int|bool)\d*).*$", r"\1", str(image.dtype))
    kind = f"a {library} tensor, {dtype} {shape}" if library in _TO_NUMPY else f"{dtype} {shape}"
    is_number = re.fullmatch(r"(bfloat|float|u?int|bool)\d*", dtype)
    code = _mended_shape(_TO_NUMPY.get(library, "image"), shape) if is_number else None
    if code is None:
        return f"{_ALLOWED}, but it is {kind}."
    return f"{_ALLOWED}, but it is {kind}. Give {_mended_dtype(code, dtype, image)}."


def _what(image: Any) -> str:
    if image is None:
        return "None. OpenCV's imread gives None for a file that it cannot read: give the path itself."
    if isinstance(image, bytes | bytearray | memoryview):
        return f"{type(image).__name__}. Give PIL.Image.open(io.BytesIO(image))."
    return f"{type(image).__name__}."


def _mended_shape(code: str, shape: tuple[int, ...]) -> str | None:
    """Python expression that converts an array of this shape to an image; None if there is none."""
    if len(shape) == 4:
        # One picture in a batch, or several: a list of images gives a list of results.
        return _mended_shape(f"{code}[0]", shape[1:]) if shape[0] == 1 else f"list({code})"
    if _is_picture(shape):
        return code
    if len(shape) == 3 and shape[0] in _CHANNELS:
        return f"np.transpose({code}, (1, 2, 0))"
    return None


def _mended_dtype(code: str, dtype: str, image: Any) -> str:
    if dtype == "uint8":
        return code
    if dtype == "bool":
        return f"{code}.astype(np.uint8) * 255"
    if dtype == "uint16":
        return f"({code} // 257).astype(np.uint8)"
    if "float" in dtype and (not isinstance(image, np.ndarray) or not image.size or np.nanmax(image) <= 1):
        return f"({code} * 255).astype(np.uint8)"
    return f"np.clip({code}, 0, 255).astype(np.uint8)"
