"""Many series in one request: `get-history-bulk`, which is fast and cuts answers off in silence.

It returns at most 25,000 rows for all runs together, run after run, and does not say when there are
more. So an answer of that length is taken as cut: all runs in it but the last are whole, the last
and those that do not appear are asked for again, and a run that fills an answer alone is read page
by page. (Its sibling `get-history-bulk-interval` thins histories out and is not used.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final, NamedTuple

from mlflow.utils.rest_utils import verify_rest_response

from unsl_mlflow.client import Connection
from unsl_mlflow.pages import read_pages
from unsl_mlflow.rest import Http
from unsl_mlflow.series import Rows, rows_of
from unsl_mlflow.threads import in_threads
from unsl_tracking.runs.series import Key

ENDPOINT: Final = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
MAX_ROWS: Final = 25_000  # mlflow/server/handlers.py: MAX_HISTORY_RESULTS
MAX_RUNS: Final = 100  # the same: MAX_RUN_IDS_PER_REQUEST
_WORTH_A_REQUEST: Final = 10_000
"""Rows below which a request costs more than splitting the work among threads gains."""


class Answer(NamedTuple):
    """Series that were read whole, and those that must be asked for again."""

    whole: dict[Key, Rows]
    again: list[Key]


class ChunkSize:
    """How many runs to ask for at once, learnt from the answers. For one thread's use."""

    def __init__(self, guessed_rows: float, threads: int) -> None:
        self._rows_per_run = max(1.0, guessed_rows)
        self._threads = threads

    def now(self, left: int) -> int:
        """Few enough runs that the answer is not cut, and equal shares for the threads to end with.

        `left` is the number of runs that are still to be asked for.
        """
        fitting = max(1, min(int((MAX_ROWS - 1) / self._rows_per_run), MAX_RUNS))
        rounds = math.ceil(left / (fitting * self._threads))
        share = math.ceil(left / (rounds * self._threads))
        return min(max(share, int(_WORTH_A_REQUEST / self._rows_per_run)), fitting)

    def learn(self, answer: Answer) -> None:
        """Rows per run as in the last answer, which is near to what the next one will have."""
        if answer.whole:
            rows = sum(len(series.step) for series in answer.whole.values())
            self._rows_per_run = max(1.0, rows / len(answer.whole))


def read_bulk(
    connection: Connection, http: Http, keys: Sequence[Key], *, guessed_rows: float, threads: int
) -> Iterator[dict[Key, Rows]]:
    """Every row of these series, some of them at a time."""
    waiting: dict[str, list[Key]] = {}
    for key in keys:
        waiting.setdefault(key.metric, []).append(key)
    size = ChunkSize(guessed_rows, threads)

    def next_job() -> Callable[[], Answer] | None:
        for metric, left in waiting.items():
            if left:
                some = size.now(len(left))
                asked, waiting[metric] = left[:some], left[some:]
                return partial(read_chunk, connection, http, asked)
        return None

    for answer in in_threads(next_job, threads):
        size.learn(answer)
        for key in answer.again:
            waiting[key.metric].append(key)
        yield answer.whole


def read_chunk(connection: Connection, http: Http, keys: Sequence[Key]) -> Answer:
    """Ask for one metric of at most `MAX_RUNS` runs."""
    metric = keys[0].metric
    asked = [("run_id", key.run_id) for key in keys] + [("metric_key", metric)]
    with connection.calling(f"read {metric!r} of {len(keys)} runs"):
        reply = http.request(ENDPOINT, "GET", params=[*asked, ("max_results", MAX_ROWS)])
        known = reply.status_code not in {404, 405, 501}  # else a very old server, or not MLflow's
        body = json.loads(verify_rest_response(reply, ENDPOINT).content) if known else {}
        rows = body.get("metrics", [])
        found, in_order = _by_run(rows, metric)
    cut_off = len(rows) >= MAX_ROWS
    if not known or (cut_off and not (in_order and found.keys() <= set(keys))):
        return Answer({key: read_pages(connection, key) for key in keys}, [])
    if not cut_off:
        nothing = rows_of([], [], [])
        return Answer({key: found.get(key, nothing) for key in keys}, [])
    *whole, last = found
    answer = Answer({key: found[key] for key in whole}, [key for key in keys if key not in whole])
    if not whole:  # asking again would give the same
        answer.whole[last] = read_pages(connection, last)
        answer.again.remove(last)
    return answer


def _by_run(metrics: Sequence[dict[str, Any]], metric: str) -> tuple[dict[Key, Rows], bool]:
    """Rows per series, in the order of the answer; and whether each run came in one piece."""
    timestamp = [int(row["timestamp"]) for row in metrics]
    step = [int(row.get("step", 0)) for row in metrics]
    value = [float(row["value"]) for row in metrics]  # also the text "NaN"
    places: dict[Key, list[slice]] = {}
    start = 0
    for run_id, rows in groupby(metrics, key=lambda row: str(row["run_id"])):
        end = start + sum(1 for _ in rows)
        places.setdefault(Key(run_id, metric), []).append(slice(start, end))
        start = end
    found = {}
    for key, parts in places.items():
        at = [i for part in parts for i in range(part.start, part.stop)]
        found[key] = rows_of(
            [timestamp[i] for i in at], [step[i] for i in at], [value[i] for i in at]
        )
    return found, all(len(parts) == 1 for parts in places.values())
