"""`unsl report`: one page that says whether to scale up, and why anybody should believe it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from unsl_tracking.cli import options
from unsl_tracking.cli.arguments import read_point
from unsl_tracking.cli.console import err, out, plain, progress_bars
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import Selection, open_at
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import ExperimentBacktest, ExperimentForecast, GroupBacktest
from unsl_tracking.experiment.publish import PublishesReports
from unsl_tracking.experiment.scale_report import Question, command_of, report_experiment
from unsl_tracking.report import ScaleReport
from unsl_tracking.report import numbers as n
from unsl_tracking.runs.numbers import read_number

_KINDS = (".html", ".md", ".json")


def report(
    tracker: options.Tracker,
    metric: options.Metric,
    experiment: options.Experiment = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A folder (page, markdown, figures and JSON), or a file that ends in .html, .md "
            "or .json. Written again, it changes only where the runs have.",
            show_default=False,
            rich_help_panel=options.DO,
        ),
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Publish it as the tracker's own kind of report: wandb. Written again, it is "
            "replaced.",
            rich_help_panel=options.DO,
        ),
    ] = None,
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="The scale in question: params=7B,tokens=1.4e11; the largest observed when left "
            "out." + options.SUFFIXES,
            rich_help_panel=options.ASK,
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            help="The value to beat there: the report begins with GO, NO-GO or UNDECIDED.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(help="How sure a verdict must be either way.", rich_help_panel=options.ASK),
    ] = 0.9,
    max_decades: Annotated[
        float | None,
        typer.Option(
            help="How far beyond the observed values an axis may be.", rich_help_panel=options.ASK
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            help="What a run costs, as arithmetic over axes and given numbers: 6*params*tokens. "
            "Adds the runs to train next.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="In units of the cost: 1e23. Adds how to split it over the axes.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    inference: Annotated[
        str | None,
        typer.Option(
            help="What a model costs after training, out of the same budget: 2*params*1e12.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    given: options.Given = None,
    seed: options.Seed = 0,
) -> None:
    """Write a report that can be handed round: verdict, evidence, doubts, data, methods.

    unsl report sqlite:///mlflow.db -e ladder -m val_loss --at params=7e9,tokens=140G --target 2.1
    -o report
    """
    chosen = Selection.of(metric, axes, group, ignore, mode, filter_, ceiling)
    where, question = _asked(at, target, confidence, max_decades, budget, cost, inference, given)
    _check_output(output, as_)
    connected = open_at(tracker)
    if as_ is not None and not isinstance(connected, PublishesReports):
        raise UsageError(
            "--as wandb needs a tracker that has reports of its own",
            got=connected.uri,
            next_step="Write the report into a folder: --output report.",
        )
    with progress_bars() as progress:
        forecast = chosen.forecast(connected, experiment, at=where, seed=seed, progress=progress)
        command = command_of(forecast, where, question, reading=chosen.words())
        reports = report_experiment(forecast, question, command=command, progress=progress)
    for each in forecast.refused:
        err().print(f"[yellow]Not in the report[/] {plain(each.name)}: {plain(each.reason, 600)}")
    if not reports:
        raise typer.Exit(1)
    _show(out(), reports, [] if output is None else _write(output, reports))
    if as_ is not None and isinstance(connected, PublishesReports):
        page = connected.publish_report(forecast, _tested(forecast, reports), lead=_words(reports))
        out().print(f"  [green]Published[/] {plain(page)}", soft_wrap=True)


def _asked(
    at: list[str] | None,
    target: float | None,
    confidence: float,
    max_decades: float | None,
    budget: str | None,
    cost: str | None,
    inference: str | None,
    given: list[str] | None,
) -> tuple[dict[str, float], Question]:
    money = None if budget is None else read_number(budget)
    if budget is not None and (money is None or money <= 0):
        raise UsageError("--budget must be a positive number", got=budget)
    try:
        numbers = read_point("--given", given) or {}
        question = Question(target, confidence, max_decades, money, cost, inference, numbers)
        return read_point("--at", at) or {}, question
    except DataError as error:
        raise UsageError.of(error) from error


def _tested(forecast: ExperimentForecast, reports: tuple[ScaleReport, ...]) -> ExperimentBacktest:
    """The backtests of the reports; they are in the order of `report_experiment`."""
    groups = sorted(forecast.groups, key=lambda group: -len(group.runs))
    found = [
        GroupBacktest(group.label, group.key, each.tested)
        for group, each in zip(groups, reports, strict=True)
        if each.tested is not None
    ]
    named = (forecast.tracker, forecast.experiment, forecast.metric)
    return ExperimentBacktest(*named, tuple(found), ())


def _words(reports: tuple[ScaleReport, ...]) -> str:
    """Verdict and lead of each report, as markdown."""
    from unsl_tracking.report.card import escape
    from unsl_tracking.report.lead import headline, lead

    return "\n\n".join(
        f"**{escape(headline(each))}** " + escape(" ".join(lead(each)), 2000) for each in reports
    )


def _check_output(output: Path | None, as_: str | None) -> None:
    """Before the work, not after it."""
    if as_ not in (None, "wandb"):
        raise UsageError("--as must be wandb", got=as_)
    if output is None and as_ is None:
        raise UsageError("A place must be named", got="none", next_step="Add --output or --as.")
    if output is None:
        return
    if output.suffix in _KINDS and not output.parent.is_dir():
        raise UsageError("--output must be a file in a folder that exists", got=str(output))
    if output.suffix not in _KINDS and output.exists() and not output.is_dir():
        raise UsageError(
            "--output must be a folder, or end in .html, .md or .json", got=str(output)
        )


def _write(output: Path, reports: tuple[ScaleReport, ...]) -> list[Path]:
    """The main file of each report; of several groups, numbered from the second on."""
    from unsl_tracking.report.bundle import bundle, one_file

    written = []
    for number, each in enumerate(reports, start=1):
        tail = "" if number == 1 else f"-{number}"
        if output.suffix in _KINDS:
            path = output.with_name(f"{output.stem}{tail}{output.suffix}")
            path.write_bytes(one_file(each, output.suffix))
            written.append(path)
            continue
        for name, content in bundle(each, f"report{tail}").items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        written.append(output / f"report{tail}.html")
    return written


def _show(console: Console, reports: tuple[ScaleReport, ...], written: list[Path]) -> None:
    from unsl_tracking.report.lead import headline, lead

    for number, each in enumerate(reports):
        where = n.point(each.answer.point)
        console.print(
            f"[bold]{plain(headline(each))}[/] {plain(each.document.metric)} at {plain(where)}",
            soft_wrap=True,
        )
        for sentence in lead(each):
            console.print(f"  {plain(sentence, 600)}", soft_wrap=True)
        if number < len(written):
            console.print(f"  [green]Written[/] {plain(written[number])}", soft_wrap=True)
