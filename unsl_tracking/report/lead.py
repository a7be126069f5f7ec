"""The first sentences of a report: the verdict, the question, the answer, how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from unsl_tracking.report import numbers
from unsl_tracking.report.scale_report import ScaleReport

VERDICT_WORDS = {
    "GO": "scale up",
    "NO-GO": "do not scale up for this target",
    "UNDECIDED": "the evidence does not decide it yet",
}


def lead(report: ScaleReport) -> tuple[str, ...]:
    """Plain sentences for somebody who never saw the tool, the most important first."""
    return tuple(
        sentence
        for sentence in (_target(report), _forecast(report), _reach(report), _trust(report))
        if sentence
    )


def headline(report: ScaleReport) -> str:
    """The verdict, or the forecast where no target was given."""
    if report.decision is not None:
        return report.decision.verdict
    low, high = report.answer.intervals[0.8]
    return numbers.metric(report.answer.median, numbers.digits_for(low, high))


def _target(report: ScaleReport) -> str:
    decision = report.decision
    if decision is None:
        return ""
    side = "below" if decision.mode == "min" else "above"
    return (
        f"The chance that {decision.metric} ends {side} {decision.target:.5g} is "
        f"{chance(decision.probability or 0.0)}; a decision asks for {chance(decision.confidence)} "
        "either way."
    )


def _forecast(report: ScaleReport) -> str:
    answer, metric = report.answer, report.document.metric
    low, high = answer.intervals[0.8]
    decimals = numbers.digits_for(low, high)
    return (
        f"At {numbers.point(answer.point)} the law expects {metric} = "
        f"{numbers.metric(answer.median, decimals)}, and with a chance of 80% a value between "
        f"{numbers.metric(low, decimals)} and {numbers.metric(high, decimals)}."
    )


def _reach(report: ScaleReport) -> str:
    evidence, data = report.document.evidence, report.law.data
    farther = [
        f"{numbers.scale(ratio)} times the {axis}"
        for axis, value in report.answer.point.items()
        if (ratio := float(f"{value / float(data[axis].max()):.2g}")) > 1.0
    ]
    runs = numbers.plural(evidence.runs, "run")
    if (axis := report.support.far_below) is not None:
        below = f"{report.support.by_axis[axis]:.2g} decades below the {axis} of all of them"
        return f"It learned from {runs}; the scale in question lies {below}."
    if not farther:
        return f"That lies within what the {runs} it learned from observed."
    return (
        f"It learned from {runs}; the scale in question has {' and '.join(farther)} of the largest."
    )


def _trust(report: ScaleReport) -> str:
    checks = report.checks()
    holds = [each.topic for each in checks if each.state == "yes"]
    doubts = [each.topic for each in checks if each.state != "yes"]
    if not doubts:
        return f"All {len(checks)} checks below speak for the forecast: {_listed(holds)}."
    if not holds:
        return f"None of the {len(checks)} checks below speaks for the forecast."
    speak, do = ("speaks" if len(holds) == 1 else "speak"), ("does" if len(doubts) == 1 else "do")
    held, doubted = _listed(holds), _listed(doubts)
    return f"Of the checks below, {held} {speak} for the forecast; {doubted} {do} not."


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def chance(probability: float) -> str:
    """A probability in percent that is never rounded to certainty."""
    if probability > 0.999:
        return "over 99.9%"
    if probability < 0.001:
        return "under 0.1%"
    digits = 0 if 0.015 < probability < 0.985 else 1
    return f"{100.0 * probability:.{digits}f}%"
