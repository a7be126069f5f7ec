"""Series that adapters read: the frame they make together, and what a cursor remembers of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.runs.marks import MarkedCursor, cursor_with_marks, marks_in
from unsl_tracking.runs.run import HISTORY_DTYPES, Cursor, empty_history
from unsl_tracking.runs.series import Key, to_frame


class Three(NamedTuple):
    """Rows of a series; the order of fields is this adapter's own."""

    value: NDArray[np.float64]
    step: NDArray[np.int64]
    timestamp: NDArray[np.int64]


class Mine(NamedTuple):
    """A mark."""

    rows: int


class Theirs(NamedTuple):
    """Another adapter's mark of the same shape."""

    rows: int


def rows(*values: float) -> Three:
    places = np.arange(len(values), dtype=np.int64)
    return Three(np.array(values), places, 1000 + places)


def test_series_become_one_frame_by_run_and_metric() -> None:
    parts = {
        Key("b", "loss"): rows(3.0),
        Key("a", "loss"): rows(1.0, np.nan, np.inf),
        Key("a", "acc"): rows(),
        Key("a", "aux"): rows(-np.inf),
    }
    frame = to_frame(parts)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == HISTORY_DTYPES
    found = list(zip(frame["run_id"], frame["metric"], strict=True))
    assert found == [("a", "aux"), *[("a", "loss")] * 3, ("b", "loss")]
    np.testing.assert_equal(frame["value"].to_numpy(), [-np.inf, 1.0, np.nan, np.inf, 3.0])
    assert list(frame["step"]) == [0, 0, 1, 2, 0]
    assert list(frame["timestamp"]) == [1000, 1000, 1001, 1002, 1000]


def test_no_rows_are_an_empty_history() -> None:
    for parts in ({}, {Key("a", "loss"): rows()}):
        assert to_frame(parts).equals(empty_history())


def test_a_cursor_with_marks_is_a_cursor_like_any_other() -> None:
    cursor = cursor_with_marks({"a": 3}, ["b"], {Key("a", "loss"): Mine(4)})
    assert isinstance(cursor, MarkedCursor)
    assert cursor == Cursor({"a": 3}, frozenset({"b"}))
    assert marks_in(cursor, Mine) == {Key("a", "loss"): Mine(4)}


def test_marks_that_this_adapter_did_not_make_are_not_relied_upon() -> None:
    theirs = cursor_with_marks({"a": 3}, [], {Key("a", "loss"): Theirs(4)})
    assert marks_in(theirs, Mine) == {}
    assert marks_in(Cursor({"a": 3}, frozenset()), Mine) == {}
    assert marks_in(None, Mine) == {}
