"""Runs every method on every problem, several problems at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import scores, widths
from benchmarks.accuracy.methods import METHODS, OURS, SINGLE, Answer, answer, heaviest
from benchmarks.accuracy.tables import VALUE, Problem
from unsl_tracking.forecast.scoring import crps, log_score

Array = NDArray[np.float64]
T = TypeVar("T")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DRAWN = 0.8  # level of the band in plots


@dataclass
class Score:
    """Figures of one method on one problem; NaN (an empty dict) where it has none.

    coverage, width: by level. points: forecast and its bounds, for the plots.
    """

    method: str
    rmsle: float = np.nan
    bias: float = np.nan  # mean of ln ŷ − ln y
    log_score: float = np.nan
    crps: float = np.nan
    coverage: dict[float, float] = field(default_factory=dict)
    width: dict[float, float] = field(default_factory=dict)
    absolute_error: float = np.nan  # median over points of |ln ŷ − ln y|
    seconds: float = np.nan
    refusal: str = ""
    form: str = ""
    points: dict[str, Array] = field(default_factory=dict)

    @property
    def has_interval(self) -> bool:
        """Whether the method said how sure it is."""
        return bool(self.coverage)

    def to_dict(self) -> dict[str, object]:
        """JSON-able, without the points."""
        fields = asdict(self)
        del fields["points"]
        return fields


@dataclass
class Result:
    """One problem with the scores of all methods that apply to it, by name."""

    problem: Problem
    scores: dict[str, Score]
    coverage_by_width: dict[float, Array] = field(default_factory=dict)


Progress = Callable[[int, int, Problem], None]


def silent(done: int, total: int, problem: Problem) -> None:
    """Report nothing."""


def to_stderr(done: int, total: int, problem: Problem) -> None:
    """A line per problem for people, one in a while for logs."""
    if sys.stderr.isatty() or done % 25 == 0 or done == total:
        print(f"{done}/{total} {problem.source} {problem.name}", file=sys.stderr, flush=True)


def run(
    problems: Sequence[Problem],
    methods: Sequence[str],
    *,
    jobs: int = 2,
    by_width: bool = False,
    progress: Progress = silent,
) -> list[Result]:
    """Results in the order of the problems. `by_width` adds coverage at other interval widths.

    Workers run one thread each: seconds per fit are those of one core.
    """
    one = partial(solve, methods=tuple(methods), by_width=by_width)
    return each(problems, one, jobs=jobs, progress=progress)


def each(
    problems: Sequence[Problem],
    one: Callable[[Problem], T],
    *,
    jobs: int = 2,
    progress: Progress = silent,
) -> list[T]:
    """`one` of every problem, in the order of the problems; it must be picklable."""
    if jobs <= 1:
        found = []
        for i, problem in enumerate(problems):
            found.append(one(problem))
            progress(i + 1, len(problems), problem)
        return found
    results: dict[int, T] = {}
    with _one_thread_each(), ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        # The longest first, so that no worker starts one when the others are done.
        order = sorted(range(len(problems)), key=lambda i: -_effort(problems[i]))
        waiting = {pool.submit(one, problems[i]): i for i in order}
        for future in as_completed(waiting):
            i = waiting[future]
            results[i] = future.result()
            progress(len(results), len(problems), problems[i])
    return [results[i] for i in range(len(problems))]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """BLAS of the workers started meanwhile uses one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def solve(problem: Problem, methods: Sequence[str], by_width: bool = False) -> Result:
    """All methods on one problem."""
    result = Result(problem, {})
    ours: Answer | None = None
    for name in methods:
        if name == SINGLE:
            ours = ours or answer(METHODS[OURS], problem)
            found = heaviest(ours, problem) if ours else None
        else:
            found = answer(METHODS[name], problem)
        if name == OURS:
            ours = found
        if found is not None:
            result.scores[name] = score(name, found, problem)
    if by_width and ours is not None and ours.law is not None:
        result.coverage_by_width = widths.coverage_by_width(ours.law.mixture, problem)
    return result


def score(method: str, found: Answer, problem: Problem) -> Score:
    """Every figure of one answer."""
    if found.refusal:
        return Score(method, refusal=found.refusal)
    y = np.log(problem.test[VALUE].to_numpy(dtype=float))
    scored = Score(method, rmsle=scores.rmsle(found.ln_y, y), seconds=found.seconds)
    scored.bias = float(np.mean(found.ln_y - y))
    scored.absolute_error = float(np.median(np.abs(found.ln_y - y)))
    scored.points = {"median": found.ln_y}
    if found.law is not None:
        scored.form = found.law.mixture.members[0].rung.form.name
    p = found.distribution
    if p is not None:
        scores.check_is_normal_mixture(p)
        u = p.cdf(y)
        scored.log_score = float(np.mean(log_score(p, y)))
        scored.crps = float(np.mean(crps(p, y)))
        scored.coverage = {v: float(np.mean(scores.inside(u, v))) for v in scores.LEVELS}
        for level in scores.REPORTED:
            low, high = scores.interval(p, level)
            width = scores.relative_width(low, found.ln_y, high)
            scored.width[level] = float(np.median(width))
            if level == _DRAWN:
                scored.points |= {"low": low, "high": high}
    return scored


def _effort(problem: Problem) -> float:
    return float(len(problem.train) * len(problem.axes) ** 2)
