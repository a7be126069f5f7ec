"""Writing into runs of other people."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker
from unsl_tracking.errors import TrackerError

NOW = 1_700_000_000_000
HOSTILE = "[bold]<img src=x onerror=alert(1)>[/bold] | größe 漢字 🚀"
LIMIT = 8000


@pytest.fixture(params=["sqlite", "server"])
def user(request: pytest.FixtureRequest) -> Any:
    made = request.getfixturevalue(f"{request.param}_user")
    made.new_experiment("e")
    return made


@pytest.fixture
def tracker(user: Any) -> MlflowTracker:
    return MlflowTracker(user.client.tracking_uri)


@pytest.fixture
def run_id(user: Any) -> str:
    return str(user.new_run("e", name=HOSTILE))


def everything(user: Any, run_id: str) -> Any:
    """All that MLflow knows of a run."""
    run = user.client.get_run(run_id)
    histories = {
        name: [(m.step, m.timestamp, m.value) for m in user.client.get_metric_history(run_id, name)]
        for name in run.data.metrics
    }
    return run.to_dictionary(), histories, user.files(run_id)


def forecast(tracker: MlflowTracker, run_id: str, step: int = 70) -> None:
    """As `unsl forecast --write` does."""
    names = ("final", "final_lo80", "final_hi80")
    values = {f"unsl/val_loss/{name}": 2.0 + i / 3 for i, name in enumerate(names)}
    tracker.log_metrics(run_id, values, step=step)
    tracker.log_artifact(run_id, "unsl/forecast.json", b'{"median": 2.0}')
    tracker.log_artifact(run_id, "unsl/forecast.html", "<p>größe</p>".encode())
    tracker.set_tags(run_id, {"unsl.verdict": "GO", "unsl.name": HOSTILE})
    tracker.set_card(run_id, f"**GO** {HOSTILE}")


@pytest.mark.parametrize("status", ["RUNNING", "FINISHED"])
def test_a_forecast_written_twice_changes_nothing(
    tracker: MlflowTracker, user: Any, run_id: str, status: str
) -> None:
    user.log(run_id, "val_loss", [(3.0, 70, NOW)])
    if status != "RUNNING":
        user.finish(run_id, status)
    forecast(tracker, run_id)
    once = everything(user, run_id)
    forecast(tracker, run_id)
    assert everything(user, run_id) == once
    assert once[0]["info"]["status"] == status
    assert once[0]["info"]["run_name"] == HOSTILE


def test_another_tracker_does_not_repeat_what_this_one_wrote(
    tracker: MlflowTracker, user: Any, run_id: str
) -> None:
    forecast(tracker, run_id)
    once = everything(user, run_id)
    forecast(MlflowTracker(user.client.tracking_uri), run_id)
    assert everything(user, run_id) == once


def test_a_correction_at_the_same_step_is_the_newest_row_even_when_it_goes_back(
    tracker: MlflowTracker, user: Any, run_id: str
) -> None:
    for value in (2.0, 2.0, 1.0, 2.0, 2.0):
        tracker.log_metrics(run_id, {"unsl/loss/final": value}, step=5)
    assert user.client.get_run(run_id).data.metrics == {"unsl/loss/final": 2.0}
    assert len(user.client.get_metric_history(run_id, "unsl/loss/final")) == 3


def test_more_metrics_and_tags_than_a_request_holds_are_written(
    tracker: MlflowTracker, user: Any, run_id: str
) -> None:
    tracker.log_metrics(run_id, {f"unsl/m{i}/final": i / 7 for i in range(1001)}, step=1)
    tracker.set_tags(run_id, {f"unsl.t{i}": str(i) for i in range(101)})
    data = user.client.get_run(run_id).data
    assert len(data.metrics) == 1001
    assert sum(name.startswith("unsl.t") for name in data.tags) == 101


def test_a_metric_name_that_mlflow_refuses_is_told(tracker: MlflowTracker, run_id: str) -> None:
    with pytest.raises(TrackerError, match="unsl/p@1/final"):
        tracker.log_metrics(run_id, {"unsl/p@1/final": 1.0}, step=1)


def test_a_tag_that_mlflow_would_cut_off_is_refused(
    tracker: MlflowTracker, user: Any, run_id: str
) -> None:
    with pytest.raises(TrackerError, match="at most 8000 characters"):
        tracker.set_tags(run_id, {"unsl.long": "x" * (LIMIT + 1)})
    tracker.set_tags(run_id, {"unsl.long": "ß" * LIMIT})
    assert user.client.get_run(run_id).data.tags["unsl.long"] == "ß" * LIMIT


@pytest.mark.parametrize("words", ["\tfirst\r\n\n  größe 漢字 🚀 <b>&amp;</b>  \n\n", "ß" * 7000])
def test_the_users_note_is_kept_byte_for_byte(
    tracker: MlflowTracker, user: Any, run_id: str, words: str
) -> None:
    user.write_note(run_id, words)
    before = user.read_note(run_id)
    for length in (10, 20_000, 500, 20_000):
        tracker.set_card(run_id, "verdict " + "x" * length)
        note = user.read_note(run_id)
        assert before in note and "verdict xxx" in note
        assert len(note) <= LIMIT


def test_a_note_without_room_is_left_alone_and_a_tag_says_so(
    tracker: MlflowTracker, user: Any, run_id: str
) -> None:
    words = "w" * (LIMIT - 3)
    user.write_note(run_id, words)
    tracker.set_card(run_id, "verdict")
    assert user.read_note(run_id) == words
    assert "not shown" in user.client.get_run(run_id).data.tags["unsl.card"]
    user.write_note(run_id, "short again")
    tracker.set_card(run_id, "verdict")
    assert "verdict" in user.read_note(run_id)
    assert user.client.get_run(run_id).data.tags["unsl.card"] == ""


@pytest.mark.parametrize("name", ["größe 漢字.txt", "a b+c.json", "100%.md", "q?x=1&y.txt"])
def test_files_with_unusual_names_are_read_back(
    tracker: MlflowTracker, user: Any, run_id: str, name: str
) -> None:
    tracker.log_artifact(run_id, f"unsl/{name}", b"content")
    assert tracker.read_artifact(run_id, f"unsl/{name}") == b"content"
    assert user.files(run_id) == [f"unsl/{name}"]


def test_a_folder_is_not_a_file(tracker: MlflowTracker, run_id: str) -> None:
    tracker.log_artifact(run_id, "unsl/forecast.json", b"{}")
    with pytest.raises(TrackerError):
        tracker.read_artifact(run_id, "unsl")


def test_a_deleted_run_is_not_written_to(tracker: MlflowTracker, user: Any, run_id: str) -> None:
    user.delete(run_id)
    with pytest.raises(TrackerError, match=run_id):
        tracker.log_metrics(run_id, {"unsl/loss/final": 1.0}, step=1)
