"""A server that is away, slow or busy changes neither the user's rows nor the training's pace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import (
    Training,
    decision_of,
    ours,
    processes_of,
    train,
    users,
    users_rows,
)
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.server.store import Run
from tests.integrations.wandb.training import loss_at
from tests.waiting import until

pytestmark = pytest.mark.slow  # each trains in processes of its own

# So that retries fit into a test. Their number is unlimited by default.
QUICK = {
    "x_file_stream_transmit_interval": 0.1,
    **{
        f"x_{what}_retry_wait_{which}_seconds": seconds
        for what in ("file_stream", "file_transfer", "graphql")
        for which, seconds in (("min", 0.1), ("max", 0.5))
    },
}
SHORT: dict[str, Any] = {"rows": 60, "flush_every": 20, "settings": QUICK}
HORIZON = {"horizon": {"step": 200}}
TARGET = {"stop": {"target": 0.5, "dry_run": True, "min_fraction": 0, "patience": 1}, **HORIZON}


def longest(times: list[float]) -> float:
    """The longest call but two, which the machine may have interrupted."""
    return sorted(times)[-3]


def expected(rows: int) -> list[dict[str, Any]]:
    """The user's rows in the style "auto"."""
    clock = {"_timestamp": ..., "_runtime": ...}
    return [{"loss": loss_at(i), "acc": i / 1000, "_step": i, **clock} for i in range(rows)]


def test_a_server_that_dies_and_comes_back_has_every_row(
    server: WandbServer, tmp_path: Path
) -> None:
    with Training(server, tmp_path, "run", **SHORT, stations=[20, 45]) as training:
        here = training.reach(20)
        until(lambda: len(training.run.rows()) > 10)
        server.kill()
        here.unlink()  # 25 rows and a forecast while nobody listens
        there = training.reach(45)
        server.start()
        there.unlink()
        result = training.wait()
        run = training.run
    assert users_rows(run) == expected(60)
    assert result["errors"] == {}
    assert longest(result["times"]) < 0.5
    assert [step for step, _ in ours(run)] == [20, 40]
    assert run.summary["unsl/loss/at"] == 59
    assert decision_of(run)["schema"] == "unsl.decision/1"


@pytest.mark.parametrize("status", [429, 503])
def test_requests_that_are_refused_for_a_while_are_sent_again(
    server: WandbServer, tmp_path: Path, status: int
) -> None:
    refused = ["UpsertBucket", "file_stream", "CreateRunFiles", "NotifyScriptableRunAlert"]
    for what in refused:
        server.fail(what, times=2, status=status, headers={"Retry-After": "1"})
    run, result = train(server, tmp_path, "run", **SHORT, attach=TARGET)
    assert all(server.count(what) >= 3 for what in refused)
    assert users_rows(run) == expected(60)
    assert result["errors"] == {}
    assert longest(result["times"]) < 0.5
    assert decision_of(run)["schema"] == "unsl.decision/1"
    assert [alert["title"] for alert in server.store.alerts] == ["loss: doomed (dry run)"]


def test_a_slow_server_is_never_waited_for_in_training(server: WandbServer, tmp_path: Path) -> None:
    server.faults.delay = 0.5
    run, result = train(server, tmp_path, "run", **SHORT, attach=TARGET)
    assert users_rows(run) == expected(60)
    assert longest(result["times"]) < 0.25  # half of what one request takes
    assert len(ours(run)) == 2


def test_a_run_that_is_resumed_goes_on_with_its_steps_and_its_curve(
    server: WandbServer, tmp_path: Path
) -> None:
    for name, plugin in (("plain", False), ("run", True)):
        train(server, tmp_path, name, **SHORT, plugin=plugin)
        more = {**SHORT, "rows": 5, "first": 60, "init": {"resume": "must"}, "plugin": plugin}
        run, result = train(server, tmp_path, name, **more)
        assert result["first_step"] == 60
    assert users_rows(run) == users_rows(server.run("team/live/plain"))
    assert users(run.summary) == users(server.run("team/live/plain").summary)
    assert [row["_step"] for row in run.rows()] == list(range(65))
    assert result["verdict"] == "continue"  # 5 rows alone would be too few to judge by
    assert run.summary["unsl/loss/at"] == 64


