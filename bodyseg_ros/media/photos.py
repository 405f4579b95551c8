"""Read and write photos with Pillow.

Photos are read as upright (EXIF orientation applied) 8-bit RGB: gray and palettes are expanded, CMYK converted, 16 bit
scaled down, transparency blended over black. Only the first image of animations (``animation.py`` reads them whole) and
multi-page files is read, with a warning. A truncated file is an error, not half an image. HEIC needs the package
pillow-heif, AVIF a Pillow with support for it; tiles are put together, and turned as the container says.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features

from ..dependencies import install_line
from ..errors import MediaError
from ..types import MAX_PIXELS, Frame
from .source import Picture, Sink, Source

__all__ = [
    "PhotoSink",
    "PhotoSource",
    "READ_SUFFIXES",
    "WRITE_OPTIONS",
    "is_photo",
    "open_photo",
    "photo_names",
    "read_photo",
    "rgb_image",
    "still_format",
    "write_photo",
]

logger = logging.getLogger(__name__)

#: Pillow's names of the formats that are read. Others (EPS, PDF…) would start foreign programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM")
#: Files that are taken for photos in a folder.
READ_SUFFIXES = (
    *(".apng", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
#: Suffix → Pillow format that needs an extra package, and that package.
_BROUGHT = {
    ".avif": ("AVIF", "--upgrade pillow"),
    ".heic": ("HEIF", "pillow-heif"),
    ".heif": ("HEIF", "pillow-heif"),
    ".hif": ("HEIF", "pillow-heif"),
}
#: Brands of ISO media files (ISO 23008-12) with still images → Pillow format.
_STILL_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf"), "HEIF"),
}
#: File kinds named in the message if a folder's photos are read without the reader.
_PASSED_OVER = (
    *_BROUGHT,
    *(".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv"),
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),
    *(".eps", ".exr", ".hdr", ".ico", ".j2k", ".jp2", ".jxl", ".pcx", ".psd", ".qoi", ".svg", ".tga", ".xcf"),
)
#: Maximum number of names in a message.
_MOST_NAMES = 10
#: Formats whose second image is independent of the first.
_ANIMATED = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")
#: Suffix → how Pillow writes it.
WRITE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 3},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


def is_photo(path: Path) -> bool:
    """Whether a file is a photo, by content, or by suffix if the content is inconclusive."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            if still_format(file.read(64)):
                return True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(path, formats=_FORMATS).close()
    except (OSError, ValueError, Image.DecompressionBombError):
        return suffix in READ_SUFFIXES or suffix in _BROUGHT
    return True


def still_format(head: bytes) -> str:
    """'HEIF' or 'AVIF' for an ISO media file of still images, by its first 64 bytes; '' for others."""
    if head[4:8] != b"ftyp" or head[8:12] not in _STILL_BRANDS:
        return ""
    brands = head[8 : int.from_bytes(head[:4], "big")]
    return "AVIF" if b"avif" in brands or b"avis" in brands else "HEIF"


def _is_brought(name: str) -> bool:
    """Whether this Pillow reads HEIF or AVIF; a plugin for it is registered."""
    if name == "AVIF":
        return "avif" in features.modules and bool(features.check("avif"))
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def read_photo(path: Path) -> NDArray[np.uint8]:
    """One photo: (H, W, 3) uint8, RGB, upright.

    Raises MediaError, with the file's name, for a file that is missing, empty, cut short, no photo, of a kind
    without a defined brightness range, or above 100 megapixels (known from its header, before it is decoded).
    """
    with open_photo(path) as image:
        picture = _decoded(image, path)
        _note_animation(image, path)
        return picture


