"""`MlflowTracker`: MLflow behind the seam `unsl_tracking.runs.tracker.Tracker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from unsl_mlflow.artifacts import read_artifact, write_artifact
from unsl_mlflow.card import write_card
from unsl_mlflow.client import Connection, require_mlflow
from unsl_mlflow.reader import list_experiments, list_runs
from unsl_mlflow.writer import write_metrics, write_tags
from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.tracker import Progress
from unsl_tracking.runs.verdict import Verdict

require_mlflow()  # so that `import unsl_mlflow` says what is missing


class MlflowTracker:
    """Reads runs from MLflow and writes forecasts back. Safe to use from several threads.

    `uri` is a tracking URI as MLflow knows it: `http://server:5000`, `sqlite:///file.db`,
    `postgresql://…`; None takes MLFLOW_TRACKING_URI, or what MLflow would use without it. User
    names, passwords and tokens come from MLflow's own environment variables. `patience` is how many
    seconds a server may be away before `TrackerUnavailable` is raised.

    Nothing is connected to before the first call. A run's status and times are never changed.

    MLflow's databases keep ±inf as ±1.797e308; it is restored on reading, so the largest double
    cannot be told apart from infinity.

    Raises:
        MissingDependency: MLflow, or the driver of a database, is not installed.
        TrackerError: of a kind named in `unsl_tracking.errors`, by every method.
    """

    def __init__(self, uri: str | None = None, *, patience: float = 10.0) -> None:
        self._connection = Connection(uri, patience=patience)

    def __repr__(self) -> str:
        return f"MlflowTracker({self.uri!r})"

    @property
    def uri(self) -> str:
        """What is connected to, without credentials."""
        return self._connection.shown

    def experiments(self) -> list[str]:
        """Names of the experiments that are not deleted, oldest first."""
        return list_experiments(self._connection)

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        """All runs that are not deleted, oldest first.

        `experiment` is a name or, where there is none of that name, an id. `filter` is in MLflow's
        search syntax (`params.optimizer = 'adam'`).
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

        Pass runs that were listed just now: whether a run has ended, and whether an ended one got
        further rows, is read from the listing.
        """
        from unsl_mlflow.history import read_history

        return read_history(self._connection, runs, metrics, since=since, progress=progress)

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        """Write finite values at a step. What is already the newest value there is not repeated."""
        write_metrics(self._connection, run_id, values, step)

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Write a file (`folder/name.ext`) of the run, replacing what was there under that path."""
        write_artifact(self._connection, run_id, path, data)

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """The file's content. Raises `NotFound` when the run has no such file."""
        return read_artifact(self._connection, run_id, path)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags and leave the others as they are. A value holds at most 8000 characters."""
        write_tags(self._connection, run_id, tags)

    def set_card(self, run_id: str, card: str) -> None:
        """Put a markdown card into the run's description, keeping the user's text whole."""
        write_card(self._connection, run_id, card)

    def set_verdict(
        self, experiment: str, run_ids: Sequence[str], verdict: Verdict
    ) -> tuple[str, ...]:
        """Tags on the experiment; tags and an alias on the models that these runs registered."""
        from unsl_mlflow.verdicts import write_verdict

        return write_verdict(self._connection, experiment, run_ids, verdict)

    def artifact_link(self, run_id: str, path: str) -> str:
        """A link that MLflow's own page shows as a picture inside a run's description."""
        return f"/get-artifact?path={quote(path)}&run_id={quote(run_id, safe='')}"
