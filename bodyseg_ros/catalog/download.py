"""Download a model: its model.json or single file, then the weight files it lists.

Files are downloaded as ``NAME.part`` and renamed once complete and verified, so a name without ``.part`` is always
complete. Partial files are resumed if the server still has the same version (Range with If-Range, RFC 9110).
"""

from __future__ import annotations

import fcntl
import logging
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, Protocol

from ..errors import ModelFileError, ModelNotFoundError, SettingsError
from ..formats.model_source import MAX_MODEL_BYTES
from .checksums import SAFE_NAME, model_files, record_sha256, recorded_sha256, sha256_of

__all__ = ["Limits", "Progress", "download_model"]

_log = logging.getLogger(__name__)
_CHUNK = 2**16
_WORTH_RETRYING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


class Progress(Protocol):
    """Download progress callback."""

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """(file name, bytes received, total bytes or None if unknown)."""


@dataclass(frozen=True)
class Limits:
    """Limits after which a download fails.

    timeout_s: longest wait for data. attempts: per file. pause_s: before the second attempt; doubled before each
    further one.
    max_bytes: of all files together. max_files: of one model. total_s: for all files together. min_bytes_per_s: slowest
    rate, averaged over rate_window_s; it catches servers that never time out but send slowly.
    """

    timeout_s: float = 30.0
    attempts: int = 4
    pause_s: float = 1.0
    max_bytes: int = MAX_MODEL_BYTES
    max_files: int = 500
    total_s: float = 3600.0
    min_bytes_per_s: float = 1000.0
    rate_window_s: float = 20.0


