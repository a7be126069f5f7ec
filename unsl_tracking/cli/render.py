"""Forecasts as rich tables on a terminal. Every text from a tracker is escaped by `plain`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from unsl_tracking.cli.console import plain, show_table
from unsl_tracking.experiment import ExperimentForecast, GroupForecast, WriteReport
from unsl_tracking.report import Answer
from unsl_tracking.report import numbers as n
from unsl_tracking.runs import Run

_MOST_RUNS = 40
_MOST_LINES = 12
_MOST_NAMES = 3


def show_result(
    console: Console, result: ExperimentForecast, report: WriteReport | None = None
) -> None:
    """What was read and why, then each group's answers, then what was not forecast."""
    _show_reading(console, result)
    for group in result.groups:
        _show_group(console, result, group)
    _show_left_out(console, result)
    if report is not None and report.written:
        console.print(
            f"\n[green]Written[/] into {n.plural(len(report.written), 'run')}: metrics "
            f"unsl/{plain(result.metric)}/…, unsl/forecast.html, .png, .json, tags and a card."
        )


def _show_reading(console: Console, result: ExperimentForecast) -> None:
    console.print(
        f"[bold]{plain(result.metric)}[/] of experiment [bold]{plain(result.experiment)}[/] "
        f"[dim]({plain(result.tracker)})[/]"
    )
    if result.mode_why:
        better = "lower" if result.mode == "min" else "higher"
        console.print(
            f"[dim]mode {result.mode}, {better} is better: {plain(result.mode_why)}[/]",
            soft_wrap=True,
        )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, why in result.axes.items():
        table.add_row("axis", f"[cyan]{plain(name)}[/]", plain(why))
    for name, why in list(result.not_axes.items())[:_MOST_LINES]:
        table.add_row("[dim]no axis", f"[dim]{plain(name)}", f"[dim]{plain(why)}")
    show_table(console, table)
    for note in result.notes[:_MOST_LINES]:
        console.print(f"[dim]{plain(note, 400)}[/]", soft_wrap=True)


def _show_group(console: Console, result: ExperimentForecast, group: GroupForecast) -> None:
    console.print(
        f"\n[bold]{plain(group.label)}[/] [dim]{n.plural(len(group.runs), 'run')}, "
        f"{n.plural(len(group.law.data), 'point')}[/]"
    )
    if group.target is not None:
        console.print(f"  {sentence(result.metric, group.target)}", soft_wrap=True)
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("run", overflow="ellipsis", max_width=36, no_wrap=True)
    for title in ("so far", "final", "80% interval"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("at", overflow="fold", min_width=12)
    for forecast in group.runs[:_MOST_RUNS]:
        answer = forecast.final
        low, high = answer.intervals[0.8]
        decimals = n.digits_for(low, high)
        value = forecast.run.metrics.get(result.metric)
        table.add_row(
            plain(forecast.run.name or forecast.run.id) + _broken_off(forecast.run),
            "–" if value is None else n.metric(value, decimals),
            n.metric(answer.median, decimals),
            n.interval(low, high),
            plain(n.point({axis: answer.point[axis] for axis in group.along or answer.point})),
        )
    show_table(console, table)
    if len(group.runs) > _MOST_RUNS:
        console.print(f"[dim]  … and {len(group.runs) - _MOST_RUNS} more (--json has them all)[/]")
    notices = {each.message: each.code for each in group.law.warnings}
    if group.target is not None:
        notices |= {each.message: each.code for each in group.target.warnings}
    for message, code in notices.items():
        console.print(
            f"  [yellow]{plain(code.replace('_', ' '))}[/] {plain(message, 400)}", soft_wrap=True
        )


def _broken_off(run: Run) -> str:
    """Says so of a run that ended before its end: its forecast is of where it would have come."""
    return f" [dim]({run.status.lower()})[/]" if run.status in ("FAILED", "KILLED") else ""


def sentence(metric: str, answer: Answer) -> str:
    """`val_loss at params=7e9: 2.10 (80%: 2.05–2.17)`, with markup."""
    low, high = answer.intervals[0.8]
    median = n.metric(answer.median, n.digits_for(low, high))
    return (
        f"{plain(metric)} at {plain(n.point(answer.point))}: [bold blue]{median}[/] "
        f"(80%: {n.interval(low, high)})"
    )


def _show_left_out(console: Console, result: ExperimentForecast) -> None:
    if result.refused:
        console.print("\n[bold yellow]Not forecast[/]")
    for each in result.refused[:_MOST_LINES]:
        console.print(f"  {plain(each.name)}: {plain(each.reason, 600)}", soft_wrap=True)
    _more(console, len(result.refused))
    show_dropped(console, result.dropped)


def show_dropped(console: Console, dropped: Sequence[tuple[str, str]]) -> None:
    """What was left out, and why."""
    if dropped:
        console.print("\n[bold]Left out[/]")
    for what, why in dropped[:_MOST_LINES]:
        console.print(f"  [dim]{plain(what)}: {plain(why, 300)}[/]", soft_wrap=True)
    _more(console, len(dropped))


def _more(console: Console, count: int) -> None:
    if count > _MOST_LINES:
        console.print(f"[dim]  … and {count - _MOST_LINES} more (--json has them all)[/]")


def show_failures(console: Console, report: WriteReport) -> None:
    """The runs that could not be written, each error once."""
    count = n.plural(len(report.failures), "run")
    console.print(f"[bold red]Error[/] {count} could not be written:")
    alike: dict[str, list[str]] = {}
    for failure in report.failures:
        alike.setdefault(str(failure.error), []).append(failure.run.name or failure.run.id)
    for error, names in list(alike.items())[:_MOST_LINES]:
        more = len(names) - _MOST_NAMES
        named = ", ".join(plain(name) for name in names[:_MOST_NAMES])
        named += f" and {more} more" if more > 0 else ""
        console.print(f"  {named}: {plain(error, 600)}", soft_wrap=True)
    _more(console, len(alike))
