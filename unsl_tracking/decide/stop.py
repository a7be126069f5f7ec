"""Stop a run, or let it go on: the rule, and the decision as a pure function of the evidence.

A run is *doomed* when the forecast gives it a chance below `1 − confidence` to end better than the
bar, in `patience` checks in a row. The bar is a target, or what the best (or k-th best) finished
sibling reached. *Diverged* and *plateaued* look at the curve alone (see `evidence`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Final, Literal, NamedTuple

from unsl_tracking.decide.evidence import Evidence, divergence, plateau
from unsl_tracking.errors import DataError
from unsl_tracking.forecast import Forecast
from unsl_tracking.runs.stopped import STOPPING

Verdict = Literal["continue", "waiting", "doomed", "diverged", "plateaued"]
_TARGET: Final = "the target"
_STANDS_STILL: Final = 1e-3
_LEAST_LEFT: Final = 1e-3  # of a run
_SURE: Final = 0.95  # in a search, where nothing tells what another run would gain
_BLIPS: Final = 2  # values that are not finite, or far off, before a run has diverged
_PAST: Final = 1.02  # times the horizon: a last evaluation may come a little after it
_EAGER: Final = {
    "confidence": 0.501,
    "patience": 1,
    "min_points": 2,
    "min_fraction": 0.0,
    "search": True,
}
_CAREFUL: Final = {
    "confidence": 0.975,
    "patience": 1,
    "min_points": 2,
    "min_fraction": 0.02,
    "proportional": True,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a run, and why.

    `verdict`: "waiting" while there is too little to judge by, "continue", or one of `STOPPING`.
    `probability`: that the run ends no better than the bar; None where there is no bar or forecast.
    `reason`: one sentence. `forecast`: what it rests on, or None. `at`: the place on the curve.
    `streak`: checks in a row that found the run doomed. `dry_run`: the verdict is only recorded.
    """

    verdict: Verdict
    probability: float | None = None
    reason: str = ""
    forecast: Forecast | None = None
    at: float = 0.0
    streak: int = 0
    dry_run: bool = False

    @property
    def should_stop(self) -> bool:
        """True where training should end now; never in a dry run."""
        return self.verdict in STOPPING and not self.dry_run

    def to_dict(self) -> dict[str, object]:
        """JSON-able, forecast included."""
        return {
            "verdict": self.verdict,
            "should_stop": self.should_stop,
            "probability_doomed": self.probability,
            "reason": self.reason,
            "at": self.at,
            "streak": self.streak,
            "dry_run": self.dry_run,
            "forecast": None if self.forecast is None else self.forecast.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class StopRule:
    """When to stop a run. Checked when made: a bad rule must fail before training starts.

    Args:
        target: the value that a run must be able to reach.
        confidence: how sure one must be that it will not, between 0.5 and 1.
        patience: checks in a row that must agree; values in a row, two at the least, for a
            divergence.
        min_points: finite values to see before a forecast may stop a run.
        min_fraction: share of the horizon to see before a forecast may stop a run.
        best_of: the run must be able to end among the k best finished siblings; where absent, it
            must beat the best one, unless there is a target. With both, the stricter bar counts.
        diverged: stop on NaN, infinities and runaways.
        search: a run that may be doomed is stopped only where one more run in its place is expected
            to gain more per unit of compute than going on with it. For a search with settings that
            are as good as exchangeable; with one sibling, or a law, being 95% sure takes its place.
        proportional: the chance of being wrong that is accepted, 1 − confidence, shrinks in
            proportion to what is left of the horizon: a stop is worth the compute that it saves,
            and is as wrong late as early.
        plateau: stop when the second half of the curve won nothing; a number is the share of the
            best value that counts as nothing (True: 0.001).
        dry_run: decide and record, but never ask to stop.

    Raises:
        DataError: an argument breaks a rule.

    Examples:
        >>> rule = ut.StopRule(target=2.1, confidence=0.95, patience=3)
        >>> ut.StopRule(confidence=1.5)
        Traceback (most recent call last):
        ...
        unsl_tracking.errors.DataError: ...
    """

    target: float | None = None
    confidence: float = 0.95
    patience: int = 2
    min_points: int = 8
    min_fraction: float = 0.1
    best_of: int | None = None
    search: bool = False
    proportional: bool = False
    diverged: bool = True
    plateau: bool | float = False
    dry_run: bool = False

    @classmethod
    def eager(cls, **changes: Any) -> StopRule:
        """For searches, where the next setting may be as good: a wrong stop costs little.

        From the second value on, it stops a run that is likelier to miss the best finished one than
        to beat it, if one more run in its place is expected to gain more for the compute
        (`search`). `changes` are arguments of a rule.
        """
        return cls(**{**_EAGER, **changes})

    @classmethod
    def careful(cls, **changes: Any) -> StopRule:
        """For pools of runs of which the best one must come through (docs/early-stopping.md).

        From the second value and 2% of the horizon on, it stops a run whose chance to beat the best
        finished one is below 2.5% of the share that is left (`proportional`). `changes` are
        arguments of a rule.
        """
        return cls(**{**_CAREFUL, **changes})

    def __post_init__(self) -> None:
        if self.target is not None:
            _number("a target is a finite number", self.target, -math.inf, math.inf)
        _number("confidence lies between 0.5 and 1", self.confidence, 0.5, 1.0)
        _whole("patience is at least one check", self.patience)
        _whole("min_points is at least 1", self.min_points)
        if self.min_fraction != 0:
            _number("min_fraction is 0 or more and below 1", self.min_fraction, 0.0, 1.0)
        if self.best_of is not None:
            _whole("best_of is the rank of a finished sibling, 1 for the best", self.best_of)
        for name in ("diverged", "dry_run", "search", "proportional"):
            if not isinstance(getattr(self, name), bool):
                raise DataError(f"{name} is True or False", got=getattr(self, name))
        for name in ("target", "confidence", "min_fraction"):  # NumPy's numbers are no JSON
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))
        for name in ("patience", "min_points", "best_of"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else int(value))
        if not isinstance(self.plateau, bool):
            _number("plateau is True, False or a share below 1", self.plateau, 0.0, 1.0)


