"""Backtests as rich tables on a terminal. Every text from a tracker is escaped by `plain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from unsl_tracking.cli.console import plain, show_table
from unsl_tracking.experiment import ExperimentBacktest, GroupBacktest
from unsl_tracking.forecast import Backtest
from unsl_tracking.report import LEVELS
from unsl_tracking.report import numbers as n

_MOST_LINES = 12


def show_backtest(
    console: Console, result: ExperimentBacktest, written: Sequence[Path] = ()
) -> None:
    """Error and coverage of each group by distance, then what could not be replayed."""
    console.print(
        f"[bold]{plain(result.metric)}[/] of experiment [bold]{plain(result.experiment)}[/] "
        f"[dim]({plain(result.tracker)})[/]"
    )
    for group in result.groups:
        _show_group(console, group)
    if result.refused:
        console.print("\n[bold yellow]Not replayed[/]")
    for each in result.refused[:_MOST_LINES]:
        console.print(f"  {plain(each.name)}: {plain(each.reason, 600)}", soft_wrap=True)
    if len(result.refused) > _MOST_LINES:
        more = len(result.refused) - _MOST_LINES
        console.print(f"[dim]  … and {more} more (--json has them all)[/]")
    for path in written:
        console.print(f"\n[green]Written[/] {plain(path)}", soft_wrap=True)


def _show_group(console: Console, group: GroupBacktest) -> None:
    tested = group.backtest
    outcomes = n.plural(len(tested.frame), "outcome")
    console.print(f"\n[bold]{plain(group.label)}[/] [dim]{tested.replayed}, {outcomes}[/]")
    show_table(console, _table(tested))
    if tested.skipped:
        count = n.plural(len(tested.skipped), "past")
        first = tested.skipped[0]
        console.print(
            f"  [dim]{count} could not be replayed, such as {plain(first.name)}: "
            f"{plain(first.reason, 300)}[/]",
            soft_wrap=True,
        )
    factor = tested.width
    does = "narrower" if factor < 1.0 else "wider"
    evidence = n.plural(tested.units, "origin" if tested.design == "size" else "run")
    console.print(
        f"  Recalibrated by this, intervals would be [bold]{factor:.2f}[/] times as wide "
        f"[dim]({does}, as far as {evidence} can tell)[/]",
        soft_wrap=True,
    )


def _table(tested: Backtest) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("decades beyond the data", no_wrap=True)
    held = [f"{level:.0%} held" for level in LEVELS]
    for title in ("outcomes", "median error", "bias", *held):
        table.add_column(title, justify="right", no_wrap=True)
    coverage = tested.coverage(LEVELS).set_index(["bin", "level"])["coverage"]
    for row in tested.error().to_dict(orient="records"):
        shares = [f"{coverage[row['bin'], level]:.0%}" for level in LEVELS]
        error, bias = f"{row['median_error']:.2%}", f"{row['bias']:+.2%}"
        table.add_row(str(row["bin"]), str(row["rows"]), error, bias, *shares)
    return table
