"""Runs and histories of W&B: everything that was logged, as what it was logged."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.user import STEP, User
from tests.waiting import LIMIT, until
from unsl_tracking.errors import NotFound, TrackerError
from unsl_wandb import WandbTracker

NOW = 1_700_000_000


def rows_of(count: int, *, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [
        {"_step": i, "_timestamp": NOW + i, "loss": 1 / (1 + i), **more}
        for i in range(first, first + count)
    ]


def steps(frame: pd.DataFrame, metric: str = "loss") -> list[int]:
    return list(map(int, frame[frame["metric"] == metric]["step"]))


def test_a_run_of_the_sdk_is_read_with_its_config_labels_and_summary(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run(
        "p",
        name="wide",
        params={"width": 64, "opt": {"name": "adam", "betas": [0.9, 0.95]}, "debug": True},
        tags={"team": "vision"},
        group="sweep 1",
        job_type="train",
        counts=False,
    )
    user.sdk_run(path).summary["n_params"] = 12_000
    user.log_rows(path, [{"loss": 2.0, "val": {"acc": 0.5}, "q.r": 1}])
    user.finish(path)
    (run,) = tracker.runs("p")
    assert run.id == path and run.name == "wide" and run.status == "FINISHED"
    assert run.config == {
        "width": 64,
        "opt.name": "adam",
        "opt.betas": [0.9, 0.95],
        "debug": True,
    }
    assert run.params["opt.betas"] == "[0.9, 0.95]" and run.params["debug"] == "True"
    assert run.metrics == {"loss": 2.0, "val.acc": 0.5, "q.r": 1.0}
    assert run.metric_steps == {"loss": 0, "val.acc": 0, "q.r": 0}
    labels = {"team": "vision", "wandb.group": "sweep 1", "wandb.job_type": "train"}
    assert labels.items() <= run.tags.items()
    # A value that only the summary has is no setting: as one it would split every group.
    assert run.tags["summary.n_params"] == "12000" and "n_params" not in run.params
    assert run.url == f"{user.server.uri}/team/p/runs/{path.rpartition('/')[2]}"
    frame = tracker.history([run], ["loss", "val.acc", "q.r"]).frame
    assert frame["value"].tolist() == [2.0, 1.0, 0.5]


def test_filters_are_those_of_wandb(tracker: WandbTracker, server: WandbServer) -> None:
    for width in (8, 16, 32):
        server.put("p", f"w{width}", rows_of(3), config={"width": width})
    server.put("p", "going", rows_of(3), config={"width": 64}, state="running")
    found = tracker.runs("p", filter='{"config.width": {"$gt": 8}, "state": "finished"}')
    assert [run.id for run in found] == ["team/p/w16", "team/p/w32"]
    with pytest.raises(TrackerError, match="must be JSON"):
        tracker.runs("p", filter="width > 8")
    with pytest.raises(TrackerError, match="that W&B understands.*unknown operator"):
        tracker.runs("p", filter='{"config.width": {"$above": 8}}')


def test_all_pages_of_runs_are_listed(tracker: WandbTracker, server: WandbServer) -> None:
    for number in range(230):
        server.put("p", f"r{number}", rows_of(1))
    assert len(tracker.runs("p")) == 230
    assert server.count("UnslRuns") == 3


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("running", "RUNNING"),
        ("preempting", "RUNNING"),
        ("pending", "SCHEDULED"),
        ("crashed", "FAILED"),
        ("failed", "FAILED"),
        ("killed", "KILLED"),
        ("preempted", "KILLED"),
    ],
)
def test_states_are_told_in_our_words(
    tracker: WandbTracker, server: WandbServer, state: str, status: str
) -> None:
    server.put("p", "r", rows_of(3), state=state)
    (run,) = tracker.runs("p")
    assert run.status == status
    assert (run.ended is not None) == run.finished


def test_an_unknown_project_is_not_found_and_near_ones_are_named(
    tracker: WandbTracker, server: WandbServer
) -> None:
    server.put("ladder", "r", rows_of(1))
    with pytest.raises(NotFound, match="but got 'laddder'. Near to it: 'ladder'"):
        tracker.runs("laddder")


def test_the_address_names_the_only_experiment(
    server: WandbServer, environment: dict[str, str]
) -> None:
    server.put("one", "r", rows_of(1))
    server.put("two", "r", rows_of(1))
    assert WandbTracker("wandb://team/one").experiments() == ["one"]
    assert WandbTracker("wandb://team").experiments() == ["one", "two"]
    assert WandbTracker().experiments() == ["one", "two"], "the entity is that of the settings"
    assert WandbTracker("wandb://team/one").experiment == "one"


def test_many_histories_come_in_few_requests(tracker: WandbTracker, server: WandbServer) -> None:
    for number in range(60):
        server.put("p", f"r{number:02d}", rows_of(500))
    frame = tracker.history(tracker.runs("p"), ["loss"]).frame
    assert frame.groupby("run_id").size().tolist() == [500] * 60
    assert server.count("UnslHistories") == 3


def test_a_long_history_is_read_in_windows_and_whole(
    tracker: WandbTracker, server: WandbServer
) -> None:
    server.put("p", "r", rows_of(120_000))
    frame = tracker.history(tracker.runs("p"), ["loss"]).frame
    assert steps(frame) == list(range(120_000))
    assert server.count("UnslHistories") == 3


def test_a_server_that_thins_out_is_found_out_and_the_run_is_scanned(
    tracker: WandbTracker, server: WandbServer, user: User
) -> None:
    rows = rows_of(900)
    server.put("p", "r", [row | ({} if row["_step"] % 7 else {"val": 1.0}) for row in rows])
    server.store.most_samples = 100
    frame = tracker.history(tracker.runs("p"), ["loss", "val"]).frame
    assert steps(frame) == list(range(900))
    assert steps(frame, "val") == list(range(0, 900, 7))


def test_exported_rows_are_read_too(tracker: WandbTracker, server: WandbServer, user: User) -> None:
    """Some rows in a parquet file and the others live, as after an export by the server."""
    run = server.put("p", "r", rows_of(900))
    run.exported = 600
    server.store.most_samples = 100
    frame = tracker.history(tracker.runs("p"), ["loss"]).frame
    assert steps(frame) == list(range(900))


def test_rows_that_the_server_has_lost_are_told(
    tracker: WandbTracker, server: WandbServer, user: User
) -> None:
    run = server.put("p", "r", rows_of(300))
    run.lost = 40
    with pytest.warns(UserWarning, match="has 300 rows, of which W&B hands out 260"):
        frame = tracker.history(tracker.runs("p"), ["loss"]).frame
    assert len(frame) == 260


def test_polling_asks_for_the_new_rows_only(tracker: WandbTracker, server: WandbServer) -> None:
    server.put("p", "done", rows_of(400))
    server.put("p", "going", rows_of(400), state="running")
    first = tracker.history(tracker.runs("p"), ["loss", "never"])
    before = server.count("UnslHistories")
    idle = tracker.history(tracker.runs("p"), ["loss", "never"], since=first.cursor)
    assert idle.frame.empty and server.count("UnslHistories") == before
    server.put("p", "going", rows_of(5, first=400), state="running")
    new = tracker.history(tracker.runs("p"), ["loss", "never"], since=idle.cursor)
    assert steps(new.frame) == [400, 401, 402, 403, 404]
    assert set(new.frame["run_id"]) == {"team/p/going"}


def test_rewound_rows_are_read_again_once_the_run_ends(
    tracker: WandbTracker, server: WandbServer
) -> None:
    run = server.put("p", "r", rows_of(100), state="running")
    cursor = tracker.history(tracker.runs("p"), ["loss"]).cursor
    run.write_lines(50, [])
    del run.lines[50:]
    server.put("p", "r", [{**row, "loss": 7.0} for row in rows_of(30, first=50)])
    frame = tracker.history(tracker.runs("p"), ["loss"], since=cursor).frame
    assert steps(frame) == list(range(80))
    assert frame["value"].tolist()[50:] == [7.0] * 30


def test_the_step_metric_that_the_user_defined_counts_the_steps(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run("p")
    evaluation = {"val_loss": 2.5}  # of the state after step 500
    user.log_rows(path, [{"loss": 3.0, STEP: 0}, {"loss": 2.0, STEP: 500}, evaluation])
    frame = tracker.history(tracker.runs("p"), ["loss", "val_loss", STEP]).frame
    assert steps(frame) == [0, 500]
    assert steps(frame, "val_loss") == [500]
    assert steps(frame, STEP) == [0, 500, 500]
    (run,) = tracker.runs("p")
    assert run.metric_steps == {"loss": 500, "val_loss": 500, STEP: 500}


def test_a_row_without_the_step_metric_has_that_of_the_row_before(
    tracker: WandbTracker, server: WandbServer
) -> None:
    """As `define_metric(…, step_sync=False)` leaves them; also across a reading."""
    values: list[dict[str, Any]] = [{"loss": 9.0}, {"k": 10}, {"loss": 8.0}, {"k": 20}]
    later: list[dict[str, Any]] = [{"loss": 7.0}, {"k": 30}, {"loss": 6.0}, {"loss": 5.0, "k": 40}]
    rows = [{"_step": i, "_timestamp": NOW + i, **row} for i, row in enumerate(values + later)]
    run = server.put("p", "r", rows[:4], state="running")
    run.config["_wandb"] = {"value": {"m": [{"1": "k"}, {"2": "lo*", "5": 1}]}}
    first = tracker.history(tracker.runs("p"), ["loss"])
    assert steps(first.frame) == [0, 10]
    server.put("p", "r", rows[4:], state="running")
    second = tracker.history(tracker.runs("p"), ["loss"], since=first.cursor)
    assert steps(second.frame) == [20, 30, 40]


def test_steps_in_fractions_are_no_steps(tracker: WandbTracker, user: User) -> None:
    path = user.new_run("p", counts=False)
    user.sdk_run(path).define_metric("loss", step_metric="epoch")
    for i in range(4):
        user.sdk_run(path).log({"loss": 1.0, "epoch": i / 2})
    user.finish(path)
    assert steps(tracker.history(tracker.runs("p"), ["loss"]).frame) == [0, 1, 2, 3]


def test_a_metric_keeps_its_way_of_counting_while_it_is_polled(
    tracker: WandbTracker, server: WandbServer
) -> None:
    """The definition of a step metric reaches the server seconds after the first rows."""
    rows = [{**row, "tokens": 10 * row["_step"]} for row in rows_of(30)]
    run = server.put("p", "r", rows[:10], state="running")
    first = tracker.history(tracker.runs("p"), ["loss"])
    defined = {"m": [{"1": "tokens"}, {"1": "loss", "5": 1}]}
    run.config["_wandb"] = {"value": defined}
    server.put("p", "r", rows[10:], state="finished")
    second = tracker.history(tracker.runs("p"), ["loss"], since=first.cursor)
    both = pd.concat([first.frame, second.frame]).drop_duplicates()
    assert steps(both.sort_values("step")) == list(range(30)), "nothing comes twice"
    fresh = tracker.history(tracker.runs("p"), ["loss"]).frame
    assert steps(fresh) == list(range(0, 300, 10))


def test_runs_that_are_written_while_they_are_read_come_whole_and_once(
    tracker: WandbTracker, user: User
) -> None:
    """Three processes' worth of real runs log on while a poller reads; the union is everything."""
    paths = [user.new_run("p", counts=False) for _ in range(3)]
    sdk_runs = [user.sdk_run(path) for path in paths]
    rng = np.random.default_rng(0)
    logged: dict[str, list[float]] = {path: [] for path in paths}
    begun, seen_enough = time.monotonic(), threading.Event()

    def train() -> None:
        while not seen_enough.is_set():
            for path, run in zip(paths, sdk_runs, strict=True):
                value = float(rng.uniform(0.1, 1))
                run.log({"loss": value})
                logged[path].append(value)
            time.sleep(0.002)

    training = threading.Thread(target=train, daemon=True)
    training.start()
    frames, cursor, polls = [], None, 0
    try:
        while time.monotonic() < begun + (4 if polls >= 2 else 90):  # a busy machine sends late
            frame, cursor = tracker.history(tracker.runs("p"), ["loss"], since=cursor)
            frames.append(frame)
            polls += len(frame) > 0
    finally:
        seen_enough.set()
        training.join(LIMIT)
    assert not training.is_alive()
    for path in paths:
        user.finish(path)
    frames.append(tracker.history(tracker.runs("p"), ["loss"], since=cursor).frame)
    seen = pd.concat(frames).drop_duplicates().sort_values(["run_id", "step"])
    assert polls >= 2, "it was read while it was written"
    for path in paths:
        mine = seen[seen["run_id"] == path]
        assert mine["value"].tolist() == logged[path]
        assert mine["step"].tolist() == list(range(len(logged[path])))


