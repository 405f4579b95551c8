"""Work on many files: one after the other, on several cores, or on the workers of a Dask scheduler."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from ..dependencies import missing_package
from ..errors import MediaError

__all__ = ["for_each"]

Item = TypeVar("Item")
Made = TypeVar("Made")


def for_each(
    work: Callable[[Item], Made], items: Sequence[Item], jobs: int, scheduler: str = ""
) -> Iterator[tuple[Item, Made | Exception]]:
    """Yield each item with what `work` made of it, or with its error, in the order in which they are done.

    work: a function of a module, since other processes import it. jobs: processes on this machine. scheduler: address
    of a Dask scheduler whose workers do the work instead; it runs an item again whose worker died. Raises MediaError if
    the scheduler does not answer, and MissingDependencyError without the extra `fleet`.
    """
    with _executor(min(jobs, len(items)), scheduler) as executor:
        waiting = {executor.submit(work, item): item for item in items}
        for future in as_completed(waiting):
            error = future.exception()
            yield waiting[future], error if isinstance(error, Exception) else future.result()


@contextmanager
def _executor(jobs: int, scheduler: str) -> Iterator[Executor]:
    if not scheduler:
        # Networks do not survive a fork of the process that loaded their library.
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            yield pool
        return
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
    with client, client.get_executor() as executor:
        yield executor
