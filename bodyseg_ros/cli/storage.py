"""Inputs and outputs that are not on this machine: s3://, gs://, sftp://, memory:// and whatever else fsspec opens.

They are copied here, worked on, and what was made is copied there. Local paths pass through untouched.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from ..dependencies import missing_package
from ..errors import MediaError, MissingDependencyError

__all__ = [
    "absolute",
    "exists",
    "expand",
    "fetched",
    "fingerprint",
    "is_folder",
    "is_remote",
    "join",
    "name_of",
    "names_in",
    "parent_of",
    "put_into",
    "read_text",
    "refuse_memory",
    "remove",
    "write_text",
]

#: Addresses that are watched or sent as they come, not copied; FFmpeg and OpenCV open them.
_STREAMS: Final = (
    *("ftp", "http", "https", "mms", "mmsh", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtp", "rtsp", "rtsps", "srt", "tcp"),
    *("tls", "udp", "udplite", "v4l2", "whip"),
)


def is_remote(text: str) -> bool:
    """Whether a path is on other storage: it has a protocol that is no stream's."""
    protocol = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)
    return bool(protocol) and protocol[1].lower() not in _STREAMS  # type: ignore[index] # checked


def expand(texts: Sequence[str]) -> list[str]:
    """The paths, those of file:// as plain ones, and those on other storage with * and ? in place of what they match.

    Raises MediaError if nothing matches.
    """
    paths: list[str] = []
    for text in texts:
        if text.startswith("file://"):
            paths.append(unquote(urlparse(text).path))
        elif is_remote(text) and re.search(r"[*?\[]", text):
            with _opened(text) as (storage, path):
                found = [storage.unstrip_protocol(one) for one in sorted(storage.glob(path))]
            if not found:
                raise MediaError(f"Nothing matches {text!r}.")
            paths += found
        else:
            paths.append(text)
    return paths


def refuse_memory(texts: Iterable[str]) -> None:
    """Raise MediaError for a path that other processes do not see."""
    for text in texts:
        if text.startswith("memory://"):
            raise MediaError(f"{text!r} is in the memory of one process; leave out --jobs and --scheduler.")


def name_of(text: str) -> str:
    """The last part of a path."""
    return text.rstrip("/").rpartition("/")[2] if is_remote(text) else Path(text).resolve().name


def absolute(text: str) -> str:
    """A path as processes with another current folder understand it; an address stays."""
    return text if "://" in text else str(Path(text).absolute())


def parent_of(text: str) -> str:
    """The folder that a path is in."""
    return text.rstrip("/").rpartition("/")[0] if is_remote(text) else str(Path(text).parent)


def join(folder: str, name: str) -> str:
    """A path in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


def is_folder(text: str) -> bool:
    """Whether a path is a folder's: on other storage, one that ends in a slash or is there as a folder."""
    if not is_remote(text):
        return Path(text).is_dir()
    with _opened(text) as (storage, path):
        return text.endswith("/") or bool(storage.isdir(path))


def exists(text: str) -> bool:
    """Whether something is there."""
    if not is_remote(text):
        return Path(text).exists()
    with _opened(text) as (storage, path):
        return bool(storage.exists(path))


def names_in(text: str) -> list[str]:
    """Names of the files in a folder on other storage; none if it is a file."""
    with _opened(text) as (storage, path):
        if not storage.isdir(path):
            return []
        return [str(one["name"]).rpartition("/")[2] for one in storage.ls(path, detail=True) if one["type"] == "file"]


def fingerprint(text: str) -> dict[str, str]:
    """By relative name, what tells each file from an earlier one of its name: its size and time. {}: nothing there."""
    if not is_remote(text):
        top = Path(text)
        files = [top] if top.is_file() else sorted(file for file in top.rglob("*") if file.is_file())
        stats = {str(file.relative_to(top)): file.stat() for file in files}
        return {name: f"{stat.st_size} {stat.st_mtime_ns}" for name, stat in stats.items()}
    with _opened(text) as (storage, path):
        if not storage.exists(path):
            return {}
        found = storage.find(path)
        return {name.removeprefix(path).lstrip("/"): str(storage.ukey(name)) for name in sorted(found)}


@contextmanager
def fetched(text: str) -> Iterator[Path]:
    """A local copy under the same name while the context lasts; a local path itself. Raises MediaError."""
    if not is_remote(text):
        yield Path(text)
        return
    with tempfile.TemporaryDirectory(prefix="bodyseg-") as folder:
        copy = Path(folder) / name_of(text)
        with _opened(text) as (storage, path):
            if not storage.exists(path):
                raise MediaError(f"There is no file or folder {text!r}.")
            # With a slash at its end, a folder is filled, and not put into.
            storage.get(f"{path}/", f"{copy}/", recursive=True) if storage.isdir(path) else storage.get(path, str(copy))
        yield copy


@contextmanager
def put_into(folder: str, last: str = "") -> Iterator[Path]:
    """A local folder to write to; what is in it in the end is put into `folder`. Where the context fails, nothing is.

    last: name of the file or folder that is put when all others are there. A local folder is yielded itself.
    """
    if not is_remote(folder):
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="bodyseg-") as name:
        drafts = Path(name)
        yield drafts
        files = sorted(file.relative_to(drafts) for file in drafts.rglob("*") if file.is_file())
        with _opened(folder) as (storage, path):
            for file in sorted(files, key=lambda one: one.parts[0] == last):
                place = f"{path.rstrip('/')}/{file.as_posix()}"
                storage.makedirs(place.rpartition("/")[0], exist_ok=True)
                storage.put_file(str(drafts / file), place)


def read_text(text: str) -> str:
    """The content of a file; '' if it is not there."""
    if not is_remote(text):
        file = Path(text)
        return file.read_text(encoding="utf-8") if file.is_file() else ""
    with _opened(text) as (storage, path):
        return str(storage.cat_file(path), "utf-8") if storage.isfile(path) else ""


def write_text(text: str, content: str) -> None:
    """Write a file, at once or not at all."""
    with put_into(parent_of(text)) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{name_of(text)}.part"
        draft.write_text(content, encoding="utf-8")
        draft.replace(folder / name_of(text))


def remove(text: str) -> None:
    """Remove a folder, if it is there."""
    if not is_remote(text):
        shutil.rmtree(text, ignore_errors=True)
        return
    with _opened(text) as (storage, path):
        if storage.exists(path):
            storage.rm(path, recursive=True)


@contextmanager
def _opened(text: str) -> Iterator[tuple[Any, str]]:
    """(the storage, the path on it). What goes wrong is a MediaError, whoever's library it comes from."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as err:
        raise missing_package(f"{text!r}, which is on other storage,", err, "bodyseg_ros[remote]") from err
    try:
        yield url_to_fs(text)
    except ImportError as err:
        raise MissingDependencyError(f"{text!r} cannot be opened: {str(err).rstrip('.')}.") from err
    except MediaError:
        raise
    except Exception as err:  # the libraries of storages raise nearly every kind
        raise MediaError(f"{text!r} cannot be opened: {str(err).rstrip('.') or type(err).__name__}.") from err
