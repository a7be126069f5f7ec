"""`unsl forecast` on a real MLflow store: what it reads, writes and refuses."""

from __future__ import annotations

import json
import math
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

if TYPE_CHECKING:
    from tests.e2e.conftest import Store

Unsl = Callable[..., Result]
ASK = ("--experiment", "ladder", "--metric", "val_loss")


def rows(params: float, last: int = 2000) -> list[tuple[float, int]]:
    steps = sorted({int(20 * (last / 20) ** (i / 11)) for i in range(12)})
    return [(0.5 + 30 * params**-0.4 + 6 * step**-0.45, step) for step in steps]


# --- the whole way -------------------------------------------------------------------------------


def test_forecasts_go_into_the_runs_and_writing_twice_changes_nothing(
    store: Store, unsl: Unsl
) -> None:
    runs = store.ladder()
    running = store.run("ladder", "running", {"params": 3e6}, rows(3e6, 200), status=None)
    store.client.set_tag(running, "mlflow.note.content", "my own words")
    ask = ("forecast", store.uri, *ASK, "--at", "params=10M", "--write")
    first = unsl(*ask)
    assert first.exit_code == 0, first.output
    before = store.dump()

    run = store.client.get_run(running)
    assert run.info.status == "RUNNING"
    assert run.data.metrics["unsl/val_loss/final_lo80"] < run.data.metrics["unsl/val_loss/final"]
    assert run.data.metrics["unsl/val_loss/target"] < run.data.metrics["unsl/val_loss/final"]
    history = store.client.get_metric_history(running, "unsl/val_loss/final")
    assert [metric.step for metric in history] == [200]
    note = run.data.tags["mlflow.note.content"]
    assert note.endswith("my own words")
    assert f"/get-artifact?path=unsl/forecast.png&run_id={running}" in note
    assert {store.client.get_run(each).info.status for each in runs} == {"FINISHED"}
    assert {each.path for each in store.client.list_artifacts(running, "unsl")} == {
        "unsl/forecast.html",
        "unsl/forecast.json",
        "unsl/forecast.png",
    }

    assert unsl(*ask).exit_code == 0
    assert store.dump() == before


def test_the_tracker_may_be_named_by_its_word(
    store: Store, unsl: Unsl, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.ladder()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    found = unsl("forecast", "mlflow", *ASK, "--json")
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)["runs"]) == 5


def test_runs_can_be_chosen_in_mlflows_own_language(store: Store, unsl: Unsl) -> None:
    store.ladder(optimizer="adam")
    store.run("ladder", "other", {"params": 2e4, "optimizer": "sgd"}, rows(5e3))
    chosen = ("--filter", "params.optimizer = 'adam'", "--json")
    found = unsl("forecast", store.uri, *ASK, *chosen)
    assert len(json.loads(found.stdout)["runs"]) == 5


