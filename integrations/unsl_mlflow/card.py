"""The card in the run's description, which the MLflow page shows as markdown."""

from __future__ import annotations

from typing import Final

from unsl_mlflow.client import Connection
from unsl_mlflow.writer import MAX_TEXT, write_tags
from unsl_tracking.runs.note import merge_card, split_card

NOTE: Final = "mlflow.note.content"  # mlflow/utils/mlflow_tags.py: MLFLOW_RUN_NOTE
LEFT_OUT: Final = "unsl.card"
"""Tag that says why a run has no card."""


def write_card(connection: Connection, run_id: str, card: str) -> None:
    """Put the card into the note. The user's text is kept; where it fills the note, a tag says so.

    MLflow cuts a note at 8000 characters without a word, so we stay below it ourselves.
    """
    with connection.calling(f"read the note of run {run_id!r}"):
        tags = connection.store.get_run(run_id).data.tags
    note = tags.get(NOTE) or ""
    merged = merge_card(note, card, limit=MAX_TEXT)
    changed = {} if merged == note else {NOTE: merged}
    left_out = ""
    if card.strip() and not split_card(merged)[1]:
        left_out = f"not shown: the description already has {len(note)} of {MAX_TEXT} characters"
    if tags.get(LEFT_OUT, "") != left_out:
        changed[LEFT_OUT] = left_out
    if changed:
        write_tags(connection, run_id, changed)
