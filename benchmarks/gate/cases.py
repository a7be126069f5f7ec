"""Cases of a problem: a large run that is known, asked for with targets around what it reached."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

import unsl_tracking as ut
from benchmarks.accuracy import harness
from benchmarks.accuracy.tables import VALUE, Problem

# Distances of targets from the truth in ln, on either side: no forecast has a say in them.
DISTANCES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15)
CONFIDENCE = 0.9
MOST_RUNS = 12  # of the large runs of a set, evenly spread over their sizes, the largest among them


@dataclass(frozen=True)
class Case:
    """One question and its answer. `distance` is ln(target / truth): GO is right above 0.

    `codes` are those of the reasons, `largest` marks the largest run of its set.
    """

    distance: float
    truth: float
    verdict: str
    probability: float
    codes: tuple[str, ...]
    decades: float
    tested_decades: float | None
    coverage: float | None
    units: int
    run: int
    largest: bool

    @property
    def decided(self) -> bool:
        return self.verdict != "UNDECIDED"

    @property
    def wrong(self) -> bool:
        return self.decided and (self.verdict == "GO") != (self.distance > 0.0)


@dataclass
class Ladder:
    """All cases of one problem; `refusal` says why there are none. Seconds are of CPU."""

    problem: Problem
    cases: list[Case] = field(default_factory=list)
    refusal: str = ""
    seconds: float = np.nan


def run(
    problems: Sequence[Problem],
    *,
    confidence: float = CONFIDENCE,
    jobs: int = 2,
    progress: harness.Progress = harness.silent,
) -> list[Ladder]:
    """The cases of every problem, in the order of the problems."""
    return harness.each(problems, partial(ask, confidence=confidence), jobs=jobs, progress=progress)


def ask(problem: Problem, confidence: float = CONFIDENCE) -> Ladder:
    """Every case of one problem, with the gate as a user calls it."""
    begun = time.process_time()
    try:
        law = ut.fit(problem.train, axes=list(problem.axes), value=VALUE)
    except ut.UnslError as error:
        return Ladder(problem, refusal=f"{type(error).__name__}: {error}")
    tested: ut.Backtest | None
    try:
        tested = law.backtest(design="size")
    except ut.TooLittleEvidence:
        tested = None
    seconds = time.process_time() - begun
    chosen = _spread(problem.log_size(problem.test), MOST_RUNS)
    cases = []
    for row in chosen:
        at = {a: float(problem.test[a].iloc[row]) for a in problem.axes}
        truth = float(problem.test[VALUE].iloc[row])
        for distance in sorted({*DISTANCES, *(-d for d in DISTANCES)}):
            target = truth * float(np.exp(distance))
            found = ut.gate(law, at, target, confidence=confidence, tested=tested)
            support = found.support
            assert support is not None and found.probability is not None
            cases.append(
                Case(
                    distance=distance,
                    truth=truth,
                    verdict=found.verdict,
                    probability=found.probability,
                    codes=tuple(reason.code for reason in found.reasons),
                    decades=support.decades,
                    tested_decades=support.tested_decades,
                    coverage=support.coverage,
                    units=support.units,
                    run=int(row),
                    largest=bool(row == chosen[-1]),
                )
            )
    return Ladder(problem, cases, seconds=seconds)


def _spread(size: NDArray[np.float64], most: int) -> list[int]:
    """Indices of at most so many rows, evenly spread over the ranks of size, by rising size."""
    order = np.argsort(size, kind="stable")
    places = np.linspace(len(order) - 1, 0, min(most, len(order))).round().astype(int)
    return [int(order[i]) for i in sorted(set(places.tolist()))]
