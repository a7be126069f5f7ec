"""A Ray Tune stopper that forecasts where a trial will end and compares it with finished ones."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from unsl_tracking import Decision, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import Group, Judge, RunState
from unsl_tracking.runs.stopped import STOPPING

try:
    from ray.tune import Stopper
except ImportError as error:
    raise MissingDependency(
        "unsl_ray needs ray[tune]", next_step="pip install 'unsl-tracking[ray]'"
    ) from error

_log = logging.getLogger("unsl_tracking.live")
_GROWTH = 1.2  # a forecast is made anew when a trial is this much farther


class ForecastStopper(Stopper):
    """Stops trials that cannot end better than the bar; for `RunConfig(stop=...)` or `tune.run`.

    Args:
        metric: a name in the results.
        horizon: where a whole trial ends, by a name in the results that grows from above 0:
            `{"training_iteration": 100}`.
        mode: "min" or "max".
        stop: the rule; where absent, a trial must be able to beat the best finished one.
        ceiling: as in `RunMonitor`.

    A trial that reached the horizon is finished. The stopper lives in Tune's own process and sees
    every result there; Tune saves it with the experiment.
    """

    def __init__(
        self,
        metric: str,
        *,
        horizon: dict[str, float],
        mode: Mode = "min",
        stop: StopRule | None = None,
        ceiling: float | None = None,
    ) -> None:
        self._judge = Judge(metric, horizon, mode, stop=stop, ceiling=ceiling)
        self._running: dict[str, tuple[RunState, Decision | None]] = {}
        self._finished = pd.DataFrame(columns=["run_id", self._judge.along, metric])
        self._warned = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """True where the trial should end; never raises."""
        try:
            return self._decide(trial_id, result)
        except Exception as error:
            if not self._warned:
                _log.warning("stopping failed, trials go on: %s: %s", type(error).__name__, error)
            self._warned = True
            return False

    def stop_all(self) -> bool:
        return False

    def _decide(self, trial_id: str, result: dict[str, Any]) -> bool:
        metric, along = self._judge.metric, self._judge.along
        if metric not in result:
            return False
        state, previous = self._running.get(trial_id, (self._judge.new_state(), None))
        at = float(result[along])
        places = [float(result[name]) for name in self._judge.horizon]
        state.add(at, float(result[metric]), places)
        if at >= self._judge.horizon[along]:
            self._running.pop(trial_id, None)
            rows = state.frame(metric).assign(run_id=trial_id)[list(self._finished)]
            self._finished = pd.concat(
                [self._finished, rows] if len(self._finished) else [rows], ignore_index=True
            )
            return False
        decision = self._judge.diverged(state, previous)
        due = previous is None or at >= _GROWTH * previous.at
        if decision is None and state.points >= self._judge.rule.min_points and due:
            group = Group.of(self._finished, along, metric)
            decision = self._judge.decide(state, group, previous)
        if decision is not None and decision.dry_run and decision.verdict in STOPPING:
            if previous is None or previous.verdict not in STOPPING:
                _log.info("trial %s would be stopped (dry run): %s", trial_id, decision.reason)
        self._running[trial_id] = (state, decision or previous)
        if decision is None or not decision.should_stop:
            return False
        del self._running[trial_id]
        _log.info("trial %s: %s", trial_id, decision.reason)
        return True
