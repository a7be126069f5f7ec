"""MLflow and W&B both have an active run in a process: into which of them forecasts go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("wandb")
pytest.importorskip("mlflow")

pytestmark = pytest.mark.slow  # a process that imports both

PROGRAM = """
import json, mlflow, wandb
from unsl_tracking.live import monitor_active_run

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("e")
with mlflow.start_run() as one, wandb.init(project="p", mode="offline") as other:
    untouched = dict(other.__dict__)
    monitor = monitor_active_run("loss", horizon={"step": 1000})
    touched = {name for name in other.__dict__ if name not in untouched}
    with monitor:
        for step in range(10, 500, 10):
            other.log({"loss": 2 + 10 / step})
            monitor.log(step, 2 + 10 / step)
        assert monitor.flush() and monitor.errors == {}
    other.log({"loss": 2.0})
    tags = mlflow.MlflowClient().get_run(one.info.run_id).data.tags
    summary = dict(other.summary)
print(json.dumps({
    "mlflow": sorted(name for name in tags if name.startswith("unsl")),
    "wandb": sorted(name for name in summary if name.startswith("unsl.")),
    "touched": sorted(touched),
}))
"""


@pytest.mark.parametrize(
    ("chosen", "into", "other"),
    [(None, "mlflow", "wandb"), ("mlflow", "mlflow", "wandb"), ("wandb", "wandb", "mlflow")],
)
def test_forecasts_go_into_the_one_that_is_chosen_or_into_mlflow_with_a_word(
    tmp_path: Path, chosen: str | None, into: str, other: str
) -> None:
    environment = {**os.environ, "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}
    environment |= {} if chosen is None else {"UNSL_ACTIVE_TRACKER": chosen}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert "unsl.verdict" in seen[into] and seen[other] == []
    assert ("UNSL_ACTIVE_TRACKER=wandb chooses another" in done.stderr) is (chosen is None)
    if into == "mlflow":
        assert seen["touched"] == []  # W&B's run is as if we were not there
