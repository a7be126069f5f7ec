"""Callbacks of the frameworks write into the W&B run that the framework itself logs to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.laboratory import decision_of
from tests.integrations.wandb.server import WandbServer

os.environ.setdefault("KERAS_BACKEND", "torch")

PROGRAMS = Path(__file__).with_name("programs.py")


@pytest.fixture
def server() -> Iterator[WandbServer]:
    server = WandbServer()
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("framework", "metric"),
    [("transformers", "loss"), ("lightning", "val_loss"), ("keras", "loss")],
)
def test_forecasts_go_into_the_rows_that_the_framework_logs(
    server: WandbServer, tmp_path: Path, framework: str, metric: str
) -> None:
    pytest.importorskip(framework)
    done = subprocess.run(
        [sys.executable, str(PROGRAMS), framework],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **server.environment(tmp_path), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert "verdict doomed stopped True" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    run = server.run("team/live/run")
    rows = run.rows()
    assert [row["_step"] for row in rows] == list(range(len(rows)))
    final = f"unsl/{metric}/final"
    with_ours = [row for row in rows if final in row]
    assert with_ours
    assert not [row for row in with_ours if len([k for k in row if k[0] != "_"]) <= 5]  # no own row
    assert run.summary["unsl.verdict"] == "doomed"
    assert run.summary[final] > 0
    assert decision_of(run)["schema"] == "unsl.decision/1"
    (alert,) = server.store.alerts
    assert alert["title"] == f"{metric}: doomed"
    assert run.state == "finished"
