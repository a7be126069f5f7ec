"""Several requests at once, with the next one chosen when there is room for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def in_threads(next_job: Callable[[], Callable[[], T] | None], threads: int) -> Iterator[T]:
    """Results in the order in which they come; `next_job` gives None while nothing is waiting.

    What the consumer learns from a result may lead to further jobs: `next_job` is asked again after
    each. The first failure ends it; jobs that run at that moment end in the background.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="unsl_mlflow")
    running: set[Future[T]] = set()
    try:
        while True:
            while len(running) < threads and (job := next_job()) is not None:
                running.add(pool.submit(job))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
