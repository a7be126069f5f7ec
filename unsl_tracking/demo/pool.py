"""Trains many networks at once: one process per core, each with a single BLAS thread."""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from unsl_tracking.demo.network import Settings
from unsl_tracking.errors import UnslError

_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


@dataclass(frozen=True, slots=True)
class Measured:
    """A validation loss of run `index` of the list given to `train_all`; the last one is `done`."""

    index: int
    step: int
    value: float
    done: bool = False


class TrainingFailed(UnslError):
    """A training process ended before its run did."""


def train_all(
    runs: Sequence[Settings], processes: int | None = None
) -> Generator[Measured, None, None]:
    """Train the runs, longest first, and yield their losses as they come.

    Closing the iterator (or an exception in the loop that reads it) stops the processes.
    """
    count = min(len(runs), processes or os.cpu_count() or 1)
    order = sorted(range(len(runs)), key=lambda index: -runs[index].cost)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in order:
        waiting.put(index)
    results: queue.SimpleQueue[Measured | Exception | None] = queue.SimpleQueue()
    workers = [_Worker() for _ in range(count)]
    threads = [
        threading.Thread(target=_feed, args=(worker, runs, waiting, results), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        ended = 0
        while ended < count:
            item = results.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                ended += 1
            else:
                yield item
    finally:
        for worker in workers:
            worker.close()
        for thread in threads:
            thread.join()


class _Worker:
    """A process of `unsl_tracking.demo.worker` and what it said on stderr."""

    def __init__(self) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unsl_tracking.demo.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **_ONE_THREAD},
            text=True,
            encoding="utf-8",
        )

    def close(self) -> None:
        """End the process, whatever it is doing, and wait for it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # the process was gone before the last line was read
                    pass

    def complaint(self) -> str:
        """The last line of its stderr."""
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "nothing on stderr"


def _feed(
    worker: _Worker,
    runs: Sequence[Settings],
    waiting: queue.SimpleQueue[int],
    results: queue.SimpleQueue[Measured | Exception | None],
) -> None:
    """Give the process one run after the other and pass on what it measures."""
    try:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                break
            for measured in _one_run(worker, index, runs[index]):
                results.put(measured)
        results.put(None)
    except Exception as error:  # whatever it is: `train_all` waits for a word from here
        results.put(error)


def _one_run(worker: _Worker, index: int, settings: Settings) -> Iterator[Measured]:
    stdin, stdout = worker.process.stdin, worker.process.stdout
    assert stdin is not None and stdout is not None  # both were asked for as pipes
    stdin.write(json.dumps(dataclasses.asdict(settings)) + "\n")
    stdin.flush()
    last: tuple[int, float] | None = None
    for line in stdout:
        row = json.loads(line)
        if row.get("done"):
            if last is not None:
                yield Measured(index, *last, done=True)
            return
        if last is not None:
            yield Measured(index, *last)
        last = (int(row["step"]), float(row["value"]))
    raise TrainingFailed(
        "a training process must finish the run it was given",
        got=worker.complaint(),
        next_step="Run `python -m unsl_tracking.demo.worker` to see why it ends.",
    )
