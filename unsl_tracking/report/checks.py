"""What speaks for a forecast and what against it: the questions of somebody who doubts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unsl_tracking.decide import Support
from unsl_tracking.forecast import Backtest, ForecastWarning
from unsl_tracking.report.fit_check import FitCheck

State = Literal["yes", "no", "unknown"]
_ABOUT_THE_LAW = ("unidentified", "hyperbreak_unobserved", "short_span", "noisy", "forms_disagree")


@dataclass(frozen=True, slots=True)
class Check:
    """A question, whether its answer speaks for the forecast, and the answer with its numbers.

    `topic` names it in a sentence.
    """

    topic: str
    question: str
    state: State
    answer: str


def checks_of(
    fit: FitCheck,
    tested: Backtest | None,
    support: Support,
    warnings: Sequence[ForecastWarning],
) -> tuple[Check, ...]:
    """Fit, past forecasts, distance, and what the law itself warns of, in this order."""
    return (
        _fits(fit),
        _was_right(tested, support),
        _as_far(support),
        _known_regime(warnings),
    )


def _fits(fit: FitCheck) -> Check:
    topic, question = "the fit", "Does the law fit what was seen?"
    off = f"Observations scatter around the law by {percent(fit.scatter)} (one standard deviation)"
    where = "above" if fit.drift > 0 else "below"
    size = f"the largest {fit.largest} lie {percent(abs(fit.drift))} {where} it on average"
    if fit.drifts:
        text = f"{off}, but {size}, more than scatter explains."
        return Check(topic, question, "no", text)
    text = f"{off}; {size}, and chance explains up to {percent(2.0 * fit.drift_se)}."
    return Check(topic, question, "yes", text)


def _was_right(tested: Backtest | None, support: Support) -> Check:
    topic, question = "past forecasts", "Would it have been right before, on this ladder?"
    if tested is None:
        text = "There are too few runs to forecast some of them from the others."
        return Check(topic, question, "unknown", text)
    overall = tested.coverage([0.8]).iloc[0]
    error = float(tested.error()["median_error"].iloc[0])
    text = (
        f"Refitted to the smaller runs only ({tested.replayed}), its 80% intervals held "
        f"{overall['coverage']:.0%} of {len(tested.frame)} later outcomes, and its medians were "
        f"off by {percent(error)} (median)."
    )
    if overall["coverage"] < 0.8:
        text += f" That is fewer than 80%, {_chance(tested, float(overall['coverage']))}."
    doubted = any(each.code == "overconfident" for each in support.doubts(confidence=0.9))
    least = 0.8 - 2.0 * float(overall["se"])
    return Check(topic, question, "no" if doubted or overall["coverage"] < least else "yes", text)


def _chance(tested: Backtest, coverage: float) -> str:
    """Whether too low a coverage is more than chance, with units counted and not rows."""
    units = f"{tested.units} origin{'' if tested.units == 1 else 's'}"
    if coverage < 0.8 - 2.0 * float(tested.coverage([0.8]).iloc[0]["se"]):
        return f"more than chance explains, even with {units} only"
    return f"but {units} cannot tell it from chance"


def _as_far(support: Support) -> Check:
    topic = "the distance"
    question = "Has that been tested as far ahead as it is asked for here?"
    if (axis := support.far_below) is not None:
        far = f"{support.by_axis[axis]:.2g} decades below the observed values of {axis}"
        only = "replayed forecasts only tell of larger scales"
        return Check(topic, question, "no", f"The point lies {far}; {only}.")
    if support.decades <= 0.0:
        return Check(topic, question, "yes", "The point lies within what was observed.")
    here = f"The point lies {support.decades:.2g} decades of scale beyond the data"
    if support.tested_decades is None:
        return Check(
            topic, question, "unknown", f"{here}; nothing tells how forecasts this far end."
        )
    reach = f"the replayed forecasts reach {support.tested_decades:.2g}"
    if support.decades > support.tested_decades:
        return Check(topic, question, "no", f"{here}, but {reach}.")
    return Check(topic, question, "yes", f"{here}; {reach}.")


def _known_regime(warnings: Sequence[ForecastWarning]) -> Check:
    topic, question = "what the data pin down", "Do the data pin the law down?"
    found = [each for each in warnings if each.code in _ABOUT_THE_LAW]
    if found:
        told = "; ".join(each.message for each in found)
        return Check(topic, question, "no", f"{told[:1].upper()}{told[1:]}.")
    text = (
        "Its forms agree within their own uncertainty, its parameters are identified where they "
        "matter, and no change of regime lies where nothing was observed."
    )
    return Check(topic, question, "yes", text)


def percent(error: float) -> str:
    """A difference of logs as a percentage with two digits."""
    return f"{100.0 * error:.2g}%" if error < 0.995 else f"{100.0 * error:.0f}%"
