"""Reading what is new.

Every test reads as a poller does: `runs()` afresh, then `history(..., since=the last cursor)`, and
keeps the union of all rows. A row that is late, or re-logged at an earlier step, may be missing
while its run goes on; once the run has ended the union must be everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from unsl_tracking.runs.run import Cursor, empty_history
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing.base import (
    EXPERIMENT,
    NOW,
    ContractBase,
    Row,
    UserSide,
    as_logged,
    assert_same_rows,
    canonical,
)


class Poller:
    """Keeps the union of everything read so far."""

    def __init__(self, tracker: Tracker, metrics: Sequence[str] = ("loss",)) -> None:
        self.tracker = tracker
        self.metrics = metrics
        self.cursor: Cursor | None = None
        self.seen = empty_history()

    def poll(self) -> pd.DataFrame:
        """Read once; returns what this reading delivered."""
        runs = self.tracker.runs(EXPERIMENT)
        new, self.cursor = self.tracker.history(runs, self.metrics, since=self.cursor)
        both = [frame for frame in (self.seen, new) if len(frame)]
        if both:
            self.seen = canonical(pd.concat(both, ignore_index=True))
        return new


def steps(first: int, last: int, *, at: int = NOW, scale: float = 1.0) -> list[Row]:
    """One row per step in [first, last], a millisecond apart from `at` on."""
    return [(scale / (1 + i), i, at + i) for i in range(first, last + 1)]


class CursorContract(ContractBase):
    """Reading on from a cursor."""

    def test_contract_new_rows_are_read_after_the_cursor(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 99))
        poller.poll()
        user.log(run_id, "loss", steps(100, 149))
        poller.poll()
        assert_same_rows(poller.seen, as_logged(run_id, "loss", steps(0, 149)))

    def test_contract_cursor_says_the_last_step_and_what_has_ended(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 9))
        poller.poll()
        assert poller.cursor is not None
        assert poller.cursor.steps[run_id] == 9
        assert run_id not in poller.cursor.complete
        user.finish(run_id)
        poller.poll()
        assert poller.cursor.complete == {run_id}

    def test_contract_a_cursor_keeps_runs_that_were_not_asked_for(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        other = user.new_run(EXPERIMENT, name="other")
        user.log(run_id, "loss", steps(0, 9))
        user.log(other, "loss", steps(0, 4))
        user.finish(run_id)
        runs = {run.id: run for run in tracker.runs(EXPERIMENT)}
        first = tracker.history([runs[run_id]], ["loss"]).cursor
        second = tracker.history([runs[other]], ["loss"], since=first).cursor
        assert second.steps == {run_id: 9, other: 4}
        assert second.complete == {run_id}

    def test_contract_polling_an_unchanged_store_adds_nothing(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", steps(0, 9))
        user.finish(run_id)
        poller = Poller(tracker)
        poller.poll()
        before = poller.seen
        poller.poll()
        assert len(poller.poll()) == 0, "an ended run that did not change is not read again"
        pd.testing.assert_frame_equal(poller.seen, before)

    def test_contract_runs_started_later_are_read_from_their_beginning(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 99))
        poller.poll()
        other = user.new_run(EXPERIMENT, name="other")
        user.log(other, "loss", steps(0, 5))
        poller.poll()
        rows = poller.seen[poller.seen["run_id"] == other]
        assert_same_rows(rows, as_logged(other, "loss", steps(0, 5)))

    def test_contract_later_steps_with_earlier_timestamps_are_not_missed(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 50))
        poller.poll()
        late = steps(51, 60, at=NOW - 10_000)  # another worker's clock
        user.log(run_id, "loss", late)
        poller.poll()
        assert_same_rows(poller.seen, as_logged(run_id, "loss", steps(0, 50) + late))

    def test_contract_holes_below_the_last_step_are_filled_once_the_run_ends(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        rows = steps(0, 199)
        user.log(run_id, "loss", rows[::3] + rows[-1:])  # asynchronous logging
        poller.poll()
        user.log(run_id, "loss", [row for row in rows if row[1] % 3])
        user.finish(run_id)
        poller.poll()
        assert_same_rows(poller.seen, as_logged(run_id, "loss", rows))

    def test_contract_steps_logged_again_after_a_resume_are_read_once_the_run_ends(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 100))
        poller.poll()
        again = steps(40, 120, at=NOW + 5_000, scale=0.9)
        user.log(run_id, "loss", again)
        poller.poll()
        user.finish(run_id)
        poller.poll()
        assert_same_rows(poller.seen, as_logged(run_id, "loss", steps(0, 100) + again))

    def test_contract_rows_added_to_a_run_that_had_ended_are_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker)
        user.log(run_id, "loss", steps(0, 9))
        user.finish(run_id)
        poller.poll()
        user.log(run_id, "loss", steps(10, 19))
        poller.poll()
        assert_same_rows(poller.seen, as_logged(run_id, "loss", steps(0, 19)))

    def test_contract_a_metric_that_is_logged_rarely_is_not_lost_behind_a_frequent_one(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        poller = Poller(tracker, ["loss", "val_loss"])
        user.log(run_id, "loss", steps(0, 100))
        user.log(run_id, "val_loss", [(1.0, 0, NOW)])
        poller.poll()
        # The evaluation of step 50 ended after step 100 was logged.
        user.log(run_id, "val_loss", [(0.5, 50, NOW + 500)])
        user.finish(run_id)
        poller.poll()
        rows = poller.seen[poller.seen["metric"] == "val_loss"]
        expected: list[Row] = [(1.0, 0, NOW), (0.5, 50, NOW + 500)]
        assert_same_rows(rows, as_logged(run_id, "val_loss", expected))
