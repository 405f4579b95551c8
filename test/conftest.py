"""What every test may use: the folder of real weights and reference outputs, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real weights, photos and the reference's outputs: $BODYSEG_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("BODYSEG_SHARED", ROOT.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no reference data at {folder}: set BODYSEG_SHARED to the folder that holds golden/ and models/")
    return folder


@pytest.fixture(autouse=True)
def no_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model files that tests write are opened at once: a process for each would take minutes."""
    monkeypatch.setattr("bodyseg_ros.engines.choose.try_model", lambda *_: None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a screen, driven through its DevTools."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
