"""A W&B report with the forecast, its evidence and its charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from unsl_tracking.experiment import ExperimentBacktest, ExperimentForecast
from unsl_tracking.report import numbers as n
from unsl_tracking.report.card import escape
from unsl_wandb.chart_rows import Chart
from unsl_wandb.client import Connection
from unsl_wandb.home import NAME, Place, digest, is_marked, place_of, write_home
from unsl_wandb.law_artifact import by_size, items_of
from unsl_wandb.panels import (
    all_specs,
    charts_of,
    live_panels,
    require_workspaces,
    table_panels,
    tables_of,
)
from unsl_wandb.presets import keep, load
from unsl_wandb.summary_text import summary_text
from unsl_wandb.views import REPORT, View, find_view, save_view

_DESCRIPTION: Final = "By unsl_tracking; made again, it replaces what is in it."
_WIDTH, _HEIGHT = 12, 9  # of a panel: half of a report's 24 columns


def publish_report(
    connection: Connection,
    result: ExperimentForecast,
    tested: ExperimentBacktest | None = None,
    *,
    lead: str = "",
) -> str:
    """Create or update the report about this metric; its address.

    `lead` is markdown for its beginning, such as the verdict of a gate; texts in it that came from
    runs have to be escaped (`unsl_tracking.report.card.escape`). The same again changes nothing.

    Raises:
        MissingDependency: wandb-workspaces is not installed.
        NotFound: no such project.
        TrackerError: the server refuses, or is away.
    """
    require_workspaces()
    place = place_of(connection, result.experiment)
    charts = charts_of(result, tested)
    said = [lead, _evidence(result), [[name, dict(c.strings)] for name, c in charts.items()]]
    presets = [load(spec).name for spec in all_specs(charts)]
    mark = {f"report:{result.metric}": digest([said, summary_text(result), presets])}
    title = title_of(result.metric)
    found = find_view(connection, place, REPORT, title=title)
    report_id = found.id if found else ""
    if found is None or not is_marked(connection, place, mark):
        kept = {spec: keep(connection, place.entity, spec) for spec in all_specs(charts)}
        blocks = _blocks(place, result, charts, kept, lead)
        report_id = _save(connection, place, title, blocks, found)
    write_home(connection, place, tables_of(charts), list(items_of(result)), mark)
    page = quote(f"{title.replace(' ', '-')}--{report_id}")
    return f"{connection.app}/{quote(place.entity)}/{quote(place.project)}/reports/{page}"


def title_of(metric: str) -> str:
    """The report's title, by which it is found again. W&B allows 128 characters."""
    return f"Forecast of {metric}"[:128]


def _save(
    connection: Connection, place: Place, title: str, blocks: list[Any], found: View | None
) -> str:
    import wandb_workspaces.reports.v2 as wr
    from wandb_workspaces.reports.v2 import internal

    report = wr.Report(
        entity=place.entity,
        project=place.project,
        title=title,
        description=_DESCRIPTION,
        width="fluid",
        blocks=blocks,
    )
    spec = report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    name = found.name if found else internal._generate_name()
    view = View(found.id if found else "", name, title, spec, REPORT, _DESCRIPTION)
    return save_view(connection, place, view)


def _blocks(
    place: Place,
    result: ExperimentForecast,
    charts: Mapping[str, Chart],
    kept: Mapping[str, str],
    lead: str,
) -> list[Any]:
    """Numbers, the charts of tables, the charts of live runs, the evidence."""
    import wandb_workspaces.reports.v2 as wr

    project = {"entity": place.entity, "project": place.project}
    ours = wr.Runset(**project, name="Forecasts", query=NAME)
    every = wr.Runset(**project, name="Runs")
    return [
        *([wr.MarkdownBlock(text=lead)] if lead else []),
        wr.MarkdownBlock(text=summary_text(result)),
        wr.H2(text="Forecast"),
        wr.PanelGrid(runsets=[ours], panels=_placed(table_panels(charts, kept))),
        wr.H2(text="While runs go on"),
        wr.PanelGrid(runsets=[every], panels=_placed(live_panels(result.metric, kept))),
        wr.H2(text="Evidence"),
        wr.MarkdownBlock(text=_evidence(result)),
    ]


def _placed(panels: list[Any]) -> list[Any]:
    """Two in a row."""
    import wandb_workspaces.reports.v2 as wr

    for number, panel in enumerate(panels):
        row, column = divmod(number, 2)
        panel.layout = wr.Layout(x=column * _WIDTH, y=row * _HEIGHT, w=_WIDTH, h=_HEIGHT)
    return panels


def _evidence(result: ExperimentForecast) -> str:
    """Axes with why they are such, groups, and what was left out."""
    lines = [f"- axis {escape(axis)}: {escape(why, 300)}" for axis, why in result.axes.items()]
    for group in by_size(result):
        runs = n.plural(len(group.runs), "run")
        lines.append(
            f"- {escape(group.label)}: {runs}, law {escape(group.law.summary().equation, 600)}"
        )
    lines += [f"- {escape(note, 300)}" for note in result.notes]
    lines += [
        f"- left out: {escape(what)}: {escape(why, 300)}" for what, why in result.dropped[:20]
    ]
    return "\n".join(lines) + "\n"
