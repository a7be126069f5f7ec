"""Scale a recipe up, or not: GO, NO-GO or UNDECIDED as a pure function of a law and its backtest.

The forecast at the target scale is compared with the target: GO where it beats it with at least
the asked probability, NO-GO where it misses it with that probability. What makes the forecast
itself doubtful makes the verdict UNDECIDED, however sure the forecast is (see `support`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Literal

from unsl_tracking.decide.run_plan import NextRuns
from unsl_tracking.decide.support import Reason, Support, support_of
from unsl_tracking.errors import DataError, TooLittleEvidence
from unsl_tracking.forecast import Backtest, FittedLaw, Forecast
from unsl_tracking.forecast.replay import History
from unsl_tracking.forecast.replaying import Replaying

GateVerdict = Literal["GO", "NO-GO", "UNDECIDED"]
SCHEMA: Final = "unsl_tracking/gate-decision"
SCHEMA_VERSION: Final = 1
LEVELS: Final = (0.5, 0.8, 0.95)


@dataclass(frozen=True, eq=False)
class GateDecision:
    """Whether to scale up, and why.

    `probability`: that a run at `at` ends better than `target`. `reasons`: what the verdict rests
    on, as data; of UNDECIDED, all that keeps it from being decided. `forecast`: of one point.
    `support`: how far the history of this ladder supports forecasts. `next_runs`: those that would
    decide it, where somebody asked. Where no law could be fitted, there is only the reason.
    """

    verdict: GateVerdict
    metric: str
    mode: str
    target: float
    at: Mapping[str, float]
    confidence: float
    reasons: tuple[Reason, ...]
    probability: float | None = None
    forecast: Forecast | None = None
    support: Support | None = None
    next_runs: NextRuns | None = None

    @property
    def reason(self) -> str:
        """One sentence."""
        text = "; ".join(each.message for each in self.reasons)
        return f"{text[:1].upper()}{text[1:]}."  # no message begins with a name

    @property
    def interval(self) -> tuple[float, float] | None:
        """The central interval that must lie on one side of the target for a decision."""
        if self.forecast is None:
            return None
        low, high = self.forecast.interval(interval_level(self.confidence))
        return float(low), float(high)

    @property
    def runs_to_decide(self) -> int | None:
        """How many of the next runs are expected to decide it; None where that cannot be said.

        That is where not even all of them are, and where more than the width of the interval keeps
        it from being decided.
        """
        if self.next_runs is None or any(each.code != "straddles" for each in self.reasons):
            return None
        return self.next_runs.deciding(self.target, self.confidence)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"

    def to_dict(self) -> dict[str, object]:
        """Strict JSON values; docs/gate.md describes them."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "reason": self.reason,
            "reasons": [each.to_dict() for each in self.reasons],
            "metric": self.metric,
            "mode": self.mode,
            "target": self.target,
            "at": dict(self.at),
            "confidence": self.confidence,
            "probability": self.probability,
            "interval": None if self.interval is None else list(self.interval),
            "forecast": None if self.forecast is None else self.forecast.to_dict(),
            "support": None if self.support is None else self.support.to_dict(),
            "next_runs": None if self.next_runs is None else self.next_runs.to_dict(),
            "runs_to_decide": self.runs_to_decide,
        }


def gate(
    law: FittedLaw,
    at: Mapping[str, float],
    target: float,
    *,
    confidence: float = 0.9,
    max_decades: float | None = None,
    required_coverage: float | None = None,
    tested: Backtest | None = None,
) -> GateDecision:
    """Whether a run at the scale `at` is going to beat the target.

    Args:
        law: Fitted to the ladder of smaller runs.
        at: The scale that would be paid for: every axis of the law, positive.
        target: The value to beat, in units of the metric.
        confidence: How sure one must be either way, above 0.5 and below 1.
        max_decades: No axis may be asked for farther beyond its observed values than this.
        required_coverage: Share of past outcomes that 80% intervals must have held; where absent,
            fewer than 80% by what chance explains will do.
        tested: The law's backtest by size; made here (a fit per origin) where absent.

    Raises:
        DataError: an argument breaks a rule; `AxisError` when `at` does not name the law's axes.

    Examples:
        >>> at = {"params": 7e9, "tokens": 1.4e11}
        >>> decision = ut.gate(law, at, 2.4, tested=tested)
        >>> decision.verdict, decision.probability > 0.95
        ('GO', True)
        >>> close = ut.gate(law, at, 2.24, tested=tested)
        >>> close.verdict, [reason.code for reason in close.reasons]
        ('UNDECIDED', ['straddles'])
    """
    check_rule(target, confidence, max_decades, required_coverage)
    _check_beatable(law, target)
    forecast = law.predict(dict(at))
    point = {axis: float(at[axis]) for axis in law.axes}
    support = support_of(law, point, tested if tested is not None else backtest_by_size(law))
    doubts = support.doubts(confidence, max_decades, required_coverage)
    chance = min(max(float(forecast.prob_better_than(target)), 0.0), 1.0)
    compared = _compared(forecast, point, target, chance, confidence)
    verdict: GateVerdict = "GO" if compared.code == "clears" else "NO-GO"
    reasons: tuple[Reason, ...] = (compared, *_already_beaten(law, target, verdict))
    if doubts or compared.code == "straddles":
        verdict = "UNDECIDED"
        reasons = (*doubts, compared) if compared.code == "straddles" else doubts
    return GateDecision(
        verdict=verdict,
        metric=law.value,
        mode=law.mode,
        target=float(target),
        at=point,
        confidence=float(confidence),
        reasons=reasons,
        probability=chance,
        forecast=forecast,
        support=support,
    )


