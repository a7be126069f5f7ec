"""A saved view of the project's workspace with a section of forecast panels per metric.

Charts of laws, curves and outcomes show tables of our own run (see `home`); those of P(doomed) and
of the forecast over steps show what `attach` has logged into the users' runs.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from unsl_tracking.errors import MissingDependency
from unsl_tracking.experiment import ExperimentBacktest, ExperimentForecast
from unsl_wandb.chart_rows import Chart, curves_chart, law_chart, outcomes_chart
from unsl_wandb.client import Connection
from unsl_wandb.home import Place, Table, digest, is_marked, place_of, write_home
from unsl_wandb.law_artifact import artifact_name, by_size, items_of
from unsl_wandb.presets import keep, load
from unsl_wandb.summary_text import summary_text
from unsl_wandb.views import WORKSPACE, View, find_view, save_view

VIEW: Final = "nw-unslforecast-v"
"""W&B calls saved views so; what is between the dashes is in their addresses."""
TITLE: Final = "Forecast"
_MOST_GROUPS: Final = 4


def require_workspaces() -> None:
    """Raise `MissingDependency` when wandb-workspaces is not installed."""
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise MissingDependency(
            "panels and reports in W&B need the `wandb-workspaces` package",
            next_step="Run: pip install 'unsl-tracking[wandb-panels]'",
        )


def publish_panels(
    connection: Connection, result: ExperimentForecast, tested: ExperimentBacktest | None = None
) -> str:
    """Create or update the view's section for this metric; the view's address.

    The same forecast again changes nothing, not even what a user has since done to the panels.
    Other sections of the view stay as they are.
    """
    require_workspaces()
    place = place_of(connection, result.experiment)
    charts = charts_of(result, tested)
    said = [summary_text(result), [[name, dict(c.strings)] for name, c in charts.items()]]
    presets = [load(spec).name for spec in all_specs(charts)]
    mark = {f"view:{result.metric}": digest([said, presets])}
    found = find_view(connection, place, WORKSPACE, name=VIEW)
    there = found is not None and _has_section(found, result.metric)
    if not there or not is_marked(connection, place, mark):
        _save(connection, place, result, charts, found)
    # Last, so that what could not be saved is tried again the next time.
    write_home(connection, place, tables_of(charts), list(items_of(result)), mark)
    return f"{connection.app}/{quote(place.entity)}/{quote(place.project)}?nw={VIEW[3:-2]}"


def charts_of(result: ExperimentForecast, tested: ExperimentBacktest | None) -> dict[str, Chart]:
    """The charts that show tables, by the table's name in our run."""
    backtests = {} if tested is None else {each.label: each.backtest for each in tested.groups}
    found: dict[str, Chart] = {}
    for number, group in enumerate(by_size(result)[:_MOST_GROUPS], start=1):
        of_group = [curves_chart(result, group), law_chart(result, group)]
        if group.label in backtests:
            of_group.insert(1, outcomes_chart(result, group.label, backtests[group.label]))
        name = artifact_name(result.metric, number)
        found |= {f"unsl/{name}/{chart.spec}": chart for chart in of_group if chart is not None}
    return found


def tables_of(charts: Mapping[str, Chart]) -> dict[str, Table]:
    """The charts' rows as W&B's tables have them."""
    return {
        name: (list(chart.columns), [[row[c] for c in chart.columns] for row in chart.rows])
        for name, chart in charts.items()
    }


def table_panels(charts: Mapping[str, Chart], kept: Mapping[str, str]) -> list[Any]:
    """Panels of the charts that show tables."""
    import wandb_workspaces.reports.v2 as wr

    return [
        wr.CustomChart(
            query={"summaryTable": {"tableKey": name}},
            chart_name=kept[chart.spec],
            chart_fields=chart.fields,
            chart_strings=dict(chart.strings),
        )
        for name, chart in charts.items()
    ]


def live_panels(metric: str, kept: Mapping[str, str]) -> list[Any]:
    """Panels of what `attach` logs: the metric with its forecast, and P(doomed)."""
    import wandb_workspaces.reports.v2 as wr

    ours = f"unsl/{metric}"
    final = {
        "predicted": f"{ours}/final",
        "low": f"{ours}/final_lo80",
        "high": f"{ours}/final_hi80",
    }
    at = {"x": f"{ours}/at", "run": "name"}
    doomed = {"doomed": f"{ours}/p_doomed"}
    shown = (
        ("final-over-steps", final, f"{metric} at the end, as forecast", "line: median, band: 80%"),
        ("doomed-over-steps", doomed, f"{metric}: P(doomed)", "that the target will be missed"),
    )
    lines = wr.LinePlot(
        title=f"{metric} and its predicted final value",
        x="Step",
        y=[metric, *final.values()],
        smoothing_type="none",
    )
    charts = [
        wr.CustomChart(
            query={"history": {"keys": [at["x"], *fields.values()]}},
            chart_name=kept[spec],
            chart_fields={**at, **fields},
            chart_strings={
                "title": title,
                "subtitle": subtitle,
                "x-title": "step",
                **({"y-title": metric} if spec == "final-over-steps" else {}),
            },
        )
        for spec, fields, title, subtitle in shown
    ]
    return [lines, *charts]


def all_specs(charts: Mapping[str, Chart]) -> list[str]:
    """The presets that the panels need."""
    found = [chart.spec for chart in charts.values()]
    return list(dict.fromkeys([*found, "final-over-steps", "doomed-over-steps"]))


def _save(
    connection: Connection,
    place: Place,
    result: ExperimentForecast,
    charts: Mapping[str, Chart],
    found: View | None,
) -> None:
    """Put our section first; the others stay as they are."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    kept = {spec: keep(connection, place.entity, spec) for spec in all_specs(charts)}
    section = ws.Section(
        name=_section(result.metric),
        is_open=True,
        pinned=True,
        layout_settings=ws.SectionLayoutSettings(columns=2, rows=4),
        panels=[
            wr.MarkdownPanel(markdown=summary_text(result)),
            *live_panels(result.metric, kept),
            *table_panels(charts, kept),
        ],
    )
    workspace = _workspace(place, found)
    workspace.sections = [section, *(e for e in workspace.sections if e.name != section.name)]
    model = workspace._to_model()
    spec = model.spec.model_dump_json(by_alias=True, exclude_none=True)
    save_view(
        connection,
        place,
        View(found.id if found else "", VIEW, model.display_name, spec, WORKSPACE),
    )


def _workspace(place: Place, found: View | None) -> Any:
    """The view as it is, or a new one."""
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces.workspaces import internal

    if found is None:
        return ws.Workspace(entity=place.entity, project=place.project, name=TITLE)
    model = internal.View(
        entity=place.entity,
        project=place.project,
        display_name=found.title,
        name=found.name,
        id=found.id,
        spec=internal.WorkspaceViewspec.model_validate_json(found.spec),
    )
    return ws.Workspace._from_model(model)


def _section(metric: str) -> str:
    return f"{TITLE}: {metric}"


def _has_section(view: View, metric: str) -> bool:
    section = json.loads(view.spec).get("section") or {}
    there = (section.get("panelBankConfig") or {}).get("sections") or ()
    return any(each.get("name") == _section(metric) for each in there)
