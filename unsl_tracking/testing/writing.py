"""Metrics, artifacts and tags that we write into other people's runs."""

from __future__ import annotations

import math

import pytest

from unsl_tracking.errors import NotFound, UnslError
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing.base import EXPERIMENT, NOW, ContractBase, UserSide, only


class WriteContract(ContractBase):
    """Writing; twice is the same as once, and a finished run stays finished."""

    def test_contract_written_metrics_are_read_back(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        tracker.log_metrics(run_id, {"unsl/loss/final": 2.5, "unsl/loss/final_lo80": 2.25}, step=70)
        run = only(tracker, run_id)
        assert run.metrics == {"unsl/loss/final": 2.5, "unsl/loss/final_lo80": 2.25}
        assert run.metric_steps == {"unsl/loss/final": 70, "unsl/loss/final_lo80": 70}

    def test_contract_writing_the_same_metrics_again_changes_nothing(
        self, tracker: Tracker, run_id: str
    ) -> None:
        for _ in range(3):
            tracker.log_metrics(run_id, {"unsl/loss/final": 2.5}, step=70)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["unsl/loss/final"]).frame
        assert frame[["step", "value"]].to_numpy().tolist() == [[70, 2.5]]

    def test_contract_writing_the_same_at_an_earlier_step_again_changes_nothing(
        self, tracker: Tracker, run_id: str
    ) -> None:
        for step in (70, 90, 70, 90):
            tracker.log_metrics(run_id, {"unsl/loss/final": step / 10}, step=step)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["unsl/loss/final"]).frame
        assert sorted(frame["step"]) == [70, 90]

    @pytest.mark.parametrize("correction", [2.0, 3.0])
    def test_contract_a_corrected_metric_is_the_latest_one(
        self, tracker: Tracker, run_id: str, correction: float
    ) -> None:
        tracker.log_metrics(run_id, {"unsl/loss/final": 2.5}, step=70)
        tracker.log_metrics(run_id, {"unsl/loss/final": correction}, step=70)
        assert only(tracker, run_id).metrics["unsl/loss/final"] == correction

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_contract_values_that_are_not_finite_are_refused(
        self, tracker: Tracker, run_id: str, value: float
    ) -> None:
        with pytest.raises(UnslError, match="finite"):
            tracker.log_metrics(run_id, {"unsl/loss/final": value}, step=1)
        assert only(tracker, run_id).metrics == {}

    def test_contract_writing_leaves_the_users_metrics_alone(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        user.log(run_id, "loss", [(1.0, 5, NOW)])
        tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=5)
        frame = tracker.history(tracker.runs(EXPERIMENT), ["loss"]).frame
        assert frame[["value", "step", "timestamp"]].to_numpy().tolist() == [[1.0, 5, NOW]]

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_contract_writing_to_a_finished_run_leaves_its_status_and_end(
        self, tracker: Tracker, user: UserSide, run_id: str, status: str
    ) -> None:
        user.finish(run_id, status)
        before = only(tracker, run_id)
        tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=5)
        tracker.log_artifact(run_id, "unsl/forecast.json", b"{}")
        tracker.set_tags(run_id, {"unsl.verdict": "GO"})
        tracker.set_card(run_id, "card")
        after = only(tracker, run_id)
        assert (after.status, after.started, after.ended) == (status, before.started, before.ended)

    def test_contract_writing_to_a_running_run_leaves_it_running(
        self, tracker: Tracker, run_id: str
    ) -> None:
        tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=5)
        tracker.log_artifact(run_id, "unsl/forecast.json", b"{}")
        tracker.set_card(run_id, "card")
        assert only(tracker, run_id).status == "RUNNING"

    def test_contract_writing_to_an_unknown_run_is_not_found(
        self, tracker: Tracker, run_id: str
    ) -> None:
        unknown = run_id[:-1] + ("0" if run_id[-1] != "0" else "1")
        with pytest.raises(NotFound):
            tracker.log_metrics(unknown, {"unsl/loss/final": 0.5}, step=5)
        with pytest.raises(NotFound):
            tracker.set_tags(unknown, {"unsl.verdict": "GO"})
        with pytest.raises(NotFound):
            tracker.log_artifact(unknown, "unsl/forecast.json", b"{}")
        with pytest.raises(NotFound):
            tracker.set_card(unknown, "card")

    @pytest.mark.parametrize("data", [b"", b"{}", bytes(range(256)) * 40, "größe\r\n".encode()])
    def test_contract_artifacts_are_read_back_byte_for_byte(
        self, tracker: Tracker, run_id: str, data: bytes
    ) -> None:
        tracker.log_artifact(run_id, "unsl/deep/forecast.bin", data)
        assert tracker.read_artifact(run_id, "unsl/deep/forecast.bin") == data

    def test_contract_an_artifact_replaces_the_one_of_that_path(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        tracker.log_artifact(run_id, "unsl/forecast.json", b"a longer first version")
        tracker.log_artifact(run_id, "unsl/forecast.json", b"second")
        tracker.log_artifact(run_id, "top.txt", b"at the top")
        assert tracker.read_artifact(run_id, "unsl/forecast.json") == b"second"
        assert tracker.read_artifact(run_id, "top.txt") == b"at the top"
        assert sorted(user.files(run_id)) == ["top.txt", "unsl/forecast.json"]

    def test_contract_an_unknown_artifact_is_not_found(self, tracker: Tracker, run_id: str) -> None:
        with pytest.raises(NotFound):
            tracker.read_artifact(run_id, "unsl/forecast.json")
        tracker.log_artifact(run_id, "unsl/forecast.json", b"{}")
        with pytest.raises(NotFound):
            tracker.read_artifact(run_id, "unsl/other.json")

    @pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", "unsl/../../out.txt", ""])
    def test_contract_artifacts_cannot_leave_their_run(
        self, tracker: Tracker, run_id: str, path: str
    ) -> None:
        with pytest.raises(UnslError):
            tracker.log_artifact(run_id, path, b"")

    def test_contract_tags_are_set_and_others_left_alone(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        other = user.new_run(EXPERIMENT, name="other", tags={"team": "vision"})
        tracker.set_tags(other, {"unsl.verdict": "GO", "unsl.reason": "<b>größe</b> 🚀"})
        tracker.set_tags(other, {"unsl.verdict": "NO-GO"})
        tags = only(tracker, other).tags
        assert (tags["team"], tags["unsl.verdict"]) == ("vision", "NO-GO")
        assert tags["unsl.reason"] == "<b>größe</b> 🚀"
        assert "unsl.verdict" not in only(tracker, run_id).tags
