from __future__ import annotations

import pytest

from unsl_tracking.runs.memory import MemoryTracker
from unsl_tracking.testing import TrackerContract


class TestMemoryTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> MemoryTracker:
        return MemoryTracker()

    @pytest.fixture
    def user(self, tracker: MemoryTracker) -> MemoryTracker:
        return tracker
