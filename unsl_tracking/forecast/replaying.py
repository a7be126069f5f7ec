"""Replaying the past of a law, here or in a pool of processes, into a `Backtest`."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from typing import get_args

import pandas as pd

from unsl_tracking.errors import DataError, TooLittleEvidence
from unsl_tracking.fit import Rung, search
from unsl_tracking.forecast.backtest import Backtest
from unsl_tracking.forecast.forecast import Forecast
from unsl_tracking.forecast.predictive import predictive
from unsl_tracking.forecast.replay import Design, History, Plan, Replay, plan
from unsl_tracking.forecast.scoring import crps, log_score
from unsl_tracking.forecast.table import roles_of

Progress = Callable[[int, int], None]


class Replaying:
    """A backtest that has begun: in a pool its replays go on while the caller does something else.

    It needs the history only, not the law, so a law can be fitted meanwhile.
    """

    def __init__(
        self,
        history: History,
        *,
        origins: int | None = None,
        design: Design | None = None,
        pool: Executor | None = None,
    ) -> None:
        """Begin; `FittedLaw.backtest` says what the arguments mean, and what it raises."""
        if origins is not None and (type(origins) is not int or origins < 1):
            raise DataError("the number of origins is an integer ≥ 1", got=origins)
        if design not in (None, *get_args(Design)):
            raise DataError("a backtest goes by size or by runs", got=design)
        self._history = history
        self._plan = plan(history, design, origins)
        if not self._plan.replays:
            raise _nothing(history, self._plan)
        # The longest first: the last of the replays is then a short one to wait for.
        self._begun = {
            i: _begin(pool, history, self._plan.replays[i])
            for i in reversed(range(len(self._plan.replays)))
        }

    def finish(self, progress: Progress | None = None) -> Backtest:
        """The backtest. What the pool has not come to yet is replayed here."""
        parts: dict[int, pd.DataFrame] = {}
        for here in (True, False):
            for i in sorted(self._begun):  # the pool comes to the shortest last
                if i in parts or (here and not _taken_back(self._begun[i])):
                    continue
                parts[i] = self._part(i, here=here)
                if progress is not None:
                    progress(len(parts), len(self._begun))
        return Backtest(
            metric=self._history.value,
            mode=self._history.metric.mode,
            axes=tuple(self._history.names),
            design=self._plan.design,
            frame=pd.concat([parts[i] for i in range(len(parts))], ignore_index=True),
            skipped=self._plan.skipped,
        )

    def _part(self, i: int, *, here: bool) -> pd.DataFrame:
        begun = self._begun[i]
        if not here and begun is not None:
            with suppress(BrokenExecutor):  # a process was killed, or none can be started
                return begun.result()
        return _scored(self._history, self._plan.replays[i])


def _begin(pool: Executor | None, history: History, replay: Replay) -> Future[pd.DataFrame] | None:
    """The replay's rows to be; None where they are to be made here."""
    if pool is not None:
        with suppress(BrokenExecutor):
            return pool.submit(_scored, history, replay)
    return None


def _taken_back(begun: Future[pd.DataFrame] | None) -> bool:
    return begun is None or begun.cancel()


def _scored(history: History, replay: Replay) -> pd.DataFrame:
    """The rows of `Backtest.frame` of one replay."""
    points = history.points(replay.seen)
    rungs = [Rung(f) for f in history.forms] if history.forms else None
    roles = roles_of(history.axes, points)
    mixture = search(points, roles, seed=history.seed, rungs=rungs)
    rows = history.data[replay.scored]
    places = rows[history.names].reset_index(drop=True)
    log_x = history.log_x[replay.scored]
    actual = rows[history.value].to_numpy(dtype=float)
    distribution = predictive(mixture, log_x)
    forecast = Forecast(places, history.value, distribution, history.metric, (), single=False)
    told = forecast.to_frame()
    outcome = history.metric.to_log(actual)
    horizon = mixture.beyond(log_x)
    told.insert(len(history.names), "actual", actual)
    told["pit"] = forecast.cdf(actual)
    told["horizon"] = horizon
    told["decades"] = horizon / math.log(10.0)
    told["ln_error"] = distribution.quantile(0.5) - outcome
    told["log_score"] = log_score(distribution, outcome)
    told["crps"] = crps(distribution, outcome)
    run = [None] * len(rows) if history.run is None else rows[history.run].tolist()
    first = {"unit": replay.unit, "origin": replay.origin, "seen": len(points), "run": run}
    return pd.concat([pd.DataFrame(first, index=told.index), told], axis=1)


def _nothing(history: History, planned: Plan) -> TooLittleEvidence:
    data, run = history.data, history.run
    return TooLittleEvidence(
        f"a backtest of {history.value} needs data that could have been forecast from a part",
        known={
            "points": len(data),
            "runs": None if run is None else int(data[run].nunique()),
            "tried": [f"{s.name}: {s.reason}" for s in planned.skipped],
        },
        got=f"{len(planned.skipped)} origins with too little below them",
        next_step="Add runs at other scales, or log more checkpoints.",
    )
