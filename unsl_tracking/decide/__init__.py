"""Decisions as pure functions: evidence in, verdict out, nothing mutated, no tracker in sight."""

from unsl_tracking.decide.allocate import allocate as allocate
from unsl_tracking.decide.allocation import Allocation as Allocation
from unsl_tracking.decide.allocation import AxisChoice as AxisChoice
from unsl_tracking.decide.evidence import Evidence as Evidence
from unsl_tracking.decide.gate import GateDecision as GateDecision
from unsl_tracking.decide.gate import gate as gate
from unsl_tracking.decide.next_runs import next_runs as next_runs
from unsl_tracking.decide.run_plan import NextRuns as NextRuns
from unsl_tracking.decide.stop import Decision as Decision
from unsl_tracking.decide.stop import StopRule as StopRule
from unsl_tracking.decide.stop import decide_stop as decide_stop
from unsl_tracking.decide.support import Reason as Reason
from unsl_tracking.decide.support import Support as Support

__all__ = [
    "Allocation",
    "AxisChoice",
    "Decision",
    "Evidence",
    "GateDecision",
    "NextRuns",
    "Reason",
    "StopRule",
    "Support",
    "allocate",
    "decide_stop",
    "gate",
    "next_runs",
]
