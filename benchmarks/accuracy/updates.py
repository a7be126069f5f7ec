"""How far laws that are updated row by row are from fresh fits, and what an update costs.

    python -m benchmarks.accuracy.updates [--data DIR] [--only PATTERN] [--stages 6]

Every problem's small-scale part arrives in order of size, its last 60% a row at a time. At a few
stages the updated law is compared with a fresh fit to the same rows, at the points that are scored:
distances of median and bounds, in half-widths of the fresh fit's 80% interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import unsl_tracking as ut
from benchmarks.accuracy import harness
from benchmarks.accuracy.manifest import data_folder, read_specs
from benchmarks.accuracy.tables import VALUE, Problem, only, problems

Array = NDArray[np.float64]
_FIRST = 0.4  # of the rows are there before the first update
_FEWEST = 40  # rows; below, one row in twenty is every row, and each update is a fresh fit


@dataclass(frozen=True)
class Followed:
    """One problem: distances at every stage, seconds of every update, which of them searched."""

    median: list[float]
    bounds: list[float]
    seconds: list[float]
    searched: list[bool]
    fresh_seconds: list[float]


def follow(problem: Problem, stages: int) -> Followed | None:
    """Update through a problem; None where it is too short or refused."""
    size = np.log(problem.train[list(problem.scale)].to_numpy(dtype=float)).sum(axis=1)
    rows = problem.train.iloc[np.argsort(size, kind="stable")]
    # Without a run, a row at the same place would correct the one before it.
    rows = rows.drop_duplicates(list(problem.axes), keep="last").reset_index(drop=True)
    if len(rows) < _FEWEST:
        return None
    first = int(_FIRST * len(rows))
    checks = set(np.linspace(first, len(rows) - 1, stages + 1).astype(int)[1:].tolist())
    found = Followed([], [], [], [], [])
    try:
        law = ut.fit(rows.iloc[:first], list(problem.axes), VALUE)
    except ut.UnslError:
        return None
    for at in range(first, len(rows)):
        before, begun = law._searched, time.process_time()
        law.update(rows.iloc[at : at + 1])
        found.seconds.append(time.process_time() - begun)
        found.searched.append(law._searched is not before)
        if at in checks:
            _compare(law, problem, rows.iloc[: at + 1], found)
    return found


def _compare(law: ut.FittedLaw, problem: Problem, rows: pd.DataFrame, found: Followed) -> None:
    begun = time.process_time()
    fresh = ut.fit(rows, list(problem.axes), VALUE)
    found.fresh_seconds.append(time.process_time() - begun)
    at = problem.test[list(problem.axes)]
    low, high = fresh.predict(at).interval(0.8)
    half = 0.5 * (high - low)
    mine, theirs = (each.predict(at).quantile([0.1, 0.5, 0.9]) for each in (law, fresh))
    apart = np.abs(np.asarray(mine) - np.asarray(theirs)) / half
    found.median.append(float(np.median(apart[1])))
    found.bounds.append(float(np.median(np.maximum(apart[0], apart[2]))))


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy.updates")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--only", default="*", help="sets whose source, domain or name match")
    parser.add_argument("--main", action="store_true", help="leave the secondary sets out")
    parser.add_argument("--stages", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args(argv)
    found = only(problems(args.data, read_specs(args.data)), args.only)
    followed = harness.each(
        [p for p in found if not (args.main and p.secondary)],
        partial(follow, stages=args.stages),
        jobs=args.jobs,
        progress=harness.to_stderr,
    )
    _print([f for f in followed if f is not None])
    return 0


def _print(followed: Sequence[Followed]) -> None:
    print(f"{len(followed)} sets, {sum(len(f.seconds) for f in followed)} updates")
    print(
        "distance in half-widths of the fresh 80% interval: 50%, 90%, 95%, 99% of stages, largest"
    )
    for name in ("median", "bounds"):
        values = np.concatenate([getattr(f, name) for f in followed])
        levels = [*np.quantile(values, [0.5, 0.9, 0.95, 0.99]), values.max()]
        print(f"  {name:7}", "  ".join(f"{v:.3f}" for v in levels))
    seconds = np.concatenate([f.seconds for f in followed])
    fresh = np.concatenate([f.fresh_seconds for f in followed])
    searched = np.concatenate([f.searched for f in followed])
    print(f"searched anew at {searched.mean():.1%} of updates")
    print(f"CPU ms: median update {1e3 * np.median(seconds):.1f}, mean {1e3 * seconds.mean():.1f},")
    print(
        f"  without a search {1e3 * np.median(seconds[~searched]):.1f}, fresh fit "
        f"{1e3 * np.median(fresh):.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
