"""Experiments and runs as they are listed."""

from __future__ import annotations

import math

import pytest

from unsl_tracking.errors import NotFound
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing.base import EXPERIMENT, NOW, ContractBase, UserSide, only


class ReadContract(ContractBase):
    """Listing experiments and runs."""

    def test_contract_tracker_has_every_method_of_the_protocol(self, tracker: Tracker) -> None:
        assert isinstance(tracker, Tracker)
        assert tracker.uri

    def test_contract_unknown_experiment_is_not_found(self, tracker: Tracker) -> None:
        with pytest.raises(NotFound, match="no such thing"):
            tracker.runs("no such thing")

    def test_contract_experiments_are_listed_by_name(
        self, tracker: Tracker, user: UserSide
    ) -> None:
        user.new_experiment(EXPERIMENT)
        user.new_experiment("other")
        assert {EXPERIMENT, "other"} <= set(tracker.experiments())

    def test_contract_empty_experiment_has_no_runs(self, tracker: Tracker, user: UserSide) -> None:
        user.new_experiment(EXPERIMENT)
        assert tracker.runs(EXPERIMENT) == []

    def test_contract_run_fields_come_back_as_written(
        self, tracker: Tracker, user: UserSide
    ) -> None:
        user.new_experiment(EXPERIMENT)
        run_id = user.new_run(
            EXPERIMENT,
            name="width 64",
            params={"width": 64, "optimizer": "adam"},
            tags={"team": "vision"},
        )
        run = only(tracker, run_id)
        assert run.name == "width 64"
        assert run.experiment == EXPERIMENT
        assert run.params == {"width": "64", "optimizer": "adam"}
        assert run.tags["team"] == "vision"
        assert run.status == "RUNNING" and not run.finished
        assert run.started is not None and run.ended is None
        assert run.metrics == {} and run.metric_steps == {}

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_contract_ended_run_is_finished(
        self, tracker: Tracker, user: UserSide, run_id: str, status: str
    ) -> None:
        user.finish(run_id, status)
        run = only(tracker, run_id)
        assert run.finished and run.status == status
        assert run.ended is not None and run.ended >= (run.started or 0)

    def test_contract_latest_metric_is_that_of_the_highest_step(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", [(3.0, 0, NOW), (1.0, 20, NOW + 1), (2.0, 10, NOW + 2)])
        run = only(tracker, run_id)
        assert run.metrics == {"loss": 1.0}
        assert run.metric_steps == {"loss": 20}

    def test_contract_latest_metric_may_be_nan(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", [(3.0, 0, NOW), (math.nan, 1, NOW + 1)])
        assert math.isnan(only(tracker, run_id).metrics["loss"])

    def test_contract_runs_are_listed_oldest_first(self, tracker: Tracker, user: UserSide) -> None:
        user.new_experiment(EXPERIMENT)
        made = [user.new_run(EXPERIMENT, name=f"run {i}") for i in range(5)]
        runs = tracker.runs(EXPERIMENT)
        assert {run.id for run in runs} == set(made)
        assert [run.started for run in runs] == sorted(run.started or 0 for run in runs)

    def test_contract_runs_of_other_experiments_stay_there(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.new_experiment("other")
        user.new_run("other", name="elsewhere")
        assert [run.id for run in tracker.runs(EXPERIMENT)] == [run_id]

    def test_contract_deleted_runs_are_not_listed(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        kept = user.new_run(EXPERIMENT, name="kept")
        user.delete(run_id)
        assert [run.id for run in tracker.runs(EXPERIMENT)] == [kept]

    @pytest.mark.parametrize(
        "text",
        ["<script>alert(1)</script>", "größe ≥ 漢字 🚀", "a|b`c`*d*[e](f)", '"quoted" \\ &amp;'],
    )
    def test_contract_names_and_texts_come_back_letter_for_letter(
        self, tracker: Tracker, user: UserSide, text: str
    ) -> None:
        user.new_experiment(EXPERIMENT)
        run_id = user.new_run(EXPERIMENT, name=text, params={"note": text}, tags={"label": text})
        run = only(tracker, run_id)
        assert (run.name, run.params["note"], run.tags["label"]) == (text, text, text)
