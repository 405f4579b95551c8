"""Install lines for missing packages."""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

from .errors import MissingDependencyError

__all__ = ["install_line", "missing_package"]

_OWN: Final = "bodyseg_ros"


def missing_package(who: str, err: ImportError, requirement: str) -> MissingDependencyError:
    """The error for an import that failed: who needs the package, and the pip line that brings it.

    requirement: 'bodyseg_ros[video]' for an extra of this package, or another one's own name, such as 'matplotlib'.
    """
    package = (err.name or requirement).partition(".")[0]
    why = "is not installed" if isinstance(err, ModuleNotFoundError) else f"cannot be imported: {err}"
    return MissingDependencyError(
        f"{who} needs the package {package!r}, which {why}. Install it with: {install_line(requirement)}"
    )


def install_line(requirement: str) -> str:
    """Return the pip line for this installation: an extra is installed from the same origin as its distribution.

    From a source folder `pip install '.[video]'` (with the folder's path where one is elsewhere), from an address
    `pip install 'bodyseg_ros[video] @ git+https://…'`, from an index `pip install 'bodyseg_ros[video]'`.
    """
    name, extras = re.fullmatch(r"([^\[]*)(\[.*\])?", requirement, re.DOTALL).groups()  # type: ignore[union-attr]
    if not extras:
        return f"pip install {name}"
    folder, address = _source_of(name)
    if folder is not None:
        place = "." if folder == Path.cwd() else folder
        return f"pip install '{place}{extras}'"
    if address is None:
        return f"pip install '.{extras}' in the folder of the source of {name}"
    return f"pip install '{name}{extras}{address}'"


def _source_of(name: str) -> tuple[Path | None, str | None]:
    """The source folder, ' @ ADDRESS', '' for an index, or None if unknown."""
    checkout = Path(__file__).resolve().parent.parent
    if name == _OWN and (checkout / "pyproject.toml").is_file():
        return checkout, None
    try:
        installed: Distribution = distribution(name)
    except PackageNotFoundError:
        return None, None
    text = installed.read_text("direct_url.json")  # PEP 610: present if not installed from an index
    if text is None:
        return None, ""
    origin = json.loads(text)
    url = str(origin["url"])
    path = Path(unquote(urlparse(url).path)) if url.startswith("file:") else None
    if path is not None and not path.exists():
        return None, None
    if path is not None and path.is_dir():
        return path, None
    vcs = origin.get("vcs_info")
    return None, f" @ {vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else f" @ {url}"
