"""Processes for work that can be shared out, started while the tracker is still being read."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, Final, TypeVar

T = TypeVar("T")
_MOST: Final = 4
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _Workers(Executor):
    """Processes that are handed one thing at a time.

    `ProcessPoolExecutor` takes things from its queue before a process is free, and then nobody
    else can do them: here they can be cancelled, and done elsewhere, until one has begun.
    """

    def __init__(self, count: int) -> None:
        # Spawned, not forked: reading a tracker starts threads, which a fork would tear apart.
        self._processes = ProcessPoolExecutor(
            count,
            mp_context=get_context("spawn"),
            initializer=signal.signal,  # Ctrl-C goes to all processes: these end without a word
            initargs=(signal.SIGINT, signal.SIG_DFL),
        )
        self._hands = ThreadPoolExecutor(count, thread_name_prefix="unsl-worker")
        for _ in range(count):
            self._processes.submit(_wake)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._hands.submit(self._done, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._hands.shutdown(wait=False, cancel_futures=cancel_futures)
        self._processes.shutdown(wait, cancel_futures=cancel_futures)
        self._hands.shutdown(wait)

    def _done(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        return self._processes.submit(fn, *args, **kwargs).result()


@contextmanager
def worker_pool(jobs: int | None = None) -> Iterator[Executor | None]:
    """A pool for that many processes, of which this one works too; None where it works alone.

    The others have one thread each.
    """
    count = (_processors() if jobs is None else jobs) - 1
    if count < 1:
        yield None
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    pool = _Workers(count)
    try:
        yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        pool.shutdown(cancel_futures=True)


def _wake() -> None:
    """Import what the work needs, which takes most of a second."""
    import unsl_tracking.forecast.replaying  # noqa: F401

    parent = parent_process()
    if parent is not None:  # killed, it cannot tell this process to end
        wait = partial(_end_with, parent.sentinel)
        Thread(target=wait, daemon=True, name="unsl-end-with-parent").start()
    gc.freeze()  # or a third of a second goes into sorting all that when the process ends


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _processors() -> int:
    """That this process may use, up to a few."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        available = os.cpu_count() or 1
    return min(available, _MOST)
