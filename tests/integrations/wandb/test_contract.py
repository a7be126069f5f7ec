"""The promises of every tracker, kept on W&B's real SDK and our small server."""

from __future__ import annotations

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.user import STEP, User
from unsl_tracking.runs.tracker import Tracker
from unsl_tracking.testing import TrackerContract, UserSide, VerdictContract
from unsl_tracking.testing.base import EXPERIMENT, NOW, only
from unsl_wandb import WandbTracker


class TestOnAServer(TrackerContract, VerdictContract):
    @pytest.fixture
    def tracker(self, tracker: WandbTracker) -> WandbTracker:
        return tracker

    @pytest.fixture
    def user(self, user: User) -> User:
        return user

    def test_contract_latest_metric_is_that_of_the_highest_step(
        self, tracker: Tracker, user: UserSide, run_id: str
    ) -> None:
        """In W&B the latest value is the one that was logged last: there is no other in a run's
        summary, and a listing that read histories would cost a request a run. The two differ only
        for those who log their own steps out of order."""
        user.log(run_id, "loss", [(3.0, 0, NOW), (2.0, 10, NOW + 1), (1.0, 20, NOW + 2)])
        run = only(tracker, run_id)
        assert run.metrics == {"loss": 1.0, STEP: 20.0}
        assert run.metric_steps == {"loss": 20, STEP: 20}
        assert run.experiment == EXPERIMENT
