"""Does the constant that sets the intervals' width carry over to sources it was not tuned on?

The `WIDTH…` constants of `unsl_tracking.forecast.predictive` scale errors at rolling origins into
the width of a forecast. Fits do not depend on them, so one fit is enough to know the coverage at
many widths. Leaving one source out, the factor on the width that calibrates the others is applied
to the one left out; curves learn from curves and laws on several axes from their like, as each has
a constant of its own.
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
    """Coverage of one set at `scores.LEVELS`, by factor on the width; `kind` is what it shares."""

    source: str
    kind: str
    by_factor: Mapping[float, Array]


@contextmanager
def width_times(factor: float) -> Iterator[None]:
    """Intervals as they would be with another width; for one process, one thread."""
    before = {k: v for k, v in vars(predictive_module).items() if k.startswith("WIDTH")}
    vars(predictive_module).update({k: v * factor for k, v in before.items()})
    try:
        yield
    finally:
        vars(predictive_module).update(before)


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
    """A row per source and kind: coverage as it is, and with the width refitted without the source.

    Also a row per kind over all its sets, each with the width that its source was left out of.
    """
    rows: list[dict[str, object]] = []
    for kind in dict.fromkeys(s.kind for s in sets):
        like = [s for s in sets if s.kind == kind]
        held_out: list[tuple[Coverage, float]] = []
        for source in dict.fromkeys(s.source for s in like):
            mine = [s for s in like if s.source == source]
            others = [s for s in like if s.source != source]
            factor = best_factor(others) if others else 1.0
            held_out += [(s, factor) for s in mine]
            row: dict[str, object] = {"kind": kind, "source": source, "sets": len(mine)}
            row |= _named([(s, 1.0) for s in mine], "now") | {"factor": factor}
            rows.append(row | _named([(s, factor) for s in mine], "left out"))
        row = {"kind": kind, "source": "all", "sets": len(like)}
        row |= _named([(s, 1.0) for s in like], "now") | {"factor": best_factor(like)}
        rows.append(row | _named(held_out, "left out"))
    return pd.DataFrame(rows)


def _named(sets: Sequence[tuple[Coverage, float]], label: str) -> dict[str, object]:
    mean = np.mean([s.by_factor[factor] for s, factor in sets], axis=0)
    return {f"{v:.0%} {label}": float(mean[scores.LEVELS.index(v)]) for v in scores.REPORTED}