def test_a_run_goes_on_through_a_restart_of_the_server_and_nothing_is_lost(
    tracker: WandbTracker, user: User, server: WandbServer
) -> None:
    path = user.new_run("p", counts=False)
    run = user.sdk_run(path)
    for i in range(50):
        run.log({"loss": float(i)})
    until(lambda: len(user.stored(path).lines) == 50)
    first = tracker.history(tracker.runs("p"), ["loss"])
    server.kill()
    for i in range(50, 90):
        run.log({"loss": float(i)})
    time.sleep(1.5)  # the SDK tries, and fails
    server.start()
    user.finish(path)
    second = tracker.history(tracker.runs("p"), ["loss"], since=first.cursor).frame
    seen = pd.concat([first.frame, second]).drop_duplicates()
    assert sorted(seen["value"]) == [float(i) for i in range(90)]


def test_the_summary_as_the_user_defined_it_does_not_hide_the_last_value(
    tracker: WandbTracker, user: User
) -> None:
    path = user.new_run("p", counts=False)
    user.sdk_run(path).define_metric("loss", summary="min")
    user.log_rows(path, [{"loss": 2.0}, {"loss": 1.0}, {"loss": 3.0}])
    (run,) = tracker.runs("p")
    assert json.loads(json.dumps(user.stored(path).summary))["loss"] == {"min": 1}
    assert run.metrics["loss"] == 3.0
