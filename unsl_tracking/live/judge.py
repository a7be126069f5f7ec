"""From a run's state to a decision, without threads: fit, forecast, decide.

The forecast of the end comes from the best-informed source there is: a law that was given; where
settings are told and few siblings have finished, half of it a law over the settings in which they
differ; siblings that passed this place (`forecast.transfer`); the run's own curve.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from unsl_tracking.decide import Decision, Evidence, StopRule, decide_stop
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.errors import AxisError, DataError, TooLittleEvidence
from unsl_tracking.forecast import FittedLaw, Forecast, fit
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.forecast.same_recipe import NOT_TOLD, Settings
from unsl_tracking.forecast.transfer import REACHED, Curve, transfer
from unsl_tracking.live.settings import THIS_RUN
from unsl_tracking.live.siblings import FINISHED, RUN, Group
from unsl_tracking.live.state import RunState

MANY = 6  # finished siblings that need no settings told
HELD_BY = 0.8  # level of the intervals that are to hold the ends of siblings
_HELD_BY_LAW = 0.95  # level of those of a given law that are to hold the last `_RECENT` values
_RECENT = 8
_STRAY = 0.1  # share of a run's values that may have no place on the scale


@dataclass(frozen=True)
class Judge:
    """What is asked of a run. Checked when made.

    `horizon` maps axes to where the run ends, the axis along which it is seen first; `config` maps
    further axes to this run's setting; `ceiling` as in `fit`. `settings`: all that was set before
    training, where more is known than the config (see `live.settings`).

    Raises:
        DataError: an argument breaks a rule.
    """

    metric: str
    horizon: Mapping[str, float]
    mode: Mode = "min"
    config: Mapping[str, float] | None = None
    stop: StopRule | None = None
    ceiling: float | None = None
    seed: int = 0
    settings: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise DataError("a metric is a name", got=self.metric)
        if self.mode not in ("min", "max"):
            raise DataError('mode must be "min" or "max"', got=self.mode)
        if self.stop is not None and not isinstance(self.stop, StopRule):
            raise DataError("stop is a StopRule", got=self.stop)
        horizon = _positive("horizon", self.horizon)
        if not horizon:
            raise DataError('a horizon names an axis, like {"step": 100_000}', got=self.horizon)
        config = _positive("config", self.config or {})
        if twice := sorted({*horizon} & {*config}):
            raise DataError("an axis is in the horizon or in the config, not in both", got=twice)
        if self.metric in {*horizon, *config}:
            raise DataError("the metric is no axis of its own forecast", got=self.metric)
        object.__setattr__(self, "horizon", horizon)
        object.__setattr__(self, "config", config)
        _check_target(self.rule.target, self._scale().ceiling)

    @property
    def along(self) -> str:
        """The axis along which the run is seen."""
        return next(iter(self.horizon))

    @property
    def rule(self) -> StopRule:
        """The stop rule, or the default one."""
        return self.stop or StopRule()

    def new_state(self) -> RunState:
        """The state of a run that has logged nothing."""
        return RunState(tuple(self.horizon), keep=max(self.rule.patience, 8))

    def diverged(self, state: RunState, previous: Decision | None) -> Decision | None:
        """A decision to stop that needs no forecast, or None. Cheap."""
        decision = decide_stop(self.rule, self._evidence(state), previous=previous)
        return None if decision.verdict == "waiting" else decision

    def decide(self, state: RunState, group: Group, previous: Decision | None = None) -> Decision:
        """Fit, forecast and decide. Too little evidence is a decision to wait, never an error."""
        own = self._own(state)
        forecast, why = None, "there is no forecast yet"
        try:
            forecast = self._forecast(own, state.at, group)
        except (TooLittleEvidence, DataError) as error:
            why = str(error).rstrip(".")
        return decide_stop(
            self.rule,
            self._evidence(state),
            forecast=forecast,
            finals=group.finals(self.horizon[self.along], self._scale()),
            previous=previous,
            no_forecast=why,
            another=self._another(group) if self.rule.search else None,
            ahead=self._ahead(own, group),
        )

    def forecast(self, state: RunState, group: Group) -> Forecast:
        """The forecast at the horizon. Raises as `fit` and `FittedLaw.predict`."""
        return self._forecast(self._own(state), state.at, group)

    def _forecast(self, own: pd.DataFrame, at: float, group: Group) -> Forecast:
        if group.law is not None:
            bare = replace(group, law=None)  # its runs, one by one
            if {*group.law.axes} <= {*self.horizon} and (
                found := self._from_kin(own, at, bare, [])
            ) is not None:
                return found  # of runs of one scale a law tells only what they have in common
            if (found := self._from_law(group.law, own)) is not None:
                return found
            group = bare
        settings = group.varying(list(self.config or {}))
        if (found := self._from_kin(own, at, group, settings)) is not None:
            return found
        if group.frame is not None and settings:
            forecast, holds = self._from_settings(own, group.frame, settings)
            kin = self._from_kin(own, at, group, [])
            if kin is None:
                return forecast
            # A law through few runs takes what is their own for an effect of their settings.
            return forecast.pooled(kin) if holds else kin
        law = self._fit(own, self._axes(own))
        return law.predict({name: self.horizon[name] for name in law.axes})

    def _own(self, state: RunState) -> pd.DataFrame:
        """The run's curve, without stray values that have no logarithm: a 0 before the first step.

        Where there are more of them, or the newest is one, they stay, and there is no forecast.
        """
        own = state.frame(self.metric)
        usable = self._scale().holds(own[self.metric].to_numpy(dtype=float))
        stray = len(own) > 0 and bool(usable[-1]) and 1 - usable.mean() <= _STRAY
        return own[usable].reset_index(drop=True) if stray else own

    def _scale(self) -> MetricScale:
        return MetricScale.for_metric(self.mode, self.ceiling, np.empty(0), self.metric)

    def _curve(self, own: pd.DataFrame, settings: Settings = NOT_TOLD) -> Curve | None:
        """The run as forecasts from siblings see it; None where it has no place on their scale."""
        at, values = (own[name].to_numpy(dtype=float) for name in (self.along, self.metric))
        if not len(own) or not self._scale().holds(values).all():
            return None
        return Curve(at, self._scale().to_log(values), settings=settings)

    def _from_kin(
        self, own: pd.DataFrame, at: float, group: Group, settings: list[str]
    ) -> Forecast | None:
        curve = self._curve(own, {**group.own, **(self.config or {}), **self.settings})
        if curve is None or not group.has_curves:
            return None
        kin = group.kin(self._scale(), self.horizon[self.along])
        if settings and kin.finished(at) < MANY:
            return None
        end = pd.DataFrame({name: [value] for name, value in self.horizon.items()})
        return transfer(curve, kin, end, self._scale(), self.metric)

    def _ahead(self, own: pd.DataFrame, group: Group) -> bool:
        curve = self._curve(own)
        if curve is None or not group.has_curves:
            return False
        return group.kin(self._scale(), self.horizon[self.along]).trail(curve)

    def _another(self, group: Group) -> float | None:
        if not group.has_curves:
            return None
        return group.kin(self._scale(), self.horizon[self.along]).gain_of_another()

    def _from_law(self, law: FittedLaw, own: pd.DataFrame) -> Forecast | None:
        """None where what the run has logged is not what the law says of such runs."""
        known = {**(self.config or {}), **self.horizon}
        if missing := [name for name in law.axes if name not in known]:
            raise AxisError(
                f"the law is over {', '.join(law.axes)}: horizon or config gives each",
                got=sorted(known),
                next_step=f"Add {', '.join(missing)}.",
            )
        rows = own.rename(columns={self.metric: law.value}).assign(
            **{name: known[name] for name in law.axes if name not in self.horizon}
        )
        if law.run is not None:
            rows[law.run] = THIS_RUN
        # A shallow copy: `update` replaces what a law holds and changes nothing in it.
        mine = copy.copy(law)
        if len(rows) and self.along in law.axes:
            if not _holds_for(law, rows.tail(_RECENT)):
                return None
            mine.update(rows)
        return mine.predict({name: known[name] for name in law.axes})

    def _from_settings(
        self, own: pd.DataFrame, frame: pd.DataFrame, settings: list[str]
    ) -> tuple[Forecast, bool]:
        """The forecast of a law over the settings, and whether that law holds where siblings ended.

        One of whole curves does not where the learning rate falls late and fast: no law of what
        came before leads to such an end.
        """
        mine = {name: (self.config or {})[name] for name in settings}
        axes = [*(name for name in self.horizon if name in frame), *settings]
        rows = own.assign(**mine, **{RUN: THIS_RUN})
        together = pd.concat([frame[frame[self.along] > 0], rows], ignore_index=True)
        law = self._fit(together, axes, run=RUN)
        forecast = law.predict({name: {**mine, **self.horizon}[name] for name in axes})
        return forecast, self._holds(law, frame)

    def _holds(self, law: FittedLaw, frame: pd.DataFrame) -> bool:
        """Whether the law's 80% intervals hold at least half of the ends that it was fitted to."""
        begun = frame[frame[self.along] > 0]
        ends = begun.sort_values(self.along, kind="stable").groupby(RUN, sort=False).tail(1)
        reached = ends[self.along] >= REACHED * self.horizon[self.along]
        ends = ends[ends[FINISHED].astype(bool) if FINISHED in ends else reached]
        values = ends[self.metric].to_numpy(dtype=float)
        if not len(ends) or not np.isfinite(values).all():
            return True
        low, high = law.predict(ends[list(law.axes)]).interval(HELD_BY)
        return bool(2 * ((low <= values) & (values <= high)).sum() >= len(ends))

    def _axes(self, own: pd.DataFrame) -> list[str]:
        """The axis along, and others that say something else (their ratio to it changes)."""
        axes = [self.along]
        for name in list(self.horizon)[1:]:
            ratio = np.log(own[name].to_numpy() / own[self.along].to_numpy())
            if len(own) and np.ptp(ratio) > 0.05:
                axes.append(name)
        return axes

    def _fit(self, rows: pd.DataFrame, axes: list[str], run: str | None = None) -> FittedLaw:
        return fit(
            rows,
            axes,
            self.metric,
            mode=self.mode,
            run=run,
            ceiling=self.ceiling,
            seed=self.seed,
        )

    def _evidence(self, state: RunState) -> Evidence:
        own = state.curves[""].columns()
        return Evidence(
            self.mode,
            own["step"],
            own["value"],
            tuple(state.recent),
            state.points,
            state.at,
            state.at / self.horizon[self.along],
        )


