"""What a contract test needs: a tracker, and the hands of a user on the same store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import pandas as pd
import pytest

from unsl_tracking.runs.run import HISTORY_DTYPES, Run
from unsl_tracking.runs.tracker import Tracker

EXPERIMENT: Final = "scaling <b>études<b> & 漢字"  # no slash: W&B's projects may not have one
NOW: Final = 1_700_000_000_000  # milliseconds since 1970
Row = tuple[float, int, int]
"""(value, step, timestamp in milliseconds since 1970)"""


class UserSide(Protocol):
    """What training code and people do to the store, through the tracker's own client."""

    def new_experiment(self, name: str) -> None:
        """Create an experiment without runs."""

    def new_run(
        self,
        experiment: str,
        *,
        name: str = "",
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run in an existing experiment and return its id. It is RUNNING."""

    def log(self, run_id: str, metric: str, rows: Sequence[Row]) -> None:
        """Log rows as given; when this returns, they can be read."""

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """End the run."""

    def delete(self, run_id: str) -> None:
        """Delete the run as a user would."""

    def read_note(self, run_id: str) -> str:
        """The run's note (description), "" when there is none."""

    def write_note(self, run_id: str, text: str) -> None:
        """Replace the run's note."""

    def files(self, run_id: str) -> Sequence[str]:
        """Paths of all files of the run, folders walked."""


class ContractBase:
    """Override both fixtures. They must share one store, empty for every test."""

    @pytest.fixture
    def tracker(self) -> Tracker:
        raise NotImplementedError("override the fixture `tracker`")

    @pytest.fixture
    def user(self, tracker: Tracker) -> UserSide:
        raise NotImplementedError("override the fixture `user`")

    @pytest.fixture
    def run_id(self, user: UserSide) -> str:
        """A running run in `EXPERIMENT`."""
        user.new_experiment(EXPERIMENT)
        return user.new_run(EXPERIMENT, name="first", params={"width": 64})


def only(tracker: Tracker, run_id: str) -> Run:
    """The run as the tracker lists it now."""
    (found,) = [run for run in tracker.runs(EXPERIMENT) if run.id == run_id]
    return found


def as_logged(run_id: str, metric: str, rows: Sequence[Row]) -> pd.DataFrame:
    """The history frame that these rows must come back as, identical rows once."""
    frame = pd.DataFrame(rows, columns=["value", "step", "timestamp"])
    frame = frame.assign(run_id=run_id, metric=metric)[list(HISTORY_DTYPES)].astype(HISTORY_DTYPES)
    return canonical(frame)


def canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows without duplicates in one fixed order, so that frames compare as sets of rows."""
    columns = ["run_id", "metric", "timestamp", "step", "value"]
    return frame.drop_duplicates().sort_values(columns, ignore_index=True)


def assert_same_rows(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Both hold the same set of rows, NaN equal to NaN."""
    pd.testing.assert_frame_equal(canonical(frame), canonical(expected))
