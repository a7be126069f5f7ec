"""What `attach` is told, what it reads, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import Training, ours, train
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.training import loss_at
from tests.waiting import at_once
from unsl_tracking.decide import Decision
from unsl_tracking.errors import DataError
from unsl_tracking.live.writeback import write_decision
from unsl_wandb import attach
from unsl_wandb.live import LiveRun
from unsl_wandb.sink import Sink


class FakeRun:
    """As much of `wandb.Run` as is used, to see what is done to it."""

    entity, project, id, dir = "team", "p", "run", ""
    resumed = False
    step = starting_step = 0

    def __init__(self) -> None:
        self._teardown_hooks: list[Any] = []
        self.rows: list[tuple[dict[str, Any], Any, Any]] = []
        self.fails = False

    def _partial_history_callback(self, data: Any, step: Any = None, commit: Any = None) -> None:
        if self.fails:
            raise ValueError("refused")
        self.rows.append((dict(data), step, commit))

    def log(self, data: Any, step: Any = None, commit: Any = None) -> None:
        self._partial_history_callback(data, step, commit)


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": {}},
        {"horizon": {"step": -1}},
        {"mode": "best"},
        {"on_stop": "stop"},
        {"share": 2.0},
    ],
)
def test_a_bad_argument_raises_and_leaves_the_run_alone(wrong: dict[str, Any]) -> None:
    run = FakeRun()
    with pytest.raises(DataError):
        attach(run, "loss", **{"horizon": {"step": 100}, **wrong})
    assert "_partial_history_callback" not in vars(run)
    assert run._teardown_hooks == []


def test_values_wait_for_a_row_that_is_kept() -> None:
    run = FakeRun()
    sink = Sink(run)
    sink.offer({"unsl/a": 1.0})
    sink.offer({"unsl/a": 2.0, "unsl/b": 3.0})
    run.log({})  # an empty row stays empty
    run.log({"x": 1}, step=5)
    sink.offer({"unsl/a": 4.0})
    run.log({"x": 2}, step=4)  # W&B drops this one
    run.log({"x": 3}, step=5)
    assert run.rows == [
        ({}, None, None),
        ({"unsl/a": 2.0, "unsl/b": 3.0, "x": 1}, 5, None),
        ({"x": 2}, 4, None),
        ({"unsl/a": 4.0, "x": 3}, 5, None),
    ]


def test_a_users_value_of_our_name_is_the_users() -> None:
    run = FakeRun()
    Sink(run).offer({"unsl/a": 1.0, "unsl/b": 2.0})
    run.log({"unsl/a": "mine"})
    assert run.rows == [({"unsl/a": "mine", "unsl/b": 2.0}, None, None)]


def test_what_wandb_refuses_raises_and_our_values_go_with_the_next_row() -> None:
    run = FakeRun()
    sink = Sink(run)
    sink.offer({"unsl/a": 1.0})
    run.fails = True
    with pytest.raises(ValueError, match="refused"):
        run.log({"x": 1})
    run.fails = False
    run.log({"x": 2})
    assert run.rows == [({"unsl/a": 1.0, "x": 2}, None, None)]


def test_attach_before_init_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"wandb\.init"):
        attach(None, "loss", horizon={"step": 100})


def test_rows_of_many_threads_are_all_sent_and_carry_each_value_once() -> None:
    run = FakeRun()
    sink = Sink(run)

    def log(name: str) -> None:
        for i in range(500):
            run.log({name: i})
            sink.offer({f"unsl/{name}/{i}": float(i)})

    at_once(*(partial(log, name) for name in "abcd"))
    run.log({"last": 0})
    keys = [key for data, _, _ in run.rows for key in data]
    assert len(run.rows) == 2001
    assert sorted(key for key in keys if key.startswith("unsl")) == sorted(
        f"unsl/{name}/{i}" for name in "abcd" for i in range(500)
    )


def test_an_observer_that_fails_is_told_once_and_rows_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = FakeRun()
    sink = Sink(run)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    sink.observe(broken, broken)
    run.log({"x": 1})
    run.log({"x": 2})
    sink.finish()
    run.log({"x": 3})
    assert [data for data, _, _ in run.rows] == [{"x": 1}, {"x": 2}, {"x": 3}]
    assert caplog.text.count("ZeroDivisionError") == 1


@pytest.mark.slow
def test_finished_runs_of_the_project_are_siblings_if_they_count_alike(
    server: WandbServer, tmp_path: Path
) -> None:
    project = server.store.make_project("team", "live")
    for number in range(8):
        run = server.store.make_run(project, f"done{number}")
        other = number == 7  # counted by epochs, and the best of all
        losses = [loss_at(i) + 0.02 * number - other for i in range(200)]
        rows = [{"_step": i, "_timestamp": i, "loss": v, "epoch": i} for i, v in enumerate(losses)]
        run.write_lines(0, [json.dumps(row) for row in rows])
        run.summary, run.state = rows[-1], "finished"
        metrics = [{"1": "epoch"}, {"1": "loss", "5": 1}] if other else []
        run.config = {"_wandb": {"value": {"m": metrics}}}
    how = {"siblings": "experiment", "horizon": {"step": 199}}
    _, result = train(server, tmp_path, "run", rows=60, flush_every=30, attach=how)
    assert result["errors"] == {}
    best = loss_at(199)
    assert f"the best finished sibling, {best:.5g}" in result["reason"]


@pytest.mark.slow
def test_the_example_runs_offline_and_stops_itself(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "examples" / "wandb" / "train.py"
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path)}
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        environment[name] = str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, str(example)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "stopped at step" in done.stdout
    assert "P(no better than the target, 1.2)" in done.stdout


@pytest.mark.slow
def test_a_disabled_wandb_is_left_alone(server: WandbServer, tmp_path: Path) -> None:
    with Training(
        server, tmp_path, "run", rows=30, init={"mode": "disabled"}, attach={}
    ) as training:
        result = training.wait()
    assert result["verdict"] == "waiting"
    assert server.faults.requests == []


@pytest.mark.slow
def test_a_metric_of_nested_values_has_forecasts_of_that_name(
    server: WandbServer, tmp_path: Path
) -> None:
    how = {"metric": "nested.deep"}
    style = {"style": "commit_false", "rows": 45, "flush_every": 20, "attach": how}
    run, _ = train(server, tmp_path, "run", **style)
    assert all("unsl/nested.deep/at" in values for _, values in ours(run))
    assert not any("unsl/nested" in row for row in run.rows())  # no half of a name


def test_a_decision_is_written_by_its_own_axis_and_told_once(tmp_path: Path) -> None:
    run: Any = FakeRun()
    run.dir, run.defined, run.saved, run.alerts = str(tmp_path), {}, [], []
    run.summary = {}
    run.define_metric = lambda name, **how: run.defined.update({name: how})
    run.save = lambda file, **how: run.saved.append(Path(file).relative_to(tmp_path).as_posix())
    run.alert = lambda title, text, level: run.alerts.append((title, text, level))
    stops: list[int] = []
    live = LiveRun(run, stop=lambda: stops.append(1))
    decision = Decision("doomed", 0.99, "Because.", at=7.0)
    for _ in range(2):
        write_decision(live, "team/p/run", "val.loss", decision, 7)
    assert run.defined == {
        "unsl/val\\.loss/at": {"hidden": True},
        "unsl/val\\.loss/p_doomed": {"step_metric": "unsl/val\\.loss/at"},
    }
    assert run.alerts == [("val.loss: doomed", "Because.", "WARN")]
    assert stops == [1]
    assert len(run.saved) == 2
    run.log({"x": 1})
    assert run.rows == [
        ({"unsl/val.loss/p_doomed": 0.99, "unsl/val.loss/at": 7.0, "x": 1}, None, None)
    ]
