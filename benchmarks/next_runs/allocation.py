"""Is the split right? Measured optima of isoFLOP sweeps, against splits by laws of smaller budgets.

A sweep trains models of many sizes for one budget; the size where a parabola through ln loss over
ln params (points within 3% of the lowest) has its minimum is the measured optimum. The law sees all
budgets but the largest one, two or three, and splits the largest. The same again with the largest
budget, or the two largest, left out of the sweep. Run: python -m benchmarks.next_runs.allocation
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import unsl_tracking as ut
from benchmarks.accuracy.manifest import data_folder
from benchmarks.next_runs.ladders import SWEEPS
from unsl_tracking.law import zoo

AXES = ("params", "tokens")
NEAR = 0.03  # ln loss above the lowest within which points shape the parabola
FEWEST = 5
LEVELS = (0.5, 0.8, 0.95)
METHODS = {"ours": None, "CF": [zoo.chinchilla(AXES)]}


@dataclass(frozen=True)
class Case:
    """One budget, split by one law; sizes and their standard errors in ln params."""

    sweep: str
    left_out: int
    method: str
    miss: float  # ln of the split's size over the measured optimum
    excess: float  # ln loss lost by it, on the parabola
    error: float  # standard error of the measured optimum
    inside: tuple[bool, ...]  # by level, the interval widened by that error


def cases(folder: Path) -> Iterator[Case]:
    """All sweeps, largest budgets, and numbers of budgets left out."""
    table = pd.read_csv(folder / "isoflops.csv")
    table = table[table["outlier"] != 1].rename(columns={"value": "loss"})
    for sweep in SWEEPS:
        rows = table[table["group"] == sweep]
        budgets = sorted(rows["flops_budget"].unique())
        for dropped in range(3):
            kept = budgets[: len(budgets) - dropped]
            for left_out in (1, 2, 3):
                seen = rows[rows["flops_budget"] < kept[-left_out]]
                if seen["flops_budget"].nunique() >= 3:
                    largest = rows[rows["flops_budget"] == kept[-1]]
                    yield from _case(sweep.split("__")[0], left_out, seen, largest)


def _case(sweep: str, left_out: int, seen: pd.DataFrame, largest: pd.DataFrame) -> Iterator[Case]:
    best, error, bend = _measured(largest)
    budget = float((6.0 * largest["params"] * largest["tokens"]).median())
    for method, forms in METHODS.items():
        law = ut.fit(seen[[*AXES, "loss"]], AXES, "loss", forms=forms)
        found = law.allocate(budget, "6*params*tokens")
        miss = float(np.log(found["params"].value)) - best
        inside = []
        for level in LEVELS:
            low, high = np.log(found.interval(level)["params"])
            middle, half = 0.5 * (low + high), 0.5 * (high - low)
            wide = half * np.hypot(1.0, error / max(_sd(half, level), 1e-9))
            inside.append(bool(abs(best - middle) <= wide))
        yield Case(sweep, left_out, method, miss, 0.5 * bend * miss**2, error, tuple(inside))


def _sd(half: float, level: float) -> float:
    """Standard deviation of a normal whose central interval is this half as wide."""
    return half / {0.5: 0.6745, 0.8: 1.2816, 0.95: 1.96}[level]


def _measured(largest: pd.DataFrame) -> tuple[float, float, float]:
    """ln params of the measured optimum, its standard error, the parabola's second derivative."""
    x, y = np.log(largest["params"].to_numpy()), np.log(largest["loss"].to_numpy())
    near = y < y.min() + NEAR
    near = near if near.sum() >= FEWEST else np.ones(len(x), dtype=bool)
    (a, b, _), covariance = np.polyfit(x[near], y[near], 2, cov=True)
    slope = np.array([b / (2.0 * a**2), -1.0 / (2.0 * a), 0.0])
    return -b / (2.0 * a), float(np.sqrt(slope @ covariance @ slope)), 2.0 * a


def markdown(found: Sequence[Case]) -> str:
    """A row per sweep and method."""
    head = ["sweep", "law", "splits", "median miss in size", "median loss", "worst loss"]
    head += [f"in {level:.0%}" for level in LEVELS]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |"]
    for sweep in [*dict.fromkeys(c.sweep for c in found), "all"]:
        for method in METHODS:
            some = [c for c in found if c.method == method and sweep in (c.sweep, "all")]
            misses = np.expm1(np.abs([c.miss for c in some]))
            losses = np.array([c.excess for c in some])
            cells = [sweep, method, str(len(some)), f"{np.median(misses):.0%}"]
            cells += [f"{np.median(losses):.2%}", f"{losses.max():.2%}"]
            cells += [f"{np.mean([c.inside[i] for c in some]):.0%}" for i in range(len(LEVELS))]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.next_runs.allocation")
    parser.add_argument("--data", type=Path, default=data_folder(), help="[%(default)s]")
    print(markdown(list(cases(parser.parse_args(argv).data))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
