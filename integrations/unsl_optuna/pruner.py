"""An Optuna pruner that forecasts where a trial will end and compares it with finished ones."""

from __future__ import annotations

import logging
import math
from typing import Literal

import numpy as np

from unsl_tracking import Decision, StopRule
from unsl_tracking.errors import MissingDependency
from unsl_tracking.forecast.same_recipe import NOT_TOLD, Settings
from unsl_tracking.live import Group, Judge, Told
from unsl_tracking.live.settings import chosen
from unsl_tracking.runs.stopped import STOPPING

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
_GROWTH = 1.1  # a forecast is made anew when a trial is this much farther
_SHIFT = 1  # Optuna's steps begin at 0, where a log scale has no place
_OVER = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class ForecastPruner(optuna.pruners.BasePruner):
    """Prunes a trial when its forecast end is, with confidence, no better than the bar.

    Args:
        steps: how many steps a whole trial reports; where absent, as many as the longest finished
            trial did, and nothing but a divergence is pruned before one has finished.
        stop: the rule; where absent, `StopRule.eager()`: a trial that is likelier to miss the best
            finished one than to beat it ends where another trial would gain more for the compute.
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
        self._rule = stop or StopRule.eager()
        self._ceiling = ceiling
        self._previous: dict[int, Decision] = {}
        self._group = Group()
        self._failed = False
        self._dry: set[int] = set()  # trials that a dry run would have pruned
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
        elif decision.verdict in STOPPING and trial.number not in self._dry:
            self._dry.add(trial.number)
            _log.info("trial %d would be pruned (dry run): %s", trial.number, decision.reason)
        return decision.should_stop

    def _decide(self, study: optuna.study.Study, trial: FrozenTrial) -> Decision:
        over = study.get_trials(deepcopy=False, states=_OVER)
        done = [each for each in over if each.state is TrialState.COMPLETE]
        reported = sorted(trial.intermediate_values.items())
        longest = max((t.last_step or 0 for t in done), default=0) + _SHIFT
        steps = self._steps or (longest if done else None)
        mode: Literal["min", "max"]
        mode = "max" if study.direction is StudyDirection.MAXIMIZE else "min"
        judge = self._judge(steps or reported[-1][0] + _SHIFT, mode, chosen(trial.params))
        state = judge.new_state()
        for step, value in reported:
            state.add(step + _SHIFT, value, (step + _SHIFT,))
        previous = self._previous.get(trial.number)
        decision = judge.diverged(state, previous)
        if decision is None:
            early = len(reported) < self._rule.min_points
            due = previous is None or state.at >= _GROWTH * previous.at
            no_bar = not done and self._rule.target is None
            if steps is None or no_bar or early or not due or state.at >= steps:
                return previous or Decision("waiting", reason="There is too little to judge by.")
            decision = judge.decide(state, self._siblings(over), previous)
        self._previous[trial.number] = decision
        return decision

    def _judge(
        self, steps: int, mode: Literal["min", "max"], settings: Settings = NOT_TOLD
    ) -> Judge:
        return Judge(
            _METRIC,
            {"step": steps},
            mode,
            stop=self._rule,
            ceiling=self._ceiling if mode == "max" else None,
            settings=settings,
        )

    def _siblings(self, over: list[FrozenTrial]) -> Group:
        """The trials that are over, finished or pruned; new ones are added to those known."""
        more = {
            trial.number: told
            for trial in over
            if trial.number not in self._group.told and (told := _told(trial)) is not None
        }
        if more:
            for number in more:
                self._previous.pop(number, None)
            self._group = self._group.grown(more)
        return self._group


def _told(trial: FrozenTrial) -> Told | None:
    """The finite part of a trial's curve."""
    reported = sorted(trial.intermediate_values.items())
    curve = [(step + _SHIFT, value) for step, value in reported if math.isfinite(value)]
    if not curve:
        return None
    at, values = np.array(curve, dtype=float).T
    return Told(at, values, trial.state is TrialState.COMPLETE, chosen(trial.params))
