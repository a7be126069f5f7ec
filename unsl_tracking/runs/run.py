"""A run as every tracker describes it, and the history of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import pandas as pd

HISTORY_DTYPES: Final = {
    "run_id": "object",
    "metric": "object",
    "step": "int64",
    "timestamp": "int64",  # milliseconds since 1970, UTC
    "value": "float64",  # NaN and ±inf as logged
}


@dataclass(frozen=True, slots=True)
class Run:
    """One training run. Everything in it was written by somebody else: treat it as untrusted text.

    `status` is one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED. `params` and `tags` are text
    as logged; `config` holds typed values with nested keys joined by dots (empty where the tracker
    has no such thing). `metrics` holds the latest value of each metric and `metric_steps` its step.
    Times are milliseconds since 1970, UTC.
    """

    id: str
    name: str = ""
    experiment: str = ""
    status: str = "FINISHED"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    metric_steps: Mapping[str, int] = field(default_factory=dict)
    started: int | None = None
    ended: int | None = None
    url: str | None = None

    @property
    def finished(self) -> bool:
        """True once the run can log nothing more of its own."""
        return self.status in {"FINISHED", "FAILED", "KILLED"}


class Cursor(NamedTuple):
    """Where a reading of histories stopped: per run, the last step seen and whether it had ended.

    A cursor is a hint for reading less, never a promise: readers re-read an overlap, because
    trackers deliver late and re-logged rows (see `Tracker.history`).
    """

    steps: Mapping[str, int]
    complete: frozenset[str]


class History(NamedTuple):
    """Rows of `HISTORY_DTYPES` by (run_id, metric, timestamp, step), and the next cursor."""

    frame: pd.DataFrame
    cursor: Cursor


def empty_history() -> pd.DataFrame:
    """A history frame without rows, with the right columns and dtypes."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in HISTORY_DTYPES.items()})
