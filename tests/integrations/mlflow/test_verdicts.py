"""A gate's verdict in MLflow: tags of the experiment, tags and aliases of registered models."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker
from unsl_tracking.runs.verdict import Verdict

HOSTILE = "[bold]<img src=x onerror=alert(1)>[/bold] | größe 漢字 🚀"
GO = Verdict("GO", {"unsl.gate": "GO", "unsl.gate.reason": HOSTILE})
NO_GO = Verdict("NO-GO", {"unsl.gate": "NO-GO", "unsl.gate.reason": "no"})
UNDECIDED = Verdict("UNDECIDED", {"unsl.gate": "UNDECIDED"})


@pytest.fixture(params=["sqlite", "server"])
def user(request: pytest.FixtureRequest) -> Any:
    made = request.getfixturevalue(f"{request.param}_user")
    made.new_experiment("e")
    return made


@pytest.fixture
def tracker(user: Any) -> MlflowTracker:
    return MlflowTracker(user.client.tracking_uri)


def registered(user: Any, name: str, *run_ids: str) -> None:
    """A model with a version of each run, as `mlflow.register_model` leaves it."""
    user.client.create_registered_model(name)
    for run_id in run_ids:
        source = user.client.get_run(run_id).info.artifact_uri
        user.client.create_model_version(name, source=source, run_id=run_id)


def aliases(user: Any, name: str) -> dict[str, str]:
    found = user.client.get_registered_model(name).aliases
    return {alias: str(version) for alias, version in found.items()}


def test_the_experiments_tags_say_the_verdict_and_keep_the_users_own(
    tracker: MlflowTracker, user: Any
) -> None:
    number = user.client.get_experiment_by_name("e").experiment_id
    user.client.set_experiment_tag(number, "team", "vision")
    tracker.set_verdict("e", [], GO)
    tracker.set_verdict("e", [], NO_GO)
    tags = user.client.get_experiment_by_name("e").tags
    assert (tags["team"], tags["unsl.gate"], tags["unsl.gate.reason"]) == ("vision", "NO-GO", "no")


def test_the_alias_goes_to_the_newest_version_that_these_runs_produced(
    tracker: MlflowTracker, user: Any
) -> None:
    first, second, other = (user.new_run("e", name=name) for name in ("a", "b", "c"))
    registered(user, "größe | model", first, second, other)
    registered(user, "untouched", other)
    marked = tracker.set_verdict("e", [first, second], GO)
    assert marked == ("e", "größe | model:2")
    assert aliases(user, "größe | model") == {"unsl-go": "2"}
    version = user.client.get_model_version("größe | model", "2")
    assert (version.tags["unsl.gate"], version.tags["unsl.gate.reason"]) == ("GO", HOSTILE)
    assert aliases(user, "untouched") == {}


def test_a_later_verdict_replaces_the_alias_and_leaves_the_users_aliases(
    tracker: MlflowTracker, user: Any
) -> None:
    run_id = user.new_run("e")
    registered(user, "model", run_id)
    user.client.set_registered_model_alias("model", "champion", "1")
    for verdict in (GO, UNDECIDED, NO_GO, NO_GO):
        tracker.set_verdict("e", [run_id], verdict)
    assert aliases(user, "model") == {"champion": "1", "unsl-no-go": "1"}
