"""What a scale-up report says, as data. The page, the markdown and the JSON are views of it.

The JSON is strict and the same for the same report (docs/report.md): no time of writing, no NaN.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from unsl_tracking.decide import Allocation, GateDecision, NextRuns, Support
from unsl_tracking.forecast import Backtest, FittedLaw
from unsl_tracking.report.anatomy import Gain, Part, gains, parts
from unsl_tracking.report.checks import Check, checks_of
from unsl_tracking.report.document import Answer, Document
from unsl_tracking.report.fit_check import FitCheck
from unsl_tracking.report.formula import Formula, formula_of

REPORT_SCHEMA: Final = "unsl_tracking/report"
REPORT_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class ScaleReport:
    """One law, what it says about one scale, and everything that speaks for it and against it.

    `document` holds the forecast, the evidence and the law's tables; its headline is the scale
    that the report is about. `tested` is the law's backtest by size, None where there was too
    little to replay. `decision` is there when a target was given, `allocation` when a budget was,
    `next_runs` when a cost was. `missing` has (what, why) of parts that could not be made,
    `others` names groups of runs that are not this report's, with what became of them.
    """

    document: Document
    law: FittedLaw
    fit: FitCheck
    support: Support
    tested: Backtest | None = None
    decision: GateDecision | None = None
    allocation: Allocation | None = None
    next_runs: NextRuns | None = None
    missing: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    command: str = ""

    @property
    def answer(self) -> Answer:
        """The forecast at the scale in question."""
        return self.document.headline

    @property
    def goal(self) -> float | None:
        """The target value, where one was given."""
        return None if self.decision is None else self.decision.target

    def checks(self) -> tuple[Check, ...]:
        """The questions of somebody who doubts it."""
        warnings = self.law.predict(dict(self.answer.point)).warnings
        return checks_of(self.fit, self.tested, self.support, warnings)

    def formula(self) -> Formula:
        """The heaviest form as mathematics."""
        heaviest = self.law.mixture.members[0].component
        return formula_of(heaviest, self.document.metric, self.law.ceiling)

    def gains(self) -> tuple[Gain, ...]:
        """What more scale buys at the point in question."""
        return gains(self.law, self.answer.point)

    def parts(self) -> tuple[Part, ...]:
        """What the forecast is made of."""
        return parts(self.law, self.answer.point)

    def to_dict(self) -> dict[str, object]:
        """Everything as strict JSON values."""
        formula = self.formula()
        return {
            "schema": REPORT_SCHEMA,
            "schema_version": REPORT_SCHEMA_VERSION,
            "decision": None if self.decision is None else self.decision.to_dict(),
            "forecast": self.document.to_dict(),
            "checks": [
                {"topic": c.topic, "question": c.question, "state": c.state, "answer": c.answer}
                for c in self.checks()
            ],
            "support": self.support.to_dict(),
            "formula": {
                "symbols": formula.symbols.latex,
                "numbers": formula.numbers.latex,
                "parameters": [
                    {
                        "symbol": each.symbol.latex,
                        "meaning": each.meaning,
                        "estimate": each.estimate,
                        "lo80": each.low,
                        "hi80": each.high,
                    }
                    for each in formula.known
                ],
                "means": dict(formula.means),
            },
            "gains": [
                {"axis": g.axis, "factor": g.factor, "median": g.median, "change": g.change}
                for g in self.gains()
            ],
            "parts": [{"words": p.words, "value": p.value, "share": p.share} for p in self.parts()],
            "fit": self.fit.to_dict(),
            "backtest": _without_rows(self.tested),
            "allocation": None if self.allocation is None else self.allocation.to_dict(),
            "next_runs": None if self.next_runs is None else self.next_runs.to_dict(),
            "missing": [{"what": what, "why": why} for what, why in self.missing],
            "other_groups": [{"name": name, "what": what} for name, what in self.others],
            "command": self.command,
        }

    def to_json(self) -> str:
        """Strict JSON text ending in a newline, the same for the same report."""
        text = json.dumps(_strict(self.to_dict()), ensure_ascii=False, allow_nan=False)
        # a lone surrogate (half an emoji in a run's name) cannot be encoded as UTF-8
        return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def _without_rows(tested: Backtest | None) -> dict[str, object] | None:
    """The backtest's tables; its rows are `unsl backtest --json`."""
    if tested is None:
        return None
    return {name: value for name, value in tested.to_dict().items() if name != "rows"}


def _strict(value: object) -> object:
    """Plain values throughout: numbers with ten digits, what is not finite as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.10g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _strict(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