def _holds_for(law: FittedLaw, rows: pd.DataFrame) -> bool:
    """Whether the law's 95% intervals hold at least half of these values of another run."""
    low, high = law.predict(rows[list(law.axes)]).interval(_HELD_BY_LAW)
    values = rows[law.value].to_numpy(dtype=float)
    return bool(2 * ((low <= values) & (values <= high)).sum() >= len(values))


def failed(previous: Decision | None, error: Exception, at: float) -> Decision:
    """The decision where forecasting broke: wait, and keep the count."""
    reason = f"The forecast failed ({type(error).__name__}); training goes on."
    return replace(previous or Decision("waiting"), verdict="waiting", reason=reason, at=at)


def _check_target(target: float | None, ceiling: float | None) -> None:
    """A target that no value can beat would doom every run, in silence."""
    if target is None:
        return
    step = "Say it in the unit that is logged."
    if ceiling is None and target <= 0.0:
        raise DataError("a target to go below lies above 0", got=target, next_step=step)
    if ceiling is not None and target >= ceiling:
        rule = f"a target to come above lies below {ceiling:g}, the best value that there is"
        raise DataError(rule, got=target, next_step=step)


def _positive(what: str, given: object) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise DataError(f"{what} maps names to numbers", got=given)
    for name, value in given.items():
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not isinstance(name, str) or not number or not 0 < float(value) < math.inf:
            raise DataError(f"{what} maps names to positive numbers", got={name: value})
    return {str(name): float(value) for name, value in given.items()}
