"""Runs of a tracker, and how they become observations along scaling axes."""

from __future__ import annotations

from unsl_tracking.runs.memory import MemoryTracker
from unsl_tracking.runs.note import merge_card, split_card
from unsl_tracking.runs.run import Cursor, History, Run, empty_history
from unsl_tracking.runs.tracker import Tracker

__all__ = [
    "Cursor",
    "History",
    "MemoryTracker",
    "Run",
    "Tracker",
    "empty_history",
    "merge_card",
    "split_card",
]
