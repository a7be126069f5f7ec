"""Allocations and next runs as rich tables. Every text from a tracker is escaped by `plain`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from unsl_tracking.cli.console import plain, show_table
from unsl_tracking.decide import Allocation, NextRuns
from unsl_tracking.experiment.decisions import ExperimentAnswer
from unsl_tracking.experiment.result import Refused
from unsl_tracking.forecast import Forecast, ForecastWarning
from unsl_tracking.report import numbers as n

_MOST_LINES = 12


def show_allocations(console: Console, result: ExperimentAnswer[Allocation]) -> None:
    """The split of each group, how sure it is, and what is nearly as good."""
    _title(console, result.metric, result.experiment, result.tracker)
    for group in result.groups:
        console.print(f"\n[bold]{plain(group.label)}[/]")
        _show_allocation(console, group.answer)
    _show_refused(console, result.refused)


def show_plans(
    console: Console, result: ExperimentAnswer[NextRuns], target: float | None, confidence: float
) -> None:
    """The next runs of each group, and what the forecast is expected to be after each."""
    _title(console, result.metric, result.experiment, result.tracker)
    for group in result.groups:
        console.print(f"\n[bold]{plain(group.label)}[/]")
        _show_plan(console, group.answer)
        if target is not None:
            console.print(f"  {_verdict(group.answer, target, confidence)}", soft_wrap=True)
    _show_refused(console, result.refused)


def _show_allocation(console: Console, found: Allocation) -> None:
    price = f"{n.scale(found.cost)} of {n.scale(found.budget)}"
    if found.inference_cost:
        price += f", {n.percent(found.inference_cost / found.cost)} of it after training"
    console.print(
        f"  {plain(found.metric)} {_reads(found.forecast)} for {plain(price)} "
        f"[dim]({plain(found.cost_expression)})[/]",
        soft_wrap=True,
    )
    share = n.percent(found.tolerance) if found.tolerance >= 0.01 else f"{found.tolerance:.1%}"
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("axis", overflow="fold", min_width=12)
    for title in ("best", "80% interval", f"loses at most {share}", "grows as budget^"):
        table.add_column(title, justify="right", no_wrap=True)
    for choice in found.choices:
        note = " [dim](held)[/]" if choice.role == "fixed" else ""
        table.add_row(
            plain(choice.axis) + note,
            n.scale(choice.value),
            _range(choice.low, choice.high),
            _range(choice.near_low, choice.near_high),
            f"{choice.exponent:.2f}" if math.isfinite(choice.exponent) else "–",
        )
    show_table(console, table)
    _show_warnings(console, (*found.warnings, *found.forecast.warnings))


def _show_plan(console: Console, plan: NextRuns) -> None:
    console.print(
        f"  {plain(plan.metric)} at {plain(n.point(plan.target))}: {_reads(plan.now)} now",
        soft_wrap=True,
    )
    axes = list(plan.target)
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("run", justify="right")
    for name in axes:
        table.add_column(plain(name), justify="right", no_wrap=True)
    for title in ("cost", "in all", "expected 80% interval", "width"):
        table.add_column(title, justify="right", no_wrap=True)
    rows = plan.to_frame().to_dict(orient="records")
    for number, row in enumerate(rows, start=1):
        table.add_row(
            str(number),
            *(n.scale(float(row[name])) for name in axes),
            n.scale(float(row["cost"])),
            n.scale(float(row["total_cost"])),
            n.interval(float(row["lo80"]), float(row["hi80"])),
            f"{float(row['width']):.0%}",
        )
    if rows:
        show_table(console, table)
    _show_warnings(console, (*plan.warnings, *plan.now.warnings))


def _verdict(plan: NextRuns, target: float, confidence: float) -> str:
    """Whether the runs are expected to decide if the target is beaten."""
    needed = plan.deciding(target, confidence)
    sure = f"whether it beats {target:g} with {confidence:.0%} confidence"
    if needed is None:
        return f"[yellow]Not even all of them[/] are expected to decide {sure}."
    if needed == 0:
        return f"It is decided already {sure}."
    cost = n.scale(float(plan.runs["total_cost"].iloc[needed - 1]))
    return (
        f"The first [bold]{needed}[/], for {cost}, are expected to decide {sure}, if the median "
        "stays where it is."
    )


def _reads(forecast: Forecast) -> str:
    low, high = forecast.interval(0.8)
    median = n.metric(float(forecast.median), n.digits_for(low, high))
    return f"[bold blue]{median}[/] (80%: {n.interval(low, high)})"


def _range(low: float, high: float) -> str:
    return f"{n.scale(low)} – {n.scale(high)}" if math.isfinite(low) else "–"


def _title(console: Console, metric: str, experiment: str, tracker: str) -> None:
    console.print(
        f"[bold]{plain(metric)}[/] of experiment [bold]{plain(experiment)}[/] "
        f"[dim]({plain(tracker)})[/]"
    )


def _show_warnings(console: Console, warnings: Sequence[ForecastWarning]) -> None:
    for message, code in {w.message: w.code for w in warnings}.items():
        console.print(
            f"  [yellow]{plain(code.replace('_', ' '))}[/] {plain(message, 400)}", soft_wrap=True
        )


def _show_refused(console: Console, refused: Sequence[Refused]) -> None:
    if refused:
        console.print("\n[bold yellow]Not answered[/]")
    for each in refused[:_MOST_LINES]:
        console.print(f"  {plain(each.name)}: {plain(each.reason, 600)}", soft_wrap=True)
    if len(refused) > _MOST_LINES:
        more = len(refused) - _MOST_LINES
        console.print(f"[dim]  … and {more} more (--json has them all)[/]")