def test_names_are_escaped_wherever_they_appear(store: Store, unsl: Unsl) -> None:
    nasty = '[red]日本[/red] <img src=x onerror=alert(1)> `|` "'
    store.ladder("ladder")
    run_id = store.run("ladder", nasty, {"params": 2e4}, rows(2e4))
    found = unsl("forecast", store.uri, *ASK, "--write")
    assert found.exit_code == 0, found.output
    assert "[red]日本[/red]" in found.stdout
    folder = store.client.download_artifacts(run_id, "unsl", str(store.file.parent))
    html = Path(folder, "forecast.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "[red]日本[/red] &lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img" not in store.client.get_run(run_id).data.tags["mlflow.note.content"]


# --- bad input: one clear message, and nothing is lost -------------------------------------------


def refused(found: Result, *said: str) -> None:
    """Status 1 and a message that names the rule, the value and the next step."""
    assert found.exit_code == 1, found.output
    assert "Traceback" not in found.output
    for text in said:
        assert text in found.output


def test_no_such_experiment(store: Store, unsl: Unsl) -> None:
    store.ladder()
    refused(unsl("forecast", store.uri, "-e", "leiter", "-m", "val_loss"), "'leiter'", "ladder")


def test_no_such_metric(store: Store, unsl: Unsl) -> None:
    store.ladder()
    refused(unsl("forecast", store.uri, "-e", "ladder", "-m", "loss"), "'loss'", "val_loss")


def test_an_empty_experiment(store: Store, unsl: Unsl) -> None:
    store.experiment("ladder")
    refused(unsl("forecast", store.uri, *ASK), "must have runs", "'ladder'", "Log runs")


def test_a_metric_that_one_run_logged_once(store: Store, unsl: Unsl) -> None:
    store.ladder()
    store.run("ladder", "odd", {"params": 5}, [(1.0, 1)], metric="odd_loss")
    refused(unsl("forecast", store.uri, "-e", "ladder", "-m", "odd_loss"), "odd_loss")


def test_a_metric_that_one_run_logged_often_is_forecast_along_its_curve(
    store: Store, unsl: Unsl
) -> None:
    store.ladder()
    store.run("ladder", "odd", {"params": 5}, rows(1e4), metric="odd_loss", status=None)
    found = unsl(
        "forecast", store.uri, "-e", "ladder", "-m", "odd_loss", "--horizon", "step=9000", "--json"
    )
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    assert [axis["name"] for axis in content["runs"][0]["evidence"]["axes"]] == ["step"]
    assert content["runs"][0]["answers"][0]["point"] == {"step": 9000}


def test_an_axis_that_is_the_same_on_all_runs(store: Store, unsl: Unsl) -> None:
    store.ladder(depth=4)
    found = unsl("forecast", store.uri, *ASK, "--axes", "depth,step")
    refused(found, "depth", "the same")


def test_an_axis_that_is_text(store: Store, unsl: Unsl) -> None:
    store.ladder(size="large")
    refused(unsl("forecast", store.uri, *ASK, "--axes", "size,step"), "size", "'large'")


def test_values_that_no_law_can_take_are_reported_and_the_rest_is_used(
    store: Store, unsl: Unsl
) -> None:
    store.ladder()
    bad = [(math.nan, 1), (math.inf, 2), (-math.inf, 3), (0.0, 4), (-1.0, 5), *rows(2e4)]
    store.run("ladder", "bad", {"params": 2e4}, bad)
    found = unsl("forecast", store.uri, *ASK, "--json")
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    dropped = {each["why"]: each["what"] for each in content["dropped"]}
    for why in ("the value is NaN", "the value is inf", "the value is -inf"):
        assert dropped[why] == "1 row of 1 run (bad)"
    assert any(what == "2 rows of 1 run (bad)" for what in dropped.values())
    assert len(content["runs"]) == 6


def test_steps_that_come_twice_out_of_order_and_after_a_resume(store: Store, unsl: Unsl) -> None:
    store.ladder()
    clean = rows(2e4)
    wild = [*reversed(clean), *clean, (9.0, clean[-1][1]), *clean[6:]]
    store.run("ladder", "clean", {"params": 2e4}, clean)
    store.run("ladder", "wild", {"params": 2e4}, wild)
    found = unsl("forecast", store.uri, *ASK, "--json")
    assert found.exit_code == 0, found.output
    content = json.loads(found.stdout)
    finals = {
        run["run"]["name"]: next(a["median"] for a in run["answers"] if a["name"] == "final")
        for run in content["runs"]
    }
    assert finals["wild"] == pytest.approx(finals["clean"], rel=1e-6)
    assert any("wild" in each["what"] for each in content["dropped"])


def test_an_axis_that_some_runs_lack(store: Store, unsl: Unsl) -> None:
    store.ladder()
    store.run("ladder", "without", {"colour": "red"}, rows(1e4))
    found = unsl("forecast", store.uri, *ASK, "--axes", "params,step", "--group", "")
    assert found.exit_code == 0, found.output
    assert "1 run (without)" in found.stdout
    assert "param `params` is missing" in found.stdout


def test_a_store_that_may_not_be_written_to(store: Store, unsl: Unsl) -> None:
    store.ladder()
    before = store.dump()
    read_only = f"sqlite:///file:{store.file}?mode=ro&uri=true"
    found = unsl("forecast", read_only, *ASK, "--write")
    refused(found, "5 runs could not be written")
    assert "val_loss of experiment" in found.stdout  # the forecasts are not lost
    assert {name: value for name, value in store.dump().items() if name != "files"} == {
        name: value for name, value in before.items() if name != "files"
    }


def test_a_file_that_is_no_store(store: Store, unsl: Unsl) -> None:
    missing = store.file.with_name("nowhere.db")
    refused(unsl("forecast", f"sqlite:///{missing}", *ASK), "nowhere.db")
    assert not missing.exists()


def test_a_file_of_something_else(store: Store, unsl: Unsl) -> None:
    other = store.file.with_name("other.db")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    found = unsl("forecast", f"sqlite:///{other}", *ASK)
    assert found.exit_code == 1, found.output
    assert "Traceback" not in found.output


@pytest.mark.slow
def test_a_server_that_is_down(unsl: Unsl) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    found = unsl("forecast", f"http://127.0.0.1:{port}", *ASK)
    refused(found, f"127.0.0.1:{port}")


@pytest.mark.slow
def test_a_server_that_never_answers(unsl: Unsl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = unsl("forecast", f"http://127.0.0.1:{port}", *ASK)
    refused(found, f"127.0.0.1:{port}")
