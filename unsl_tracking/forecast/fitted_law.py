"""A law fitted to observations: predict, update, explain, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError, TooLittleEvidence
from unsl_tracking.fit import Mixture, Rung, refresh, search
from unsl_tracking.forecast import stored
from unsl_tracking.forecast.backtest import Backtest
from unsl_tracking.forecast.cautions import ForecastWarning, about_fit, about_points
from unsl_tracking.forecast.decisions import decision_named
from unsl_tracking.forecast.forecast import Forecast
from unsl_tracking.forecast.incremental import Searched, surprising
from unsl_tracking.forecast.ledger import Ledger
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.predictive import members, with_tails
from unsl_tracking.forecast.replay import Design, History
from unsl_tracking.forecast.replaying import Progress, Replaying
from unsl_tracking.forecast.summary import LawSummary, summarise
from unsl_tracking.forecast.table import (
    COUNT,
    clean,
    evidence,
    merge,
    query,
    roles_of,
    to_points,
)
from unsl_tracking.forecast.thin import long_curves, thin
from unsl_tracking.law import Form
from unsl_tracking.runs.axes import Axis

if TYPE_CHECKING:  # see forecast/decisions.py
    from unsl_tracking.decide.allocation import Allocation
    from unsl_tracking.decide.run_plan import NextRuns


class FittedLaw:
    """The result of `fit`."""

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
        searched: Searched | None = None,
    ) -> None:
        self._axes = axes
        self._scale = scale
        self._forms = forms
        self._notes = notes
        self._mixture = mixture
        self._long = long
        self._data: pd.DataFrame | None = data  # made from the ledger when somebody asks for it
        self._ledger: Ledger | None = None  # made when the first few rows arrive
        self._searched = searched or Searched.at(mixture, _evidence(data, value))
        self.value = value
        self.run = run
        self.seed = seed

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the law's columns."""
        return tuple(a.name for a in self._axes)

    @property
    def data(self) -> pd.DataFrame:
        """The rows that were used, buckets of long curves among them."""
        if self._data is None:
            assert self._ledger is not None
            self._data = self._ledger.frame(self.axes, self.value, self.run)
        return self._data

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """Names of the axes that have a best value, in the order of the law's columns."""
        return tuple(a.name for a in self._axes if a.kind == "hyper")

    @property
    def mode(self) -> str:
        """Either "min" (lower is better) or "max"."""
        return self._scale.mode

    @property
    def ceiling(self) -> float | None:
        """The best value that a metric to maximise can have; None for one to minimise."""
        return self._scale.ceiling

    @property
    def mixture(self) -> Mixture:
        """The fitted forms with their weights."""
        return self._mixture

    @property
    def warnings(self) -> tuple[ForecastWarning, ...]:
        """What is wrong with the data or the fit, wherever one forecasts."""
        log_x = np.log(self.data[list(self.axes)].to_numpy(dtype=float))
        return (*self._notes, *about_fit(self._mixture, self.axes, log_x))

    def add_warnings(self, known: Sequence[ForecastWarning]) -> FittedLaw:
        """Keep what else is known of the rows among the warnings, in place; returns itself."""
        self._notes = (*self._notes, *(each for each in known if each not in self._notes))
        return self

    def __repr__(self) -> str:
        return f"FittedLaw({self.value} over {', '.join(self.axes)}, {len(self.data)} points)"

    def predict(self, at: pd.DataFrame | Mapping[str, Any]) -> Forecast:
        """The forecast at one point (a mapping of numbers) or several (arrays, a frame).

        Raises:
            AxisError: an axis is missing, unknown, or not positive.
        """
        points = query(at, self.axes)
        log_x = np.log(points.to_numpy(dtype=float))
        each = members(self._mixture, log_x)
        cautions = about_points(self._mixture, self.axes, log_x, each.mean, each.sd)
        single = isinstance(at, Mapping) and all(np.ndim(v) == 0 for v in at.values())
        return Forecast(
            points,
            self.value,
            with_tails(each),
            self._scale,
            (*self.warnings, *cautions),
            single=single,
        )

    def update(self, rows: pd.DataFrame, *, refit: bool | None = None) -> FittedLaw:
        """Take in more observations, in place; returns itself.

        Rows with the same axes (and run) as an earlier one correct it; in a curve that is so long
        that buckets of it are kept, they are averaged with their bucket. A few rows cost a few
        milliseconds, however long the curve: parameters take one step, and forms are searched and
        weighed anew when the evidence has grown by a twentieth, a row is improbable under the old
        forecast, or a row is a correction (`forecast.incremental`). Right after a search the law is
        a fresh fit's. In between its median is off by a thirtieth of the half-width of a fresh 80%
        interval in half of all cases, a third in 1 of 20, and less than one in all that were
        measured (docs/method.md).

        Args:
            rows: as for `fit`.
            refit: True searches now, so that the law is that of a fresh fit to all rows; False only
                where rows cannot be taken in one by one.

        Raises:
            DataError: as `fit`.

        Examples:
            >>> law.update(more_rows)
            FittedLaw(val_loss over params, tokens, 21 points)
        """
        if not len(self._ledger or self.data):
            raise DataError(
                "a law with given parameters has no observations to add to",
                got=f"{len(rows)} rows",
                next_step="Fit a law to the rows.",
            )
        table = clean(rows, self._axes, self.value, self.run)
        values = table.frame[self.value].to_numpy(dtype=float)
        scale = MetricScale.for_metric(self._scale.mode, self._scale.ceiling, values, self.value)
        if refit or not self._step(table.frame, scale, patient=refit is False):
            self._search(table.frame, scale)
        notes = {note.code: note for note in (*self._notes, *table.notes)}
        self._scale, self._notes = scale, tuple(notes.values())
        return self

    def _step(self, rows: pd.DataFrame, scale: MetricScale, *, patient: bool) -> bool:
        """Take in a few rows without a search; False where it takes one, and nothing is changed."""
        if not len(rows):
            return True
        ledger = self._ledger or Ledger.of(self.data, self.axes, self.value, self.run, self._long)
        x = rows[list(self.axes)].to_numpy(dtype=float)
        value = rows[self.value].to_numpy(dtype=float)
        count = rows[COUNT].to_numpy(dtype=float) if COUNT in rows else np.ones(len(rows))
        runs = [""] * len(rows) if self.run is None else rows[self.run].tolist()
        found = ledger.add(x, value, count, runs)
        if found is None:
            return False
        grown, changed = found
        points = grown.points(self.axes, scale, self._mixture.scale)
        if not patient and (
            self._searched.outgrown(self._mixture, points, grown.evidence)
            or surprising(self._mixture, points, changed, grown.count)
        ):
            return False
        self._mixture = refresh(self._mixture, points)
        self._ledger, self._data = grown, None
        return True

    def _search(self, rows: pd.DataFrame, scale: MetricScale) -> None:
        """Take in rows and fit anew; nothing is changed where that raises."""
        keys = [*self.axes, *([] if self.run is None else [self.run])]
        merged = merge(self.data, rows, keys)
        long = self._long | long_curves(merged, self.axes, self.run)
        data = thin(merged, self.axes, self.value, self.run, long)
        points = to_points(data, self._axes, self.value, scale)
        roles = roles_of(self._axes, points)
        rungs = [Rung(f) for f in self._forms] if self._forms else None
        found = search(points, roles, seed=self.seed, rungs=rungs)
        self._mixture = replace(found, width=self._mixture.width)
        self._searched = Searched.at(found, _evidence(data, self.value))
        self._ledger, self._data, self._long = None, data, long

    def backtest(
        self,
        *,
        origins: int | None = None,
        run: str | None = None,
        design: Design | None = None,
        progress: Progress | None = None,
        pool: Executor | None = None,
    ) -> Backtest:
        """What this law would have forecast in the past of its own data, and what came out.

        Args:
            origins: How many pasts: sizes (4 where absent) or, by runs, runs to forecast (8).
            run: The column that tells runs apart; the law's own, said once more or left out.
            design: "size" refits to everything up to a size and scores all that is larger; "runs"
                forecasts the last point of runs from their first 30, 50 and 70% and the smaller
                runs. Where absent, by runs if there are several with an axis along them.
            progress: Called with (forecasts made, forecasts to make).
            pool: Where to replay, several pasts at a time; the result is the same.

        Raises:
            TooLittleEvidence: no past could be forecast; `known` says what was tried.
            DataError: origins below 1, an unknown design, or another run column than the law's.

        Examples:
            >>> tested = law.backtest(design="size")
            >>> print(str(tested).splitlines()[0])
            Backtest of val_loss: 4 origins by size, 30 outcomes
            >>> tested.supported_decades(max_error=0.05) > 1.0
            True
        """
        if self.data.empty:
            raise TooLittleEvidence(
                "a law with given parameters has no past to replay", known={"points": 0}
            )
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
        return Replaying(history, origins=origins, design=design, pool=pool).finish(progress)

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

    def allocate(self, budget: float, cost: str, **options: Any) -> Allocation:
        """How to split a budget over the axes so that the forecast is best.

        `unsl_tracking.allocate(law, budget, cost, …)`, which says what the options are.
        """
        found: Allocation = decision_named("allocate")(self, budget, cost, **options)
        return found

    def next_runs(
        self,
        candidates: pd.DataFrame | None = None,
        *,
        target: Mapping[str, float],
        cost: str,
        **options: Any,
    ) -> NextRuns:
        """Which runs to train next, so that the forecast at the target gets surer most cheaply.

        `unsl_tracking.next_runs(law, candidates, …)`, which says what the options are.
        """
        found: NextRuns = decision_named("next_runs")(
            self, candidates, target=target, cost=cost, **options
        )
        return found

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
                "searched": self._searched,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> FittedLaw:
        """Read what `to_json` wrote.

        Raises:
            DataError: the text is not a law of a schema that this version reads.

        Examples:
            >>> again = ut.FittedLaw.from_json(law.to_json())
            >>> place = {"params": 7e9, "tokens": 1.4e11}
            >>> again.predict(place).median == law.predict(place).median
            True
        """
        fields: dict[str, Any] = stored.load(text)
        return cls(**fields)


def _evidence(data: pd.DataFrame, value: str) -> float:
    counted = COUNT in data and value != COUNT
    return float(
        evidence(data[COUNT].to_numpy(dtype=float) if counted else np.ones(len(data))).sum()
    )
