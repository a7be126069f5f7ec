"""`unsl next-runs`: which runs to train next, so that the forecast at a scale gets surer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.arguments import read_point
from unsl_tracking.cli.console import out, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import Selection, open_at
from unsl_tracking.cli.render_decisions import show_plans
from unsl_tracking.errors import DataError
from unsl_tracking.experiment.decisions import plan_experiment
from unsl_tracking.runs import parse_expression, read_number

_WITH = "Out of what"


def next_runs(
    tracker: options.Tracker,
    metric: options.Metric,
    at: Annotated[
        list[str],
        typer.Option(
            help="The scale to forecast: params=7B,tokens=1.4e11. Axes left out take their largest "
            "observed value, hyperparameters that of the best run." + options.SUFFIXES,
            rich_help_panel=options.ASK,
        ),
    ],
    cost: Annotated[
        str,
        typer.Option(
            help="Of a run: arithmetic over axes, columns of the candidates, and params or metrics "
            "of the runs, each as a power law of the axes: '6*params*tokens'.",
            rich_help_panel=_WITH,
        ),
    ],
    experiment: options.Experiment = "",
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file, a row per run one could train, a column per axis. When left out, a "
            "grid between the smallest run and the scale asked for.",
            rich_help_panel=_WITH,
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, help="At most so many runs.", rich_help_panel=_WITH)
    ] = 5,
    budget: Annotated[
        str | None,
        typer.Option(
            help="For all of them together, in the unit of the cost; a tenth of what a run at that "
            "scale costs when left out.",
            rich_help_panel=_WITH,
        ),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            help="Stop once the 80% interval is expected to be this share of its width: 0.5.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            help="A value to beat there: says how many of the runs are expected to decide it.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="How sure a decision must be.", rich_help_panel=options.ASK)
    ] = 0.9,
    given: options.Given = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Choose the runs that make the forecast at a scale surest for their cost.

    unsl next-runs sqlite:///mlflow.db -e ladder -m val_loss --at params=7e9,tokens=140G
    --cost '6*params*tokens'
    """
    if not 0.5 < confidence < 1.0:
        raise UsageError("--confidence must lie between 0.5 and 1", got=confidence)
    try:
        parse_expression(cost)
        where, numbers = read_point("--at", at) or {}, read_point("--given", given)
    except DataError as error:
        raise UsageError.of(error) from error
    limit, table = _limit(budget), _table(candidates)
    chosen = Selection.of(metric, axes, group, ignore, mode, filter_, ceiling)
    connected = open_at(tracker)
    with progress_bars() as progress:
        fitted = chosen.forecast(connected, experiment, at=where, seed=seed, progress=progress)
    result = plan_experiment(
        fitted,
        where,
        cost,
        candidates=table,
        count=count,
        budget=limit,
        width=width,
        given=numbers,
    )
    if as_json:
        content = result.to_dict()
        if target is not None:
            content["deciding"] = {
                g.label: g.answer.deciding(target, confidence) for g in result.groups
            }
        typer.echo(json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1))
    else:
        show_plans(out(), result, target, confidence)
    if not result.groups:
        raise typer.Exit(1)


def _limit(text: str | None) -> float | None:
    number = None if text is None else read_number(text)
    if text is not None and (number is None or number <= 0):
        raise UsageError("--budget must be a positive number", got=text, next_step="Such as 1e22.")
    return number


def _table(path: Path | None) -> pd.DataFrame | None:
    if path is None:
        return None
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise UsageError(
            "--candidates must be a CSV file that can be read",
            got=str(path),
            next_step=str(error).splitlines()[0] if str(error) else "",
        ) from error