@contextmanager
def open_photo(path: Path) -> Iterator[Image.Image]:
    """Open a photo as Pillow's image and read its header; every problem, now or later, is a MediaError."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise MediaError(f"The photo {str(path)!r} cannot be read: {err.strerror}.") from err
    if not data:
        raise MediaError(f"The photo {str(path)!r} is empty: the file has 0 bytes.")
    brought = still_format(data[:64])
    if brought and not _is_brought(brought):
        suffix, package = next((suffix, by) for suffix, (name, by) in _BROUGHT.items() if name == brought)
        raise MediaError(
            f"The photo {str(path)!r} is {suffix[1:].upper()}, which needs a reader. Install it with: "
            f"{install_line(package)}"
        )
    with warnings.catch_warnings():
        # Pillow warns of large sizes, odd EXIF blocks and transparent palettes; all three are dealt with here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=(brought,) if brought else _FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(_too_large(path, f"{image.width}×{image.height}"))
                yield image
        except MediaError:
            raise
        except Image.DecompressionBombError as err:
            raise MediaError(_too_large(path)) from err
        except UnidentifiedImageError as err:
            raise MediaError(
                f"The file {str(path)!r} is not a supported photo; supported formats: {', '.join(_FORMATS)}."
            ) from err
        except Exception as err:  # Pillow's decoders raise nearly every kind on damaged bytes
            raise MediaError(f"The photo {str(path)!r} is damaged or truncated: {err}.") from err


def _too_large(path: Path, size: str = "larger") -> str:
    return f"The photo {str(path)!r} may have at most {MAX_PIXELS:,} pixels, but it is {size}; make it smaller first."


def _note_animation(image: Image.Image, path: Path) -> None:
    """Warn that a file has more than one image."""
    try:
        more = image.format in _ANIMATED and getattr(image, "is_animated", False)
    except Exception as err:  # noqa: BLE001 - Pillow's decoders raise nearly every kind on damaged bytes
        logger.debug("%s: %s", path, err)
        return
    if more:
        whole = "" if image.format == "TIFF" else " As the only input of a run, or by Model.stream, it is read whole."
        logger.warning("The file %r has several images; using the first.%s", str(path), whole)


def _decoded(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    image.load()
    return np.asarray(rgb_image(ImageOps.exif_transpose(image), f"The photo {str(path)!r}"), np.uint8)


def rgb_image(image: Image.Image, name: str) -> Image.Image:
    """Convert a Pillow image of any mode to 8-bit RGB, transparency blended over black.

    Raises MediaError starting with `name` for floating-point values.
    """
    if image.mode == "F":
        raise MediaError(f"{name} has floating-point values without a defined range; save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        # 16-bit gray; Pillow's own conversion would clip it at 255.
        gray = np.clip(np.asarray(image, np.int64), 0, 65535)
        return Image.fromarray(((gray * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGB", image.size)
        black.paste(image, mask=image.getchannel("A"))
        return black
    return image.convert("RGB")


def write_photo(path: Path, image: Picture) -> None:
    """Write an image as PNG or JPEG (quality 95, no chroma subsampling), by the suffix.

    image: (H, W) gray, (H, W, 3) RGB, or for PNG (H, W, 4) RGBA; uint8. The write is atomic. Raises MediaError for
    another suffix, shape or dtype, or if the file cannot be written.
    """
    options = WRITE_OPTIONS[_checked_suffix(path)]
    channels = (1, 3) if options["format"] == "JPEG" else (1, 3, 4)
    given = image.shape[2] if image.ndim == 3 else 1
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or given not in channels or not image.size:
        raise MediaError(
            f"The image for {str(path)!r} is {image.dtype} {image.shape}, but a {options['format']} takes uint8 "
            f"with {', '.join(map(str, channels))} channels."
        )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            Image.fromarray(image.squeeze(2) if image.ndim == 3 and given == 1 else image).save(part, **options)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise MediaError(f"The photo {str(path)!r} cannot be written: {err.strerror or err}.") from err


def _checked_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in WRITE_OPTIONS:
        allowed = ", ".join(WRITE_OPTIONS)
        raise MediaError(f"The photo {str(path)!r} must end in one of {allowed}, not {path.suffix!r}.")
    return suffix


class PhotoSource(Source):
    """A photo, or the photos of a folder in natural order (img2 before img10).

    Photos in a folder are found by suffix; subfolders, hidden files and other files are skipped, and a warning at the
    end lists skipped images and videos. Broken photos are logged and skipped; a MediaError at the end lists them.
    Frames: stamp_ns is the index, frame_id the file name without suffix (with suffix if ambiguous). Raises MediaError
    for an unreadable folder, a folder without photos, and a file that is not a photo.
    """

    api_version = 1

    def __init__(self, text: str | Path) -> None:
        super().__init__(text)
        path = Path(text)
        self.stem = path.resolve().stem if path.is_file() else path.resolve().name
        self._folder, self._begun = path, False
        self._passed_over: list[Path] = []
        if path.is_dir():
            self._paths, self._passed_over = _photos_of(path)
        else:
            self._paths = [path]
            with open_photo(path):
                pass  # refuse a file that is not a photo at once
        self.length = len(self._paths)

    def close(self) -> None:
        """Log skipped files."""
        if self._begun and self._passed_over:
            logger.warning("The folder %r: %s", str(self._folder), _passed_over_sentence(self._passed_over))

    @property
    def names(self) -> tuple[str, ...]:
        """The frame_id of each photo."""
        return photo_names(self._paths)

    def __iter__(self) -> Iterator[Frame]:
        self._begun = True
        for place, (path, name) in enumerate(zip(self._paths, self.names, strict=True)):
            try:
                image = read_photo(path)
            except MediaError as err:
                if self.length != 1:
                    logger.warning("%s It is left out.", err)
                self.problems.append(str(err))
                continue
            yield Frame(image, place, name)
        if self.problems:
            raise MediaError(" ".join(self.problems))


def photo_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Frame ids of a folder's photos: file names without suffix, or with it if another has the same."""
    stems = Counter(path.stem.casefold() for path in paths)
    return tuple(path.stem if stems[path.stem.casefold()] == 1 else path.name for path in paths)


