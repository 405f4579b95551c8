"""The library of kernels: built where it can be, done without where it is missing or too old."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import bodyseg_ros
from bodyseg_ros.kernels import compiled

SOURCES = Path(compiled.__file__).parent


def test_it_is_built_where_there_is_a_compiler() -> None:
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler here")
    assert compiled.LIBRARY is not None, "install the package again: its kernels were not built"


def test_python_and_c_agree_on_the_version() -> None:
    stated = re.search(r"#define KERNELS_VERSION (\d+)", (SOURCES / "kernels.h").read_text(encoding="utf-8"))
    assert stated
    assert int(stated[1]) == compiled._VERSION


def test_an_older_library_is_not_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    if compiled.LIBRARY is None:
        pytest.skip("the kernels were not built")
    monkeypatch.setattr(compiled, "_VERSION", 10_000)
    with caplog.at_level(logging.WARNING):
        assert compiled._load() is None
    assert "is of version 2, not 10000; NumPy does its work. Install again." in caplog.text


def test_a_file_that_is_no_library_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Found:
        origin = str(tmp_path / "_kernels.so")

    (tmp_path / "_kernels.so").write_text("not a library")
    monkeypatch.setattr(compiled, "find_spec", lambda name: Found)
    with caplog.at_level(logging.WARNING):
        assert compiled._load() is None
    assert "cannot be used" in caplog.text
    assert "NumPy does their work" in caplog.text


def test_who_goes_without_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(compiled, "LIBRARY", None)
    with caplog.at_level(logging.WARNING), bodyseg_ros.load("background") as model:
        assert model.segment(np.zeros((48, 64, 3), np.uint8)).person is not None
    assert "NumPy decodes, many times slower. Install a C compiler, then bodyseg_ros again." in caplog.text


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.float64), np.zeros((4, 4), np.float32)[:, ::2]])
def test_arrays_that_c_would_misread_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="contiguous float32"):
        compiled._address(array, np.float32)
