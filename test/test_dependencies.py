"""The pip line in an error works where it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bodyseg_ros import dependencies
from bodyseg_ros.dependencies import install_line, missing_package


class _Installed:
    """A distribution as pip leaves it, PEP 610."""

    def __init__(self, origin: object) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._origin is None else json.dumps(self._origin)


def test_a_checkout_is_installed_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout = Path(__file__).resolve().parent.parent
    monkeypatch.chdir(checkout)
    assert install_line("bodyseg_ros[video]") == "pip install '.[video]'"
    monkeypatch.chdir(tmp_path)
    assert install_line("bodyseg_ros[video]") == f"pip install '{checkout}[video]'"


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pip install 'green[model]'"),
        ({"url": "file:///gone/green", "dir_info": {}}, "pip install '.[model]' in the folder of the source of green"),
        (
            {"url": "https://host/green.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}},
            "pip install 'green[model] @ git+https://host/green.git@0123abc'",
        ),
        ({"url": "https://host/green.whl", "archive_info": {}}, "pip install 'green[model] @ https://host/green.whl'"),
    ],
)
def test_an_extra_comes_from_where_its_distribution_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: object, line: str
) -> None:
    monkeypatch.setattr(dependencies, "distribution", lambda name: _Installed(origin))
    assert install_line("green[model]") == line


def test_an_installed_folder_is_installed_from_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.setattr(dependencies, "distribution", lambda name: _Installed({"url": folder.as_uri(), "dir_info": {}}))
    assert install_line("green[model]") == f"pip install '{folder}[model]'"


def test_what_no_package_manager_knows_is_built_from_its_source() -> None:
    assert install_line("no_such[x]") == "pip install '.[x]' in the folder of the source of no_such"


def test_a_package_that_breaks_on_import_says_how() -> None:
    error = missing_package("A plot", ImportError("libfoo.so: no such file", name="matplotlib.ft2font"), "matplotlib")
    assert "'matplotlib'" in str(error)
    assert "libfoo.so" in str(error)
    assert str(error).endswith("pip install matplotlib")