def download_model(
    address: str,
    folder: Path,
    known: Mapping[str, str],
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Path:
    """Download the file at `address` and its weight files into `folder`; keep existing files.

    known: file name → required sha256; other files must match the one recorded at their first download. A second
    process using the same folder waits. Returns the path of the first file.
    Raises SettingsError for an address that is not http or https, ModelNotFoundError if a download fails,
    ModelFileError if a file is wrong.
    """
    parts = urllib.parse.urlsplit(address)
    name = parts.path.rpartition("/")[2]
    if parts.scheme not in ("http", "https") or not parts.netloc or not re.fullmatch(SAFE_NAME, name):
        raise SettingsError(
            f"A model's address must be of the form https://server/folder/model.json, but it is {address!r}."
        )
    fetch = _Fetch(folder, known, progress, limits or Limits())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            index = fetch(name, address)
            beside_index = _files_or_nothing(index)[1:]
            fetch.check_count(index, len(beside_index) + 1)
            for path in beside_index:
                # Keep the query: some servers require it for each file.
                beside = parts._replace(path=f"{parts.path.rpartition('/')[0]}/{path.name}")
                fetch(path.name, urllib.parse.urlunsplit(beside))
    except OSError as err:
        raise ModelNotFoundError(
            f"The model from {address} cannot be stored in {str(folder)!r}: {err.strerror or err}. Free some "
            "space or set XDG_CACHE_HOME to another folder."
        ) from err
    return index


def _files_or_nothing(index: Path) -> list[Path]:
    """List the model's files; delete an unreadable index, so it is not reused."""
    try:
        return model_files(index)
    except ModelFileError:
        index.unlink()
        index.with_name(f"{index.name}.sha256").unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other processes and threads; the lock ends with its process."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Another process is downloading into %s; waiting for it.", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise ModelFileError(f"The address {req.full_url} redirects to {newurl!r}, which is not secure.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _CutError(Exception):
    """The response ended early or is not the file; retry."""


class _Fetch:
    """Downloads files into one folder; together they may not exceed limits.max_bytes."""

    def __init__(self, folder: Path, known: Mapping[str, str], progress: Progress | None, limits: Limits) -> None:
        self._folder, self._known, self._progress, self._limits = folder, known, progress, limits
        self._budget = limits.max_bytes
        self._deadline = time.monotonic() + limits.total_s
        self._open = urllib.request.build_opener(_SafeRedirects).open

    def check_count(self, index: Path, count: int) -> None:
        """Raise ModelFileError and delete the index if a model lists more files than any network needs."""
        if count > self._limits.max_files:
            index.unlink()
            raise ModelFileError(
                f"The model file {str(index)!r} names {count:,} files; at most {self._limits.max_files} are downloaded."
            )

    def __call__(self, name: str, address: str) -> Path:
        """The file, downloaded unless it is there."""
        target = self._folder / name
        if not target.is_file():
            part = self._folder / f"{name}.part"
            self._attempts(address, target, part)
            self._accept(address, target, part)
        self._budget -= target.stat().st_size
        return target

    def _attempts(self, address: str, target: Path, part: Path) -> None:
        reason = ""
        cause: Exception | None = None
        for attempt in range(self._limits.attempts):
            if attempt:
                _log.info("%s: %s; trying again.", address, reason)
                time.sleep(self._limits.pause_s * 2 ** (attempt - 1))
            try:
                self._transfer(address, target.name, part)
                return
            except urllib.error.HTTPError as err:
                err.close()
                reason, cause = f"HTTP status {err.code} {err.reason}", err
                if err.code == 416:  # the partial file is longer than the server's
                    part.unlink(missing_ok=True)
                if err.code not in _WORTH_RETRYING:
                    break
            except urllib.error.URLError as err:
                reason, cause = str(err.reason), err
            except (TimeoutError, ConnectionError, HTTPException, _CutError) as err:
                reason, cause = str(err) or type(err).__name__, err
            if time.monotonic() > self._deadline:
                break
        raise ModelNotFoundError(
            f"The model file {target.name!r} is missing and could not be downloaded from {address} ({reason}): "
            f"download it and its companion files yourself and put them into {str(self._folder)!r}, "
            "or set model_path to the folder where they are."
        ) from cause

    def _transfer(self, address: str, name: str, part: Path) -> None:
        """Try once to fill `part`, resuming if the server's file is unchanged."""
        tag = part.with_name(f"{part.name}.tag")
        _remove_links(part, tag)
        request = urllib.request.Request(address, headers={"User-Agent": "bodyseg_ros"})
        version = _read_tag(tag)
        here = part.stat().st_size if version and part.is_file() else 0
        if here:
            request.add_header("Range", f"bytes={here}-")
            request.add_header("If-Range", version)
        with self._answer(request) as answer:
            if answer.status == 206 and not str(answer.headers["Content-Range"]).startswith(f"bytes {here}-"):
                part.unlink(missing_ok=True)
                raise _CutError("the server resumed at the wrong offset")
            if answer.headers.get_content_type() == "text/html":
                raise _CutError("received a web page instead of the file; is there a log-in page?")
            here = here if answer.status == 206 else 0
            if not here:
                _keep_tag(tag, answer.headers)
            total = None if answer.length is None else here + answer.length
            self._check_size(name, address, total or 0)
            pace = _Pace(self._limits, self._deadline)
            with part.open("ab" if here else "wb") as file:
                while chunk := answer.read1(_CHUNK):
                    here += len(chunk)
                    self._check_size(name, address, here)
                    file.write(chunk)
                    pace.add(len(chunk))
                    if self._progress:
                        self._progress(name, here, total)
        if total is not None and here < total:
            raise _CutError(f"it ended after {here} of {total} bytes")

    def _answer(self, request: urllib.request.Request) -> Any:
        """Open the URL and wait for its headers, at most as long as for all files.

        A socket timeout applies to each read, so headers sent byte by byte would block forever; hence the thread.
        """
        answers: SimpleQueue[Any] = SimpleQueue()
        given_up = threading.Event()

        def ask() -> None:
            try:
                answer = self._open(request, timeout=self._limits.timeout_s)
            except Exception as err:  # noqa: BLE001 - raised below, where somebody waits for it
                answers.put(err)
                return
            if given_up.is_set():
                answer.close()
            else:
                answers.put(answer)

        threading.Thread(target=ask, name="download", daemon=True).start()
        try:
            answer = answers.get(timeout=max(0.0, min(self._deadline - time.monotonic(), 4 * self._limits.timeout_s)))
        except Empty:
            given_up.set()
            raise _CutError("the server's headers timed out") from None
        if isinstance(answer, Exception):
            try:
                raise answer
            finally:
                del answer  # otherwise the error and this frame keep each other, and the connection, alive
        return answer

    def _check_size(self, name: str, address: str, size: int) -> None:
        if size > self._budget:
            raise ModelFileError(
                f"The model file {name!r} at {address} makes the model larger than the {self._limits.max_bytes} bytes "
                "allowed; download it by other means and set model_path."
            )

    def _accept(self, address: str, target: Path, part: Path) -> None:
        """Verify the complete file and rename it."""
        digest = sha256_of(part)
        wanted = self._known.get(target.name) or recorded_sha256(target)
        part.with_name(f"{part.name}.tag").unlink(missing_ok=True)
        if wanted and digest != wanted:
            part.unlink()
            raise ModelFileError(
                f"The model file {target.name!r} from {address} has the sha256 {digest}, but it must be {wanted}; "
                "it was deleted. Try again; if this repeats, the published file has changed."
            )
        record_sha256(target, digest)
        part.replace(target)


class _Pace:
    """Measures the download rate."""

    def __init__(self, limits: Limits, deadline: float) -> None:
        self._limits, self._deadline = limits, deadline
        self._since, self._bytes = time.monotonic(), 0

    def add(self, count: int) -> None:
        """Count received bytes. Raises _CutError if the server is too slow or the time is up."""
        now = time.monotonic()
        self._bytes += count
        if now > self._deadline:
            raise _CutError(f"it was incomplete after {self._limits.total_s:g} s")
        if now - self._since >= self._limits.rate_window_s:
            rate = self._bytes / (now - self._since)
            if rate < self._limits.min_bytes_per_s:
                raise _CutError(f"the server sent {rate:.0f} bytes/s, less than {self._limits.min_bytes_per_s:g}")
            self._since, self._bytes = now, 0


def _remove_links(*paths: Path) -> None:
    """Remove a link: writing to it would write to its target."""
    for path in paths:
        if path.is_symlink():
            path.unlink()


def _read_tag(tag: Path) -> str:
    """Version tag of the server's file that a partial download belongs to; '' if unknown.

    A tag that is not valid in a header is deleted.
    """
    try:
        version = tag.read_text(encoding="latin-1")
    except OSError:
        version = ""
    if not re.fullmatch(r"[\x20-\x7e\xa0-\xff]{1,500}", version):
        if tag.is_file():
            tag.unlink()
        return ""
    return version


def _keep_tag(tag: Path, headers: HTTPMessage) -> None:
    """Store the server's version tag, which resuming needs."""
    version = headers["ETag"] or ""
    if not version or version.startswith("W/"):
        version = headers["Last-Modified"] or ""
    if version:
        tag.write_text(version, encoding="latin-1")
    else:
        tag.unlink(missing_ok=True)
