"""Metrics and tags into runs of other people. A run's status and times are never touched."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Final

from unsl_mlflow.client import Connection
from unsl_tracking.errors import TrackerError
from unsl_tracking.runs.series import Key

MAX_TEXT: Final = 8000  # mlflow/utils/validation.py: MAX_TAG_VAL_LENGTH; longer text is cut off
_METRICS_AT_ONCE: Final = 1000  # limits of one log-batch request: mlflow/utils/validation.py
_TAGS_AT_ONCE: Final = 100


def write_metrics(
    connection: Connection, run_id: str, values: Mapping[str, float], step: int
) -> None:
    """Add a row for each value, unless it is already the newest one of that metric at that step."""
    unfit = {name: value for name, value in values.items() if not math.isfinite(value)}
    if unfit:
        raise TrackerError("Only finite values may be written as metrics", got=unfit)
    doing = f"write metrics into run {run_id!r}"
    with connection.calling(doing, writing=True):
        from mlflow.entities import Metric

        latest = connection.store.get_run(run_id).data
        steps = {metric.key: metric.step for metric in getattr(latest, "_metric_objs", None) or []}
        known = {name: steps.get(name, math.inf) for name in latest.metrics}
    rows = []
    for name, value in values.items():
        newest = None
        if known.get(name, -math.inf) >= step:  # else nothing can have been written at this step
            newest = _newest(connection, Key(run_id, name), step)
        if newest is None or newest[1] != value:
            # Two rows within a millisecond would leave open which one is the newer.
            timestamp = max(_now(), newest[0] + 1 if newest else 0)
            rows.append(Metric(name, float(value), timestamp, int(step)))
    with connection.calling(doing, writing=True):
        for start in range(0, len(rows), _METRICS_AT_ONCE):
            some = rows[start : start + _METRICS_AT_ONCE]
            connection.store.log_batch(run_id, metrics=some, params=[], tags=[])


def write_tags(connection: Connection, run_id: str, tags: Mapping[str, str]) -> None:
    """Set these tags; the others stay."""
    too_long = {name: len(value) for name, value in tags.items() if len(value) > MAX_TEXT}
    if too_long:
        raise TrackerError(
            f"A tag of MLflow holds at most {MAX_TEXT} characters",
            got=too_long,
            next_step="Write long texts as an artifact.",
        )
    with connection.calling(f"set tags of run {run_id!r}", writing=True):
        from mlflow.entities import RunTag

        all_tags = [RunTag(name, str(value)) for name, value in tags.items()]
        for start in range(0, len(all_tags), _TAGS_AT_ONCE):
            some = all_tags[start : start + _TAGS_AT_ONCE]
            connection.store.log_batch(run_id, metrics=[], params=[], tags=some)


def _newest(connection: Connection, key: Key, step: int) -> tuple[int, float] | None:
    """Timestamp and value of the newest row at a step."""
    from unsl_mlflow.pages import read_pages

    rows = read_pages(connection, key)
    here = rows.step == step
    if not here.any():
        return None
    return int(rows.timestamp[here][-1]), float(rows.value[here][-1])


def _now() -> int:
    return time.time_ns() // 1_000_000
