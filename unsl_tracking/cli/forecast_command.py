"""`unsl forecast`: read an experiment, fit its groups, print the forecasts, write them back."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from unsl_tracking.cli.arguments import read_point, split_list
from unsl_tracking.cli.console import err, out, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import open_at, read_axes, read_mode
from unsl_tracking.cli.render import show_failures, show_result
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import (
    ExperimentForecast,
    WriteReport,
    forecast_experiment,
    write_forecasts,
)
from unsl_tracking.runs.axes import Axis

_READ = "What to read"
_ASK = "What to forecast"
_DO = "What to do with it"


def forecast(
    tracker: Annotated[
        str,
        typer.Argument(
            help="A tracker (mlflow: the server of MLFLOW_TRACKING_URI) or an address such as "
            "sqlite:///mlflow.db or http://localhost:5000."
        ),
    ],
    experiment: Annotated[
        str, typer.Option("--experiment", "-e", help="Its name.", rich_help_panel=_READ)
    ],
    metric: Annotated[
        str, typer.Option("--metric", "-m", help="The metric's name.", rich_help_panel=_READ)
    ],
    axes: Annotated[
        list[str] | None,
        typer.Option(
            help="Scaling axes: names, or name=source such as tokens='batch_size * step'. "
            "Without it they are detected.",
            rich_help_panel=_READ,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            help="Keys whose values split the runs into groups; empty for one group.",
            rich_help_panel=_READ,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Further keys that do not split groups.", rich_help_panel=_READ),
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option("--filter", help="In the tracker's own language.", rich_help_panel=_READ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="The scale to forecast: params=7e9,tokens=140G. Axes left out take their largest "
            "observed value.",
            rich_help_panel=_ASK,
        ),
    ] = None,
    horizon: Annotated[
        list[str] | None,
        typer.Option(help="Where the runs end: step=100000.", rich_help_panel=_ASK),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="min or max; guessed from the metric's name.", rich_help_panel=_ASK),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the fit.", rich_help_panel=_ASK)] = 0,
    write: Annotated[
        bool, typer.Option("--write", help="Write into the runs.", rich_help_panel=_DO)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON and nothing else.", rich_help_panel=_DO)
    ] = False,
) -> None:
    """Forecast where the runs of an experiment end, and what a larger one would reach."""
    chosen, where, ends = _read_options(axes, at, horizon)
    best, why = read_mode(mode, metric)
    connected = open_at(tracker)
    with progress_bars() as progress:
        result = forecast_experiment(
            connected,
            experiment,
            metric,
            axes=chosen,
            group_by=None if group is None else split_list(group),
            ignore=split_list(ignore),
            at=where,
            horizon=ends,
            mode=best,
            mode_why=why,
            filter=filter_,
            seed=seed,
            progress=progress,
        )
        report = write_forecasts(connected, result, progress=progress) if write else None
    _print(result, report, as_json=as_json)
    if report is not None and report.failures:
        show_failures(err(), report)
    if not result.groups or (report is not None and report.failures):
        raise typer.Exit(1)


def _read_options(
    axes: list[str] | None, at: list[str] | None, horizon: list[str] | None
) -> tuple[tuple[Axis, ...] | None, dict[str, float] | None, dict[str, float] | None]:
    try:
        return read_axes(axes), read_point("--at", at), read_point("--horizon", horizon)
    except DataError as error:
        raise UsageError.of(error) from error


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
        "refused": [
            {"name": each.name, "reason": each.reason, "runs": each.runs} for each in result.refused
        ],
        "dropped": [{"what": what, "why": why} for what, why in result.dropped],
    }
    if report is not None:
        content["written"] = list(report.written)
        content["failures"] = [
            {"run": failure.run.id, "error": str(failure.error)} for failure in report.failures
        ]
    typer.echo(json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1))
