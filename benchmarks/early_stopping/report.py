"""Figures as tables in markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.early_stopping.harness import Figures
from benchmarks.early_stopping.rules import OURS, PRUNERS
from benchmarks.early_stopping.screening import Stops

NEVER = "never"


def geometric_mean(speed_ups: Sequence[float]) -> float:
    """Over tasks; one on which the goal was never reached counts as no speed-up at all."""
    return float(np.exp(np.mean(np.log([1.0 if np.isnan(v) else v for v in speed_ups]))))


def by_rule(found: Sequence[Figures]) -> dict[str, list[Figures]]:
    """The figures of each rule, in order of appearance."""
    names = dict.fromkeys(f.rule for f in found)
    return {name: [f for f in found if f.rule == name] for name in names}


def search_table(found: Sequence[Figures]) -> pd.DataFrame:
    """A row per rule: speed-up per task, their geometric mean, stops."""
    rows = []
    for name, mine in by_rule(found).items():
        row: dict[str, object] = {"rule": name}
        row["speed-up"] = geometric_mean([f.speed_up for f in mine])
        row["by final"] = geometric_mean([f.by_final for f in mine])
        row |= {f.pool.split()[-1]: _number(f.speed_up) for f in mine}
        stops = sum((f.stops for f in mine), Stops())
        row["false stops"], row["missed"] = f"{stops.false_stops:.1%}", f"{stops.missed:.1%}"
        row["CPU s per search"] = np.mean([f.seconds / len(f.screened) for f in mine])
        rows.append(row)
    return pd.DataFrame(rows)


def pool_table(found: Sequence[Figures]) -> pd.DataFrame:
    """A row per rule: speed-up of all pools together, and what was kept and lost."""
    rows = []
    for name, mine in by_rule(found).items():
        each = [s for f in mine for s in f.screened]
        stops = sum((f.stops for f in mine), Stops())
        rows.append(
            {
                "rule": name,
                "speed-up": sum(s.runs for s in each) / sum(s.cost for s in each),
                "mean of pools": float(np.mean([s.speed_up for s in each])),
                "best kept": f"{np.mean([s.best_kept for s in each]):.1%}",
                "better runs lost": f"{np.mean([s.lost / s.runs for s in each]):.2%}",
                "false stops": f"{stops.false_stops:.1%}",
                "missed": f"{stops.missed:.1%}",
            }
        )
    return pd.DataFrame(rows)


def each_pool(found: Sequence[Figures], rule: str) -> pd.DataFrame:
    """A row per pool for one rule."""
    return pd.DataFrame(
        {
            "pool": f.pool,
            "runs": f.screened[0].runs,
            "speed-up": float(np.mean([s.speed_up for s in f.screened])),
            "best kept": f"{np.mean([s.best_kept for s in f.screened]):.0%}",
            "better runs lost": f"{np.mean([s.lost / s.runs for s in f.screened]):.1%}",
        }
        for f in found
        if f.rule == rule
    )


def against_best(found: Sequence[Figures]) -> str:
    """Ours over the best pruner of the same run, in words."""
    means = {n: geometric_mean([f.speed_up for f in mine]) for n, mine in by_rule(found).items()}
    rivals = {n: v for n, v in means.items() if n in PRUNERS}
    mine = {n: v for n, v in means.items() if n in OURS}
    if not rivals or not mine:
        return "nothing to compare"
    best, ours = max(rivals, key=lambda n: rivals[n]), max(mine, key=lambda n: mine[n])
    ratio = mine[ours] / rivals[best]
    return f"{ours} {mine[ours]:.2f}, best pruner ({best}) {rivals[best]:.2f}: {ratio:.2f} ×"


def markdown(table: pd.DataFrame) -> str:
    """A table in markdown; text from tables is escaped."""
    head = [str(c) for c in table.columns]
    lines = [head, ["---"] * len(head)]
    lines += [[_cell(v) for v in row] for row in table.astype(object).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def to_json(found: Sequence[Figures]) -> list[dict[str, object]]:
    """Every figure of every rule and pool."""
    return [
        {
            "pool": f.pool,
            "rule": f.rule,
            "speed_up": None if np.isnan(f.speed_up) else f.speed_up,
            "speed_up_by_final": None if np.isnan(f.by_final) else f.by_final,
            "goal": f.goal,
            "stopped": f.stops.stopped,
            "wrongly": f.stops.wrongly,
            "better": f.stops.better,
            "screened": [
                {"runs": s.runs, "cost": s.cost, "best_kept": s.best_kept, "lost": s.lost}
                for s in f.screened
            ],
            "cpu_seconds": f.seconds,
        }
        for f in found
    ]


def _number(value: float) -> object:
    return NEVER if np.isnan(value) else value


def _cell(value: object) -> str:
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
