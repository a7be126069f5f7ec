"""`unsl allocate`: how to split a budget over the axes of an experiment's law."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.arguments import read_number_lists, read_point, read_ranges
from unsl_tracking.cli.console import out, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import Selection, open_at
from unsl_tracking.cli.render_decisions import show_allocations
from unsl_tracking.errors import DataError
from unsl_tracking.experiment.decisions import allocate_experiment
from unsl_tracking.runs import parse_expression, read_number

_ASK = "What to split"
_LIMITS = "Within what"


def allocate(
    tracker: options.Tracker,
    metric: options.Metric,
    budget: Annotated[
        str, typer.Option(help="In the unit of the cost: 1e23.", rich_help_panel=_ASK)
    ],
    cost: Annotated[
        str,
        typer.Option(
            help="Of training a run: arithmetic over axes, and over params or metrics of the runs, "
            "each as a power law of the axes: '6*params*tokens', or GPU-hours as "
            "'tokens / tokens_per_gpu_second / 3600'.",
            rich_help_panel=_ASK,
        ),
    ],
    experiment: options.Experiment = "",
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    inference: Annotated[
        str | None,
        typer.Option(
            help="What using the model costs over its lifetime, in the same unit: "
            "'2*params*1e12' for 1e12 tokens.",
            rich_help_panel=_ASK,
        ),
    ] = None,
    given: options.Given = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="Axes to hold: unique_tokens=100G. The rest is split.", rich_help_panel=_LIMITS
        ),
    ] = None,
    bounds: Annotated[
        list[str] | None,
        typer.Option(help="Lowest and highest value: params=1e9:1e11.", rich_help_panel=_LIMITS),
    ] = None,
    multiple: Annotated[
        list[str] | None,
        typer.Option(
            help="Axes that come in multiples: tokens=524288 (of a batch).", rich_help_panel=_LIMITS
        ),
    ] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(
            help="Axes that can only be some values: params=1.1e9:1.4e9:2e9.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            help="Share of the forecast that counts as nearly as good.",
            min=1e-6,
            max=0.5,
            rich_help_panel=_LIMITS,
        ),
    ] = 0.005,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Split a budget over the axes so that the forecast is best.

    unsl allocate sqlite:///mlflow.db -e ladder -m val_loss --budget 1e23 --cost '6*params*tokens'
    """
    amount = _budget(budget)
    try:
        for text in (cost, *([] if inference is None else [inference])):
            parse_expression(text)
        limits = {
            "given": read_point("--given", given),
            "fixed": read_point("--fix", fix),
            "bounds": read_ranges("--bounds", bounds),
            "multiples": read_point("--multiple", multiple),
            "choices": read_number_lists("--choose", choose),
        }
    except DataError as error:
        raise UsageError.of(error) from error
    chosen = Selection.of(metric, axes, group, ignore, mode, filter_, ceiling)
    connected = open_at(tracker)
    with progress_bars() as progress:
        fitted = chosen.forecast(connected, experiment, seed=seed, progress=progress)
    result = allocate_experiment(
        fitted, amount, cost, inference=inference, tolerance=tolerance, seed=seed, **limits
    )
    if as_json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=True, allow_nan=False, indent=1))
    else:
        show_allocations(out(), result)
    if not result.groups:
        raise typer.Exit(1)


def _budget(text: str) -> float:
    number = read_number(text)
    if number is None or number <= 0:
        raise UsageError("--budget must be a positive number", got=text, next_step="Such as 1e23.")
    return number
