"""List a model's files and verify their checksums.

Each downloaded file has a ``NAME.sha256`` beside it, in the format of ``sha256sum -c``. There is one checksum file per
file, not one list, so concurrent downloads share nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import ModelFileError
from ..formats.model_source import read_file

__all__ = [
    "SAFE_NAME",
    "FileCheck",
    "check_files",
    "model_files",
    "record_sha256",
    "recorded_sha256",
    "sha256_of",
    "stored_bytes",
]

_MAX_INDEX_BYTES = 64 * 2**20
#: tfjs name of a quantized weight's numbers → their bytes.
_STORED_BYTES = {"uint8": 1, "uint16": 2, "float16": 2}
#: A file name that cannot lead out of its folder, hide, or need quoting in an address.
SAFE_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


def model_files(index: Path) -> list[Path]:
    """List the files of a model, all in one folder: `index` first, then the files it lists.

    index: model.json of a tfjs GraphModel, tensorflowjs_model.pb of its 2018 form, or a single file. Raises
    ModelFileError if the list of weight files cannot be read or has a path instead of a file name.
    """
    if index.name == "tensorflowjs_model.pb":
        manifest = index.with_name("weights_manifest.json")
        return [index, manifest, *_weight_files(manifest)]
    return [index, *_weight_files(index)] if index.suffix == ".json" else [index]


def stored_bytes(index: Path) -> int | None:
    """Bytes per weight of a tfjs model, of the widest: 4, 2 or 1; None if its list of weights is empty or damaged."""
    try:
        groups = _weight_groups(index.with_name("weights_manifest.json") if index.suffix == ".pb" else index)
        widths = [
            _STORED_BYTES.get(weight.get("quantization", {}).get("dtype"), 4)
            for group in groups
            for weight in group.get("weights", [])
            if weight["dtype"] == "float32"
        ]
    except (ModelFileError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # whoever reads the file says what is wrong with it
    return max(widths, default=None)


def _weight_groups(manifest: Path) -> Any:
    tree = json.loads(read_file(manifest, _MAX_INDEX_BYTES))
    return tree["weightsManifest"] if isinstance(tree, dict) else tree


def _weight_files(manifest: Path) -> list[Path]:
    try:
        names = [name for group in _weight_groups(manifest) for name in group["paths"]]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise ModelFileError(
            f"The model file {str(manifest)!r} is not a TensorFlow.js model: it lists no weight files."
        ) from err
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(SAFE_NAME, name):
            raise ModelFileError(
                f"The model file {str(manifest)!r} names the weight file {name!r}; only plain file names are allowed."
            )
    return [manifest.with_name(name) for name in dict.fromkeys(names)]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def recorded_sha256(path: Path) -> str:
    """Checksum recorded at the first download; '' if none."""
    note = path.with_name(f"{path.name}.sha256")
    return note.read_text(encoding="ascii", errors="replace")[:64] if note.is_file() else ""


def record_sha256(path: Path, digest: str) -> None:
    """Write a file's checksum beside it, atomically."""
    draft = path.with_name(f"{path.name}.sha256.part")
    draft.write_text(f"{digest}  {path.name}\n", encoding="ascii")
    draft.replace(path.with_name(f"{path.name}.sha256"))


@dataclass(frozen=True)
class FileCheck:
    """Result of checking one file: 'published' and 'recorded' are matches, 'unknown' has no reference."""

    path: Path
    state: Literal["published", "recorded", "unknown", "changed", "missing"]

    @property
    def problem(self) -> str:
        """Error message; '' if the file is good."""
        if self.state == "missing":
            return f"The model file {str(self.path)!r} is missing; download the model again."
        if self.state == "changed":
            return (
                f"The model file {str(self.path)!r} has changed: its sha256 is neither the published nor the recorded "
                "one. Delete it and download the model again; if the change is yours, set model_path to a copy of it."
            )
        return ""


def check_files(index: Path, known: Mapping[str, str]) -> list[FileCheck]:
    """Compare each file of a model with the card's checksum (`known`: file name → sha256), else the recorded one."""
    return [_check(path, known.get(path.name, "")) for path in model_files(index)]


def _check(path: Path, published: str) -> FileCheck:
    if not path.is_file():
        return FileCheck(path, "missing")
    wanted = published or recorded_sha256(path)
    if not wanted:
        return FileCheck(path, "unknown")
    if sha256_of(path) != wanted:
        return FileCheck(path, "changed")
    return FileCheck(path, "published" if published else "recorded")
