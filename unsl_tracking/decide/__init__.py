"""Decisions as pure functions: evidence in, verdict out, nothing mutated, no tracker in sight."""

from unsl_tracking.decide.evidence import Evidence as Evidence
from unsl_tracking.decide.stop import Decision as Decision
from unsl_tracking.decide.stop import StopRule as StopRule
from unsl_tracking.decide.stop import decide_stop as decide_stop

__all__ = ["Decision", "Evidence", "StopRule", "decide_stop"]
