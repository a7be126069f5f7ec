"""Does the constant that sets the intervals' width carry over to sources it was not tuned on?

`unsl_tracking.forecast.predictive.WIDTH` scales a form's error at rolling origins into the width of
its forecast. Fits do not depend on it, so one fit is enough to know the coverage at many widths.
Leaving one source out, the width that calibrates the others is applied to the one left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import unsl_tracking.forecast.predictive as predictive_module
from benchmarks.accuracy import scores
from benchmarks.accuracy.methods import distribution_of
from benchmarks.accuracy.tables import VALUE, Problem
from unsl_tracking.fit import Mixture

Array = NDArray[np.float64]

FACTORS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)


@dataclass(frozen=True)
class Coverage:
    """Coverage of one set at `scores.LEVELS`, by factor on the width."""

    source: str
    by_factor: Mapping[float, Array]


@contextmanager
def width_times(factor: float) -> Iterator[None]:
    """Intervals as they would be with another width; for one process, one thread."""
    before = predictive_module.WIDTH
    predictive_module.WIDTH = before * factor
    try:
        yield
    finally:
        predictive_module.WIDTH = before


def coverage_by_width(mixture: Mixture, problem: Problem) -> dict[float, Array]:
    """Coverage (levels,) of the problem's test points, by factor on the width."""
    y = np.log(problem.test[VALUE].to_numpy(dtype=float))
    found: dict[float, Array] = {}
    for factor in FACTORS:
        with width_times(factor):
            u = distribution_of(mixture, problem).cdf(y)
        found[factor] = np.array([scores.inside(u, v).mean() for v in scores.LEVELS])
    return found


def best_factor(sets: Sequence[Coverage]) -> float:
    """The factor whose coverage, averaged over sources, is nearest to the levels."""
    sources = sorted({s.source for s in sets})

    def error(factor: float) -> float:
        mean = [
            np.mean([s.by_factor[factor] for s in sets if s.source == source], axis=0)
            for source in sources
        ]
        return scores.calibration_error(np.mean(mean, axis=0))

    return min(FACTORS, key=error)


def coverage_by_source(sets: Sequence[Coverage]) -> pd.DataFrame:
    """A row per source: coverage as it is, and with the width refitted without this source."""
    rows = []
    for source in sorted({s.source for s in sets}):
        mine = [s for s in sets if s.source == source]
        others = [s for s in sets if s.source != source]
        row: dict[str, object] = {"source": source, "sets": len(mine)}
        row |= _named(mine, 1.0, "now")
        if others:
            factor = best_factor(others)
            row["factor"] = factor
            row |= _named(mine, factor, "left out")
        rows.append(row)
    return pd.DataFrame(rows)


def _named(sets: Sequence[Coverage], factor: float, label: str) -> dict[str, float]:
    mean = np.mean([s.by_factor[factor] for s in sets], axis=0)
    return {f"{v:.0%} {label}": float(mean[scores.LEVELS.index(v)]) for v in scores.REPORTED}
