"""Work on many inputs: one after the other, in several processes, or on the workers of a Dask scheduler."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Annotated, Any, Final, Protocol, TypeAlias, TypeVar

import typer
from rich.progress import Progress

from ..dependencies import missing_package
from ..errors import BodysegError, MediaError
from .error_output import INTERRUPTED, complain
from .reporting import progress_console
from .storage import absolute

__all__ = ["Jobs", "Named", "Scheduler", "Show", "failure_of", "for_each", "for_others", "report_problems"]

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Inputs at a time, each in its own process.")]
Scheduler = Annotated[
    str,
    typer.Option(
        help="Address of a Dask scheduler, as tcp://host:8786: its workers take one input each. They must see the "
        "same files, and have this version of the package."
    ),
]


class Named(Protocol):
    """An input to be worked on."""

    @property
    def name(self) -> str:
        """Of its progress bar."""


Item = TypeVar("Item", bound=Named)
Made = TypeVar("Made")
#: Told how much of an input is done, and how much there is; None where nobody looks.
Show: TypeAlias = "Callable[[int, int | None], None] | None"
Work: TypeAlias = Callable[[Item, Show], Made]
#: Time to remove drafts when the first process has died, s.
_TIDYING_S: Final = 5.0
_LOST: Final = (
    "The process that worked on it ended without an answer. Is memory short? Use fewer --jobs, or a smaller "
    "internal_resolution."
)


def for_each(
    work: Work[Item, Made], items: Sequence[Item], jobs: int, scheduler: str, progress: Progress
) -> Iterator[tuple[Item, Made | Exception]]:
    """Yield each item with what `work` made of it, or with its error, in the order in which they are done.

    work: a function of a module, since other processes import it. jobs: processes on this machine; with 1, this one
    does the work. scheduler: address of a Dask scheduler whose workers do the work instead. An item whose process died
    is tried again. progress: gets a bar of the items, with the field `of_inputs`, and in one process one of the current
    item.

    Raises MediaError if the scheduler does not answer, and MissingDependencyError without the extra `fleet`. If the
    caller stops early, as by Ctrl-C, what other processes have begun ends there too.
    """
    if scheduler:
        done = _on_workers(work, items, scheduler)
    elif min(jobs, len(items)) > 1:
        done = _in_processes(work, items, min(jobs, len(items)))
    else:
        yield from _one_by_one(work, items, progress)
        return
    bar = progress.add_task("inputs", total=len(items), of_inputs=True)
    for pair in done:
        progress.advance(bar)
        yield pair


def for_others(values: Mapping[str, Any], jobs: int) -> dict[str, Any]:
    """The parameters for other processes: as many `threads` as leave each its share of the cores, unless they are
    given, and a `model_path` that does not depend on the current folder.
    """
    cores = os.cpu_count() or 1
    shared = {"threads": max(1, cores // jobs)} if jobs > 1 else {}
    path = {"model_path": absolute(str(values["model_path"]))} if values.get("model_path") else {}
    return {**shared, **values, **path}


def report_problems(problems: Collection[str], summary: str = "") -> None:
    """List what failed, then say what was done; exit status 1 if anything failed."""
    for problem in problems:
        complain(problem)
    if summary:
        progress_console.print(summary)
    if problems:
        raise typer.Exit(1)


def failure_of(source: str, err: Exception) -> str:
    """A sentence about an input that failed, with its name."""
    text = str(err) or type(err).__name__
    return text if source in text else f"{source}: {text}"


def _one_by_one(
    work: Work[Item, Made], items: Sequence[Item], progress: Progress
) -> Iterator[tuple[Item, Made | Exception]]:
    several = len(items) > 1
    total = progress.add_task("inputs", total=len(items), of_inputs=True) if several else None
    for item in items:
        bar = progress.add_task(item.name, total=None)

        def show(done: int, of: int | None, bar: Any = bar) -> None:
            progress.update(bar, completed=done, total=of)

        made: Made | Exception
        try:
            made = work(item, show)
        except BodysegError as err:
            made = err
        if several or not progress.tasks[-1].completed:
            progress.remove_task(bar)
        if total is not None:
            progress.advance(total)
        yield item, made


def _in_processes(work: Work[Item, Made], items: Sequence[Item], jobs: int) -> Iterator[tuple[Item, Made | Exception]]:
    lost = []
    with _processes(jobs) as pool:
        for item, made in _submitted(work, items, pool):
            if isinstance(made, BrokenProcessPool):
                lost.append(item)  # its process died, or another's, which ends them all
            else:
                yield item, made
    for item in lost:
        with _processes(1) as pool:
            for _, made in _submitted(work, [item], pool):
                yield item, MediaError(_LOST) if isinstance(made, BrokenProcessPool) else made


def _submitted(
    work: Work[Item, Made], items: Sequence[Item], executor: Executor
) -> Iterator[tuple[Item, Made | Exception]]:
    waiting: dict[Any, Item] = {}
    failed: list[tuple[Item, Exception]] = []
    for item in items:
        try:
            waiting[executor.submit(work, item, None)] = item
        except BrokenProcessPool as err:  # noqa: PERF203 - the others may have been done
            failed.append((item, err))
    for future in as_completed(waiting):
        error = future.exception()
        yield waiting[future], error if isinstance(error, Exception) else future.result()
    yield from failed


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Other processes of this machine. They end early, as by Ctrl-C, if the context does, or this process dies."""
    before = multiprocessing.active_children()
    # Networks do not survive a fork of the process that loaded their library.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _end_in_time)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process not in before and process.pid:
                os.kill(process.pid, signal.SIGINT)
        raise
    finally:
        pool.shutdown()


def _end_in_time() -> None:
    """In another process: Ctrl-C, and the end of the process that started it, stop its work; drafts are removed."""
    signal.signal(signal.SIGINT, _stop)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_TIDYING_S)
        os._exit(INTERRUPTED)  # or it would wait for the next input forever

    threading.Thread(target=watch, daemon=True).start()


def _stop(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal and the first process both send it
    sys.exit(INTERRUPTED)


def _on_workers(
    work: Work[Item, Made], items: Sequence[Item], scheduler: str
) -> Iterator[tuple[Item, Made | Exception]]:
    try:
        import distributed
    except ImportError as err:
        raise missing_package("--scheduler", err, "bodyseg_ros[fleet]") from err
    connect: Any = distributed.Client  # untyped where it is installed, unknown where it is not
    try:
        client = connect(scheduler, timeout=10)
    except (OSError, ValueError, TypeError) as err:
        raise MediaError(
            f"No Dask scheduler answers at {scheduler!r}; give its address, as in tcp://host:8786."
        ) from err
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield from _submitted(work, items, executor)
        finally:
            executor.shutdown(wait=False)  # what is not done when the caller stops is called off
