"""A law fitted to observations: predict, update, explain, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.fit import Mixture, Rung, search
from unsl_tracking.forecast import stored
from unsl_tracking.forecast.backtest import Backtest, Progress, backtest
from unsl_tracking.forecast.cautions import ForecastWarning, about_fit, about_points
from unsl_tracking.forecast.forecast import Forecast
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.predictive import predictive
from unsl_tracking.forecast.replay import Design, History
from unsl_tracking.forecast.summary import LawSummary, summarise
from unsl_tracking.forecast.table import clean, merge, query, roles_of, to_points
from unsl_tracking.forecast.thin import long_curves, thin
from unsl_tracking.law import Form
from unsl_tracking.runs.axes import Axis, as_axes


class FittedLaw:
    """The result of `fit`. `axes` are names, `data` the rows that were used."""

    def __init__(
        self,
        *,
        axes: tuple[Axis, ...],
        value: str,
        scale: MetricScale,
        run: str | None,
        forms: tuple[Form, ...] | None,
        seed: int,
        data: pd.DataFrame,
        notes: tuple[ForecastWarning, ...],
        mixture: Mixture,
        long: frozenset[str] = frozenset(),
    ) -> None:
        self._axes = axes
        self._scale = scale
        self._forms = forms
        self._notes = notes
        self._mixture = mixture
        self._long = long
        self.value = value
        self.run = run
        self.seed = seed
        self.data = data

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the law's columns."""
        return tuple(a.name for a in self._axes)

    @property
    def mode(self) -> str:
        """Either "min" (lower is better) or "max"."""
        return self._scale.mode

    @property
    def mixture(self) -> Mixture:
        """The fitted forms with their weights."""
        return self._mixture

    @property
    def warnings(self) -> tuple[ForecastWarning, ...]:
        """What is wrong with the data or the fit, wherever one forecasts."""
        log_x = np.log(self.data[list(self.axes)].to_numpy(dtype=float))
        return (*self._notes, *about_fit(self._mixture, self.axes, log_x))

    def __repr__(self) -> str:
        return f"FittedLaw({self.value} over {', '.join(self.axes)}, {len(self.data)} points)"

    def predict(self, at: pd.DataFrame | Mapping[str, Any]) -> Forecast:
        """The forecast at one point (a mapping of numbers) or several (arrays, a frame).

        Raises:
            AxisError: an axis is missing, unknown, or not positive.
        """
        points = query(at, self.axes)
        log_x = np.log(points.to_numpy(dtype=float))
        distribution = predictive(self._mixture, log_x)
        cautions = about_points(self._mixture, self.axes, log_x, distribution.mean, distribution.sd)
        single = isinstance(at, Mapping) and all(np.ndim(v) == 0 for v in at.values())
        return Forecast(
            points,
            self.value,
            distribution,
            self._scale,
            (*self.warnings, *cautions),
            single=single,
        )

    def update(self, rows: pd.DataFrame) -> FittedLaw:
        """Take in more observations, in place; returns itself.

        Rows with the same axes (and run) as an earlier one correct it; in a curve that is so long
        that buckets of it are kept, they are averaged with their bucket. The result is that of a
        fresh fit to all rows, to the last digit while no curve is long and to rounding after that:
        starting forms from where they were saved no time that could be measured, and left some in
        other minima than a fresh fit finds. What an update costs does not grow with the length of
        a curve, because long curves are kept as buckets.

        Raises:
            DataError: as `fit`.
        """
        table = clean(rows, self._axes, self.value, self.run)
        notes = {note.code: note for note in (*self._notes, *table.notes)}
        keys = [*self.axes, *([] if self.run is None else [self.run])]
        merged = merge(self.data, table.frame, keys)
        long = self._long | long_curves(merged, self.axes, self.run)
        data = thin(merged, self.axes, self.value, self.run, long)
        values = table.frame[self.value].to_numpy(dtype=float)
        scale = MetricScale.for_metric(self._scale.mode, self._scale.ceiling, values, self.value)
        points = to_points(data, self._axes, self.value, scale)
        roles = roles_of(self._axes, points)
        rungs = [Rung(f) for f in self._forms] if self._forms else None
        found = search(points, roles, seed=self.seed, rungs=rungs)
        self._mixture = replace(found, width=self._mixture.width)
        self.data, self._long = data, long
        self._scale, self._notes = scale, tuple(notes.values())
        return self

    def backtest(
        self,
        *,
        origins: int | None = None,
        run: str | None = None,
        design: Design | None = None,
        progress: Progress | None = None,
    ) -> Backtest:
        """What this law would have forecast in the past of its own data, and what came out.

        Args:
            origins: How many pasts: sizes (4 where absent) or, by runs, runs to forecast (8).
            run: The column that tells runs apart; the law's own, said once more or left out.
            design: "size" refits to everything up to a size and scores all that is larger; "runs"
                forecasts the last point of runs from their first 30, 50 and 70% and the smaller
                runs. Where absent, by runs if there are several with an axis along them.
            progress: Called with (forecasts made, forecasts to make).

        Raises:
            TooLittleEvidence: no past could be forecast; `known` says what was tried.
            DataError: origins below 1, an unknown design, or another run column than the law's.
        """
        if run is not None and run != self.run:
            raise DataError(
                "a backtest tells runs apart by the column that the law was fitted with",
                got=run,
                next_step=f"Fit with run={run!r}.",
            )
        history = History(
            self.data,
            self._axes,
            self.value,
            self._scale,
            self._mixture.scale,
            self.run,
            self._forms,
            self.seed,
        )
        return backtest(history, origins=origins, design=design, progress=progress)

    def recalibrate(self, tested: Backtest) -> FittedLaw:
        """Let a backtest of this law set the width of its intervals, in place; returns itself.

        The width is kept by `update` and `to_json`. Doing it again with the same backtest changes
        nothing; with few origins or runs the width hardly moves (see `forecast.recalibration`).

        Raises:
            DataError: the backtest is of another metric or other axes.
        """
        if (tested.metric, tested.mode, tested.axes) != (self.value, self.mode, self.axes):
            raise DataError(
                f"a law is recalibrated by a backtest of {self.value} over {', '.join(self.axes)}",
                got=f"{tested.metric} over {', '.join(tested.axes)}",
            )
        self._mixture = replace(self._mixture, width=tested.width)
        return self

    def summary(self) -> LawSummary:
        """Forms, weights, parameters with intervals, the equation; `str()` of it is readable."""
        return summarise(self._mixture, self.warnings)

    def to_json(self) -> str:
        """Everything that `from_json` needs, data included, as strict JSON."""
        return stored.dump(
            {
                "axes": self._axes,
                "value": self.value,
                "scale": self._scale,
                "run": self.run,
                "forms": self._forms,
                "seed": self.seed,
                "data": self.data,
                "notes": self._notes,
                "mixture": self._mixture,
                "long": self._long,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> FittedLaw:
        """Read what `to_json` wrote.

        Raises:
            DataError: the text is not a law of a schema that this version reads.
        """
        fields: dict[str, Any] = stored.load(text)
        return cls(**fields)


def fit(
    frame: pd.DataFrame,
    axes: Sequence[str | Axis],
    value: str,
    *,
    mode: str = "min",
    run: str | None = None,
    ceiling: float | None = None,
    forms: Sequence[Form] | None = None,
    seed: int = 0,
) -> FittedLaw:
    """Fit the unified scaling law to a tidy table, a row per observation.

    Args:
        frame: one column per axis, one for the metric; optionally `run` and `count` (how many raw
            observations a row stands for).
        axes: the scaling axes and hyperparameters; names, or `Axis` to say what kind they are.
        value: the metric's column.
        mode: "min" when lower is better, "max" when higher is.
        run: the column that tells runs apart.
        ceiling: the best value of a metric to maximise; 1 where absent.
        forms: fit these forms only, instead of the ladder.
        seed: of the starting points; the same seed gives the same law.

    Raises:
        DataError: a column is missing, holds text, or a value breaks the rule of the mode.
        AxisError: an axis is constant or not positive.
        TooLittleEvidence: too few points or too short a span to forecast from.
    """
    chosen = as_axes(axes)
    seed = _whole(seed)
    table = clean(frame, chosen, value, run)
    names = [a.name for a in chosen]
    data = thin(table.frame, names, value, run)
    values = table.frame[value].to_numpy(dtype=float)
    scale = MetricScale.for_metric(mode, ceiling, values, value)
    points = to_points(data, chosen, value, scale)
    given = None if forms is None else _forms_over(points.axes, forms)
    rungs = None if given is None else [Rung(form) for form in given]
    return FittedLaw(
        axes=chosen,
        value=value,
        scale=scale,
        run=run,
        forms=given,
        seed=seed,
        data=data,
        notes=table.notes,
        mixture=search(points, roles_of(chosen, points), seed=seed, rungs=rungs),
        long=long_curves(table.frame, names, run),
    )


def _forms_over(axes: tuple[str, ...], forms: Sequence[Form]) -> tuple[Form, ...]:
    given = tuple(forms)
    if not given or not all(isinstance(form, Form) for form in given):
        raise DataError("forms holds at least one Form", got=forms, next_step="Or leave it out.")
    for form in given:
        if form.axes != axes:
            raise DataError(f"a form is over the axes {axes}", got=(form.name, form.axes))
    return given


def _whole(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise DataError("a seed is an integer ≥ 0", got=seed)
    return int(seed)