def _photos_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the photos of a folder, and the skipped images and videos."""
    try:
        inside = sorted((path for path in folder.iterdir() if path.is_file()), key=_natural)
    except OSError as err:
        raise MediaError(f"The folder {str(folder)!r} cannot be read: {err.strerror}.") from err
    seen = [path for path in inside if not path.name.startswith(".")]
    read = {
        *READ_SUFFIXES,
        *(suffix for suffix in _suffixes(seen) & _BROUGHT.keys() if _is_brought(_BROUGHT[suffix][0])),
    }
    found = [path for path in seen if path.suffix.lower() in read]
    passed = [path for path in seen if path.suffix.lower() in _PASSED_OVER and path not in found]
    if not found:
        hint = f" {_passed_over_sentence(passed)}" if passed else ""
        raise MediaError(f"The folder {str(folder)!r} has no photos; photos end in {', '.join(READ_SUFFIXES)}.{hint}")
    return found, passed


def _suffixes(paths: Sequence[Path]) -> set[str]:
    return {path.suffix.lower() for path in paths}


def _passed_over_sentence(paths: Sequence[Path]) -> str:
    """List skipped files, with the pip line of a reader if there is one."""
    names = ", ".join(path.name for path in paths[:_MOST_NAMES])
    more = f" and {len(paths) - _MOST_NAMES} more" if len(paths) > _MOST_NAMES else ""
    remedies = [
        f" {install_line(_BROUGHT[suffix][1])} brings a reader of {suffix}."
        for suffix in sorted(_suffixes(paths) & _BROUGHT.keys())
    ]
    return f"These files are passed over: {names}{more}.{''.join(remedies)}"


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    words = re.findall(r"[0-9]+|[^0-9]+", path.name.casefold())
    return [(int(word), "") if word.isdigit() else (-1, word) for word in words], path.name


class PhotoSink(Sink):
    """Writes each image to its own PNG or JPEG file.

    path: `{name}` becomes the frame's name and `{index}` the image number, six digits from 0. Raises MediaError for
    another suffix, and if an image would overwrite one just written.
    """

    api_version = 1

    def __init__(self, path: str | Path) -> None:
        self._pattern = str(path)
        self._written: set[Path] = set()
        _checked_suffix(Path(path))

    def __call__(self, image: Picture, frame: Frame) -> None:
        """Write one image atomically."""
        name = re.sub(r"[/\\]", "_", frame.frame_id)
        path = Path(self._pattern.replace("{index}", f"{len(self._written):06d}").replace("{name}", name))
        if path in self._written:
            raise MediaError(f"The photo {str(path)!r} was just written; put {{name}} or {{index}} into the file name.")
        write_photo(path, image)
        self._written.add(path)
