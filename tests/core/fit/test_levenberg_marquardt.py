"""The solver against SciPy on the same problem, and the independence of the rows of a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares

from unsl_tracking.fit.levenberg_marquardt import HUBER, Problem, gauss_newton, solve
from unsl_tracking.fit.prior import DataSummary, prior, starts
from unsl_tracking.law import Form, log_value, zoo

from .synthetic import drawn_from, typical

Array = NDArray[np.float64]
AXES = ("params", "tokens")
FORMS = [
    zoo.limited(["params"]),
    zoo.saturating("params"),
    zoo.implicit("params"),
    zoo.bnsl("params", 1),
    zoo.chinchilla(AXES),
    zoo.unsl(AXES, breaks=1, ceiling=False, name="UNSL1"),
]


def posed(form: Form, noise: float = 0.01) -> tuple[Problem, Array]:
    """A problem with noise and one outlier, and twelve starts."""
    data = drawn_from(form, typical(form), noise=noise)
    data.ln_y[7] += 0.2
    mean, sd = prior(form, DataSummary.of(data.log_x - data.centre, data.ln_y))
    problem = Problem(form, data.log_x, data.centre, data.ln_y, data.weight, 0.01, mean, sd)
    return problem, starts(mean, sd, 12, np.random.default_rng(3))


def cost_of(problem: Problem, theta: Array) -> float:
    """The cost written out once more, from the definition in the module."""
    r = (log_value(problem.form, theta[None], problem.log_x, problem.centre)[0] - problem.ln_y) / (
        problem.sigma
    )
    rho = np.where(np.abs(r) <= HUBER, 0.5 * r**2, HUBER * (np.abs(r) - 0.5 * HUBER))
    pull = (theta - problem.mean) / problem.sd
    return float((problem.weight * rho).sum() + 0.5 * (pull**2).sum())


def scipy_cost(problem: Problem, start: Array) -> float:
    """SciPy's minimum of the same cost: half the squares of residuals sqrt(2 ρ)."""

    def residuals(theta: Array) -> Array:
        ln_y = log_value(problem.form, theta[None], problem.log_x, problem.centre)[0]
        r = np.abs((ln_y - problem.ln_y) / problem.sigma)
        rho = np.where(r <= HUBER, 0.5 * r**2, HUBER * (r - 0.5 * HUBER))
        signs = np.sign(ln_y - problem.ln_y)
        return np.concatenate(
            [signs * np.sqrt(2.0 * problem.weight * rho), (theta - problem.mean) / problem.sd]
        )

    with np.errstate(over="ignore", invalid="ignore"):
        found = least_squares(residuals, start, method="trf", max_nfev=400, xtol=1e-12, ftol=1e-12)
    return float(found.cost)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_solver_ends_no_higher_than_scipy_on_the_same_problem(form: Form) -> None:
    problem, begin = posed(form)
    best = solve(problem, begin, steps=200, tolerance=1e-11).cost.min()
    scipy_best = min(scipy_cost(problem, start) for start in begin[:4])
    assert best <= scipy_best + 1e-6 * (1.0 + scipy_best)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_scipy_finds_nothing_lower_near_the_solution(form: Form) -> None:
    problem, begin = posed(form)
    found = solve(problem, begin, steps=200, tolerance=1e-11)
    theta, cost = found.theta[np.argmin(found.cost)], found.cost.min()
    assert cost_of(problem, theta) == pytest.approx(cost, rel=1e-9)
    assert scipy_cost(problem, theta) == pytest.approx(cost, rel=1e-6)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_rows_of_a_batch_do_not_see_each_other(form: Form) -> None:
    problem, begin = posed(form)
    together = solve(problem, begin, steps=15)
    for b in (0, 5, 11):
        alone = solve(problem, begin[b : b + 1], steps=15)
        np.testing.assert_allclose(alone.cost[0], together.cost[b], rtol=1e-6)


def test_a_hopeless_start_does_not_hurt_the_others() -> None:
    problem, begin = posed(FORMS[4])
    with_hopeless = np.concatenate([begin, np.full((1, begin.shape[1]), 1e9)])
    found = solve(problem, with_hopeless)
    np.testing.assert_allclose(found.cost[:-1], solve(problem, begin).cost, rtol=1e-6)
    assert not np.isnan(found.cost).any()


def test_points_without_weight_are_as_good_as_absent() -> None:
    problem, begin = posed(FORMS[3])
    seen = np.arange(len(problem.ln_y)) < 40
    hidden = replace(
        problem, weight=seen.astype(np.float64), ln_y=np.where(seen, problem.ln_y, 99.0)
    )
    absent = replace(
        problem,
        log_x=problem.log_x[seen],
        ln_y=problem.ln_y[seen],
        weight=problem.weight[seen],
    )
    np.testing.assert_allclose(solve(hidden, begin).cost, solve(absent, begin).cost, rtol=1e-6)


def test_several_problems_in_one_batch_are_solved_as_one_by_one() -> None:
    problem, begin = posed(FORMS[3])
    weights = np.stack([np.ones(60), 1.0 * (np.arange(60) < 40)])
    sigmas = np.array([[0.01], [0.05]])
    means, sds = np.stack([problem.mean, problem.mean + 0.1]), np.stack([problem.sd] * 2)
    owner = np.repeat([0, 1], len(begin))
    both = replace(problem, weight=weights, sigma=sigmas, mean=means, sd=sds)
    together = solve(both.rows(owner), np.concatenate([begin, begin]), steps=20).cost
    for k in range(2):
        one = replace(
            problem, weight=weights[k], sigma=float(sigmas[k, 0]), mean=means[k], sd=sds[k]
        )
        alone = solve(one, begin, steps=20).cost
        np.testing.assert_allclose(together[owner == k], alone, rtol=1e-5)


def test_cost_never_rises_with_more_steps() -> None:
    problem, begin = posed(FORMS[5])
    costs = np.array([solve(problem, begin, steps=s).cost for s in (0, 1, 3, 10, 40)])
    assert (np.diff(costs, axis=0) <= 0.0).all()


def test_gauss_newton_hessian_is_symmetric_and_positive() -> None:
    problem, begin = posed(FORMS[5])
    hessian = gauss_newton(problem, begin)
    np.testing.assert_allclose(hessian, hessian.swapaxes(1, 2), rtol=1e-10)
    assert (np.linalg.eigvalsh(hessian) > 0.0).all()


def test_many_points_give_the_hessian_that_few_at_a_time_do() -> None:
    # More points than one product may hold: they are summed in parts.
    form = zoo.unsl(AXES, breaks=2, name="large")
    data = drawn_from(form, typical(form), n=3000)
    p = len(form.parameters)
    problem = Problem(
        form, data.log_x, data.centre, data.ln_y, data.weight, 0.1, np.zeros(p), np.ones(p)
    )
    halves = [
        replace(problem, log_x=problem.log_x[s], ln_y=problem.ln_y[s], weight=problem.weight[s])
        for s in (slice(0, 1000), slice(1000, 3000))
    ]
    theta = typical(form, seed=1)[None]
    parts = sum(gauss_newton(half, theta) for half in halves) - np.eye(p)
    np.testing.assert_allclose(gauss_newton(problem, theta), parts, rtol=1e-9, atol=1e-6)
