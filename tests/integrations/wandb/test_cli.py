"""`unsl forecast wandb://entity/project`: the whole way, on runs that the real SDK has logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")
pytest.importorskip("typer")
pytest.importorskip("matplotlib")

from typer.testing import CliRunner, Result

from tests.integrations.wandb.offline_user import OfflineUser
from tests.integrations.wandb.user import User
from unsl_tracking.cli.app import app

PARAMS = (1e5, 3e5, 1e6, 3e6, 1e7)


def unsl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def curve(params: float, last: int) -> list[dict[str, Any]]:
    steps = sorted({int(20 * (last / 20) ** (i / 11)) for i in range(12)})
    return [
        {"val_loss": 0.5 + 30 * params**-0.4 + 6 * step**-0.45, "trainer/global_step": step}
        for step in steps
    ]


@pytest.fixture
def ladder(user: User) -> list[str]:
    """Four finished runs, and a larger one that goes on."""
    paths = []
    for params in PARAMS:
        path = user.new_run("ladder", params={"params": params, "lr": 1e-3}, notes="my own words")
        is_last = params == PARAMS[-1]
        user.log_rows(path, curve(params, 200 if is_last else 2000))
        if not is_last:
            user.finish(path)
        paths.append(path)
    return paths


@pytest.mark.slow
def test_forecasts_go_into_the_runs_and_writing_twice_changes_nothing(
    user: User, ladder: list[str]
) -> None:
    ask = ["forecast", "wandb://team/ladder", "-m", "val_loss", "--at", "params=1e8", "--write"]
    ask += ["--axes", "params,step", "--horizon", "step=2000"]
    first = unsl(*ask)
    assert first.exit_code == 0, first.output
    finished, running = user.stored(ladder[0]), user.stored(ladder[-1])
    assert (finished.state, running.state) == ("finished", "running")
    low, final = (finished.summary[f"unsl/val_loss/final{end}"] for end in ("_lo80", ""))
    assert low < final and finished.summary["unsl/step"] == 2000
    assert finished.summary["unsl.metric"] == "val_loss"
    assert not any(key.startswith("unsl") for key in running.summary)
    for run in (finished, running):
        assert {"unsl/forecast.html", "unsl/forecast.json", "unsl/forecast.png"} <= set(run.files)
        assert run.notes is not None and run.notes.endswith("my own words")
        assert "at params=1e8, step=2000" in run.notes
    before = {path: _everything(user, path) for path in ladder}
    assert unsl(*ask).exit_code == 0
    assert {path: _everything(user, path) for path in ladder} == before


def test_a_gate_takes_the_project_from_the_address(user: User, ladder: list[str]) -> None:
    ask = ["gate", "wandb://team/ladder", "-m", "val_loss", "--axes", "params", "--jobs", "1"]
    asked = unsl(*ask, "--at", "params=1e8", "--target", "9", "--json")
    assert asked.exit_code in (0, 20), asked.output
    assert json.loads(asked.stdout)["experiment"].endswith("ladder")


def test_the_answer_of_json_names_runs_by_their_path(user: User, ladder: list[str]) -> None:
    asked = unsl(
        "forecast", "wandb://team/ladder", "-m", "val_loss", "--json", "--axes", "params,step"
    )
    assert asked.exit_code == 0, asked.output
    content = json.loads(asked.stdout)
    assert content["experiment"] == "ladder"
    assert {each["run"]["id"] for each in content["runs"]} == set(ladder)


def test_an_address_without_a_project_asks_for_one(user: User, ladder: list[str]) -> None:
    asked = unsl("forecast", "wandb://team", "-m", "val_loss")
    assert asked.exit_code == 2
    assert "Add --experiment NAME: ladder" in asked.stderr


@pytest.mark.slow
def test_an_outage_is_one_clear_line(user: User, ladder: list[str]) -> None:
    user.server.fail("UnslRuns", status=500)
    asked = unsl("forecast", "wandb://team/ladder", "-m", "val_loss")
    assert asked.exit_code == 1
    assert "must answer" in asked.stderr and "The API key was not the trouble" in asked.stderr


@pytest.mark.slow
def test_offline_runs_are_forecast_and_not_written_to(
    offline_user: OfflineUser, tmp_path: Path
) -> None:
    for params in PARAMS[:4]:
        path = offline_user.new_run("ladder", params={"params": params, "lr": 1e-3})
        offline_user.log_rows(path, curve(params, 2000))
        offline_user.finish(path)
    ask = ["forecast", f"wandb-offline://{tmp_path}", "-m", "val_loss", "--axes", "params,step"]
    asked = unsl(*ask, "--at", "params=1e8", "--json")
    assert asked.exit_code == 0, asked.output
    assert len(json.loads(asked.stdout)["runs"]) == 4
    written = unsl(*ask, "--write")
    assert written.exit_code == 1 and "wandb sync" in written.output


def _everything(user: User, path: str) -> tuple[Any, ...]:
    run = user.stored(path)
    files = {name: data for name, data in run.files.items() if not name.endswith((".html", ".png"))}
    return run.state, run.summary, run.config, run.notes, run.tags, run.lines, files
