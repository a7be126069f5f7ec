"""`unsl forecast`: read an experiment, fit its groups, print the forecasts, write them back."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.console import err, out, progress_bars
from unsl_tracking.cli.reading import Selection, open_at, read_ends
from unsl_tracking.cli.render import show_failures, show_result
from unsl_tracking.experiment import (
    ExperimentForecast,
    WriteReport,
    write_forecasts,
)


def forecast(
    tracker: options.Tracker,
    metric: options.Metric,
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
            help="The scale to forecast: params=7B,tokens=1.4e11. Axes left out take their largest "
            "observed value, hyperparameters that of the best run." + options.SUFFIXES,
            rich_help_panel=options.ASK,
        ),
    ] = None,
    horizon: options.Horizon = None,
    seed: options.Seed = 0,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write metrics, tags, a card and unsl/forecast.html, .png and .json into the "
            "runs. Doing it twice changes nothing.",
            rich_help_panel=options.DO,
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Forecast where the runs of an experiment end, and what a larger one would reach.

    unsl forecast sqlite:///mlflow.db -e ladder -m val_loss --at params=7e9,tokens=140G --write
    """
    chosen, (where, ends) = (
        Selection.of(metric, axes, group, ignore, mode, filter_, ceiling),
        read_ends(at, horizon),
    )
    connected = open_at(tracker)
    with progress_bars() as progress:
        result = chosen.forecast(
            connected, experiment, at=where, horizon=ends, seed=seed, progress=progress
        )
        report = write_forecasts(connected, result, progress=progress) if write else None
    _print(result, report, as_json=as_json)
    if report is not None and report.failures:
        show_failures(err(), report)
    if not result.groups or (report is not None and report.failures):
        raise typer.Exit(1)


def _print(result: ExperimentForecast, report: WriteReport | None, *, as_json: bool) -> None:
    if not as_json:
        show_result(out(), result, report)
        return
    content: dict[str, object] = {
        "schema": "unsl_tracking/experiment",
        "schema_version": 1,
        "experiment": result.experiment,
        "metric": result.metric,
        "runs": [document.to_dict() for document in result.documents().values()],
        "refused": [each.to_dict() for each in result.refused],
        "dropped": [{"what": what, "why": why} for what, why in result.dropped],
    }
    if report is not None:
        content["written"] = list(report.written)
        content["failures"] = [
            {"run": failure.run.id, "error": str(failure.error)} for failure in report.failures
        ]
    typer.echo(json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1))
