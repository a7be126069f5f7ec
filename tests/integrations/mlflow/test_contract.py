"""The promises of every tracker, kept on a sqlite file and on a real server."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker
from unsl_tracking.testing import TrackerContract, UserSide, VerdictContract


class TestOnASqliteFile(TrackerContract, VerdictContract):
    @pytest.fixture
    def tracker(self, sqlite_uri: str) -> MlflowTracker:
        return MlflowTracker(sqlite_uri)

    @pytest.fixture
    def user(self, sqlite_user: UserSide) -> UserSide:
        return sqlite_user


class TestOnAServer(TrackerContract, VerdictContract):
    @pytest.fixture
    def tracker(self, server: Any) -> MlflowTracker:
        return MlflowTracker(server.uri)

    @pytest.fixture
    def user(self, server_user: UserSide) -> UserSide:
        return server_user
