"""Histories come back whole."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from unsl_tracking.runs.run import HISTORY_DTYPES, empty_history
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing.base import (
    EXPERIMENT,
    NOW,
    ContractBase,
    Row,
    UserSide,
    as_logged,
    assert_same_rows,
)


class HistoryContract(ContractBase):
    """Reading histories without losing, repeating, reordering or thinning out rows."""

    many_rows: int = 3000
    """Rows of the largest history here. Above the limits at which known servers thin out."""

    def test_contract_history_has_the_documented_columns_and_types(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", [(1.5, 7, NOW)])
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        pd.testing.assert_frame_equal(frame, as_logged(run_id, "loss", [(1.5, 7, NOW)]))

    def test_contract_history_without_rows_is_an_empty_frame(
        self, tracker: Tracker, run_id: str
    ) -> None:
        for runs in (tracker.runs(EXPERIMENT), []):
            frame = tracker.history(runs, ["never logged"]).frame
            pd.testing.assert_frame_equal(frame, empty_history(), check_index_type=False)

    def test_contract_thousands_of_rows_are_all_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        values = np.random.default_rng(0).uniform(0.1, 9.0, self.many_rows)
        rows: list[Row] = [(float(v), i, NOW + 10 * i) for i, v in enumerate(values)]
        user.log(run_id, "loss", rows)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        pd.testing.assert_frame_equal(frame, as_logged(run_id, "loss", rows))

    def test_contract_several_values_of_one_step_are_all_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        rows = [(3.0, 5, NOW), (2.0, 5, NOW), (1.0, 5, NOW + 1), (3.0, 5, NOW + 2)]
        user.log(run_id, "loss", rows)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert len(frame) == 4
        assert_same_rows(frame, as_logged(run_id, "loss", rows))

    def test_contract_rows_logged_out_of_order_are_read_in_order_of_time(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        rows = [(5.0, 50, NOW + 5), (1.0, 10, NOW + 1), (9.0, 20, NOW + 9), (2.0, 20, NOW + 2)]
        user.log(run_id, "loss", rows)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert frame["value"].tolist() == [1.0, 2.0, 5.0, 9.0]
        assert_same_rows(frame, as_logged(run_id, "loss", rows))

    def test_contract_all_rows_at_step_zero_are_told_apart_by_time(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        rows = [(float(9 - i), 0, NOW + i) for i in range(9)]
        user.log(run_id, "val_loss", rows)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["val_loss"]).frame
        assert frame["value"].tolist() == [float(9 - i) for i in range(9)]

    def test_contract_identical_rows_are_the_same_however_often_one_reads(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        rows = [(1.0, 1, NOW), (1.0, 1, NOW), (1.0, 2, NOW)]
        user.log(run_id, "loss", rows)
        runs = tracker.runs(EXPERIMENT)
        first, second = (tracker.history(runs, ["loss"]).frame for _ in range(2))
        pd.testing.assert_frame_equal(first, second)
        assert_same_rows(first, as_logged(run_id, "loss", rows))

    def test_contract_nan_and_infinities_come_back_as_logged(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        values = [1.0, math.nan, math.inf, -math.inf, 1e-300, -0.5, 1e300]
        user.log(run_id, "loss", [(value, i, NOW + i) for i, value in enumerate(values)])
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        np.testing.assert_array_equal(frame["value"].to_numpy(), np.array(values))

    def test_contract_values_keep_all_their_digits(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        values = [0.1 + 0.2, 1 / 3, 2.0**-1040, math.nextafter(1.0, 2.0), 123456789.123456789]
        user.log(run_id, "loss", [(value, i, NOW + i) for i, value in enumerate(values)])
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert frame["value"].tolist() == values

    def test_contract_large_and_negative_steps_are_kept(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        rows = [(1.0, -1, NOW), (2.0, 2**40, NOW + 1)]
        user.log(run_id, "loss", rows)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert frame["step"].tolist() == [-1, 2**40]

    def test_contract_several_runs_and_metrics_are_read_in_one_call(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        others = [user.new_run(EXPERIMENT, name=f"other {i}") for i in range(4)]
        expected = [empty_history()]
        for number, run in enumerate([run_id, *others[:-1]]):
            for metric in ("loss", "val/acc uracy.top-1"):
                rows = [(number + i / 8, i, NOW + i) for i in range(20 * number + 1)]
                user.log(run, metric, rows)
                expected.append(as_logged(run, metric, rows))
        user.log(run_id, "not asked for", [(1.0, 0, NOW)])
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss", "val/acc uracy.top-1"]).frame
        assert_same_rows(frame, pd.concat(expected[1:], ignore_index=True))
        assert len(frame) == sum(map(len, expected))
        order = ["run_id", "metric", "timestamp", "step"]
        pd.testing.assert_frame_equal(frame, frame.sort_values(order, kind="stable"))
        assert dict(frame.dtypes.astype(str)) == HISTORY_DTYPES

    def test_contract_only_the_runs_asked_for_are_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        other = user.new_run(EXPERIMENT, name="other")
        for run in (run_id, other):
            user.log(run, "loss", [(1.0, 0, NOW)])
        asked = [run for run in tracker.runs(EXPERIMENT) if run.id == other]
        assert set(tracker.history(asked, ["loss"]).frame["run_id"]) == {other}

    def test_contract_a_metric_asked_for_twice_is_read_once(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", [(1.0, 0, NOW)])
        runs = tracker.runs(EXPERIMENT)
        assert len(tracker.history(runs, ["loss", "loss"]).frame) == 1

    def test_contract_progress_ends_with_all_runs_read(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        for i in range(3):
            user.log(user.new_run(EXPERIMENT, name=f"{i}"), "loss", [(1.0, 0, NOW)])
        calls: list[tuple[int, int]] = []
        tracker.history(
            tracker.runs(EXPERIMENT), ["loss"], progress=lambda done, all: calls.append((done, all))
        )
        assert calls[-1] == (4, 4)
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)
