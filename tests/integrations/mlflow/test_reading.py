"""Experiments and runs: found by name or id, and missed with a helpful word."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker, reader
from unsl_tracking.errors import NotFound, TrackerError

NOW = 1_700_000_000_000
HOSTILE = "[bold]<script>alert('größe')</script>[/bold] | 漢字 🚀"


def test_an_experiment_is_found_by_its_id(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("scaling")
    run_id = sqlite_user.new_run("scaling", name="only")
    experiment = sqlite_user.client.get_experiment_by_name("scaling").experiment_id
    (run,) = MlflowTracker(sqlite_uri).runs(experiment)
    assert (run.id, run.experiment) == (run_id, "scaling")


def test_a_name_goes_before_an_id(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("0")  # the default experiment has this id
    run_id = sqlite_user.new_run("0")
    assert [run.id for run in MlflowTracker(sqlite_uri).runs("0")] == [run_id]


def test_a_misspelt_experiment_brings_near_names(sqlite_uri: str, sqlite_user: Any) -> None:
    for name in ("Scaling-Widths", "vision", HOSTILE):
        sqlite_user.new_experiment(name)
    with pytest.raises(NotFound, match=r"scaling-width'.*Near to it: 'Scaling-Widths'"):
        MlflowTracker(sqlite_uri).runs("scaling-width")


def test_an_unknown_experiment_brings_the_names_that_there_are(
    sqlite_uri: str, sqlite_user: Any
) -> None:
    sqlite_user.new_experiment("vision")
    with pytest.raises(NotFound, match=r"'999'.*Experiments there: 'Default', 'vision'"):
        MlflowTracker(sqlite_uri).runs("999")


def test_a_deleted_experiment_is_not_found_and_can_be_restored(
    sqlite_uri: str, sqlite_user: Any
) -> None:
    sqlite_user.new_experiment("gone")
    found = sqlite_user.client.get_experiment_by_name("gone").experiment_id
    sqlite_user.client.delete_experiment(found)
    with pytest.raises(NotFound, match=f"deleted.*restore -x {found}"):
        MlflowTracker(sqlite_uri).runs("gone")


def test_runs_are_filtered_as_mlflow_does(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("e")
    sqlite_user.new_run("e", params={"optimizer": "sgd"})
    wanted = sqlite_user.new_run("e", params={"optimizer": "adam"})
    runs = MlflowTracker(sqlite_uri).runs("e", filter="params.optimizer = 'adam'")
    assert [run.id for run in runs] == [wanted]


def test_a_filter_that_mlflow_cannot_read_is_named(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("e")
    with pytest.raises(TrackerError, match=r"filter .*got 'width >> 3'.*params\.optimizer"):
        MlflowTracker(sqlite_uri).runs("e", filter="width >> 3")


def test_runs_of_several_pages_are_all_listed(
    sqlite_uri: str, sqlite_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_PAGE", 3)
    sqlite_user.new_experiment("e")
    made = [sqlite_user.new_run("e") for _ in range(8)]
    assert sorted(run.id for run in MlflowTracker(sqlite_uri).runs("e")) == sorted(made)
    for number in range(4):
        sqlite_user.new_experiment(f"other {number}")
    assert len(MlflowTracker(sqlite_uri).experiments()) == 6


def test_a_run_on_a_server_has_a_link_to_its_page(server: Any, server_user: Any) -> None:
    server_user.new_experiment("e")
    run_id = server_user.new_run("e")
    (run,) = MlflowTracker(server.uri.replace("//", "//user:secret@")).runs("e")
    experiment = server_user.client.get_experiment_by_name("e").experiment_id
    assert run.url == f"{server.uri}/#/experiments/{experiment}/runs/{run_id}"


def test_a_run_in_a_file_has_no_page(sqlite_uri: str, sqlite_user: Any) -> None:
    sqlite_user.new_experiment("e")
    sqlite_user.new_run("e")
    assert MlflowTracker(sqlite_uri).runs("e")[0].url is None


@pytest.mark.parametrize("where", ["sqlite", "server"])
def test_infinity_is_the_latest_value_of_a_run_that_diverged(
    where: str, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(f"{where}_user")
    uri = user.client.tracking_uri
    user.new_experiment("e")
    run_id = user.new_run("e")
    user.log(run_id, "up", [(math.inf, 1, NOW)])
    user.log(run_id, "down", [(-math.inf, 1, NOW)])
    (run,) = MlflowTracker(uri).runs("e")
    assert run.metrics == {"up": math.inf, "down": -math.inf}


def test_hostile_names_are_quoted_in_errors_and_kept_in_runs(server: Any, server_user: Any) -> None:
    server_user.new_experiment(HOSTILE)
    run_id = server_user.new_run(HOSTILE, name=HOSTILE, params={"p": HOSTILE})
    tracker = MlflowTracker(server.uri)
    (run,) = tracker.runs(HOSTILE)
    assert (run.id, run.name, run.experiment, run.params["p"]) == (run_id, *[HOSTILE] * 3)
    with pytest.raises(NotFound) as missed:
        tracker.runs(HOSTILE + "?")
    assert repr(HOSTILE) in str(missed.value)


def test_without_a_uri_mlflows_own_variable_counts(
    sqlite_uri: str, sqlite_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_user.new_experiment("e")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri)
    tracker = MlflowTracker()
    assert tracker.uri == sqlite_uri and "e" in tracker.experiments()
