"""`WandbTracker`: Weights & Biases behind the seam `unsl_tracking.runs.tracker.Tracker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unsl_tracking.experiment import ExperimentBacktest, ExperimentForecast
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.tracker import Progress
from unsl_tracking.runs.verdict import Verdict
from unsl_wandb.client import Connection, require_wandb
from unsl_wandb.history import read_history
from unsl_wandb.law_artifact import keep_laws
from unsl_wandb.panels import publish_panels
from unsl_wandb.reader import list_projects, list_runs
from unsl_wandb.report import publish_report
from unsl_wandb.verdict import set_verdict
from unsl_wandb.writer import read_file, write_card, write_file, write_metrics, write_tags

require_wandb()


class WandbTracker:
    """Reads runs from W&B and writes forecasts back. Safe to use from several threads.

    `address` is `wandb://entity/project`, `wandb://entity`, or for a server other than that of
    W&B's own settings (WANDB_BASE_URL) `https://host/entity/project`. The key is found as the SDK
    finds it: WANDB_API_KEY, `wandb login`, netrc. `patience` is how many seconds a server may be
    away before `TrackerUnavailable` is raised; one that says "too many requests" is waited for
    longer.

    An experiment is a project; a run's id is `entity/project/run`. Nothing is connected to before
    the first call. A run's state, config, tags and history are never changed; what we write is
    described in `unsl_wandb.record`.

    Raises:
        MissingDependency: wandb is not installed.
        TrackerError: of a kind named in `unsl_tracking.errors`, by every method.
    """

    def __init__(self, address: str | None = None, *, patience: float = 10.0) -> None:
        self._connection = Connection(address, patience=patience)

    def __repr__(self) -> str:
        return f"WandbTracker({self.uri!r})"

    @property
    def uri(self) -> str:
        """What is connected to, without credentials."""
        return self._connection.shown

    @property
    def experiment(self) -> str | None:
        """The project that the address names; None where it names none."""
        return self._connection.place.project

    def experiments(self) -> list[str]:
        """Names of the entity's projects, or the one that the address names."""
        return list_projects(self._connection)

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        """All runs of a project, oldest first.

        `experiment` is the project's name, or entity/project. `filter` is JSON in W&B's own
        language (`{"config.optimizer": "adam", "state": "finished"}`).
        """
        return list_runs(self._connection, experiment, filter)

    def history(
        self,
        runs: Sequence[Run],
        metrics: Sequence[str],
        *,
        since: Cursor | None = None,
        progress: Progress | None = None,
    ) -> History:
        """Every logged row of these metrics; with `since`, those that it cannot have seen.

        Pass runs that were listed just now: what there is to read is known from the listing. The
        step is that of the metric's own step metric (`run.define_metric`) where it has one.
        """
        return read_history(self._connection, runs, metrics, since=since, progress=progress)

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        """Write finite values at a step; see `unsl_wandb.record` for where they can be seen."""
        write_metrics(self._connection, run_id, values, step)

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Write a file of the run (its Files tab), replacing what was there under that path."""
        write_file(self._connection, run_id, path, data)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """The file's content. Raises `NotFound` when the run has no such file."""
        return read_file(self._connection, run_id, path)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of ours and leave the others, and W&B's labels, as they are."""
        write_tags(self._connection, run_id, tags)

    def publish_panels(
        self, result: ExperimentForecast, tested: ExperimentBacktest | None = None
    ) -> str:
        """Create or update the saved view with forecast panels; its address."""
        return publish_panels(self._connection, result, tested)

    def publish_report(
        self,
        result: ExperimentForecast,
        tested: ExperimentBacktest | None = None,
        *,
        lead: str = "",
    ) -> str:
        """Create or update a W&B report with the same content; its address."""
        return publish_report(self._connection, result, tested, lead=lead)

    def keep_laws(self, result: ExperimentForecast) -> tuple[str, ...]:
        """Log laws and forecasts as artifacts; names of those that had changed."""
        return keep_laws(self._connection, result)

    def set_verdict(
        self, experiment: str, run_ids: Sequence[str], verdict: Verdict
    ) -> tuple[str, ...]:
        """Put a verdict on the project's artifacts, see `unsl_wandb.verdict`; what has it."""
        return set_verdict(self._connection, experiment, run_ids, verdict)

    def set_card(self, run_id: str, card: str) -> None:
        """Put a markdown card into the run's notes, keeping the user's text whole."""
        write_card(self._connection, run_id, card)
