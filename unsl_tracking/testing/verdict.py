"""A gate's verdict on an experiment and its models, for trackers that have `set_verdict`."""

from __future__ import annotations

import pytest

from unsl_tracking.errors import NotFound
from unsl_tracking.runs.tracker import KeepsVerdicts, Tracker
from unsl_tracking.runs.verdict import Verdict
from unsl_tracking.testing.base import EXPERIMENT, ContractBase, UserSide, only

GO = Verdict("GO", {"unsl.gate": "GO", "unsl.gate.reason": "<b>größe</b> 🚀 | P = 0.97"})
NO_GO = Verdict("NO-GO", {"unsl.gate": "NO-GO", "unsl.gate.reason": "P = 0.02"})


class VerdictContract(ContractBase):
    """Says where the verdict went, twice is the same as once, and runs stay as they are."""

    def test_contract_a_verdict_names_the_experiment_that_has_it(
        self, tracker: Tracker, run_id: str
    ) -> None:
        assert isinstance(tracker, KeepsVerdicts)
        assert tracker.set_verdict(EXPERIMENT, [run_id], GO) == (EXPERIMENT,)

    def test_contract_the_same_verdict_twice_and_another_one_can_be_written(
        self, tracker: Tracker, run_id: str
    ) -> None:
        assert isinstance(tracker, KeepsVerdicts)
        for verdict in (GO, GO, NO_GO):
            assert tracker.set_verdict(EXPERIMENT, [run_id], verdict) == (EXPERIMENT,)

    def test_contract_a_verdict_leaves_the_runs_as_they_are(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        assert isinstance(tracker, KeepsVerdicts)
        user.finish(run_id)
        before = only(tracker, run_id)
        tracker.set_verdict(EXPERIMENT, [run_id], GO)
        assert only(tracker, run_id) == before

    def test_contract_a_verdict_about_no_runs_is_still_the_experiments(
        self, tracker: Tracker, run_id: str
    ) -> None:
        assert isinstance(tracker, KeepsVerdicts)
        assert tracker.set_verdict(EXPERIMENT, [], GO) == (EXPERIMENT,)

    def test_contract_a_verdict_on_an_unknown_experiment_is_not_found(
        self, tracker: Tracker, run_id: str
    ) -> None:
        assert isinstance(tracker, KeepsVerdicts)
        with pytest.raises(NotFound):
            tracker.set_verdict("no such experiment", [run_id], GO)
