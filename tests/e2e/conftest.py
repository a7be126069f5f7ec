"""Real MLflow stores in sqlite files, filled as training scripts fill them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from unsl_tracking.cli.app import app

pytest.importorskip("mlflow")

Row = tuple[float, int]


def loss(params: float, step: float) -> float:
    """The law that the synthetic runs follow."""
    return float(0.5 + 30 * params**-0.4 + 6 * step**-0.45)


@dataclass(frozen=True)
class Store:
    """An MLflow store in a file, and what a training script does with it."""

    file: Path
    client: Any

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.file}"

    def experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = (self.file.parent / "artifacts" / name.replace("/", "_")).as_uri()
        return str(self.client.create_experiment(name, artifact_location=place))

    def run(
        self,
        experiment: str,
        name: str,
        params: Mapping[str, object],
        rows: Sequence[Row],
        *,
        metric: str = "val_loss",
        status: str | None = "FINISHED",
    ) -> str:
        """A run with its history; rows are logged one millisecond after the other."""
        from mlflow.entities import Metric, Param

        run = self.client.create_run(self.experiment(experiment), run_name=name)
        run_id = str(run.info.run_id)
        self.client.log_batch(
            run_id,
            metrics=[
                Metric(metric, value, 1_000 + order, step)
                for order, (value, step) in enumerate(rows)
            ],
            params=[Param(key, str(value)) for key, value in params.items()],
        )
        if status is not None:
            self.client.set_terminated(run_id, status)
        return run_id

    def ladder(self, experiment: str = "ladder", **same: object) -> list[str]:
        """Five widths with curves of twelve points."""
        return [
            self.run(experiment, f"w{i}", {"params": p, **same}, curve(p))
            for i, p in enumerate(np.geomspace(1e4, 1e6, 5).round())
        ]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table, and every artifact's bytes."""
        import sqlite3

        with sqlite3.connect(self.file) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            content: dict[str, list[tuple[object, ...]]] = {
                name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr)
                for (name,) in tables.fetchall()
            }
        connection.close()
        files = sorted(self.file.parent.joinpath("artifacts").rglob("*"))
        content["files"] = [(str(f), f.read_bytes()) for f in files if f.is_file()]
        return content


def curve(params: float, last: int = 2000, points: int = 12) -> list[Row]:
    steps = np.unique(np.geomspace(20, last, points).astype(int))
    return [(loss(params, int(step)), int(step)) for step in steps]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Making the tables takes seconds, copying the file nothing."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def store(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of its own."""
    from mlflow import MlflowClient

    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_database, file)
    return Store(file, MlflowClient(f"sqlite:///{file}"))


@pytest.fixture
def unsl() -> Any:
    """`unsl(*arguments)` in this process."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run
