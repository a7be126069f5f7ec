"""`unsl gate`: do we spend the big budget? GO exits 0, NO-GO 10, UNDECIDED 20."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from unsl_tracking.cli import options
from unsl_tracking.cli.arguments import read_point, split_list
from unsl_tracking.cli.console import err, out, progress_bars, reader_may_leave
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.cli.reading import check_ceiling, experiment_in, open_at, read_mode
from unsl_tracking.cli.render import show_failures
from unsl_tracking.cli.render_gate import show_gate
from unsl_tracking.cli.workers import worker_pool
from unsl_tracking.decide.cost import check_names
from unsl_tracking.decide.policy import GatePolicy, MetricRule
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import (
    ExperimentGate,
    WriteReport,
    find_policy,
    gate_experiment,
    read_policy,
    write_gate,
)
from unsl_tracking.report.gate_summary import GateSummary, gate_markdown
from unsl_tracking.runs.axes import as_axes

EXITS: Final = {"GO": 0, "NO-GO": 10, "UNDECIDED": 20}
SUMMARY: Final = "GITHUB_STEP_SUMMARY"


def gate(
    tracker: Annotated[
        str | None,
        typer.Argument(help="A tracker (mlflow) or its address; the policy's when left out."),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", help="Its name.", rich_help_panel=options.READ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            "-m",
            help="The metric to judge by. Left out, all metrics of the policy are.",
            rich_help_panel=options.READ,
        ),
    ] = None,
    axes: options.Axes = None,
    group: options.Group = None,
    ignore: options.Ignore = None,
    filter_: options.Filter = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Which group of runs, where they form several: NAME=VALUE.",
            rich_help_panel=options.READ,
        ),
    ] = None,
    mode: options.Mode = None,
    ceiling: options.Ceiling = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="The scale that would be paid for: params=7B,tokens=1.4e11." + options.SUFFIXES,
            rich_help_panel=options.ASK,
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(help="The value that it has to beat.", rich_help_panel=options.ASK),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="How sure one must be, either way; 0.9 when left out.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    max_decades: Annotated[
        float | None,
        typer.Option(
            help="No axis farther beyond its observed values than this; otherwise UNDECIDED.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            help="What a run costs, over axes and given numbers: 6*params*tokens. For the "
            "runs that would decide.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    given: options.Given = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="A file with all of this. ./unsl.toml or \\[tool.unsl] of ./pyproject.toml when "
            "left out; options win over it.",
            rich_help_panel=options.ASK,
        ),
    ] = None,
    seed: options.Seed = 0,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write the verdict into tags of the runs and the experiment, and an alias "
            "(unsl-go, unsl-no-go, unsl-undecided) on models registered from these runs.",
            rich_help_panel=options.DO,
        ),
    ] = False,
    markdown: Annotated[
        Path | None,
        typer.Option(
            help=f"Write a summary in markdown to this file (also to ${SUMMARY} where set).",
            rich_help_panel=options.DO,
        ),
    ] = None,
    as_json: options.Json = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that fit and replay the past; as many as processors, up to 4, when "
            "left out.",
            rich_help_panel=options.DO,
        ),
    ] = None,
) -> None:
    """Scale up, or not: exits 0 for GO, 10 for NO-GO, 20 for UNDECIDED.

    unsl gate mlflow -e ladder -m val_loss --at params=7e9,tokens=140G --target 2.10
    """
    try:
        asked = _policy(policy)
        asked = _with_reading(asked, tracker, experiment, axes, group, ignore, filter_, recipe)
        asked = _with_question(asked, metric, mode, ceiling, at, target, confidence, max_decades)
        asked = _with_cost(asked, cost, given)
        _check(asked, markdown)
    except DataError as error:
        raise UsageError.of(error) from error
    with worker_pool(jobs) as pool, progress_bars() as progress:
        connected = open_at(asked.tracker or "")
        asked = replace(asked, experiment=experiment_in(connected, asked.experiment or ""))
        result = gate_experiment(connected, asked, seed=seed, progress=progress, pool=pool)
        report = write_gate(connected, result, progress=progress) if write else None
    _summarise(result, markdown)
    with reader_may_leave():  # the verdict is the exit status, whoever reads: 0 would be GO
        if as_json:
            _print_json(result, report)
        else:
            show_gate(out(), result, report)
    if report is not None and report.failures:
        show_failures(err(), report)
        raise typer.Exit(1)
    raise typer.Exit(EXITS[result.verdict])


def _policy(given: Path | None) -> GatePolicy:
    path = given or find_policy(Path.cwd())
    if path is None:
        return GatePolicy()
    if given is None:
        err().print(f"[dim]policy: {path.name}[/]")
    return read_policy(path)


def _with_reading(
    policy: GatePolicy,
    tracker: str | None,
    experiment: str | None,
    axes: list[str] | None,
    group: list[str] | None,
    ignore: list[str] | None,
    filter_: str | None,
    recipe: list[str] | None,
) -> GatePolicy:
    return replace(
        policy,
        tracker=tracker or policy.tracker,
        experiment=experiment or policy.experiment,
        axes=tuple(split_list(axes)) if axes else policy.axes,
        group=policy.group if group is None else tuple(split_list(group)),
        ignore=tuple(split_list(ignore)) if ignore else policy.ignore,
        filter=filter_ or policy.filter,
        recipe=_labels(recipe) if recipe else policy.recipe,
    )


def _with_question(
    policy: GatePolicy,
    metric: str | None,
    mode: str | None,
    ceiling: float | None,
    at: list[str] | None,
    target: float | None,
    confidence: float | None,
    max_decades: float | None,
) -> GatePolicy:
    policy = replace(
        policy,
        at=read_point("--at", at) or policy.at,
        confidence=policy.confidence if confidence is None else confidence,
        max_decades=policy.max_decades if max_decades is None else max_decades,
    )
    if metric is None:
        if (target, mode, ceiling) != (None, None, None):
            raise UsageError("--target, --mode and --ceiling need a --metric that they are about")
        rules = policy.metrics
    else:
        known = next((rule for rule in policy.metrics if rule.metric == metric), None)
        if known is None and target is None:
            raise UsageError(f"--metric {metric} needs a --target", next_step=_HOW)
        rule = known or MetricRule(metric, target)
        rules = (replace(rule, target=rule.target if target is None else target),)
        if mode is not None:
            rules = (replace(rules[0], mode=read_mode(mode, metric)[0]),)
        if ceiling is not None:
            check_ceiling(ceiling, rules[0].mode or read_mode(None, metric)[0])
            rules = (replace(rules[0], ceiling=ceiling),)
    if confidence is not None:
        rules = tuple(replace(rule, confidence=None) for rule in rules)
    return replace(policy, metrics=rules)


def _with_cost(policy: GatePolicy, cost: str | None, given: list[str] | None) -> GatePolicy:
    """Given numbers add to the policy's; one of the same name takes its place."""
    numbers = {**policy.given, **(read_point("--given", given) or {})}
    return replace(policy, cost=policy.cost if cost is None else cost, given=numbers)


