"""Runs of a tracker, and how they become observations along scaling axes.

The way through: a `Tracker` lists `Run`s and reads their `History`; `observe` cleans it, finds the
axes (`Axis`, `Detection`) and the groups, and gives `Observations`, whose `frame` a law is fitted
to. `CurveBuckets` keeps one curve of any length in bounded memory while a run goes on.
"""

from __future__ import annotations

from unsl_tracking.runs.axes import Axis, as_axes
from unsl_tracking.runs.curve import CurveBuckets
from unsl_tracking.runs.detect import Detection, detect_axes
from unsl_tracking.runs.expression import Expression, near_names, parse_expression
from unsl_tracking.runs.grouping import IGNORED_KEYS, Group, KeyVerdict
from unsl_tracking.runs.memory import MemoryTracker
from unsl_tracking.runs.names import Kind, family_of, kind_of
from unsl_tracking.runs.note import merge_card, split_card
from unsl_tracking.runs.numbers import read_number
from unsl_tracking.runs.observations import Observations, metrics_to_read, observe
from unsl_tracking.runs.planned import Plan
from unsl_tracking.runs.rows import Dropped
from unsl_tracking.runs.run import Cursor, History, Run, empty_history
from unsl_tracking.runs.tracker import KeepsVerdicts, Tracker
from unsl_tracking.runs.verdict import Verdict

__all__ = [
    "IGNORED_KEYS",
    "Axis",
    "Cursor",
    "CurveBuckets",
    "Detection",
    "Dropped",
    "Expression",
    "Group",
    "History",
    "KeepsVerdicts",
    "KeyVerdict",
    "Kind",
    "MemoryTracker",
    "Observations",
    "Plan",
    "Run",
    "Tracker",
    "Verdict",
    "as_axes",
    "detect_axes",
    "empty_history",
    "family_of",
    "kind_of",
    "merge_card",
    "metrics_to_read",
    "near_names",
    "observe",
    "parse_expression",
    "read_number",
    "split_card",
]
