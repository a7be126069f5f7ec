"""Panels and reports through the real SDK and wandb-workspaces, on our small server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("wandb")
pytest.importorskip("wandb_workspaces")
pytest.importorskip("typer")

from typer.testing import CliRunner

from tests.integrations.wandb.forecasts import METRIC, curve, forecast
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.user import User
from unsl_tracking.cli.app import app
from unsl_tracking.errors import NotFound, TrackerError, TrackerUnavailable
from unsl_wandb import WandbTracker
from unsl_wandb.home import NAME
from unsl_wandb.presets import load

VIEW = "nw-unslforecast-v"


@pytest.fixture
def project(server: WandbServer, user: User) -> Any:
    return server.store.make_project("team", "ladder")


def view_of(project: Any, type: str = "project-view") -> dict[str, Any]:
    (found,) = [view for view in project.views.values() if view["type"] == type]
    return dict(found)


def sections_of(view: dict[str, Any]) -> list[dict[str, Any]]:
    bank = json.loads(view["spec"])["section"]["panelBankConfig"]
    return list(bank["sections"])


def panels_in(spec: Any) -> list[dict[str, Any]]:
    """Every panel anywhere in it."""
    if isinstance(spec, dict):
        own = [spec] if "viewType" in spec else []
        return own + [panel for value in spec.values() for panel in panels_in(value)]
    return [panel for value in spec for panel in panels_in(value)] if isinstance(spec, list) else []


def custom(panels: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Configurations of custom charts, by the name of their preset without its hash."""
    vega = [each["config"] for each in panels if each["viewType"] == "Vega2"]
    return {each["panelDefId"].rpartition("-")[0].rpartition("/")[2]: each for each in vega}


def everything(project: Any) -> str:
    runs = {name: (run.lines, run.summary, run.notes) for name, run in project.runs.items()}
    versions = {name: len(each.versions) for name, each in project.collections.items()}
    return json.dumps([project.views, runs, versions], sort_keys=True, default=str)


