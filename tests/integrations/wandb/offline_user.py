"""Training code without a network: the real SDK with WANDB_MODE=offline, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integrations.wandb.user import STEP, Row, end_sdk
from tests.waiting import until
from unsl_tracking.errors import TrackerError
from unsl_wandb import OfflineTracker
from unsl_wandb.leet import read_file


class OfflineUser:
    """Training code with WANDB_MODE=offline. A run's id is the path of its file.

    What was logged can be read once the SDK has put it into the file, every second here. A file
    cannot be resumed, so each run stays open, and `log` waits until its rows are there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: dict[str, Any] = {}
        self.rows: dict[str, int] = {}

    def new_experiment(self, name: str) -> None:
        """There is none without runs."""

    def new_run(
        self,
        experiment: str,
        *,
        name: str = "",
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        **options: Any,
    ) -> str:
        import wandb

        settings = wandb.Settings(
            mode="offline",
            console="off",
            silent=True,
            x_disable_stats=True,
            x_transaction_log_flush_interval=1,
        )
        run = wandb.init(
            project=experiment,
            name=name or None,
            config=dict(params or {}),
            tags=[f"{key}:{value}" for key, value in (tags or {}).items()],
            dir=self.folder,
            reinit="create_new",
            settings=settings,
            **options,
        )
        run.define_metric("*", step_metric=STEP)
        *_, file = sorted(self.folder.glob(f"wandb/offline-run-*-{run.id}/run-{run.id}.wandb"))
        self.open[str(file)], self.rows[str(file)] = run, 0
        until(lambda: str(file) in [each.id for each in self._listed(experiment)])
        return str(file)

    def log(self, run_id: str, metric: str, rows: Sequence[Row]) -> None:
        self.log_rows(
            run_id,
            [{metric: value, STEP: step, "_timestamp": at / 1000} for value, step, at in rows],
        )

    def log_rows(self, run_id: str, rows: Sequence[Mapping[str, object]]) -> None:
        for row in rows:
            self.open[run_id].log(dict(row))
        self.rows[run_id] += len(rows)
        until(lambda: self._lines(run_id) == self.rows[run_id])

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        self.open.pop(run_id).finish(exit_code=0 if status == "FINISHED" else 1)
        until(lambda: read_file(Path(run_id)).exit_code is not None)

    def delete(self, run_id: str) -> None:
        shutil.rmtree(Path(run_id).parent)

    def read_note(self, run_id: str) -> str:
        return ""

    def write_note(self, run_id: str, text: str) -> None:
        raise NotImplementedError

    def files(self, run_id: str) -> list[str]:
        return []

    def close(self) -> None:
        try:
            for run in self.open.values():
                run.finish()
        finally:
            end_sdk()

    def _listed(self, experiment: str) -> list[Any]:
        try:
            return list(OfflineTracker(self.folder).runs(experiment))
        except TrackerError:
            return []

    def _lines(self, run_id: str) -> int:
        return read_file(Path(run_id)).lines
