"""How long fits take, next to SciPy's `least_squares` from as many starts, in the same process.

    python -m benchmarks.speed.fit [--quick] [--json fit.json]

Three tasks: one curve of 60 points, 1,500 points on 4 axes, and updates by one point at a time, of
these two and of five runs of 200 points. The peer
does the same work through the same code: same ladder, windows, rolling origins, starts, residuals,
prior, weights and interval; only `fit_components` is exchanged for one `least_squares` (MINPACK's
Levenberg-Marquardt) a start, once with the analytic Jacobian and once with SciPy's own two-point
differences. `--quick` leaves the slow peers out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from scipy.optimize import least_squares

import unsl_tracking as ut
from unsl_tracking.fit import Component, Points, component
from unsl_tracking.fit.levenberg_marquardt import HUBER, Problem, gauss_newton
from unsl_tracking.fit.prior import DataSummary, PriorSettings, prior, starts
from unsl_tracking.law import Form, evaluate, log_value

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_SEARCH = importlib.import_module("unsl_tracking.fit.search")
_OURS = _SEARCH.fit_components
_STEPS, _TOLERANCE = 50, 1e-7  # of each least_squares; the solver's own figures


@dataclass(frozen=True)
class Task:
    """A table to fit, and points whose noiseless values say how good the forecast is."""

    name: str
    axes: list[str]
    table: pd.DataFrame
    later: pd.DataFrame
    target_seconds: float


@dataclass(frozen=True)
class Result:
    """Medians over repetitions. `error` is the RMSE in ln y on the later points."""

    task: str
    who: str
    wall_seconds: float
    cpu_seconds: float
    error: float
    fits: int
    cost: float  # mean MAP cost of the fits, at noise levels common to all who are compared


def curve() -> Task:
    """60 points of a law with one break and 1% noise over three decades; forecast a fourth."""

    def law(step: Array) -> Array:
        z = np.log(step / 3e3)
        return np.asarray(1.5 + np.exp(-0.2 * z - 0.3 * 0.4 * np.logaddexp(0.0, z / 0.4)))

    step, later = np.logspace(2.0, 5.0, 60), np.logspace(5.1, 6.0, 10)
    noise = np.exp(0.01 * np.random.default_rng(0).normal(size=60))
    return Task(
        "60 points, 1 axis",
        ["step"],
        pd.DataFrame({"step": step, "loss": law(step) * noise}),
        pd.DataFrame({"step": later, "loss": law(later)}),
        0.5,
    )


def cloud() -> Task:
    """1,500 points on four scale axes; forecast the twenty largest, unseen."""
    rng = np.random.default_rng(0)
    axes = ["params", "tokens", "width", "depth"]
    table = pd.DataFrame({a: np.exp(rng.uniform(0.0, 6.0, 1520)) for a in axes})
    table["loss"] = (
        1.7 + 3 * table.params**-0.3 + 4 * table.tokens**-0.35 + 2 * table.width**-0.25
        + table.depth**-0.3
    )  # fmt: skip
    largest = np.log(table[axes]).sum(axis=1).nlargest(20).index
    seen = table.drop(index=largest).reset_index(drop=True)
    seen["loss"] *= np.exp(0.01 * rng.normal(size=1500))
    return Task("1,500 points, 4 axes", axes, seen, table.loc[largest], 5.0)


def scipy_components(
    form: Form,
    points: Points,
    seen: Mask,
    *,
    centre: Array,
    seed: int = 0,
    n_starts: int = 16,
    warm: Array | None = None,
    settings: PriorSettings | None = None,
    analytic: bool = True,
) -> list[Component]:
    """`fit_components` with one `least_squares` a start."""
    found = []
    for k, part in enumerate(seen):
        inside = points[part]
        summary = DataSummary.of(inside.log_x - centre, inside.ln_y)
        mean, sd = prior(form, summary, settings)
        begin = starts(mean, sd, n_starts, np.random.default_rng(seed))
        begin = begin if warm is None else np.concatenate([warm[k], begin])
        found.append(_scipy_component(form, inside, centre, begin, mean, sd, analytic))
    return found


def _scipy_component(
    form: Form, inside: Points, centre: Array, begin: Array, mean: Array, sd: Array, analytic: bool
) -> Component:
    """Noise and parameters in turn, as in fit/component.py; every start runs to its end."""
    sigma = max(component._FIRST_SIGMA * float(np.std(inside.ln_y)), component._PRIOR_SIGMA)
    for number in range(len(component._ROUNDS)):
        if number:
            residuals = log_value(form, begin[:1], inside.log_x, centre)[0] - inside.ln_y
            sigma = component.noise_of(residuals, inside.weight)
        problem = Problem(form, inside.log_x, centre, inside.ln_y, inside.weight, sigma, mean, sd)
        ends = [_least_squares(problem, start, analytic) for start in begin]
        cost, theta = min(ends, key=lambda end: end[0])
        begin = theta[None]
    residuals = log_value(form, begin, inside.log_x, centre)[0] - inside.ln_y
    hessian = gauss_newton(problem, begin)[0]
    inflation = component.inflation_of(residuals, inside.size)
    covariance = component.covariance_of(hessian, sd, inflation)
    return Component(form, theta, covariance, sigma, centre, sd, cost, True)


def _least_squares(problem: Problem, start: Array, analytic: bool) -> tuple[float, Array]:
    """Half the sum of squares of sign(r)·sqrt(2ρ(r)) and of the pulls of the prior is our cost."""
    root = np.sqrt(problem.weight)
    last: dict[str, Array] = {}

    def values(theta: Array) -> Array:
        ln_y, jac = evaluate(problem.form, theta[None], problem.log_x, problem.centre)
        r = (ln_y[0] - problem.ln_y) / problem.sigma
        size = np.minimum(np.abs(r), 1e100)
        bent = np.where(size > HUBER, np.sqrt(np.maximum(2 * HUBER * size - HUBER**2, 0)), size)
        slope = np.where(size > HUBER, HUBER / np.maximum(bent, HUBER), 1.0)
        last.update(theta=theta.copy(), jac=jac[0] * (root * slope / problem.sigma)[:, None])
        return np.concatenate([root * np.sign(r) * bent, (theta - problem.mean) / problem.sd])

    def jacobian(theta: Array) -> Array:  # evaluated with the values, so free of charge here
        if not np.array_equal(last["theta"], theta):
            values(theta)
        return np.concatenate([last["jac"], np.diag(1.0 / problem.sd)])

    p = len(start)
    found = least_squares(
        values,
        start,
        jac=jacobian if analytic else "2-point",
        method="lm",
        x_scale=problem.sd,
        ftol=_TOLERANCE,
        max_nfev=_STEPS if analytic else _STEPS * (p + 1),
    )
    return float(found.cost), np.asarray(found.x, dtype=float)


@contextmanager
def fitted_by(fit: Callable[..., list[Component]]) -> Iterator[list[tuple[Points, Component]]]:
    """Exchange the fit of the search; yields every fit that was made with the points it saw."""
    made: list[tuple[Points, Component]] = []

    def recording(form: Form, points: Points, seen: Mask, **options: object) -> list[Component]:
        found = fit(form, points, seen, **options)
        made.extend((points[part], c) for part, c in zip(seen, found, strict=True))
        return found

    _SEARCH.fit_components = recording  # type: ignore[attr-defined]
    try:
        yield made
    finally:
        _SEARCH.fit_components = _OURS  # type: ignore[attr-defined]


def common_costs(*runs: list[tuple[Points, Component]]) -> list[float]:
    """Mean MAP cost of each run's fits, every fit at the geometric mean of all runs' noise."""
    totals = np.zeros(len(runs))
    for fits in zip(*runs, strict=True):
        sigma = float(np.exp(np.mean([np.log(c.sigma) for _, c in fits])))
        for i, (points, c) in enumerate(fits):
            summary = DataSummary.of(points.log_x - c.centre, points.ln_y)
            mean, sd = prior(c.form, summary)
            ln_y = log_value(c.form, c.theta[None], points.log_x, c.centre)[0]
            r = np.abs(ln_y - points.ln_y) / sigma
            rho = np.where(r > HUBER, HUBER * (r - 0.5 * HUBER), 0.5 * r**2)
            totals[i] += (points.weight * rho).sum() + 0.5 * (((c.theta - mean) / sd) ** 2).sum()
    return [float(t / len(runs[0])) for t in totals]


def forecast(task: Task) -> float:
    """Fit, forecast, interval: what is timed. Returns the error on the later points."""
    law = ut.fit(task.table, task.axes, "loss")
    found = law.predict(task.later[task.axes])
    found.interval(0.8)
    return float(np.sqrt(np.mean(np.log(found.median / task.later["loss"].to_numpy()) ** 2)))


def timed(what: Callable[[], float], repeat: int) -> tuple[float, float, float]:
    """Median wall and CPU seconds, and what it returned."""
    walls, cpus, value = [], [], 0.0
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        value = what()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus), value


def compare(task: Task, peers: dict[str, Callable[..., list[Component]]]) -> list[Result]:
    """Ours (median of five) and the peers (once each)."""
    forecast(task)  # imports and caches
    wall, cpu, error = timed(lambda: forecast(task), 5)
    with fitted_by(_OURS) as ours:
        forecast(task)
    rows, runs = [("unsl_tracking", wall, cpu, error, ours)], [ours]
    for name, fit in peers.items():
        with fitted_by(fit) as made:
            wall, cpu, error = timed(lambda: forecast(task), 1)
        rows.append((name, wall, cpu, error, made))
        runs.append(made)
    costs = common_costs(*runs)
    return [
        Result(task.name, who, wall, cpu, error, len(made), cost)
        for (who, wall, cpu, error, made), cost in zip(rows, costs, strict=True)
    ]


def five_runs() -> Task:
    """Five sizes of model, 200 log-spaced checkpoints each, as buckets of long curves are."""
    rng, axes = np.random.default_rng(0), ["params", "step"]
    step = np.geomspace(100.0, 100_000.0, 200)
    runs = [pd.DataFrame({"params": p, "step": step}) for p in (1e6, 3e6, 1e7, 3e7, 1e8)]
    table = pd.concat(runs).sort_values("step", kind="stable", ignore_index=True)
    table["loss"] = 1.7 + 15 * table.params**-0.2 + 20 * table.step**-0.4
    table["loss"] *= np.exp(0.01 * rng.normal(size=1000))
    return Task("5 runs × 200 points, 2 axes", axes, table, table, 3.0)


def update(task: Task, count: int = 12) -> list[Result]:
    """The last points one at a time, next to a fresh fit; `fits` counts the searches among them."""
    axes, rows = task.axes, task.table
    law = ut.fit(rows.iloc[:-count], axes, "loss").update(rows.iloc[-count : 1 - count])
    walls, cpus, searches = [], [], 0
    for at in range(len(rows) - count + 1, len(rows)):
        before, begun, busy = law._searched, time.perf_counter(), time.process_time()
        law.update(rows.iloc[at : at + 1])
        walls.append(time.perf_counter() - begun)
        cpus.append(time.process_time() - busy)
        searches += law._searched is not before
    nan = float("nan")
    wall, cpu, _ = timed(lambda: float(len(ut.fit(rows, axes, "loss").data)), 3)
    return [
        Result(
            task.name,
            "update by one point",
            statistics.median(walls),
            statistics.median(cpus),
            nan,
            searches,
            nan,
        ),
        Result(task.name, "fresh fit", wall, cpu, nan, 0, nan),
    ]


def markdown(results: list[Result], tasks: list[Task]) -> str:
    """The table of the README."""
    target = {t.name: t.target_seconds for t in tasks}
    lines = [
        "| task | who | wall s | CPU s | × ours (CPU) | RMSE of ln y | mean MAP cost | fits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        ours = next(o for o in results if o.task == r.task)
        lines.append(
            f"| {r.task} (target {target[r.task]:g} s) | {r.who} | {r.wall_seconds:.3f} "
            f"| {r.cpu_seconds:.3f} | {r.cpu_seconds / ours.cpu_seconds:.1f} "
            f"| {r.error:.5f} | {r.cost:.3f} | {r.fits or ''} |"
        )
    return "\n".join(lines).replace("nan", "")


def arguments() -> argparse.ArgumentParser:
    """The flags, as a parent for other parsers."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--quick", action="store_true", help="only the peer with the Jacobian")
    parser.add_argument("--json", type=Path, help="also write the figures of fits to this file")
    return parser


def main() -> None:
    """Run and print."""
    about = (__doc__ or "").splitlines()[0]
    run(argparse.ArgumentParser(description=about, parents=[arguments()]).parse_args())


def run(options: argparse.Namespace) -> None:
    """All tasks, printed and written as asked."""

    def two_point(*arguments: object, **named: object) -> list[Component]:
        return scipy_components(*arguments, **named, analytic=False)  # type: ignore[arg-type]

    small, large = curve(), cloud()
    analytic = {"scipy, analytic Jacobian": scipy_components}
    both = analytic | {"scipy, 2-point": two_point}
    results = compare(small, analytic if options.quick else both)
    results += compare(large, {} if options.quick else analytic)
    updates = [each for task in (small, large, five_runs()) for each in update(task)]
    machine = {
        "cpu_count": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    print(machine, markdown(results, [small, large]), "", sep="\n")
    print(markdown(updates, [small, large, five_runs()]))
    if options.json:
        rows = [asdict(r) for r in (*results, *updates)]
        text = json.dumps({"machine": machine, "results": rows}, indent=1).replace("NaN", "null")
        options.json.write_text(text)


if __name__ == "__main__":
    main()
