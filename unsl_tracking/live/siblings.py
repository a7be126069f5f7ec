"""Other runs of the group: finished curves as a table, or a law fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.transfer import Curve
from unsl_tracking.runs.tracker import Tracker

Given = pd.DataFrame | FittedLaw | None
Siblings = Given | Callable[[], Given]
"""A callable is called once, on the worker thread: it may read from a tracker."""

RUN: Final = "run_id"


@dataclass(frozen=True)
class Group:
    """Siblings as a monitor uses them. `frame` has `RUN`, the axis along, the metric, and more."""

    frame: pd.DataFrame | None = None
    law: FittedLaw | None = None

    @classmethod
    def of(cls, given: Given, along: str, metric: str) -> Group:
        """Check what was given.

        Raises:
            DataError: neither a frame nor a law, or a frame without the columns it needs.
        """
        if given is None:
            return cls()
        if isinstance(given, FittedLaw):
            return cls(law=given)
        if not isinstance(given, pd.DataFrame):
            raise DataError(
                "siblings are a DataFrame, a FittedLaw, or a function that returns one",
                got=type(given).__name__,
            )
        frame = given.rename(columns={"run": RUN}) if RUN not in given else given
        missing = [name for name in (RUN, along, metric) if name not in frame]
        if missing:
            raise DataError(
                f"siblings have the columns {RUN}, {along} and {metric}",
                got=list(map(str, given.columns)),
                next_step=f"Add {', '.join(missing)}.",
            )
        return cls(frame=frame.reset_index(drop=True))

    def finals(self, along: str, metric: str) -> tuple[float, ...]:
        """Where each finished sibling ended; empty for a law that does not tell runs apart."""
        frame, run = self.frame, RUN
        if self.law is not None and self.law.run is not None and along in self.law.axes:
            frame, run, metric = self.law.data, self.law.run, self.law.value
        if frame is None or not len(frame):
            return ()
        finite = frame[np.isfinite(frame[metric].to_numpy(dtype=float))]
        last = finite.sort_values(along, kind="stable").groupby(run, sort=False)[metric].last()
        return tuple(float(value) for value in last)

    def curves(self, along: str, metric: str, scale: MetricScale) -> list[Curve]:
        """The curves of the frame on the law's own scale, by place; empty for a law."""
        if self.frame is None:
            return []
        at, value = (self.frame[name].to_numpy(dtype=float) for name in (along, metric))
        above = value > 0.0 if scale.ceiling is None else value < scale.ceiling
        usable = (at > 0) & np.isfinite(at) & np.isfinite(value) & above
        rows = pd.DataFrame({"run": self.frame[RUN], "at": at, "value": value})[usable]
        return [
            Curve(own["at"].to_numpy(), scale.to_log(own["value"].to_numpy()))
            for _, own in rows.sort_values("at", kind="stable").groupby("run", sort=False)
        ]

    def varying(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are columns of the frame with more than one positive value."""
        if self.frame is None:
            return []
        found = []
        for name in names:
            if name in self.frame and pd.api.types.is_numeric_dtype(self.frame[name]):
                values = self.frame[name].to_numpy(dtype=float)
                if np.isfinite(values).all() and values.min() > 0 and np.ptp(values) > 0:
                    found.append(name)
        return found


def finished_siblings(
    tracker: Tracker, experiment: str, metric: str, *, leave_out: str | None = None
) -> Callable[[], pd.DataFrame]:
    """A function that reads the finished runs of an experiment, for `siblings=`.

    The frame has `run_id`, `step`, the metric, and a column for every param that is a number.
    """

    def read() -> pd.DataFrame:
        runs = [
            run
            for run in tracker.runs(experiment)
            if run.status == "FINISHED" and run.id != leave_out and metric in run.metrics
        ]
        rows = tracker.history(runs, [metric]).frame
        frame = rows[[RUN, "step"]].assign(**{metric: rows["value"]})
        frame = frame.drop_duplicates([RUN, "step"], keep="last").reset_index(drop=True)
        params = pd.DataFrame([dict(run.params) for run in runs], index=[run.id for run in runs])
        for name in params.columns.difference(frame.columns):
            numbers = pd.to_numeric(params[name], errors="coerce")
            if len(numbers) and numbers.notna().all():
                frame[name] = frame[RUN].map(numbers)
        return frame

    return read