class Bar(NamedTuple):
    """The value that a run must beat, and what it is called."""

    value: float
    name: str


def bar_of(rule: StopRule, finals: Sequence[float], mode: Literal["min", "max"]) -> Bar | None:
    """The bar of a rule, given where finished siblings ended; None where there is nothing to beat.

    With fewer than k finished siblings nobody can fail to be among the k best of them.
    """
    bars = [] if rule.target is None else [Bar(float(rule.target), _TARGET)]
    known = sorted((v for v in finals if math.isfinite(v)), reverse=mode == "max")
    rank = rule.best_of or (1 if rule.target is None else None)
    if rank is not None and len(known) >= rank:
        place = "the best finished sibling" if rank == 1 else f"place {rank} of finished siblings"
        bars.append(Bar(known[rank - 1], place))
    if not bars:
        return None
    return (min if mode == "min" else max)(bars, key=lambda bar: bar.value)


def decide_stop(
    rule: StopRule,
    evidence: Evidence,
    *,
    forecast: Forecast | None = None,
    finals: Sequence[float] = (),
    previous: Decision | None = None,
    no_forecast: str = "there is no forecast yet",
    another: float | None = None,
    ahead: bool = False,
) -> Decision:
    """The verdict on a run; abstentions first, one comparison last.

    `forecast` is of the end of the run, one point; `finals` are the ends of finished siblings;
    `previous` is the last decision, whose streak goes on; `no_forecast` says why there is none.
    `another`: what one more run is expected to gain over the bar, in ln of the error per compute of
    a whole run, for rules that `search`.
    `ahead`: all finished siblings were worse at this run's place. Such a run is not doomed to end
    no better than they did, whatever the forecast says: of n + 1 runs in any order the last one is
    the best once in n + 1 times, and no forecast from few ends is worth more than being ahead.
    """
    seen = 0 if previous is None else previous.streak

    def verdict(
        word: Verdict, reason: str, *, chance: float | None = None, streak: int = 0
    ) -> Decision:
        sentence = f"{reason[:1].upper()}{reason[1:]}."
        return Decision(word, chance, sentence, forecast, evidence.at, streak, rule.dry_run)

    if rule.diverged and (why := divergence(evidence, max(rule.patience, _BLIPS))):
        return verdict("diverged", f"diverged: {why}", streak=seen)
    if rule.plateau:
        tolerance = _STANDS_STILL if rule.plateau is True else float(rule.plateau)
        if why := plateau(evidence, tolerance, rule.min_points):
            return verdict("plateaued", f"plateaued: {why}", streak=seen)
    if evidence.fraction is not None and evidence.fraction > _PAST:
        # Nothing is known of where it ends, least of all that it cannot beat the bar there.
        forecast, far = None, f"it has come {evidence.fraction:.3g} times as far as its horizon"
        return verdict("waiting", f"{far}: the horizon is wrong, and where it ends is not known")
    if forecast is None:
        return verdict("waiting", no_forecast, streak=seen)
    bar = bar_of(rule, finals, evidence.mode)
    if bar is None:
        return verdict("continue", f"{_expects(forecast)}; there is no bar to compare it with")
    doomed = 1.0 - float(forecast.prob_better_than(bar.value))
    comparison = (
        f"{_expects(forecast)}; P(no better than {bar.name}, {bar.value:.5g}) = {doomed:.3f}"
    )
    if evidence.points < rule.min_points:
        waits = f"{comparison}, but only {evidence.points} of {rule.min_points} points are there"
        return verdict("waiting", waits, chance=doomed)
    if evidence.fraction is not None and evidence.fraction < rule.min_fraction:
        waits = f"{comparison}, but only {evidence.fraction:.1%} of the horizon has been seen"
        return verdict("waiting", waits, chance=doomed)
    if doomed <= (needed := _needed(rule, evidence)):
        return verdict("continue", comparison, chance=doomed)
    if ahead and bar.name != _TARGET:
        leads = f"{comparison}, but it is ahead of every finished sibling here"
        return verdict("continue", leads, chance=doomed)
    if rule.proportional:
        comparison += f", of which {needed:.3f} are needed here"
    if rule.search:
        better_here, why = _better_here(forecast, bar, evidence, doomed, another)
        comparison = f"{comparison}; {why}"
        if better_here:
            return verdict("continue", comparison, chance=doomed)
    streak = seen + 1
    if streak < rule.patience:
        waits = f"{comparison}, {streak} of {rule.patience} checks in a row"
        return verdict("continue", waits, chance=doomed, streak=streak)
    return verdict("doomed", f"doomed: {comparison}", chance=doomed, streak=streak)


