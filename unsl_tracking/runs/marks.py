"""What an adapter remembers of each series that it has read, carried along in its cursors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from unsl_tracking.runs.run import Cursor
from unsl_tracking.runs.series import Key

M = TypeVar("M")


class MarkedCursor(Cursor, Generic[M]):
    """A `Cursor` that also carries a mark per series; one without marks is not relied upon."""

    marks: Mapping[Key, M]


def cursor_with_marks(
    steps: Mapping[str, int], complete: Iterable[str], marks: Mapping[Key, M]
) -> MarkedCursor[M]:
    """A cursor as an adapter hands it out."""
    cursor: MarkedCursor[M] = MarkedCursor(steps, frozenset(complete))
    cursor.marks = marks
    return cursor


def marks_in(cursor: Cursor | None, kind: type[M]) -> dict[Key, M]:
    """The marks of a cursor that are of this adapter's kind; none in anybody else's cursor."""
    if not isinstance(cursor, MarkedCursor):
        return {}
    return {key: mark for key, mark in cursor.marks.items() if isinstance(mark, kind)}
