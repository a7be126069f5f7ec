"""`unsl demo`: small networks are trained, larger ones forecast, then trained and compared."""

from __future__ import annotations

from unsl_tracking.demo.plan import Plan, full_plan, small_plan
from unsl_tracking.demo.story import Comparison, DemoResult, run_demo

__all__ = ["Comparison", "DemoResult", "Plan", "full_plan", "run_demo", "small_plan"]
