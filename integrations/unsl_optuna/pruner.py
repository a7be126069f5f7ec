"""An Optuna pruner that forecasts where a trial will end and compares it with finished ones."""

from __future__ import annotations

import logging
from typing import Literal

import pandas as pd

from unsl_tracking import Decision, StopRule
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import Group, Judge

try:
    import optuna
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise MissingDependency(
        "unsl_optuna needs optuna", next_step="pip install 'unsl-tracking[optuna]'"
    ) from error

_log = logging.getLogger("unsl_tracking.live")
_METRIC = "value"
_GROWTH = 1.2  # a forecast is made anew when a trial is this much farther
_SHIFT = 1  # Optuna's steps begin at 0, where a log scale has no place


class ForecastPruner(optuna.pruners.BasePruner):
    """Prunes a trial when its forecast end is, with confidence, no better than the bar.

    Args:
        steps: how many steps a whole trial reports; where absent, as many as the longest finished
            trial did, and nothing but a divergence is pruned before one has finished.
        stop: the rule; where absent, a trial must be able to beat the best finished one.
        ceiling: the best value of an objective to maximise, 1 where absent.
    """

    def __init__(
        self,
        *,
        steps: int | None = None,
        stop: StopRule | None = None,
        ceiling: float | None = None,
    ) -> None:
        self._steps = steps
        self._rule = stop or StopRule()
        self._ceiling = ceiling
        self._previous: dict[int, Decision] = {}
        self._group: tuple[int, Group] = (0, Group())
        self._failed = False
        self._judge(1000 if steps is None else steps, "min")  # a bad argument raises here

    def prune(self, study: optuna.study.Study, trial: FrozenTrial) -> bool:
        """True where the trial should end; never raises."""
        try:
            decision = self._decide(study, trial)
        except Exception as error:
            if not self._failed:
                _log.warning("pruning failed, trials go on: %s: %s", type(error).__name__, error)
            self._failed = True
            return False
        if decision.should_stop:
            self._previous.pop(trial.number, None)
            _log.info("trial %d: %s", trial.number, decision.reason)
        return decision.should_stop

    def _decide(self, study: optuna.study.Study, trial: FrozenTrial) -> Decision:
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        for number in {each.number for each in done} & self._previous.keys():
            del self._previous[number]
        reported = sorted(trial.intermediate_values.items())
        longest = max((t.last_step or 0 for t in done), default=0) + _SHIFT
        steps = self._steps or (longest if done else None)
        mode: Literal["min", "max"]
        mode = "max" if study.direction is StudyDirection.MAXIMIZE else "min"
        judge = self._judge(steps or reported[-1][0] + _SHIFT, mode)
        state = judge.new_state()
        for step, value in reported:
            state.add(step + _SHIFT, value, (step + _SHIFT,))
        previous = self._previous.get(trial.number)
        decision = judge.diverged(state, previous)
        if decision is None:
            early = len(reported) < self._rule.min_points
            due = previous is None or state.at >= _GROWTH * previous.at
            if steps is None or early or not due or state.at >= steps:
                return previous or Decision("waiting", reason="There is too little to judge by.")
            decision = judge.decide(state, self._siblings(done), previous)
        self._previous[trial.number] = decision
        return decision

    def _judge(self, steps: int, mode: Literal["min", "max"]) -> Judge:
        ceiling = self._ceiling if mode == "max" else None
        return Judge(_METRIC, {"step": steps}, mode, stop=self._rule, ceiling=ceiling)

    def _siblings(self, done: list[FrozenTrial]) -> Group:
        """The finished trials; read anew only when there are more of them."""
        if self._group[0] != len(done):
            rows = [
                (trial.number, step + _SHIFT, value)
                for trial in done
                for step, value in trial.intermediate_values.items()
            ]
            frame = pd.DataFrame(rows, columns=["run_id", "step", _METRIC])
            self._group = (len(done), Group.of(frame, "step", _METRIC))
        return self._group[1]