_HOW: Final = "For example --metric val_loss --target 2.1, or [gate.metrics.val_loss] in unsl.toml."


def _check(policy: GatePolicy, markdown: Path | None) -> None:
    """What must be known before anything is read."""
    for name, value in (
        ("a tracker", policy.tracker),
        ("--metric and --target", policy.metrics),
        ("--at", policy.at),
    ):
        if not value:
            raise UsageError(f"a gate needs {name}, as an option or in a policy", next_step=_HOW)
    if policy.axes is not None:
        names = [axis.name for axis in as_axes(policy.axes)]
        check_names(policy.cost, [*names, *policy.given])
    if markdown is not None and not markdown.parent.is_dir():
        raise UsageError("--markdown must be a file in a folder that exists", got=str(markdown))


def _labels(recipe: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in split_list(recipe)]
    if any(not name or not equals for name, equals, _ in pairs):
        raise UsageError("--recipe must be NAME=VALUE", got=recipe)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _summarise(result: ExperimentGate, markdown: Path | None) -> None:
    text = gate_markdown(
        GateSummary(
            result.verdict,
            result.experiment,
            result.tracker,
            result.recipe,
            len(result.runs),
            result.dropped,
        ),
        [(each.decision, each.bar) for each in result.metrics],
    )
    if markdown is not None:
        markdown.write_text(text, encoding="utf-8")
    if summary := os.environ.get(SUMMARY):
        with Path(summary).open("a", encoding="utf-8") as file:  # other steps write there too
            file.write(f"{text}\n")


def _print_json(result: ExperimentGate, report: WriteReport | None) -> None:
    content = result.to_dict()
    if report is not None:
        content["written"] = list(report.written)
        content["failures"] = [
            {"run": failure.run.id, "error": str(failure.error)} for failure in report.failures
        ]
    typer.echo(json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1))
