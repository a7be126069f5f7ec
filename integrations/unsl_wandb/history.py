"""Histories: what to read, whether all of it came, and what to remember for the next time.

Lossless means counted. In the answer that brings a metric's rows the server also says how many rows
the history has; when every row has the metric, both numbers agree. Of a metric that is not in every
row, the listing of the runs says how many rows have it. Where fewer came than there must be, the
run is scanned in the SDK's own, slow way; and if that too falls short of the count, a warning says
so.

Within a run, W&B only ever appends (`_step` grows, rows are sent in order), so what is new since a
cursor are the rows above the last `_step`. A run that has ended since is read once more, whole, and
so is one whose count of rows went down (it was rewound).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from unsl_tracking.runs.marks import cursor_with_marks, marks_in
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.series import Key
from unsl_tracking.runs.tracker import Progress
from unsl_wandb.bulk import Answer, Ask, read_bulk
from unsl_wandb.client import Connection
from unsl_wandb.described import WandbRun
from unsl_wandb.reader import read_run
from unsl_wandb.record import OURS, read_records
from unsl_wandb.scan import scan
from unsl_wandb.series import (
    Mark,
    Rows,
    Series,
    no_rows,
    rows_of,
    steps_of,
    to_frame,
)
from unsl_wandb.uris import run_path

_ROWS_GUESSED: Final = 1000


class Plan(NamedTuple):
    """What to ask for a run: its metrics, the metric that counts their steps, and from where.

    `marks` are those of the last reading; empty for reading all of it.
    """

    run: WandbRun
    metrics: tuple[str, ...]
    counter: str | None
    marks: Mapping[str, Mark]

    @property
    def keys(self) -> tuple[str, ...]:
        """The metrics and their counter."""
        return tuple(dict.fromkeys([*self.metrics, *([self.counter] if self.counter else [])]))

    @property
    def counted_to(self) -> tuple[int, float] | None:
        """The last row of the counter that was read before."""
        return next(iter(self.marks.values())).counted_to if self.marks else None

    def first(self) -> dict[str, int]:
        """From which `_step` on to ask for each key; the last row known comes again."""
        begin = {key: max(0, mark.last) for key, mark in self.marks.items()}
        if self.counter and self.counted_to:
            begin[self.counter] = min(
                self.counted_to[0], begin.get(self.counter, self.counted_to[0])
            )
        return {key: begin.get(key, 0) for key in self.keys}


def read_history(
    connection: Connection,
    runs: Sequence[Run],
    metrics: Sequence[str],
    *,
    since: Cursor | None,
    progress: Progress | None,
) -> History:
    """See `unsl_tracking.runs.Tracker.history`. List the runs afresh before each call."""
    by_id = {run.id: _as_listed(connection, run) for run in runs}
    wanted = tuple(dict.fromkeys(metrics))
    marks = marks_in(since, Mark)
    plans = {id: plan for id, run in by_id.items() if (plan := plan_reading(run, wanted, marks))}
    done = len(by_id) - len(plans)
    if progress and by_id:
        progress(done, len(by_id))
    parts: dict[Key, Series] = {}
    for plan, rows, lines in _read(connection, list(plans.values())):
        _take(plan, rows, lines, parts, marks)
        done += 1
        if progress and done < len(by_id):
            progress(done, len(by_id))
    _add_ours(connection, list(by_id), wanted, parts)
    if progress and by_id:
        progress(len(by_id), len(by_id))
    steps = dict(since.steps) if since else {}
    for key, series in parts.items():
        if len(series.step):
            last = int(series.step.max())
            steps[key.run_id] = max(last, steps.get(key.run_id, last))
    ended = {run.id for run in by_id.values() if run.finished}
    complete = (set(since.complete if since else ()) - set(by_id)) | ended
    return History(to_frame(parts), cursor_with_marks(steps, complete, marks))


def plan_reading(run: WandbRun, metrics: Sequence[str], known: Mapping[Key, Mark]) -> Plan | None:
    """What to read of a run, given what was read before; None where nothing can be new."""
    if run.rows:  # the server says which metrics there are
        metrics = [metric for metric in metrics if metric in run.rows or not run.finished]
    if not metrics or (not run.lines and run.finished):
        return None
    marks = {metric: known.get(Key(run.id, metric)) for metric in metrics}
    seen = {metric: mark for metric, mark in marks.items() if mark is not None}
    first = next(iter(seen.values()), None)
    counter = first.counter if first else run.counted_by.common(metrics)
    whole = Plan(run, tuple(metrics), counter, {})
    if len(seen) < len(metrics):
        return whole
    if all(mark.lines == run.lines and mark.ended == run.finished for mark in seen.values()):
        return None
    if any(mark.lines > run.lines or run.finished != mark.ended for mark in seen.values()):
        return whole
    return whole._replace(marks=seen) if not run.finished else whole


def _read(
    connection: Connection, plans: Sequence[Plan]
) -> Iterator[tuple[Plan, dict[str, Rows], int]]:
    """Rows by key of every plan, counted."""
    by_path = {run_path(plan.run.id): plan for plan in plans}
    asks = []
    for path, plan in by_path.items():
        rows = max(plan.run.lines, _ROWS_GUESSED if not plan.run.finished else 1)
        rows -= min((mark.rows for mark in plan.marks.values()), default=0)
        asks.append(Ask(path, plan.first(), max(rows, 1), plan.run.last))
    for answer in read_bulk(connection, asks):
        plan = by_path[answer.ask.path]
        found = {key: rows_of(rows, key) for key, rows in answer.rows.items()}
        if all(_is_whole(plan, key, found[key], answer) for key in plan.keys):
            yield plan, found, answer.lines
        else:
            yield _scanned(connection, plan)


def _is_whole(plan: Plan, key: str, rows: Rows, answer: Answer) -> bool:
    """Whether as many rows came as there must be."""
    have = len(rows)
    if plan.marks:
        if key not in plan.marks:
            return True  # the counter alone; its last value is remembered
        mark = plan.marks[key]
        have += mark.rows - int((rows.at <= mark.last).sum())
    listed = plan.run.rows.get(key)
    if listed is None:
        listed = 0 if plan.run.rows else answer.lines
    return have >= min(listed, answer.lines)


def _scanned(connection: Connection, plan: Plan) -> tuple[Plan, dict[str, Rows], int]:
    """All rows of a run by the SDK's own way."""
    path = run_path(plan.run.id)
    rows, count = scan(connection, path, plan.keys)
    if count < plan.run.lines:
        warnings.warn(
            f"run {plan.run.id} has {plan.run.lines} rows, of which W&B hands out {count}; the"
            " others are missing from what was read",
            UserWarning,
            stacklevel=2,
        )
    whole = plan._replace(marks={})
    return whole, {key: rows_of(rows, key) for key in plan.keys}, max(count, plan.run.lines)