def _needed(rule: StopRule, evidence: Evidence) -> float:
    """How sure one must be that a run is doomed."""
    left = 1.0 - (evidence.fraction or 0.0) if rule.proportional else 1.0
    return 1.0 - (1.0 - rule.confidence) * max(left, 0.0)


def _better_here(
    forecast: Forecast, bar: Bar, evidence: Evidence, doomed: float, another: float | None
) -> tuple[bool, str]:
    """Whether going on gains more for the compute than one more run would, and in words."""
    if another is None:
        return doomed <= _SURE, "too few siblings tell what another run would gain"
    left = max(1.0 - (evidence.fraction or 0.0), _LEAST_LEFT)
    here = float(forecast.expected_gain(bar.value)) / left
    return here >= another, f"a run's compute gains {here:.2g} here, {another:.2g} in another run"


def _expects(forecast: Forecast) -> str:
    low, high = forecast.interval(0.8)
    return f"expected to end at {forecast.median:.5g} (80%: {low:.5g} to {high:.5g})"


def _number(rule: str, got: object, low: float, high: float) -> None:
    if isinstance(got, bool) or not isinstance(got, Real) or not low < float(got) < high:
        raise DataError(rule, got=got)


def _whole(rule: str, got: object) -> None:
    if isinstance(got, bool) or not isinstance(got, Integral) or int(got) < 1:
        raise DataError(rule, got=got)
