"""How fast `unsl_mlflow` reads histories over http, against the fastest lossless request there is.

    python benchmarks/speed/read_mlflow.py [--runs 200] [--points 1000] [--repeats 5]

A default `mlflow server` (4 workers) on a sqlite file with two metrics per run. The baseline is
`get-history-bulk`, 25 runs per request on 4 threads, parsed into a frame and nothing else: no
retries, no check for answers that were cut off. Both read the same 200,000 rows in turn, warmed up,
and every frame is compared row for row with the table in the database. The last lines compare with
reading the sqlite file directly, without a server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from unsl_mlflow import MlflowTracker

METRIC, OTHER = "val_loss", "train_loss"
BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
NOW = 1_700_000_000_000
TARGET = 0.8
"""Share of the baseline's rate that issue 2 asks for."""


def fill(folder: Path, runs: int, points: int) -> None:
    """A store with `runs` runs of two metrics of `points` rows each."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("speed", artifact_location=str(folder))
    ids = [client.create_run(experiment).info.run_id for _ in range(runs)]
    steps = np.arange(points)
    rng = np.random.default_rng(0)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        for run_id in ids:
            for metric in (METRIC, OTHER):
                values = 2 + (1 + steps) ** -0.4 + rng.normal(0, 0.01, points)
                columns = values.tolist(), (NOW + 1000 * steps).tolist(), steps.tolist()
                rows = [(metric, v, t, run_id, s, 0) for v, t, s in zip(*columns, strict=True)]
                database.executemany(
                    "insert into metrics (key, value, timestamp, run_uuid, step, is_nan)"
                    " values (?, ?, ?, ?, ?, ?)",
                    rows,
                )
                database.execute(
                    "insert into latest_metrics (key, value, timestamp, run_uuid, step, is_nan)"
                    " values (?, ?, ?, ?, ?, ?)",
                    rows[-1],
                )


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """`mlflow server` with its default number of workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(uri + "/health", timeout=1).close()
                break
            time.sleep(0.1)
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def baseline(uri: str, ids: list[str]) -> pd.DataFrame:
    """Nothing but the requests of the fastest lossless rate in the notes."""
    session = requests.Session()
    # On a machine that is too busy, uvicorn takes a worker for dead and starts another.
    session.mount("http://", HTTPAdapter(max_retries=Retry(3)))

    def read(some: list[str]) -> list[dict[str, object]]:
        asked = [("run_id", run_id) for run_id in some]
        answer = session.get(uri + BULK, params=[*asked, ("metric_key", METRIC)])
        return list(json.loads(answer.content)["metrics"])

    chunks = [ids[start : start + 25] for start in range(0, len(ids), 25)]
    with ThreadPoolExecutor(4) as pool:
        rows = [row for found in pool.map(read, chunks) for row in found]
    frame = pd.DataFrame(rows).rename(columns={"key": "metric"})
    return frame[["run_id", "metric", "step", "timestamp", "value"]]


def truth(folder: Path) -> pd.DataFrame:
    """The rows as they are in the database."""
    query = "select run_uuid as run_id, key as metric, step, timestamp, value from metrics"
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        frame = pd.read_sql_query(f"{query} where key = ?", database, params=(METRIC,))
    return in_order(frame)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"run_id": "object", "metric": "object"})
    return frame.sort_values(["run_id", "step", "timestamp", "value"], ignore_index=True)


def timed(read: Callable[[], pd.DataFrame], expected: pd.DataFrame) -> float:
    begin = time.perf_counter()
    frame = read()
    seconds = time.perf_counter() - begin
    pd.testing.assert_frame_equal(in_order(frame), expected)
    return seconds


def measure(runs: int, points: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of every repeat, by approach; the order alternates so that neither gains by it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, runs, points)
        expected = truth(folder)
        with running_server(folder) as uri:
            over_http = MlflowTracker(uri)
            in_file = MlflowTracker(f"sqlite:///{folder}/mlflow.db")
            listed = over_http.runs("speed")
            ids = [run.id for run in listed]
            baseline(uri, ids)  # warm-up of both, and of all workers
            over_http.history(listed, [METRIC])
            approaches: dict[str, Callable[[], pd.DataFrame]] = {
                "get-history-bulk, 25 runs/request, 4 threads": lambda: baseline(uri, ids),
                "unsl_mlflow, http": lambda: over_http.history(listed, [METRIC]).frame,
                "unsl_mlflow, sqlite": lambda: in_file.history(listed, [METRIC]).frame,
            }
            seconds: dict[str, list[float]] = {name: [] for name in approaches}
            for turn in range(repeats):
                for name in list(approaches)[:: 1 if turn % 2 == 0 else -1]:
                    seconds[name].append(timed(approaches[name], expected))
            name = "unsl_mlflow, http, polling with nothing new"
            seconds[name] = []
            cursor = over_http.history(listed, [METRIC]).cursor
            for _ in range(repeats):
                begin = time.perf_counter()
                new = over_http.history(over_http.runs("speed"), [METRIC], since=cursor).frame
                seconds[name].append(time.perf_counter() - begin)
                assert new.empty
    return seconds


def table(seconds: dict[str, list[float]], rows: int) -> str:
    best = statistics.median(next(iter(seconds.values())))
    lines = [
        "| approach | min/med/max s | rows/s (median) | of the baseline |",
        "|---|---|---|---|",
    ]
    for name, all_seconds in seconds.items():
        low, median, high = min(all_seconds), statistics.median(all_seconds), max(all_seconds)
        times = f"{low:.2f}/{median:.2f}/{high:.2f}"
        lines.append(f"| {name} | {times} | {rows / median:,.0f} | {best / median:.0%} |")
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """The flags, as a parent for other parsers."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--runs", type=int, default=200, help="runs to read [%(default)s]")
    parser.add_argument(
        "--points",
        type=int,
        choices=range(1, 1001),
        metavar="N",
        default=1000,
        help="points of each, 1000 at most: the baseline's answers end there [%(default)s]",
    )
    parser.add_argument("--repeats", type=int, default=5, help="readings by each [%(default)s]")
    return parser


def main() -> int:
    about = "Speed of reading histories from MLflow."
    return run(argparse.ArgumentParser(description=about, parents=[arguments()]).parse_args())


def run(options: argparse.Namespace) -> int:
    """Measure and print; 1 where the target is missed."""
    seconds = measure(options.runs, options.points, options.repeats)
    rows = options.runs * options.points
    print(table(seconds, rows))
    base, ours, *_ = (statistics.median(values) for values in seconds.values())
    report = {
        "runs": options.runs,
        "points": options.points,
        "seconds": seconds,
        "rate_of_baseline": base / ours,
        "target": TARGET,
        "reached": base / ours >= TARGET,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }
    print(json.dumps(report))
    return 0 if report["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
