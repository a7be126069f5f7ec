"""`unsl panels`: show the forecast on the tracker's own pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.console import err, out, plain, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import Selection, experiment_in, open_at, read_ends
from unsl_tracking.experiment import backtest_experiment
from unsl_tracking.experiment.publish import ShowsPanels
from unsl_tracking.runs import Run

_FORECAST = re.compile(r"unsl/(.+)/final")


def panels(
    tracker: options.Tracker,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            "-m",
            help="The metric's name. Not needed where the runs have forecasts of one metric.",
            show_default=False,
            rich_help_panel=options.READ,
        ),
    ] = "",
    experiment: options.Experiment = "",
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="The scale out to which the law is drawn: params=7B,tokens=1.4e11. The largest "
            "observed when left out." + options.SUFFIXES,
            rich_help_panel=options.ASK,
        ),
    ] = None,
    horizon: options.Horizon = None,
    origins: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many runs, or sizes, are forecast anew from what came before them, for the "
            "chart of predicted against actual; 0 leaves that chart out.",
            rich_help_panel=options.ASK,
        ),
    ] = 4,
    seed: options.Seed = 0,
) -> None:
    """Create or update panels with the forecast in the tracker's own workspace.

    unsl panels wandb://my-team/ladder -m val_loss --at params=7e9

    Doing it twice changes nothing. So far W&B has such panels.
    """
    where, ends = read_ends(at, horizon)
    connected = open_at(tracker)
    if not isinstance(connected, ShowsPanels):
        raise UsageError(
            "The tracker must have a workspace that panels can be put into, as W&B has",
            got=connected.uri,
            next_step="Forecasts go into the runs of any tracker: unsl forecast … --write.",
        )
    project = experiment_in(connected, experiment)
    name = metric or _metric_of(connected.runs(project, filter=filter_))
    chosen = Selection.of(name, axes, group, ignore, mode, filter_, ceiling)
    with progress_bars() as progress:
        result = chosen.forecast(
            connected, project, at=where, horizon=ends, seed=seed, progress=progress
        )
        tested = None
        if origins and result.groups:
            tested = backtest_experiment(result, origins=origins, progress=progress)
    for each in result.refused:
        err().print(f"[yellow]Not shown[/] {plain(each.name)}: {plain(each.reason, 600)}")
    if not result.groups:
        raise typer.Exit(1)
    page = connected.publish_panels(result, tested)
    out().print(f"[green]Panels[/] {plain(page)}", soft_wrap=True)


def _metric_of(runs: Sequence[Run]) -> str:
    """The metric of which the runs have forecasts. Raises `UsageError` where it is not just one."""
    names = {found[1] for run in runs for key in run.metrics if (found := _FORECAST.fullmatch(key))}
    if len(names) == 1:
        return names.pop()
    raise UsageError(
        "A metric must be named",
        got=f"runs with forecasts of {', '.join(sorted(names))}" if names else "no forecasts yet",
        next_step="Add --metric NAME.",
    )