def backtest_by_size(law: FittedLaw, pool: Executor | None = None) -> Backtest | None:
    """The backtest that a gate looks at; None where no past of the law could be forecast."""
    try:
        return law.backtest(design="size", pool=pool)
    except TooLittleEvidence:
        return None


def begin_by_size(history: History, pool: Executor | None = None) -> Replaying | None:
    """The same backtest, begun before there is a law, which can be fitted meanwhile."""
    try:
        return Replaying(history, design="size", pool=pool)
    except TooLittleEvidence:
        return None


def check_rule(
    target: object,
    confidence: object = 0.9,
    max_decades: object = None,
    required_coverage: object = None,
) -> None:
    """Raises `DataError` for numbers that cannot be part of a rule."""
    if _unfit(target, -math.inf, math.inf):
        raise DataError("a target is a finite number", got=target)
    if _unfit(confidence, 0.5, 1.0):
        raise DataError("confidence lies between 0.5 and 1", got=confidence)
    if max_decades is not None and max_decades != 0 and _unfit(max_decades, 0.0, math.inf):
        raise DataError("max_decades is 0 or more", got=max_decades)
    if required_coverage is not None and _unfit(required_coverage, 0.0, 1.0):
        raise DataError("required_coverage lies between 0 and 1", got=required_coverage)


def _check_beatable(law: FittedLaw, target: float) -> None:
    """Raises `DataError` for a target in another unit than the metric's: 70 for 0.7, say.

    Nothing beats it, and a NO-GO would be taken for an answer.
    """
    if law.ceiling is not None and target >= law.ceiling:
        raise DataError(
            f"a target of {law.value} lies below {law.ceiling:g}, the best it can be",
            got=target,
            next_step="Say it in the unit that is logged.",
        )
    if law.ceiling is None and target <= 0.0:
        raise DataError(
            f"a target of {law.value}, which is to be minimised, lies above 0", got=target
        )


def _already_beaten(law: FittedLaw, target: float, verdict: GateVerdict) -> tuple[Reason, ...]:
    """A hint at a target in another unit, or at a smaller run that would do."""
    values = law.data[law.value]
    beaten = (values < target).all() if law.mode == "min" else (values > target).all()
    if verdict != "GO" or not beaten:
        return ()
    text = f"all {len(values)} values observed so far beat it already, at smaller scales"
    return (Reason("already_beaten", text, float(target)),)


def interval_level(confidence: float) -> float:
    """Level of the central interval with `confidence` on either side of each of its ends."""
    return 2.0 * confidence - 1.0


def _compared(
    forecast: Forecast, at: Mapping[str, float], target: float, chance: float, confidence: float
) -> Reason:
    """The forecast against the target: "clears", "misses" or "straddles"."""
    low, high = forecast.interval(interval_level(confidence))
    where = ", ".join(f"{name}={_short(value)}" for name, value in at.items())
    expects = (
        f"the forecast of {forecast.value} at {where} is {forecast.median:.5g} "
        f"({interval_level(confidence):.0%}: {low:.5g} to {high:.5g})"
    )
    if chance >= confidence:
        code, says = "clears", f"P(better than {target:.5g}) = {chance:.3f}"
    elif 1.0 - chance >= confidence:
        code, says = "misses", f"P(no better than {target:.5g}) = {1.0 - chance:.3f}"
    else:
        code = "straddles"
        says = f"P(better than {target:.5g}) = {chance:.3f} is sure neither way"
    return Reason(code, f"{expects}; {says}", chance, float(confidence))


def _short(value: float) -> str:
    """7e9 for 7e+09."""
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.4g}")


def _unfit(value: object, low: float, high: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not number or not low < float(value) < high  # type: ignore[arg-type]
