"""The seam between unsl_tracking and an experiment tracker.

An adapter is a class with these methods; `unsl_tracking.testing.TrackerContract` is the test suite
that says whether it keeps the promises made here. Adapters are found by the entry point group
`unsl_tracking.trackers`, whose names are also words of the command line (`unsl forecast mlflow …`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from unsl_tracking.runs.run import Cursor, History, Run
from unsl_tracking.runs.verdict import Verdict

Progress = Callable[[int, int], None]
"""Called with (runs read so far, runs in all)."""


@runtime_checkable
class Tracker(Protocol):
    """Reads runs and writes forecasts back. Raises only kinds of `errors.TrackerError`."""

    @property
    def uri(self) -> str:
        """What was connected to, without credentials."""

    def experiments(self) -> list[str]:
        """Names of the experiments (projects) that can be read."""

    def runs(self, experiment: str, *, filter: str | None = None) -> list[Run]:
        """All runs that are not deleted, oldest first; `filter` in the tracker's own language.

        Raises `NotFound` when there is no such experiment; an empty one gives an empty list.
        """

    def history(
        self,
        runs: Sequence[Run],
        metrics: Sequence[str],
        *,
        since: Cursor | None = None,
        progress: Progress | None = None,
    ) -> History:
        """Every logged row of these metrics: none lost, repeated, reordered or thinned out.

        With `since`, rows that cannot have been seen by the reading that returned that cursor,
        plus possibly rows that were; callers drop duplicates on all columns. A run that has ended
        since is read whole once more, because rows come late and resumed runs log steps again.
        A cursor belongs to the metrics that it was made with, and keeps the runs of the readings
        before it that were not asked for this time.
        """

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int) -> None:
        """Write finite values at a step. Writing the same again changes nothing."""

    def log_artifact(self, run_id: str, path: str, data: bytes) -> None:
        """Write a file (`folder/name.ext`) of the run, replacing what was there under that path."""

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """The file's content. Raises `NotFound` when the run has no such file."""

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags and leave the others as they are."""

    def set_card(self, run_id: str, card: str) -> None:
        """Put a markdown card into the run's note in place of our last one.

        The user's text stays as it is; `unsl_tracking.runs.merge_card` does that.
        """


@runtime_checkable
class KeepsVerdicts(Protocol):
    """What a tracker may do beside `Tracker`; a gate's verdict is in the runs' tags without it.

    `unsl_tracking.testing.VerdictContract` tests it.
    """

    def set_verdict(
        self, experiment: str, run_ids: Sequence[str], verdict: Verdict
    ) -> tuple[str, ...]:
        """Put a verdict where people and pipelines look for it; returns the names of what has it.

        That is the experiment (its tags or metadata), and the newest version of every registered
        model that one of these runs produced: the verdict's tags, its alias, and none of
        `other_aliases`. The user's own tags and aliases stay, the runs are not touched, and writing
        the same again changes nothing. Raises `NotFound` when there is no such experiment.
        """
