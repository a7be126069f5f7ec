"""The MLflow run that this process is logging to."""

from __future__ import annotations

import sys

from unsl_mlflow.tracker import MlflowTracker
from unsl_tracking.live import ActiveRun


def active_run() -> ActiveRun | None:
    """The fluent API's active run; None where MLflow was not imported or has none."""
    mlflow = sys.modules.get("mlflow")
    run = None if mlflow is None else mlflow.active_run()
    if mlflow is None or run is None:
        return None
    tracker = MlflowTracker(mlflow.get_tracking_uri())
    return ActiveRun(tracker, run.info.run_id, run.info.experiment_id)
