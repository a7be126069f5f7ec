"""Logs the demo's runs as any training script would: with MLflow's own client, to a local file."""

from __future__ import annotations

import importlib
import logging
import os
from pathlib import Path
from typing import Any, Final

from unsl_tracking.demo.network import CONTEXT, Settings
from unsl_tracking.errors import DataError, MissingDependency

METRIC: Final = "val_loss"
_CHATTY: Final = ("alembic", "mlflow.store.db.utils", "mlflow.tracking")


class DemoStore:
    """An MLflow store in `folder`: `mlflow.db` and `artifacts/`, made when missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise DataError(
                "The demo's folder must be one that can be written to",
                got=f"{self.folder}: {error.strerror}",
                next_step="Name another one with --dir.",
            ) from error
        self.uri = f"sqlite:///{(self.folder / 'mlflow.db').as_posix()}"
        self._client = _client(self.uri)
        self.experiment_id = ""

    def new_experiment(self, wanted: str) -> str:
        """Create an experiment called `wanted`, or `wanted-2`, `-3`, … where that is taken."""
        taken = {
            experiment.name for experiment in self._client.search_experiments(view_type=_EVERYTHING)
        }
        name, number = wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}-{number}"
        place = (self.folder / "artifacts" / name).as_uri()
        self.experiment_id = self._client.create_experiment(name, artifact_location=place)
        return name

    def start(self, settings: Settings) -> str:
        """A new run with its params; returns its id."""
        name = f"width {settings.width}, {_short(settings.train_chars)} chars"
        run = self._client.create_run(self.experiment_id, run_name=name)
        params = {
            "params": settings.params,
            "train_chars": settings.train_chars,
            "width": settings.width,
            "max_steps": settings.steps,
            "batch_size": settings.batch,
            "context": CONTEXT,
            "optimizer": "adam",
            "seed": settings.seed,
        }
        for key, value in params.items():
            self._client.log_param(run.info.run_id, key, value)
        return str(run.info.run_id)

    def log(self, run_id: str, step: int, value: float) -> None:
        """One validation loss."""
        self._client.log_metric(run_id, METRIC, value, step=step)

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """End the run."""
        self._client.set_terminated(run_id, status)


_EVERYTHING: Final = 3  # mlflow.entities.ViewType.ALL: names of deleted experiments stay taken


def _client(uri: str) -> Any:
    # No address outside this machine is to be asked for anything, and a demo prints its own story.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        # by name: the demo plays a user's script, the package itself knows no tracker
        mlflow = importlib.import_module("mlflow")
    except ImportError as error:
        raise MissingDependency(
            "The demo logs its runs with MLflow, which must be installed",
            next_step="pip install 'unsl-tracking[mlflow]'",
        ) from error
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow.MlflowClient(tracking_uri=uri)


def _short(count: int) -> str:
    return f"{count / 1e6:g}M" if count >= 1_000_000 else f"{count // 1000}k"
