"""A gate's verdict as markdown: what a pipeline shows on its summary page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from unsl_tracking.decide import GateDecision, NextRuns
from unsl_tracking.report import numbers as n
from unsl_tracking.report.card import escape

_MARKS: Final[Mapping[str, str]] = {"GO": "✅", "NO-GO": "⛔", "UNDECIDED": "❔"}
_MOST_RUNS: Final = 8


@dataclass(frozen=True, slots=True)
class GateSummary:
    """What the summary shows beside the decisions; texts come from runs and are escaped here."""

    verdict: str
    experiment: str
    tracker: str
    recipe: Mapping[str, str]
    runs: int
    dropped: Sequence[tuple[str, str]] = ()


def gate_markdown(summary: GateSummary, decisions: Iterable[tuple[GateDecision, str]]) -> str:
    """The verdict, a table with a row per metric, the reasons, and the runs that would decide.

    A decision comes with the name of its bar ("the target", "the best run so far").
    """
    decisions = list(decisions)
    blocks = [f"## {_MARKS[summary.verdict]} {summary.verdict}", _asked(summary, decisions)]
    blocks.append(_table(decisions))
    blocks.append("\n".join(f"- **{_name(d)}**: {escape(d.reason, 900)}" for d, _ in decisions))
    for decision, _ in decisions:
        if decision.next_runs is not None and len(decision.next_runs):
            blocks.append(_next(decision, decision.next_runs))
        warnings = decision.forecast.warnings if decision.forecast is not None else ()
        if warnings:
            lines = [f"- {escape(each.message, 300)}" for each in warnings[:_MOST_RUNS]]
            blocks.append(f"**Warnings** about {_name(decision)}\n\n" + "\n".join(lines))
    if summary.dropped:
        blocks.append("**Left out**\n\n" + "\n".join(_left_out(summary.dropped)))
    return "\n\n".join(blocks) + "\n"


def next_runs_sentence(decision: GateDecision) -> str | None:
    """What the next runs cost and whether they would decide it; None without any."""
    found = decision.next_runs
    if found is None or not len(found):
        return None
    needed = decision.runs_to_decide
    unit = found.cost_expression or "cost"
    if needed:
        cost = float(found.runs["cost"].iloc[:needed].sum())
        which = "the first run is" if needed == 1 else f"the first {needed} runs are"
        return f"{which} expected to decide it, at {unit} = {n.scale(cost)} in all"
    width = float(found.runs["width"].iloc[-1])
    return (
        f"all {len(found)} together, at {unit} = {n.scale(found.total_cost)}, are expected to "
        f"narrow the interval to {width:.0%} of what it is; {_and_then(decision)}"
    )


def _and_then(decision: GateDecision) -> str:
    if all(each.code == "straddles" for each in decision.reasons):
        return "that alone does not settle it"
    return "whether they remove the doubts above is told by asking again with them"


def _left_out(dropped: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"- {escape(what, 200)}: {escape(why, 300)}" for what, why in dropped[:_MOST_RUNS]]
    more = len(dropped) - _MOST_RUNS
    return lines + ([f"- … and {more} more"] if more > 0 else [])


def _asked(summary: GateSummary, decisions: list[tuple[GateDecision, str]]) -> str:
    where = escape(n.point(decisions[0][0].at)) if decisions else ""
    text = (
        f"Scale up to {where}? Judged by {n.plural(summary.runs, 'run')} of experiment "
        f"{escape(summary.experiment, 80)}"
    )
    if summary.recipe:
        pairs = ", ".join(f"{escape(k, 40)}={escape(v, 40)}" for k, v in summary.recipe.items())
        text += f" where {pairs}"
    return f"{text} ({escape(summary.tracker, 120)})."


def _table(decisions: list[tuple[GateDecision, str]]) -> str:
    rows = [
        "| metric | verdict | to beat | forecast | interval | P(better) | needed |",
        "|---|---|---|---|---|---|---|",
    ]
    for decision, bar in decisions:
        cells = [
            _name(decision),
            decision.verdict,
            f"{decision.target:.5g} ({escape(bar, 60)})",
            *_forecast(decision),
            f"≥ {decision.confidence:g} either way",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _forecast(decision: GateDecision) -> tuple[str, str, str]:
    if decision.forecast is None or decision.interval is None or decision.probability is None:
        return "–", "–", "–"
    low, high = decision.interval
    median = n.metric(float(decision.forecast.median), n.digits_for(low, high))
    return median, n.interval(low, high), f"{decision.probability:.3f}"


def _name(decision: GateDecision) -> str:
    return escape(decision.metric, 80)


def _next(decision: GateDecision, found: NextRuns) -> str:
    axes = [axis for axis in decision.at if axis in found.runs]
    head = [*(escape(axis, 40) for axis in axes), "cost", "cost so far", "interval then"]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in found.to_frame().head(_MOST_RUNS).to_dict(orient="records"):
        cells = [n.scale(float(row[axis])) for axis in axes]
        cells += [n.scale(float(row["cost"])), n.scale(float(row["total_cost"]))]
        cells.append(n.interval(float(row["lo80"]), float(row["hi80"])))
        rows.append("| " + " | ".join(cells) + " |")
    sentence = next_runs_sentence(decision) or ""
    return f"**Next runs** for {_name(decision)}: {escape(sentence, 300)}\n\n" + "\n".join(rows)
