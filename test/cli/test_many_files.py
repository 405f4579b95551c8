"""Many inputs over processes and over a Dask scheduler: each done once, failures given back beside the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from bodyseg_ros.cli.many_files import for_each, for_others
from bodyseg_ros.errors import MediaError, MissingDependencyError
from named_work import Number, die, take_root

#: Square roots, and a number that has none.
ROOTS: dict[int, int | str] = {4: 2, -1: "isqrt() argument must be nonnegative", 81: 9}
ROOT = Path(__file__).resolve().parents[2]


def told(pairs: Iterable[tuple[Number, int | Exception]]) -> dict[int, int | str]:
    return {number.value: made if isinstance(made, int) else str(made) for number, made in pairs}


def numbers(values: Iterable[int], **facts: Any) -> list[Number]:
    return [Number(value, **facts) for value in values]


def test_over_processes() -> None:
    assert told(for_each(take_root, numbers(ROOTS), 2, "", Progress())) == ROOTS


def test_in_this_process_a_failure_of_ours_is_given_back_and_others_are_raised() -> None:
    def work(number: Number, show: Any) -> int:
        if number.value < 0:
            raise MediaError("no root")
        return take_root(number, show)

    assert told(for_each(work, numbers(ROOTS), 1, "", Progress())) == {**ROOTS, -1: "no root"}
    with pytest.raises(ValueError, match="isqrt"):
        list(for_each(take_root, numbers(ROOTS), 1, "", Progress()))


def test_what_was_lost_with_a_process_is_done_again(tmp_path: Path) -> None:
    """The first process to take a number dies; both numbers are done in the end."""
    found = told(for_each(take_root, numbers([4, 81], dies=str(tmp_path / "died")), 2, "", Progress()))
    assert found == {4: 2, 81: 9}
    assert (tmp_path / "died").exists()


def test_an_input_that_ends_its_process_is_named_and_the_others_are_done() -> None:
    found = told(for_each(die, numbers([4, 13, 81]), 2, "", Progress()))
    assert (found[4], found[81]) == (2, 9)
    assert "ended without an answer" in str(found[13]) and "--jobs" in str(found[13])


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGKILL])
def test_other_processes_end_with_the_first_and_tidy_up(tmp_path: Path, ends: signal.Signals) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from rich.progress import Progress\n"
        "from bodyseg_ros.cli.many_files import for_each\n"
        "from named_work import Number, wait_forever\n"
        f"items = [Number(4, {str(files[0])!r}), Number(4, {str(files[1])!r})]\n"
        "list(for_each(wait_forever, items, 2, '', Progress()))\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "test")])
    first = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    processes = [Path("/proc", file.read_text()) for file in files]
    first.send_signal(ends)
    first.wait(timeout=30)
    wait_for(lambda: not any(file.exists() for file in files))
    wait_for(lambda: not any(process.exists() for process in processes))


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_each_process_gets_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [for_others({}, jobs) for jobs in (1, 3, 16)] == [{}, {"threads": 2}, {"threads": 1}]
    assert for_others({"threads": 5}, 4) == {"threads": 5}


def test_over_a_scheduler() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        assert told(for_each(take_root, numbers(ROOTS), 1, cluster.scheduler_address, Progress())) == ROOTS


def test_a_scheduler_that_is_not_there() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(MediaError, match="No Dask scheduler answers at 'here'"):
        list(for_each(take_root, numbers([2]), 1, "here", Progress()))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"\[fleet\]"):
        list(for_each(take_root, numbers([2]), 1, "tcp://127.0.0.1:1", Progress()))