def _take(
    plan: Plan,
    rows: Mapping[str, Rows],
    lines: int,
    parts: dict[Key, Series],
    marks: dict[Key, Mark],
) -> None:
    """Put the rows of a run among the series, and remember how far they go."""
    counter = rows[plan.counter] if plan.counter else no_rows()
    counted_to = plan.counted_to
    before = counted_to[1] if counted_to else None
    if len(counter):
        counted_to = int(counter.at[-1]), float(counter.value[-1])
    for metric in plan.metrics:
        found, key = rows[metric], Key(plan.run.id, metric)
        mark = plan.marks.get(metric)
        step = steps_of(found, counter, before) if plan.counter else found.at
        new = found.at > (mark.last if mark else np.iinfo(np.int64).min)
        parts[key] = Series(step[new], found.timestamp[new], found.value[new])
        known = mark.rows if mark else 0
        last = int(found.at[-1]) if len(found) else (mark.last if mark else -1)
        count = known + int(new.sum())
        marks[key] = Mark(plan.run.lines, plan.run.finished, count, last, plan.counter, counted_to)


def _add_ours(
    connection: Connection,
    run_ids: Sequence[str],
    metrics: Sequence[str],
    parts: dict[Key, Series],
) -> None:
    """Rows of metrics that we wrote ourselves: they are in a file of the run."""
    wanted = [metric for metric in metrics if metric.startswith(OURS)]
    if not wanted or not run_ids:
        return
    for run_id, record in read_records(connection, run_ids).items():
        for metric in wanted:
            rows = record.rows.get(metric)
            if not rows:
                continue
            step, timestamp, value = zip(*rows, strict=True)
            ours = Series(
                np.array(step, dtype=np.int64),
                np.array(timestamp, dtype=np.int64),
                np.array(value, dtype=np.float64),
            )
            both = parts.get(Key(run_id, metric))
            if both is not None:
                ours = Series(
                    np.concatenate([both.step, ours.step]),
                    np.concatenate([both.timestamp, ours.timestamp]),
                    np.concatenate([both.value, ours.value]),
                )
            parts[Key(run_id, metric)] = ours


def _as_listed(connection: Connection, run: Run) -> WandbRun:
    """The run as our listing has it; one that was made by somebody else is looked up."""
    return run if isinstance(run, WandbRun) else read_run(connection, run.id)
