"""The promises of `unsl_tracking.runs.Tracker` as a test suite for adapters (needs pytest).

    from unsl_tracking.testing import TrackerContract

    class TestMyTracker(TrackerContract):
        @pytest.fixture
        def tracker(self): ...      # a tracker on an empty store

        @pytest.fixture
        def user(self, tracker): ...  # a `UserSide` writing to the same store

The parts (`ReadContract`, `HistoryContract`, `CursorContract`, `WriteContract`, `NoteContract`) can
be subclassed one by one; a tracker that cannot do what one test asks for overrides that test and
says why in its place. `VerdictContract` is for trackers that also have `set_verdict`.
"""

from __future__ import annotations

from unsl_tracking.errors import MissingDependency

try:
    import pytest
except ModuleNotFoundError as missing:  # pragma: no cover
    raise MissingDependency(
        "unsl_tracking.testing needs pytest", next_step="Run: pip install pytest"
    ) from missing

# Before the modules are imported, so that their plain asserts tell what they compared.
pytest.register_assert_rewrite(
    "unsl_tracking.testing.base",
    "unsl_tracking.testing.reading",
    "unsl_tracking.testing.history",
    "unsl_tracking.testing.cursor",
    "unsl_tracking.testing.writing",
    "unsl_tracking.testing.note",
    "unsl_tracking.testing.verdict",
)

from unsl_tracking.testing.base import ContractBase, UserSide  # noqa: E402
from unsl_tracking.testing.cursor import CursorContract  # noqa: E402
from unsl_tracking.testing.history import HistoryContract  # noqa: E402
from unsl_tracking.testing.note import NoteContract  # noqa: E402
from unsl_tracking.testing.reading import ReadContract  # noqa: E402
from unsl_tracking.testing.verdict import VerdictContract  # noqa: E402
from unsl_tracking.testing.writing import WriteContract  # noqa: E402


class TrackerContract(ReadContract, HistoryContract, CursorContract, WriteContract, NoteContract):
    """Everything a tracker promises."""


__all__ = [
    "ContractBase",
    "CursorContract",
    "HistoryContract",
    "NoteContract",
    "ReadContract",
    "TrackerContract",
    "UserSide",
    "VerdictContract",
    "WriteContract",
]