def test_panels_are_a_section_of_a_saved_view(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    page = tracker.publish_panels(forecast())
    assert page == f"{server.uri}/team/ladder?nw=unslforecast"
    view = view_of(project)
    assert (view["name"], view["displayName"]) == (VIEW, "Forecast")
    (section,) = [each for each in sections_of(view) if each["name"] == f"Forecast: {METRIC}"]
    kinds = [panel["viewType"] for panel in section["panels"]]
    assert kinds == ["Markdown Panel", "Run History Line Plot", *["Vega2"] * 4]
    text = section["panels"][0]["config"]["value"]
    assert text.startswith("**val\\_loss at params=1e8, step=2000: 0.7")


def test_each_panel_gives_its_preset_all_that_it_asks_for(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    tracker.publish_panels(forecast())
    charts = custom(panels_in(json.loads(view_of(project)["spec"])))
    assert set(charts) == {
        *("unsl-run-curves", "unsl-scaling-law"),
        *("unsl-final-over-steps", "unsl-doomed-over-steps"),
    }
    for name, config in charts.items():
        stored = server.store.charts[config["panelDefId"]]
        preset = load(name.removeprefix("unsl-"))
        assert stored["spec"] == preset.text and stored["type"] == "vega2"
        assert set(config["fieldSettings"]) >= preset.places("field")
        assert set(config["stringSettings"]) >= preset.places("string")


def test_the_tables_that_panels_name_are_in_our_run_and_hold_the_charts_rows(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    tracker.publish_panels(forecast())
    query = custom(panels_in(json.loads(view_of(project)["spec"])))["unsl-scaling-law"]["userQuery"]
    assert f"unsl/{METRIC}/scaling-law" in json.dumps(query)
    run = project.runs[NAME]
    table = run.summary[f"unsl/{METRIC}/scaling-law"]
    assert table["_type"] == "table-file"
    stored = json.loads(run.files[table["path"]])
    assert stored["columns"][:5] == ["part", "name", "level", "x", "y"]
    assert {row[0] for row in stored["data"]} >= {"run", "law", "target"}
    assert len(stored["data"]) == table["nrows"]


def test_the_run_that_holds_the_tables_is_not_one_of_the_runs(
    tracker: WandbTracker, project: Any
) -> None:
    tracker.publish_panels(forecast())
    assert NAME in project.runs
    assert tracker.runs("ladder") == []


def test_the_same_panels_again_change_nothing(tracker: WandbTracker, project: Any) -> None:
    first = tracker.publish_panels(forecast())
    before = everything(project)
    assert tracker.publish_panels(forecast()) == first
    assert everything(project) == before


def test_a_users_own_sections_and_changes_stay(tracker: WandbTracker, project: Any) -> None:
    tracker.publish_panels(forecast())
    (stored,) = project.views.values()
    spec = json.loads(stored["spec"])
    sections = spec["section"]["panelBankConfig"]["sections"]
    mine = json.loads(json.dumps(sections[0])) | {"name": "Mine"}
    stored["spec"] = json.dumps(spec | {}) if sections.append(mine) else json.dumps(spec)
    tracker.publish_panels(forecast())
    assert [each["name"] for each in sections_of(view_of(project))][-1] == "Mine"
    project.runs[NAME].summary.pop("unsl.digests")  # as if the forecast had changed
    tracker.publish_panels(forecast())
    names = [each["name"] for each in sections_of(view_of(project))]
    assert names.count(f"Forecast: {METRIC}") == 1 and names.count("Mine") == 1


def test_a_section_that_a_user_deleted_comes_back(tracker: WandbTracker, project: Any) -> None:
    tracker.publish_panels(forecast())
    project.views.clear()
    tracker.publish_panels(forecast())
    assert f"Forecast: {METRIC}" in [each["name"] for each in sections_of(view_of(project))]


def test_a_report_has_the_same_charts_and_is_written_over(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    page = tracker.publish_report(forecast(), lead="**GO**")
    view = view_of(project, "runs")
    assert page.startswith(f"{server.uri}/team/ladder/reports/Forecast-of-val_loss--")
    assert "**GO**" in view["spec"]
    charts = custom(panels_in(json.loads(view["spec"])))
    assert {"unsl-run-curves", "unsl-scaling-law", "unsl-doomed-over-steps"} <= set(charts)
    before = everything(project)
    assert tracker.publish_report(forecast(), lead="**GO**") == page
    assert everything(project) == before
    assert tracker.publish_report(forecast(), lead="**NO-GO**") == page
    assert "**NO-GO**" in view_of(project, "runs")["spec"]


def test_what_runs_wrote_is_escaped_in_words(tracker: WandbTracker, project: Any) -> None:
    tracker.publish_report(replace(forecast(), notes=("<i>hostile</i> [x](http://y)",)))
    words = json.dumps(
        [
            node
            for node in json.loads(view_of(project, "runs")["spec"])["blocks"]
            if node["type"] == "markdown-block"
        ]
    )
    assert "&lt;i&gt;hostile" in words and "<i>" not in words and "[x](" not in words


def test_panels_of_an_unknown_project_are_not_found(tracker: WandbTracker) -> None:
    with pytest.raises(NotFound):
        tracker.publish_panels(forecast("no-such-project"))


def test_a_dead_server_is_told_as_one(tracker: WandbTracker, server: WandbServer) -> None:
    server.kill()
    with pytest.raises(TrackerUnavailable):
        tracker.publish_panels(forecast())


def test_a_chart_that_the_server_refuses_is_told(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    server.store.charts = Refusing()
    with pytest.raises(TrackerError, match="keep the chart"):
        tracker.publish_panels(forecast())
    assert not project.views


class Refusing(dict[str, Any]):
    def __setitem__(self, name: str, value: Any) -> None:
        raise PermissionError("custom charts are not allowed here")


@pytest.mark.slow
def test_the_command_finds_the_metric_that_was_forecast(
    server: WandbServer, user: User, project: Any
) -> None:
    for params in (1e5, 3e5, 1e6, 3e6):
        path = user.new_run("ladder", params={"params": params})
        rows = [
            {METRIC: row[METRIC], "trainer/global_step": row["step"]} for row in curve(params, 2000)
        ]
        user.log_rows(path, rows)
        user.finish(path)
    ask = ["wandb://team/ladder", "--axes", "params,step", "--at", "params=1e8", "--origins", "0"]
    unnamed = CliRunner().invoke(app, ["panels", *ask])
    assert unnamed.exit_code == 2 and "--metric" in unnamed.output
    written = CliRunner().invoke(app, ["forecast", *ask[:-2], "-m", METRIC, "--write"])
    assert written.exit_code == 0, written.output
    shown = CliRunner().invoke(app, ["panels", *ask])
    assert shown.exit_code == 0, shown.output
    assert f"{server.uri}/team/ladder?nw=unslforecast" in shown.output.replace("\n", "")
    assert f"Forecast: {METRIC}" in [each["name"] for each in sections_of(view_of(project))]
    report = ["report", *ask[:-2], "-m", METRIC, "--target", "2.0", "--as", "wandb"]
    published = CliRunner().invoke(app, report)
    assert published.exit_code == 0, published.output
    assert "Published" in published.output
    assert METRIC in json.dumps(view_of(project, "runs"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--as", "wandb"], "has reports of its own"),
        (["--as", "notion"], "--as must be wandb"),
        ([], "A place must be named"),
    ],
)
def test_a_report_that_can_go_nowhere_is_refused_before_the_work(
    options: list[str], says: str
) -> None:
    answer = CliRunner().invoke(app, ["report", "memory", "-e", "x", "-m", "loss", *options])
    assert answer.exit_code == 2
    assert says in answer.output


def test_a_tracker_without_panels_says_so() -> None:
    answer = CliRunner().invoke(app, ["panels", "memory", "-e", "x", "-m", "loss"])
    assert answer.exit_code == 2
    assert "must have a workspace" in answer.output
