"""What every test may use: the folder of real weights and reference outputs, where there is one."""

from __future__ import annotations

import os
from pathlib import Path

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
