"""`unsl backtest`: how good the forecasts of an experiment would have been so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, get_args

import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.console import out, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import Selection, open_at
from unsl_tracking.cli.render_backtest import show_backtest
from unsl_tracking.experiment import (
    ExperimentBacktest,
    backtest_experiment,
)
from unsl_tracking.forecast.replay import Design

_ASK = "What to replay"


def backtest(
    tracker: options.Tracker,
    metric: options.Metric,
    experiment: options.Experiment = "",
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    origins: Annotated[
        int | None,
        typer.Option(min=1, help="How many sizes, or runs, of a group.", rich_help_panel=_ASK),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="size: everything larger from everything up to a size. runs: the ends of runs "
            "from their beginnings. Chosen when left out.",
            rich_help_panel=_ASK,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the fit.", rich_help_panel=_ASK)] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write a figure to this PNG file; of several groups, one file each.",
            rich_help_panel=options.DO,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Replay the past: what would have been forecast, and what came out."""
    chosen, design = Selection.of(metric, axes, group, ignore, mode, filter_, ceiling), _design(by)
    _check_folder(plot)
    connected = open_at(tracker)
    with progress_bars() as progress:
        fitted = chosen.forecast(connected, experiment, seed=seed, progress=progress)
        result = backtest_experiment(fitted, origins=origins, design=design, progress=progress)
    written = [] if plot is None else _draw(result, plot)
    if as_json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=True, allow_nan=False, indent=1))
    else:
        show_backtest(out(), result, written)
    if not result.groups:
        raise typer.Exit(1)


def _design(by: str | None) -> Design | None:
    for known in get_args(Design):
        if by == known:
            return known  # type: ignore[no-any-return]
    if by is None:
        return None
    raise UsageError("--by must be size or runs", got=by)


def _check_folder(plot: Path | None) -> None:
    """Before the work, not after it."""
    if plot is not None and not plot.parent.is_dir():
        raise UsageError("--plot must be a file in a folder that exists", got=str(plot))


def _draw(result: ExperimentBacktest, plot: Path) -> list[Path]:
    """A file per group: the given one, or numbered ones of several groups."""
    from unsl_tracking.report.backtest_plot import backtest_png

    written = []
    for number, group in enumerate(result.groups, start=1):
        path = plot
        if len(result.groups) > 1:
            path = plot.with_name(f"{plot.stem}-{number}{plot.suffix}")
        path.write_bytes(backtest_png(group.backtest))
        written.append(path)
    return written
