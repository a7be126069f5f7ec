"""A gate's verdict on a terminal. Every text from a tracker is escaped by `plain`."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from unsl_tracking.cli.console import plain, show_table
from unsl_tracking.cli.render import show_dropped
from unsl_tracking.decide import GateDecision
from unsl_tracking.decide.gate import interval_level
from unsl_tracking.experiment import ExperimentGate, WriteReport
from unsl_tracking.report import numbers as n
from unsl_tracking.report.gate_summary import next_runs_sentence

_COLOURS: Final = {"GO": "green", "NO-GO": "red", "UNDECIDED": "yellow"}
_COMPARED: Final = ("clears", "misses", "straddles")
_MOST_RUNS: Final = 8


def show_gate(console: Console, result: ExperimentGate, report: WriteReport | None = None) -> None:
    """The verdict first, then each metric with its reasons and what would decide it."""
    colour = _COLOURS[result.verdict]
    recipe = ", ".join(f"{key}={value}" for key, value in result.recipe.items())
    console.print(
        f"[bold {colour}]{result.verdict}[/]  scale up to "
        f"[bold]{plain(n.point(result.metrics[0].decision.at))}[/]? "
        f"[dim]{n.plural(len(result.runs), 'run')} of {plain(result.experiment)}"
        f"{f' where {plain(recipe)}' if recipe else ''} ({plain(result.tracker)})[/]",
        soft_wrap=True,
    )
    for each in result.metrics:
        _show_decision(console, each.decision, each.bar)
    show_dropped(console, result.dropped)
    if report is not None and report.written:
        console.print(
            f"\n[green]Written[/] tags unsl.gate… to {n.plural(len(report.written), 'place')}: "
            "runs, the experiment, and models or artifacts made from the runs (with an alias).",
            soft_wrap=True,
        )


def _show_decision(console: Console, decision: GateDecision, bar: str) -> None:
    colour = _COLOURS[decision.verdict]
    better = "below" if decision.mode == "min" else "above"
    console.print(
        f"\n[bold]{plain(decision.metric)}[/] [{colour}]{decision.verdict}[/] "
        f"[dim]{better} {decision.target:.5g} ({plain(bar)}), sure means "
        f"P ≥ {decision.confidence:g}[/]",
        soft_wrap=True,
    )
    for reason in decision.reasons:
        console.print(f"  {plain(reason.message, 600)}", soft_wrap=True)
    if decision.probability is not None and all(r.code not in _COMPARED for r in decision.reasons):
        console.print(f"  [dim]{_forecast(decision)}[/]", soft_wrap=True)
    support = decision.support
    if support is not None and support.tested_decades is not None:
        held = "" if support.coverage is None else f", 80% intervals held {support.coverage:.0%}"
        console.print(
            f"  [dim]{support.decades:.2f} decades beyond the data; backtests reach "
            f"{support.tested_decades:.2f}{held}[/]",
            soft_wrap=True,
        )
    for warning in decision.forecast.warnings if decision.forecast is not None else ():
        code = plain(warning.code.replace("_", " "))
        console.print(f"  [yellow]{code}[/] {plain(warning.message, 400)}", soft_wrap=True)
    _show_next(console, decision)


def _forecast(decision: GateDecision) -> str:
    """What would be said if nothing spoke against trusting it."""
    assert decision.forecast is not None and decision.interval is not None
    low, high = decision.interval
    median = n.metric(float(decision.forecast.median), n.digits_for(low, high))
    level = interval_level(decision.confidence)
    return (
        f"taken as it is, the forecast would be {median} ({level:.0%}: {n.interval(low, high)}) "
        f"with P(better) = {decision.probability:.3f}"
    )


def _show_next(console: Console, decision: GateDecision) -> None:
    found, sentence = decision.next_runs, next_runs_sentence(decision)
    if found is None or sentence is None:
        return
    console.print(f"  [bold]Next runs[/]: {plain(sentence, 400)}", soft_wrap=True)
    axes = [axis for axis in decision.at if axis in found.runs]
    table = Table(box=None, padding=(0, 3, 0, 2), header_style="dim")
    for title in (*axes, "cost", "cost so far", "80% interval then"):
        table.add_column(plain(title), justify="right", no_wrap=True)
    for row in found.to_frame().head(_MOST_RUNS).to_dict(orient="records"):
        cells = [n.scale(float(row[name])) for name in (*axes, "cost", "total_cost")]
        table.add_row(*cells, n.interval(float(row["lo80"]), float(row["hi80"])))
    show_table(console, table)
