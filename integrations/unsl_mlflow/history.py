"""Histories: what to read, from where, and what to remember for the next time.

Reading on from a cursor costs little where little has happened. A series whose latest value in the
listing has not moved is left alone; while its run goes on it is looked at every minute all the
same, for rows that come late or at earlier steps: they move nothing in the listing, but the place
of the row that was last (`Mark`). A run that has ended is read once more, whole.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from unsl_mlflow import bulk, database
from unsl_mlflow.client import Connection
from unsl_mlflow.pages import read_pages, read_tail
from unsl_mlflow.series import (
    Mark,
    Rows,
    listed,
    mark_of,
    without_first,
)
from unsl_mlflow.threads import in_threads
from unsl_tracking.runs.marks import cursor_with_marks, marks_in
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.series import Key, to_frame
from unsl_tracking.runs.tracker import Progress

THREADS: Final = 4
"""Requests at once: as many as `mlflow server` has workers by default."""
_TAIL_FROM: Final = 300
"""A series with this many rows is asked for its new ones alone. A shorter one is read again: one
request costs a server about as much as 300 rows of a bulk answer, which holds many series."""


_LOOK_AGAIN: Final = 60.0
"""Seconds until a series that seems not to have changed is asked all the same."""


class Plan(NamedTuple):
    """Series to read whole, and series to read on from a mark; all others are left alone."""

    whole: list[Key]
    tails: dict[Key, Mark]


def read_history(
    connection: Connection,
    runs: Sequence[Run],
    metrics: Sequence[str],
    *,
    since: Cursor | None,
    progress: Progress | None,
) -> History:
    """See `unsl_tracking.runs.Tracker.history`. List the runs afresh before each call."""
    by_id = {run.id: run for run in runs}
    marks = marks_in(since, Mark)
    plan = plan_reading(list(by_id.values()), list(dict.fromkeys(metrics)), marks)
    told = _Told(by_id, [*plan.whole, *plan.tails], progress)
    parts: dict[Key, Rows] = {}
    whole = list(plan.whole)
    for key, rows in _read_tails(connection, plan.tails):
        if rows is None:
            whole.append(key)
            continue
        marks[key] = mark_of(rows, by_id[key.run_id], key.metric, before=plan.tails[key])
        parts[key] = without_first(rows)
        told.read(key)
    for key, rows in _read_whole(connection, whole, by_id):
        marks[key] = mark_of(rows, by_id[key.run_id], key.metric)
        parts[key] = rows
        told.read(key)
    told.end()
    steps = _last_steps(since, parts)
    ended = {run.id for run in by_id.values() if run.finished}
    complete = (set(since.complete if since else ()) - set(by_id)) | ended
    return History(to_frame(parts), cursor_with_marks(steps, complete, marks))


def plan_reading(runs: Sequence[Run], metrics: Sequence[str], known: Mapping[Key, Mark]) -> Plan:
    """What to read, given what was read before. Without marks: everything."""
    plan = Plan([], {})
    for run in runs:
        for metric in metrics:
            key = Key(run.id, metric)
            mark = known.get(key)
            if mark is None or (run.finished and not mark.ended):
                plan.whole.append(key)
            elif mark.listed == listed(run, metric) and (
                run.finished or time.monotonic() < mark.at + _LOOK_AGAIN
            ):
                continue
            elif run.finished or mark.rows < _TAIL_FROM:
                plan.whole.append(key)
            else:
                plan.tails[key] = mark
    return plan


def _read_tails(
    connection: Connection, tails: Mapping[Key, Mark]
) -> Iterator[tuple[Key, Rows | None]]:
    """New rows of each series; None where it has to be read whole."""
    waiting = iter(tails.items())

    def read(key: Key, mark: Mark) -> tuple[Key, Rows | None]:
        return key, read_tail(connection, key, mark)

    def next_job() -> Callable[[], tuple[Key, Rows | None]] | None:
        following = next(waiting, None)
        return partial(read, *following) if following else None

    return in_threads(next_job, THREADS) if tails else iter(())


def _read_whole(
    connection: Connection, keys: Sequence[Key], runs: Mapping[str, Run]
) -> Iterator[tuple[Key, Rows]]:
    """Every row of each series, from the fastest source that the store has."""
    for found in _sources(connection, keys, runs) if keys else ():
        for key, rows in found.items():
            listed_step, _ = listed(runs[key.run_id], key.metric)
            # The listing is older than the answer, so an answer that lacks its row is not whole.
            lacking = listed_step is not None and (
                not len(rows.step) or int(rows.step.max()) < listed_step
            )
            yield key, read_pages(connection, key) if lacking else rows


def _sources(
    connection: Connection, keys: Sequence[Key], runs: Mapping[str, Run]
) -> Iterator[dict[Key, Rows]]:
    with connection.calling("read histories"):
        in_table = database.has_table(connection)
    if connection.http is not None:
        yield from bulk.read_bulk(
            connection, connection.http, keys, guessed_rows=_guess(keys, runs), threads=THREADS
        )
    elif in_table:
        yield from database.read_tables(connection, keys)
    else:
        for key in keys:
            yield {key: read_pages(connection, key)}


def _guess(keys: Sequence[Key], runs: Mapping[str, Run]) -> float:
    """Rows per series if every step were logged once; answers will tell better."""
    steps = [runs[key.run_id].metric_steps.get(key.metric) for key in keys]
    return statistics.fmean([max(0, step) + 1 for step in steps if step is not None] or [1000])


def _last_steps(since: Cursor | None, parts: Mapping[Key, Rows]) -> dict[str, int]:
    steps = dict(since.steps) if since else {}
    for key, rows in parts.items():
        if len(rows.step):
            last = int(rows.step.max())
            steps[key.run_id] = max(last, steps.get(key.run_id, last))
    return steps


class _Told:
    """Tells the progress: a run counts once all its series are read."""

    def __init__(
        self, runs: Mapping[str, Run], keys: Sequence[Key], progress: Progress | None
    ) -> None:
        self._left = dict.fromkeys(runs, 0)
        for key in keys:
            self._left[key.run_id] += 1
        self._all = len(runs)
        self._done = sum(1 for left in self._left.values() if not left)
        self._progress = progress
        if progress and runs:
            progress(self._done, self._all)

    def read(self, key: Key) -> None:
        self._left[key.run_id] -= 1
        if not self._left[key.run_id]:
            self._done += 1
            if self._progress and self._done < self._all:
                self._progress(self._done, self._all)

    def end(self) -> None:
        if self._progress and self._all:
            self._progress(self._all, self._all)
