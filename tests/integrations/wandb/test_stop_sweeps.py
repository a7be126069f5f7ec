"""Runs of a sweep that cannot win are stopped by W&B's own scheduler, with our pruner."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

pytest.importorskip("wandb")
pytest.importorskip("optuna")

from wandb.sdk.sweeps.run_state import RunState
from wandb.sdk.sweeps.scheduler.optimizer import RunWithMetrics, make_optimizer
from wandb.sdk.sweeps.sweep_info import SweepInfo

from tests.integrations.wandb.laboratory import Program
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.server.store import Run
from tests.integrations.wandb.server.sweeps import Sweep
from tests.waiting import LIMIT, until
from unsl_tracking import StopRule
from unsl_tracking.errors import DataError
from unsl_wandb import forecast_study

STUDY = """
import unsl_wandb

def make_study(sweep):
    study = unsl_wandb.forecast_study(sweep, steps=400)
    study.enqueue_trial({"lr": 0.01})
    study.enqueue_trial({"lr": 1.0})
    return study
"""
EXAMPLE = Path(__file__).parents[3] / "examples" / "wandb"
STEPS = 400


def sweep_of(config: dict[str, Any]) -> SweepInfo:
    return SweepInfo("s", "sweep", "team", "p", config, "controller")


def curve(lr: float) -> np.ndarray:
    """The losses of examples/wandb/train.py, without its noise."""
    falling: np.ndarray = 3.0 * np.arange(1, STEPS + 1) ** -0.6
    whole: np.ndarray = falling + 1.0 + 0.3 * np.log10(lr / 0.01) ** 2
    return whole


def as_polled(suggestion: Any, seen: int, samples: int = 20) -> RunWithMetrics:
    """What the scheduler gets of a run at a poll: a sample of its rows so far, as W&B draws it."""
    losses = curve(suggestion.config["lr"].value)[:seen]
    steps = np.unique(np.linspace(0, seen - 1, min(samples, seen)).round().astype(int))
    return RunWithMetrics(
        config=suggestion.config,
        state=RunState.FINISHED if seen == STEPS else RunState.RUNNING,
        wandb_run_id=f"run-{suggestion.run_id}",
        summary_metrics={"loss": float(losses[-1])},
        history_metrics=[{"_step": int(step), "loss": float(losses[step])} for step in steps],
    )


@pytest.mark.slow
def test_the_example_sweep_prunes_runs_that_cannot_win_and_never_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(EXAMPLE)
    optimizer: Any = make_optimizer(sweep_of(yaml.safe_load((EXAMPLE / "sweep.yaml").read_text())))
    rates, pruned, steps = {}, set(), 0
    for suggestion in [optimizer.ask_n_runs(1)[0] for _ in range(9)]:
        name = suggestion.run_id
        rates[name] = suggestion.config["lr"].value
        for seen in range(50, STEPS + 1, 50):
            run = as_polled(suggestion, seen)
            optimizer.tell_run(name, run)
            steps += 50
            if seen < STEPS and optimizer.prune_runs([name], [run]):
                pruned.add(name)
                break
    best = min(rates, key=lambda name: curve(rates[name])[-1])
    assert best not in pruned
    assert len(pruned) >= 4
    assert steps < 0.7 * 9 * STEPS
    done = optimizer.study.get_trials(deepcopy=False)
    assert {str(t.number) for t in done if t.state.name == "PRUNED"} == pruned


def test_an_accuracy_is_maximised() -> None:
    config = {"metric": {"name": "acc", "goal": "maximize"}, "parameters": {"x": {"value": 1}}}
    study = forecast_study(sweep_of(config), steps=100, stop=StopRule(target=0.9), ceiling=1.0)
    assert study.direction.name == "MAXIMIZE"
    scheduler = {"engine": "optuna"}
    make_optimizer(sweep_of({**config, "scheduler": scheduler}))


@pytest.mark.parametrize("config", [{}, {"metric": {}}, {"metrics": [{"name": "a"}]}])
def test_a_sweep_without_one_metric_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="one metric"):
        forecast_study(sweep_of(config))


def test_a_bad_rule_is_refused_before_the_sweep_begins() -> None:
    config = {"metric": {"name": "loss"}}
    with pytest.raises(DataError):
        forecast_study(sweep_of(config), steps=0)


class Agent(threading.Thread):
    """Trains what the scheduler queued, one after the other: rows arrive as if from the SDK."""

    def __init__(self, server: WandbServer, sweep: Sweep) -> None:
        super().__init__(daemon=True)
        self.server, self.sweep, self.over = server, sweep, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            if self.sweep.queue:
                self.train(self.sweep.queue.pop(0))

    def train(self, run: Run) -> None:
        run.state = "running"
        for step, loss in enumerate(curve(run.config["lr"]["value"])):
            with self.server.store.lock:
                row = {"_step": step, "_timestamp": float(step), "loss": float(loss)}
                run.write_lines(step, [json.dumps(row)])
                run.summary = row
            if run.stopped or self.over.wait(0.02):
                run.state = "killed"
                return
        run.state = "finished"


@pytest.mark.slow
def test_the_real_scheduler_stops_a_run_that_cannot_win(
    server: WandbServer, tmp_path: Path
) -> None:
    server.store.features.add("SWEEPS_LOCAL_SCHEDULER")
    (tmp_path / "sweep.yaml").write_text((EXAMPLE / "sweep.yaml").read_text())
    (tmp_path / "study.py").write_text(STUDY)
    environment = {**os.environ, **server.environment(tmp_path), "WANDB_PROJECT": "live"}
    del environment["WANDB_SILENT"]
    environment.pop("WANDB_SERVICE", None)  # else its run stays behind in this process's SDK
    environment["OPENBLAS_NUM_THREADS"] = "1"
    wandb = [sys.executable, "-m", "wandb"]
    with Program([*wandb, "sweep", "sweep.yaml"], tmp_path, environment) as made:
        assert made.process.wait(LIMIT) == 0, made.output
    (sweep,) = server.store.sweeps.values()
    agent = Agent(server, sweep)
    command = [*wandb, "sweep-scheduler", "--poll-interval", "1", f"team/live/{sweep.name}"]
    with Program([*command, "--batch-size", "2"], tmp_path, environment) as scheduler:
        agent.start()
        try:
            until(lambda: any(run.stopped for run in sweep.runs), 300)
        finally:
            agent.over.set()
            print(scheduler.output)
    good, bad = sweep.runs[:2]
    assert not good.stopped and bad.stopped
    assert good.state == "finished"
    assert 8 <= len(bad.rows()) < STEPS
    assert f"Requesting early stop of run {bad.name}" in scheduler.output
