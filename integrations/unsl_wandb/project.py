"""The finished runs of a run's project, over the axis along which that run is forecast."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pandas as pd

from unsl_tracking.live import finished_siblings
from unsl_tracking.runs.run import Run

STEP = "step"  # an axis of this name is W&B's own `_step`
_log = logging.getLogger("unsl_tracking.live")


def finished_along(
    tracker: Any, project: str, metric: str, along: str, *, leave_out: str
) -> Callable[[], pd.DataFrame]:
    """A function that reads them, for `siblings=`.

    A history is read over the metric's own step metric (`run.define_metric`), or over `_step` where
    it has none. Runs in which that is another axis than `along` are no measure for this one and are
    left out, which is logged.
    """

    def read() -> pd.DataFrame:
        alike = _CountedAlike(tracker, metric, along)
        frame = finished_siblings(alike, project, metric, leave_out=leave_out)()  # type: ignore[arg-type]
        return frame.rename(columns={STEP: along})

    return read


class _CountedAlike:
    """A tracker that has only those runs."""

    def __init__(self, tracker: Any, metric: str, along: str) -> None:
        self.history = tracker.history
        self._tracker, self._metric = tracker, metric
        self._axis = None if along == STEP else along

    def runs(self, experiment: str) -> list[Run]:
        runs = self._tracker.runs(experiment)
        kept = [run for run in runs if run.counted_by.of(self._metric) == self._axis]
        others = sum(self._metric in run.metrics for run in runs if run not in kept)
        if others:
            _log.info(
                "%d runs of %s are no siblings: %s is not counted by %s there.",
                *(others, experiment, self._metric, self._axis or "_step"),
            )
        return kept
