"""Other runs of the group: their curves as a table, or a law fitted to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import DataError
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.same_recipe import NOT_TOLD, Settings
from unsl_tracking.forecast.transfer import REACHED, Curve
from unsl_tracking.forecast.transfer import Siblings as Kin
from unsl_tracking.live.settings import SETTINGS, THIS_RUN, chosen, settings_of
from unsl_tracking.runs.run import Run
from unsl_tracking.runs.stopped import was_stopped
from unsl_tracking.runs.tracker import Tracker

Given = pd.DataFrame | FittedLaw | None
Siblings = Given | Callable[[], Given]
"""A callable is called once, on the worker thread: it may read from a tracker."""

RUN: Final = "run_id"
FINISHED: Final = "finished"
"""A column of truth values: whether the last value of a run is its end. Where it is absent, runs
that reached the horizon have ended; if none did, all have."""


class Told(NamedTuple):
    """One sibling: `at`, `values` (n,), by place, all finite; the rest as in `Curve`."""

    at: NDArray[np.float64]
    values: NDArray[np.float64]
    finished: bool | None = None
    settings: Settings = NOT_TOLD


@dataclass(frozen=True)
class Group:
    """Siblings as a monitor uses them.

    `frame` has `RUN`, the axis along, the metric, and more; `told` are its curves by run, or curves
    given without a frame. `own`: settings of the run in question, as far as the siblings' source
    tells them.
    """

    frame: pd.DataFrame | None = None
    law: FittedLaw | None = None
    told: Mapping[object, Told] = field(default_factory=dict)
    own: Settings = field(default_factory=dict)
    _known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, given: Given, along: str, metric: str) -> Group:
        """Check what was given.

        Raises:
            DataError: neither a frame nor a law, or a frame without the columns it needs.
        """
        if given is None:
            return cls()
        if isinstance(given, FittedLaw):
            return cls(law=given, told=_of_law(given, along))
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
        own = frame.attrs.get(SETTINGS, {}).get(THIS_RUN, NOT_TOLD)
        told = _curves(frame, RUN, along, metric)
        frame = frame.reset_index(drop=True)
        frame.attrs = {}  # pandas copies them, to the bottom, with every step of work on a frame
        return cls(frame=frame, told=told, own=own)

    def grown(self, more: Mapping[object, Told]) -> Group:
        """The same group with more curves; what has been worked out is used again where it holds.

        For groups of curves alone: a frame or a law is not kept.
        """
        return Group(told={**self.told, **more}, _known=dict(self._known))

    @property
    def has_curves(self) -> bool:
        """Whether there are curves that a forecast can be taken from."""
        return self.law is None and bool(self.told)

    def finals(self, horizon: float, scale: MetricScale) -> tuple[float, ...]:
        """Where each finished sibling ended; empty for a law that does not tell runs apart.

        Without ends that the scale has no place for: a loss of 0 is a broken run, and no bar.
        """
        told = list(self.told.values())
        reached = [each.at[-1] >= REACHED * horizon for each in told]
        by_horizon = reached if any(reached) else [True] * len(told)
        return tuple(
            float(each.values[-1])
            for each, ended in zip(told, by_horizon, strict=True)
            if (ended if each.finished is None else each.finished)
            and scale.holds(each.values[-1:]).all()
        )

    def kin(self, scale: MetricScale, horizon: float) -> Kin:
        """The curves on the law's own scale, as forecasts of their ends need them."""
        key = (scale.ceiling, horizon)
        told, kin = self._known.get(key, ({}, None))
        if told is not self.told:
            kin = Kin(self._on_scale(scale, told, kin), horizon, kin)
            self._known[key] = (self.told, kin)
        found: Kin = kin
        return found

    def _on_scale(
        self, scale: MetricScale, before: Mapping[object, Told], kin: Kin | None
    ) -> dict[object, Curve]:
        curves = {}
        for name, each in self.told.items():
            if kin is not None and before.get(name) is each and name in kin.curves:
                curves[name] = kin.curves[name]
                continue
            values = each.values
            usable = scale.holds(values)
            if usable.any():
                finished = each.finished if usable[-1] else False
                ln_y = scale.to_log(values[usable])
                curves[name] = Curve(each.at[usable], ln_y, finished, each.settings)
        return curves

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


def _of_law(law: FittedLaw, along: str) -> dict[object, Told]:
    if law.run is None or along not in law.axes:
        return {}
    return _curves(law.data, law.run, along, law.value)


def _curves(frame: pd.DataFrame, run: str, along: str, metric: str) -> dict[object, Told]:
    """The finite part of each run's curve, by place; runs without any are left out."""
    at, value = (frame[name].to_numpy(dtype=float) for name in (along, metric))
    rows = pd.DataFrame({"run": frame[run].to_numpy(), "at": at, "value": value})
    rows["ended"] = frame[FINISHED].to_numpy(dtype=bool) if FINISHED in frame else True
    usable = (at > 0) & np.isfinite(at) & np.isfinite(value)
    settings = settings_of(frame, run, (along, metric, FINISHED))
    return {
        name: Told(
            own["at"].to_numpy(),
            own["value"].to_numpy(),
            bool(own["ended"].iloc[-1]) if FINISHED in frame else None,
            settings.get(name, NOT_TOLD),
        )
        for name, own in rows[usable].sort_values("at", kind="stable").groupby("run", sort=False)
    }


def finished_siblings(
    tracker: Tracker, experiment: str, metric: str, *, leave_out: str | None = None
) -> Callable[[], pd.DataFrame]:
    """A function that reads the runs of an experiment, for `siblings=`.

    The frame has `run_id`, `step`, the metric, `finished`, and a column for every param that is a
    number in all runs; in its `attrs` are the settings of each (see `live.settings`). Runs that
    were stopped, failed or still go on are there too, as such: what is known of their curves says
    something about others. A run that was stopped has not finished, whichever metric it was stopped
    for, unless it went on and came as far as those that have.
    """
    # Unlike a closure, it can be pickled where the tracker can.
    return partial(_read, tracker, experiment, metric, leave_out)


def _read(tracker: Tracker, experiment: str, metric: str, leave_out: str | None) -> pd.DataFrame:
    every = list(tracker.runs(experiment))
    runs = [r for r in every if r.id != leave_out and metric in r.metrics]
    rows = tracker.history(runs, [metric]).frame
    frame = rows[[RUN, "step"]].assign(**{metric: rows["value"]})
    frame = frame.drop_duplicates([RUN, "step"], keep="last").reset_index(drop=True)
    frame[FINISHED] = frame[RUN].isin(_ended(runs, frame.groupby(RUN)["step"].max()))
    params = pd.DataFrame([dict(run.params) for run in runs], index=[run.id for run in runs])
    for name in params.columns.difference(frame.columns):
        numbers = pd.to_numeric(params[name], errors="coerce")
        if len(numbers) and numbers.notna().all():
            frame[name] = frame[RUN].map(numbers)
    this = [run for run in every if run.id == leave_out]
    names = [*(run.id for run in runs), *(THIS_RUN for _ in this)]
    told = [chosen(run.params) for run in (*runs, *this)]
    frame.attrs[SETTINGS] = dict(zip(names, told, strict=True))
    return frame


def _ended(runs: Sequence[Run], last: pd.Series[int]) -> set[str]:
    """The runs that came to their end, given the last step of each."""
    over = [run.id for run in runs if run.status == "FINISHED" and run.id in last.index]
    asked = {run.id for run in runs if was_stopped(run.tags)}
    whole = max((last[each] for each in over if each not in asked), default=np.inf)
    return {each for each in over if each not in asked or last[each] >= REACHED * whole}