def test_a_run_that_is_forked_from_another_goes_on_with_its_steps(
    server: WandbServer, tmp_path: Path
) -> None:
    train(server, tmp_path, "parent", **SHORT, plugin=False)
    for name, plugin in (("plain", False), ("run", True)):
        fork = {"fork_from": "parent?_step=39"}
        more = {**SHORT, "first": 40, "rows": 170, "init": fork, "plugin": plugin}
        run, result = train(server, tmp_path, name, **more)
        assert result["first_step"] == 40
    assert users_rows(run) == users_rows(server.run("team/live/plain"))
    assert ours(run)[-1][0] == 200  # its curve begins at the fork, so this takes a while


def test_a_forked_process_logs_as_if_nobody_watched(server: WandbServer, tmp_path: Path) -> None:
    run, result = train(server, tmp_path, "run", **SHORT, fork=5)
    plain, alone = train(server, tmp_path, "plain", **SHORT, fork=5, plugin=False)
    assert result["child"] == alone["child"] == 0
    for rows in (users_rows(run), users_rows(plain)):
        assert [row["_step"] for row in rows] == list(range(66))
    for child in (True, False):  # which of the two processes comes first is the machine's affair
        assert logged_by(child, run) == logged_by(child, plain)
    assert result["threads"] == [False, False]


def logged_by(child: bool, run: Run) -> list[dict[str, object]]:
    """The rows of the forked process or of its parent, in order, without the step they share."""
    rows = [{k: v for k, v in row.items() if k != "_step"} for row in users_rows(run)]
    return [row for row in rows if ("child" in row) is child]


def test_a_run_that_is_logged_offline_and_synced_later_is_the_same(
    server: WandbServer, tmp_path: Path
) -> None:
    offline = {"environment": {"WANDB_MODE": "offline"}, "attach": TARGET}
    with Training(server, tmp_path, "run", **SHORT, **offline) as training:
        result = training.wait()
        assert server.count("live/run") == 0
        training.sync()
        run = training.run
    assert users_rows(run) == expected(60)
    assert result["errors"] == {}
    assert run.summary["unsl/loss/at"] == 59
    assert [step for step, _ in ours(run)] == [20, 40]
    assert decision_of(run)["schema"] == "unsl.decision/1"
    assert [alert["title"] for alert in server.store.alerts] == ["loss: doomed (dry run)"]


def test_a_wandb_without_the_method_we_use_works_as_well_and_is_told_once(
    server: WandbServer, tmp_path: Path
) -> None:
    with Training(server, tmp_path, "run", **SHORT, rename_the_seam=True) as training:
        result = training.wait()
        run = training.run
    assert users_rows(run) == expected(60)
    assert training.output.count("run.log and wandb.log are wrapped instead") == 1
    assert [step for step, _ in ours(run)] == [20, 40]
    assert result["errors"] == {}
    assert run.summary["unsl/loss/at"] == 59


def test_what_wandb_refuses_is_refused_as_before(server: WandbServer, tmp_path: Path) -> None:
    run, result = train(server, tmp_path, "run", **SHORT, refused=True)
    _, alone = train(server, tmp_path, "plain", **SHORT, refused=True, plugin=False)
    assert (
        result["refused"] == alone["refused"] == "Key values passed to `wandb.log` must be strings."
    )
    assert len(run.rows()) == 60


def test_a_training_that_is_killed_leaves_no_process_and_what_it_had_sent(
    server: WandbServer, tmp_path: Path
) -> None:
    with Training(server, tmp_path, "run", **SHORT, stations=[50]) as training:
        training.reach(50)
        until(lambda: len(training.run.rows()) == 50)
        assert processes_of(training.folder)
        training.process.kill()
        until(lambda: not processes_of(training.folder))
    assert [step for step, _ in ours(training.run)] == [20, 40]
