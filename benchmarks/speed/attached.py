"""What `attach` adds to a program's own logging calls to MLflow, on a sqlite store.

    python -m benchmarks.speed.attached [--calls 300] [--blocks 8]

Blocks of calls alternate, attached and not, in one process and one run each. A call is timed on its
own: by wall time, and by the calling thread's processor time, which a busy machine blurs less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import numpy as np

import unsl_tracking as ut


def one_at_a_time(step: int, value: float) -> None:
    mlflow.log_metric("loss", value, step=step)


def batch(step: int, value: float) -> None:
    mlflow.log_metrics({"a": 1.0, "b": 2.0, "loss": value, "c": 3.0}, step=step)


def asynchronous(step: int, value: float) -> None:
    mlflow.log_metric("loss", value, step=step, synchronous=False)


def block(call: Callable[[int, float], None], calls: int) -> np.ndarray:
    """Microseconds of each call: wall and the thread's own, shape (calls, 2)."""
    took = np.empty((calls, 2))
    with mlflow.start_run():
        for step in range(1, calls + 1):
            wall, own = time.perf_counter_ns(), time.thread_time_ns()
            call(step, 2.0 + 3.0 * step**-0.4)
            took[step - 1] = time.perf_counter_ns() - wall, time.thread_time_ns() - own
    return took / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--blocks", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment("speed")
        for call in (one_at_a_time, batch, asynchronous):
            block(call, 20)
            took: dict[bool, list[np.ndarray]] = {False: [], True: []}
            for i in range(given.blocks):
                attached = i % 4 in (1, 2)
                if attached:
                    ut.attach("loss", horizon={"step": 10**5}, siblings=None)
                took[attached].append(block(call, given.calls))
                ut.detach(60)
            for attached, blocks in took.items():
                wall, own = np.concatenate(blocks).T
                print(
                    f"{call.__name__:14} {'attached' if attached else 'as it is':9}"
                    f" wall µs: median {np.median(wall):8.1f}, 99% {np.quantile(wall, 0.99):9.1f};"
                    f" own µs: median {np.median(own):7.1f}, mean {own.mean():7.1f}"
                )
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
