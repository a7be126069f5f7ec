"""Forecasts in runs that belong to somebody else, who may still be writing to them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.user import User
from tests.waiting import until
from unsl_wandb import WandbTracker

VALUES = {"unsl/loss/final": 1.5, "unsl/loss/final_lo80": 1.25}


def test_in_an_ended_run_the_values_stand_in_its_summary_beside_the_users(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run("p", params={"width": 8}, tags={"team": "vision"}, counts=False)
    user.sdk_run(path).summary["best"] = {"loss": 1.75, "step": 3}
    user.log_rows(path, [{"loss": 2.0, "odd": float("nan")}])
    user.finish(path)
    before = json.dumps(user.stored(path).summary)
    config, lines = json.dumps(user.stored(path).config), list(user.stored(path).lines)
    tracker.log_metrics(path, VALUES, step=70)
    tracker.set_tags(path, {"unsl.final": "1.5 (80%: 1.25–1.75)"})
    run = user.stored(path)
    theirs = {key: each for key, each in run.summary.items() if not key.startswith("unsl")}
    assert json.dumps(theirs) == before
    assert run.summary["unsl/loss/final"] == 1.5
    assert run.summary["unsl.final"] == "1.5 (80%: 1.25–1.75)"
    assert (json.dumps(run.config), run.lines, run.tags) == (config, lines, ["team:vision"])
    assert run.state == "finished"
    (listed,) = tracker.runs("p")
    assert listed.metrics["unsl/loss/final"] == 1.5 and listed.metrics["loss"] == 2.0
    assert listed.metric_steps["unsl/loss/final"] == 70
    assert listed.tags["unsl.final"] == "1.5 (80%: 1.25–1.75)"


def test_writing_the_same_twice_sends_no_change(tracker: WandbTracker, server: WandbServer) -> None:
    server.put("p", "r", [{"_step": 0, "_timestamp": 1.0, "loss": 2.0}])

    def write() -> None:
        tracker.log_metrics("team/p/r", VALUES, step=70)
        tracker.set_tags("team/p/r", {"unsl.verdict": "GO"})
        tracker.set_card("team/p/r", "the card")

    write()
    changes = (server.count("UnslUpdate"), server.count("PUT"))
    assert changes == (3, 2)
    write()
    assert (server.count("UnslUpdate"), server.count("PUT")) == changes


def test_what_is_written_into_a_running_run_outlives_what_its_process_sends(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run("p", notes="my own words", counts=False)
    run = user.sdk_run(path)
    run.log({"loss": 2.0})
    until(lambda: user.stored(path).summary.get("loss") == 2.0)
    tracker.log_metrics(path, VALUES, step=0)
    tracker.set_tags(path, {"unsl.verdict": "GO"})
    tracker.log_artifact(path, "unsl/forecast.json", b"{}")
    assert not any(key.startswith("unsl") for key in user.stored(path).summary), (
        "the process would take it away again, and until then it could hide a newer summary"
    )
    run.log({"loss": 1.0})
    run.summary["best"] = 1.0
    until(lambda: user.stored(path).summary.get("best") == 1.0)
    (listed,) = tracker.runs("p")
    assert listed.status == "RUNNING" and listed.metrics.items() >= VALUES.items()
    user.finish(path)
    assert user.stored(path).summary["loss"] == 1.0
    assert tracker.read_artifact(path, "unsl/forecast.json") == b"{}"
    frame = tracker.history(tracker.runs("p"), ["unsl/loss/final"]).frame
    assert frame[["step", "value"]].to_numpy().tolist() == [[0, 1.5]]
    tracker.log_metrics(path, VALUES, step=0)  # now that it has ended, it can be shown
    assert user.stored(path).summary["unsl/loss/final"] == 1.5
    assert user.stored(path).summary["loss"] == 1.0


def test_the_card_stands_in_the_notes_while_the_run_goes_on(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run("p", notes="my own words", counts=False)
    tracker.set_card(path, "will end near 2.1")
    user.sdk_run(path).log({"loss": 2.0})
    user.finish(path)
    notes = user.read_note(path)
    assert "my own words" in notes and "will end near 2.1" in notes


def test_a_server_without_marks_for_uploads_is_written_to_all_the_same(
    tracker: WandbTracker, server: WandbServer
) -> None:
    server.store.features.clear()
    server.put("p", "r", [])
    tracker.log_artifact("team/p/r", "unsl/forecast.json", b"{}")
    assert tracker.read_artifact("team/p/r", "unsl/forecast.json") == b"{}"
    assert server.count("UnslUploaded") == 0
