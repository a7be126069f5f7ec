"""A mixture kept up to date without a search: one step of every member on all the points.

A few more points move the optimum of a fitted form by little, and close to an optimum one step of
Levenberg and Marquardt's is enough; where it does not lower the cost, a few more are taken.
Weights, origin errors and the choice of forms stay those of the last search. Members of one form
are one batch, as in the search.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.component import Component, covariance_of, inflation_of, noise_of
from unsl_tracking.fit.levenberg_marquardt import Problem, cost_of, one_step, solve
from unsl_tracking.fit.mixture import Member, Mixture, steepness
from unsl_tracking.fit.points import Points
from unsl_tracking.fit.prior import DataSummary, PriorSettings, prior
from unsl_tracking.fit.search import window_of
from unsl_tracking.law import Form, log_value

Array = NDArray[np.float64]

_MORE_STEPS = 4
_UNCHANGED = 0.01  # nats: a hundredth of what one standard deviation of one parameter is worth


def refresh(mixture: Mixture, points: Points, settings: PriorSettings | None = None) -> Mixture:
    """The mixture on these points, which hold those of the mixture and a few more."""
    by_form: dict[Form, list[int]] = {}
    for place, member in enumerate(mixture.members):
        by_form.setdefault(member.rung.form, []).append(place)
    found: dict[int, Component] = {}
    for places in by_form.values():
        stepped = _step([mixture.members[place] for place in places], points, settings)
        found |= zip(places, stepped, strict=True)
    members = (replace(m, component=found[i]) for i, m in enumerate(mixture.members))
    return replace(
        mixture,
        members=tuple(members),
        highest=points.log_x.max(axis=0),
        lowest=points.log_x.min(axis=0),
        reached=(points.log_x @ mixture.directions.T).max(axis=0),
        steepness=steepness(points),
    )


def _step(members: list[Member], points: Points, settings: PriorSettings | None) -> list[Component]:
    """One step of members of one form, each on what its window shows."""
    form, centre = members[0].rung.form, members[0].component.centre
    seen = np.stack([window_of(member.rung, points) for member in members])
    z = points.log_x - centre
    priors = [prior(form, DataSummary.of(z[s], points.ln_y[s]), settings) for s in seen]
    mean, sd = (np.stack(each) for each in zip(*priors, strict=True))
    before = np.stack([member.component.theta for member in members])
    sigma = np.array([member.component.sigma for member in members])
    problem = Problem(
        form, points.log_x, centre, points.ln_y, points.weight * seen, sigma[:, None], mean, sd
    )
    theta, cost, hessian = one_step(problem, before)
    ln_y = log_value(form, theta, points.log_x, centre)
    worse = np.flatnonzero(~(cost_of(problem, theta, ln_y) <= cost + _UNCHANGED))
    if len(worse):
        part = problem.rows(worse)
        theta[worse] = solve(part, before[worse], steps=_MORE_STEPS).theta
        ln_y[worse] = log_value(form, theta[worse], points.log_x, centre)
    residuals = ln_y - points.ln_y
    return [
        replace(
            member.component,
            theta=theta[k],
            covariance=covariance_of(
                hessian[k], sd[k], inflation_of(residuals[k][s], points.size[s])
            ),
            sigma=noise_of(residuals[k][s], points.weight[s]),
            prior_sd=sd[k],
            cost=float(cost[k]),
        )
        for k, (member, s) in enumerate(zip(members, seen, strict=True))
    ]
