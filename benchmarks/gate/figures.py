"""From cases to figures: how often the gate decides, and how often it is wrong when it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.gate.cases import Ladder

WRONG_AT_MOST = 0.1  # of the decided cases, at 90% confidence
DECIDED_AT_LEAST = 0.6
_COUNTS = ("sets", "cases", "sets wrong above 10%")
BINS = np.array([0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0])


def frame(ladders: Sequence[Ladder]) -> pd.DataFrame:
    """A row per case; `weight` gives every set the same share, however many runs it has."""
    rows = []
    for number, ladder in enumerate(ladders):
        p = ladder.problem
        of = {"set": number, "domain": p.domain, "name": p.name, "secondary": p.secondary}
        kind = "curve" if len(p.axes) == 1 else "several axes"
        for case in ladder.cases:
            row = {**of, "kind": kind, **asdict(case), "weight": 1.0 / len(ladder.cases)}
            rows.append({**row, "decided": case.decided, "wrong": case.wrong})
    return pd.DataFrame(rows)


def row(cases: pd.DataFrame) -> dict[str, object]:
    """The figures of some cases."""
    weight = cases["weight"].to_numpy(dtype=float)
    decided, wrong = (cases[name].to_numpy(dtype=float) for name in ("decided", "wrong"))
    go = (cases["verdict"] == "GO").to_numpy(dtype=float)
    better = cases["distance"].to_numpy(dtype=float) > 0.0
    figures: dict[str, object] = {"sets": int(cases["set"].nunique()), "cases": len(cases)}
    figures["decided"] = _mean(decided, weight)
    figures["wrong of decided"] = _mean(wrong, weight * decided)
    figures["wrong of GO"] = _mean(~better, weight * go)
    figures["wrong of NO-GO"] = _mean(better, weight * decided * (1.0 - go))
    sets = cases.groupby("set")[["decided", "wrong"]].sum()
    worst = (sets["wrong"] > WRONG_AT_MOST * sets["decided"]).sum()
    figures["sets wrong above 10%"] = int(worst)
    return figures


def by(cases: pd.DataFrame, column: str) -> pd.DataFrame:
    """Figures per value of a column, in order of appearance (numbers in their own)."""
    numbers = pd.api.types.is_numeric_dtype(cases[column])
    parts = cases.groupby(column, sort=numbers)
    return pd.DataFrame({value: row(part) for value, part in parts}).T.rename_axis(column)


def why_undecided(cases: pd.DataFrame) -> pd.DataFrame:
    """Share of all cases that each reason keeps undecided (a case may have several)."""
    codes = sorted({code for each in cases["codes"] for code in each} - {"clears", "misses"})
    weight = cases["weight"].to_numpy(dtype=float)
    rows = []
    for code in codes:
        there = np.array([code in each for each in cases["codes"]])
        alone = np.array([tuple(each) == (code,) for each in cases["codes"]])
        sure = (cases["probability"] >= 0.9) | (cases["probability"] <= 0.1)
        would = (alone & sure).astype(float) if code != "straddles" else np.zeros(len(cases))
        go_wrong = (cases["probability"] >= 0.9) != (cases["distance"] > 0.0)
        rows.append(
            {
                "reason": code,
                "of all": _mean(there, weight),
                "alone though sure": _mean(would, weight),
                "of these would be wrong": _mean(go_wrong, weight * would),
            }
        )
    return pd.DataFrame(rows).set_index("reason")


def reliability(cases: pd.DataFrame) -> pd.DataFrame:
    """Per bin of the stated P(better than the target): its mean, how often it was so, the cases."""
    place = np.clip(np.searchsorted(BINS, cases["probability"], side="right") - 1, 0, len(BINS) - 2)
    rows = []
    for number in np.unique(place):
        inside = cases[place == number]
        weight = inside["weight"].to_numpy(dtype=float)
        rows.append(
            {
                "stated": _mean(inside["probability"], weight),
                "was better": _mean(inside["distance"] > 0.0, weight),
                "cases": len(inside),
                "sets": int(inside["set"].nunique()),
            }
        )
    return pd.DataFrame(rows)


def targets(cases: pd.DataFrame) -> list[str]:
    """The targets of the gate, met or missed."""
    found = row(cases)
    wrong, decided = float(str(found["wrong of decided"])), float(str(found["decided"]))
    return [
        f"wrong among decided {wrong:.1%}, target ≤ {WRONG_AT_MOST:.0%}: "
        + ("met" if wrong <= WRONG_AT_MOST else "MISSED"),
        f"decided {decided:.1%} of the cases, target ≥ {DECIDED_AT_LEAST:.0%}: "
        + ("met" if decided >= DECIDED_AT_LEAST else "MISSED"),
    ]


def markdown(table: pd.DataFrame) -> str:
    """A markdown table; shares as percentages."""
    shown = table.reset_index() if table.index.name else table
    body = [[_cell(c, v) for c, v in row.items()] for row in shown.to_dict(orient="records")]
    lines = [[str(c) for c in shown.columns], ["---"] * shown.shape[1], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(ladders: Sequence[Ladder], path: Path) -> None:
    """Everything as JSON."""
    content = [
        {
            "source": ladder.problem.source,
            "domain": ladder.problem.domain,
            "set": ladder.problem.name,
            "axes": list(ladder.problem.axes),
            "refusal": ladder.refusal,
            "seconds": None if np.isnan(ladder.seconds) else ladder.seconds,
            "cases": [asdict(case) for case in ladder.cases],
        }
        for ladder in ladders
    ]
    path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")


def _cell(column: Any, value: Any) -> str:
    if isinstance(value, float) and np.isfinite(value):
        if column in _COUNTS:
            return f"{value:.0f}"
        return f"{value:+g}" if column == "distance" else f"{value:.1%}"
    if isinstance(value, float):
        return ""
    return str(value).replace("|", "\\|").replace("\n", " ")


def _mean(values: Any, weight: Any) -> float:
    total = float(np.sum(weight))
    values = np.asarray(values, dtype=float)
    return float(np.sum(values * weight) / total) if total > 0.0 else np.nan


def sections(cases: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Every table of the report, by title."""
    return {
        "All": pd.DataFrame(
            {
                "every large run": row(cases),
                "the largest run of each set": row(cases[cases["largest"]]),
                "ladders on several axes": row(cases[cases["kind"] == "several axes"]),
                "curves": row(cases[cases["kind"] == "curve"]),
            }
        ).T.rename_axis("cases of"),
        "By domain": by(cases, "domain"),
        "By distance of the target, ln(target / truth)": by(cases, "distance"),
        "Why undecided": why_undecided(cases),
        "Reliability": reliability(cases),
    }
