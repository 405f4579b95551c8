"""Many inputs over processes and over a Dask scheduler: each done once, failures given back beside the rest."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import isqrt

import pytest

from bodyseg_ros.cli.many_files import for_each
from bodyseg_ros.errors import MediaError, MissingDependencyError

#: What other processes can import: square roots, and a number that has none.
ROOTS = {4: 2, -1: "isqrt() argument must be nonnegative", 81: 9}


def told(pairs: Iterable[tuple[int, int | Exception]]) -> dict[int, int | str]:
    return {item: made if isinstance(made, int) else str(made) for item, made in pairs}


def test_over_processes() -> None:
    assert told(for_each(isqrt, list(ROOTS), jobs=2)) == ROOTS


def test_over_a_scheduler() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        assert told(for_each(isqrt, list(ROOTS), 1, cluster.scheduler_address)) == ROOTS


def test_a_scheduler_that_is_not_there() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(MediaError, match="No Dask scheduler answers at 'here'"):
        list(for_each(isqrt, [2], 1, "here"))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"\[fleet\]"):
        list(for_each(isqrt, [2], 1, "tcp://127.0.0.1:1"))
