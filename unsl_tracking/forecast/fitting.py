"""`fit`: from a tidy table to a `FittedLaw`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.fit import Points, Rung, search
from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.fitted_law import FittedLaw
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.replay import History
from unsl_tracking.forecast.table import clean, roles_of, to_points
from unsl_tracking.forecast.thin import long_curves, thin
from unsl_tracking.law import Form
from unsl_tracking.runs.axes import Axis, as_axes


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

    Examples:
        >>> law = ut.fit(frame, axes=["params", "tokens"], value="val_loss")
        >>> law
        FittedLaw(val_loss over params, tokens, 20 points)
        >>> forecast = law.predict({"params": 7e9, "tokens": 1.4e11})
        >>> 2.1 < forecast.median < 2.3
        True
    """
    return prepare(
        frame, axes, value, mode=mode, run=run, ceiling=ceiling, forms=forms, seed=seed
    ).fitted()


@dataclass(frozen=True)
class Prepared:
    """What `fit` fits: everything that can be refused has been checked, nothing is fitted yet."""

    history: History
    points: Points
    notes: tuple[ForecastWarning, ...]
    long: frozenset[str]

    def fitted(self) -> FittedLaw:
        """The law."""
        of = self.history
        rungs = None if of.forms is None else [Rung(form) for form in of.forms]
        roles = roles_of(of.axes, self.points)
        return FittedLaw(
            axes=of.axes,
            value=of.value,
            scale=of.metric,
            run=of.run,
            forms=of.forms,
            seed=of.seed,
            data=of.data,
            notes=self.notes,
            mixture=search(self.points, roles, seed=of.seed, rungs=rungs),
            long=self.long,
        )


def prepare(
    frame: pd.DataFrame,
    axes: Sequence[str | Axis],
    value: str,
    *,
    mode: str = "min",
    run: str | None = None,
    ceiling: float | None = None,
    forms: Sequence[Form] | None = None,
    seed: int = 0,
) -> Prepared:
    """The first half of `fit`, whose arguments and errors these are."""
    chosen = as_axes(axes)
    seed = _whole(seed)
    table = clean(frame, chosen, value, run)
    names = [a.name for a in chosen]
    data = thin(table.frame, names, value, run)
    values = table.frame[value].to_numpy(dtype=float)
    metric = MetricScale.for_metric(mode, ceiling, values, value)
    points = to_points(data, chosen, value, metric)
    given = None if forms is None else _forms_over(points.axes, forms)
    history = History(data, chosen, value, metric, points.scale, run, given, seed)
    return Prepared(history, points, table.notes, long_curves(table.frame, names, run))


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
