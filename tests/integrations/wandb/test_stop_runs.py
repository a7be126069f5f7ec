"""A run stops: by a forecast, from outside, as by W&B's Stop button, or by the loop's own means."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import Training, train, users_rows
from tests.integrations.wandb.server import WandbServer
from tests.waiting import until
from unsl_wandb import StopFlag, stop_run

DOOMED: dict[str, Any] = {
    "stop": {"target": 0.5, "min_fraction": 0, "patience": 1},
    "horizon": {"step": 200},
}
MIN_POINTS = 8  # StopRule's own: no forecast stops a run that logged less
LONG: dict[str, Any] = {"rows": 4000, "pause": 0.02, "flush_every": 20}


def test_a_doomed_run_is_interrupted_like_by_the_stop_button(
    server: WandbServer, tmp_path: Path
) -> None:
    with Training(server, tmp_path, "run", **LONG, attach=DOOMED, catch=True) as training:
        result = training.wait()
        run = training.run
    assert result["interrupted"]
    rows = users_rows(run)
    assert MIN_POINTS <= len(rows) < 200
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    assert run.summary["unsl.verdict"] == "doomed"
    assert "P(no better than the target, 0.5)" in run.summary["unsl.reason"]
    (alert,) = server.store.alerts
    assert (alert["title"], alert["severity"]) == ("loss: doomed", "WARN")
    assert alert["text"].startswith("Doomed: expected to end at ")


def test_a_stop_fn_is_called_instead_and_the_run_finishes_by_itself(
    server: WandbServer, tmp_path: Path
) -> None:
    run, result = train(server, tmp_path, "run", **LONG, attach=DOOMED, flag=True)
    assert result["flag"] and not result["interrupted"]
    assert MIN_POINTS <= len(run.rows()) < 200
    assert (run.state, run.exit_code) == ("finished", 0)


@pytest.mark.parametrize("how", [{"on_stop": None}, {"dry_run": True}])
def test_nothing_is_interrupted_where_that_was_not_asked_for(
    server: WandbServer, tmp_path: Path, how: dict[str, Any]
) -> None:
    on_stop = {"on_stop": None} if "on_stop" in how else {}
    stop = {**DOOMED["stop"], "dry_run": "dry_run" in how}
    told = {**DOOMED, **on_stop, "stop": stop}
    run, result = train(server, tmp_path, "run", rows=60, flush_every=20, attach=told)
    assert len(run.rows()) == 60
    assert result["verdict"] == "doomed"
    assert result["should_stop"] is ("on_stop" in how)
    assert len(server.store.alerts) == 1


@pytest.mark.slow  # W&B asks every 15 seconds
@pytest.mark.parametrize("flag", [True, False])
def test_a_run_is_stopped_from_another_process(
    server: WandbServer, environment: dict[str, str], tmp_path: Path, flag: bool
) -> None:
    quick = {"x_file_stream_transmit_interval": 0.5}
    with Training(
        server, tmp_path, "run", **LONG, attach={}, flag=flag, catch=True, settings=quick
    ) as training:
        until(lambda: training.started and len(training.run.rows()) > 5)
        stop_run("team/live/run")
        result = training.wait()
        run = training.run
    assert result["flag"] is flag
    assert result["interrupted"] is not flag
    assert run.stopped
    assert run.state == ("finished" if flag else "killed")
    assert run.summary["unsl/loss/at"] == run.rows()[-1]["_step"]


def test_a_run_that_has_ended_is_not_asked_to_stop(
    server: WandbServer, environment: dict[str, str], tmp_path: Path
) -> None:
    run, _ = train(server, tmp_path, "run", rows=3, plugin=False)
    stop_run("team/live/run")
    assert not run.stopped


def test_a_flag_is_set_once_for_all() -> None:
    flag = StopFlag()
    assert not flag.asked and not flag.wait(0)
    flag()
    flag()
    assert flag.asked and flag.wait(0)
    assert copy.deepcopy(flag) is flag  # W&B copies its settings
    assert flag  # W&B takes a stop_fn that is false for none
