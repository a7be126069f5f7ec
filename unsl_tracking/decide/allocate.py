"""How to split a budget over the axes of a law so that the forecast is best.

For Chinchilla's law `E + A·N^−α + B·D^−β` and the cost `6·N·D` this is the closed form of Hoffmann
et al. (arXiv 2203.15556, eq. 4), `N = G·(C/6)^(β/(α+β))`, `G = (αA/βB)^(1/(α+β))`; a test holds it
against that. Other laws and costs have none, so the optimum is searched: one axis takes what the
budget leaves (`affordable`), the others are searched over a box (`minimise`).

The objective is the weighted mean of members' ln y, on which forecasts are centred. How sure the
split is comes from posterior draws (`draws`): each is a law of its own, with an optimum of its own.
Laplace draws know nothing of what all forms get wrong, so each is tilted: ln y gets a random slope
along every axis. Its size is what forecasts have been wrong by at this distance, for an e-fold of
the split, times `TILT`; docs/allocate.md has how often the measured optimum was then covered.

The cost of a lifetime of inference counts towards the budget, as in Sardana et al. (arXiv
2401.00448), who minimise `6·N·D + 2·N·D_inference` at a given loss; the frontier is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.decide.affordable import Affordable, Law
from unsl_tracking.decide.allocation import LEVEL, Allocation, AxisChoice
from unsl_tracking.decide.buildable import buildable, exact, read_steps
from unsl_tracking.decide.checks import positive, whole
from unsl_tracking.decide.cost import Cost, read_cost
from unsl_tracking.decide.draws import curves, mean_ln_y
from unsl_tracking.decide.iso_cost import IsoCost, iso_cost, near
from unsl_tracking.decide.minimise import FIRST, grid, grid_minima
from unsl_tracking.decide.search_box import box_of, closing_axis
from unsl_tracking.errors import DataError
from unsl_tracking.forecast import FittedLaw, ForecastWarning
from unsl_tracking.forecast.decisions import decision
from unsl_tracking.forecast.predictive import extrapolation_error
from unsl_tracking.law import Form

Array = NDArray[np.float64]

FEWEST_DRAWS: Final = 20
# Measured optima of three isoFLOP sweeps, with up to three budgets held out, lie in the
# 50 / 80 / 95% intervals in 27 / 58 / 69% of cases without a tilt, in 58 / 81 / 96% with this one.
TILT: Final = 2.5
_AT_BOUND: Final = 1e-3  # e-folds from a bound that count as on it
_STEP: Final = 0.1  # e-folds of budget, either way, of the exponents
_LESS: Final = 0.05  # e-folds less of the closing axis that show whether spending all does harm
_HARM: Final = 1e-7  # of ln y
_OFTEN: Final = 0.25  # share of draws at a bound from which a warning says so


@decision
def allocate(
    law: FittedLaw,
    budget: float,
    cost: str,
    *,
    inference: str | None = None,
    given: Mapping[str, float] | None = None,
    measured: pd.DataFrame | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    multiples: Mapping[str, float] | None = None,
    choices: Mapping[str, Sequence[float]] | None = None,
    tolerance: float = 0.005,
    draws: int = 200,
    seed: int = 0,
) -> Allocation:
    """The split of a budget over the axes that the law forecasts to end best.

    Hyperparameters among the axes (learning rate, batch size) are chosen along with the split, so
    that they are the best ones at its scale.

    Args:
        law: A fitted law, or one with given parameters (`chinchilla_law`).
        budget: In the unit of the cost.
        cost: Arithmetic over axes, given numbers and measured columns: `6*params*tokens`, or
            `tokens / tokens_per_gpu_second / 3600` for GPU-hours.
        inference: What using the model costs over its lifetime, in the same unit: `2*params*1e12`.
        given: Numbers that the expressions name.
        measured: Runs with the axes and columns that the expressions name; each such column is
            taken as a power law of the axes.
        fixed: Axes to hold at a value; the rest is split.
        bounds: (lowest, highest) value of an axis. Where absent: from a tenth of the smallest to
            ten times the largest observed value, and further up by as much as the budget is larger
            than any observed cost; hyperparameters, a factor of three around what was observed.
        multiples: Axes that come in multiples of a number, such as tokens of a batch.
        choices: Axes that can only take some values, such as sizes with whole layers.
        tolerance: What counts as nearly as good: a forecast error (y, or ceiling − y) larger by at
            most this share.
        draws: How many posterior draws say how sure the split is.
        seed: Of the draws.

    Raises:
        DataError: a number or an expression breaks a rule, or the budget affords nothing.
        AxisError: an expression or option names something that is no axis.

    Examples:
        >>> published = ut.chinchilla_law(1.69, 406.4, 410.7, 0.34, 0.28)
        >>> split = ut.allocate(published, 5.76e23, "6*params*tokens")
        >>> print(f"{split['params'].value:.1e} params, {split['tokens'].value:.1e} tokens")
        3.2e+10 params, 3.0e+12 tokens
        >>> print(f"params grow as budget^{split['params'].exponent:.2f}")
        params grow as budget^0.45
    """
    budget = positive("the budget", budget)
    tolerance = positive("the tolerance", tolerance, below=1.0)
    draws, seed = whole("draws", draws, least=FEWEST_DRAWS), whole("a seed", seed, least=0)
    priced = read_cost(law.axes, cost, inference, given=given, measured=measured)
    low, high = box_of(law, priced, budget, fixed or {}, bounds or {})
    held = frozenset(fixed or {})
    closing = closing_axis(law, priced, low, high, held)
    space = Affordable(priced, float(np.log(budget)), low, high, closing)

    def mean(log_x: Array) -> Array:
        return mean_ln_y(law.mixture, log_x)

    best, space = _optimum(space, mean)
    steps = read_steps(law.axes, multiples, choices)
    built = buildable(space, mean, best, steps) if steps else best
    optima = _optima(space, law, best, draws, seed)
    exponents = _exponents(space, mean)
    curve = iso_cost(space, mean, best, _along(space, law))
    nearby = near(curve, best, float(np.log1p(tolerance)))
    values = [
        float((fixed or {}).get(name, exact(float(np.exp(built[j])), steps.get(j))))
        for j, name in enumerate(law.axes)
    ]
    chosen = tuple(
        _choice(value, j, space, law, best, optima, nearby, exponents)
        for j, value in enumerate(values)
    )
    point = {choice.axis: choice.value for choice in chosen}
    at = np.log([list(point.values())])
    return Allocation(
        metric=law.value,
        mode=law.mode,
        budget=budget,
        cost_expression=priced.training.text,
        inference_expression=None if priced.inference is None else priced.inference.text,
        cost=float(priced(at)[0]),
        inference_cost=float(priced.of_inference(at)[0]),
        choices=chosen,
        forecast=law.predict(point),
        curve=_table(curve, law, priced, space, tolerance),
        draws=optima,
        tolerance=tolerance,
        warnings=(*priced.warnings, *_cautions(chosen, space, optima, best)),
    )


def _optimum(space: Affordable, law: Law) -> tuple[Array, Affordable]:
    """The best point (m,), and the space with slack where spending everything does harm."""
    best, value = space.best(law)
    if not np.isfinite(value):
        raise DataError(
            f"the budget must afford the smallest run within the bounds, about {space.least():.3g}",
            got=float(np.exp(space.ln_budget)),
            next_step="Give a larger budget, or lower bounds: bounds={…}.",
        )
    if space.closing is None or best[space.closing] - _LESS < space.low[space.closing]:
        return best, space
    less = best.copy()
    less[space.closing] -= _LESS
    if float(law(less[None])[0]) >= value - _HARM:
        return best, space
    loose = Affordable(space.cost, space.ln_budget, space.low, space.high, space.closing, True)
    return loose.best(law)[0], loose


def _optima(space: Affordable, law: FittedLaw, best: Array, count: int, seed: int) -> pd.DataFrame:
    """The best point under each draw, a column per free axis; NaN where the form ignores the axis.

    Sampled on a grid over the whole box, so that a draw may prefer another valley.
    """
    low, high = space.box
    first = FIRST[len(low)]
    u = grid(low, high, first)
    log_x = space.points(u)
    usable = space.usable(log_x)
    columns = [*space.free, *([] if space.closing is None else [space.closing])]
    found = []
    sampled = curves(law.mixture, log_x[usable], count, seed)
    rng = np.random.default_rng([seed, 1])
    slope = _slopes(law, best, columns)
    away = log_x[usable][:, columns] - best[columns]
    for member, some in zip(law.mixture.members, sampled, strict=True):
        values = np.full((len(some), len(u)), np.inf)
        tilts = slope * rng.normal(size=(len(some), len(columns)))
        values[:, usable] = some + tilts @ away.T
        optima = space.points(grid_minima(values, low, high, first)) if len(some) else log_x[:0]
        ignored = [j for j in columns if law.axes[j] not in _axes_of(member.rung.form)]
        optima[:, ignored] = np.nan
        found.append(np.exp(optima[:, columns]))
    return pd.DataFrame(np.concatenate(found), columns=[law.axes[j] for j in columns])


def _slopes(law: FittedLaw, best: Array, columns: Sequence[int]) -> Array:
    """Standard deviations of the tilt along these columns, in ln y per e-fold.

    Hyperparameters are varied at the scales that were observed: there, distance adds nothing.
    """
    there, within = extrapolation_error(law.mixture, np.stack([best, law.mixture.lowest]))
    sizes = [within if law.axes[j] in law.hyperparameters else there for j in columns]
    # Along an iso-cost curve two axes change at once, by as much.
    return np.asarray(TILT * np.array(sizes) / np.sqrt(2.0), dtype=float)


def _axes_of(form: Form) -> set[str]:
    return {axis for term in form.terms for axis in term.axes}


def _exponents(space: Affordable, law: Law) -> Array:
    """d ln(best) / d ln(budget) (m,), by central difference; NaN beside a bound."""
    ends = []
    for step in (-_STEP, _STEP):
        moved = Affordable(
            space.cost, space.ln_budget + step, space.low, space.high, space.closing, space.slack
        )
        point, value = moved.best(law)
        bound = _bound(point, space) | ~np.isfinite(value)
        ends.append(np.where(bound, np.nan, point))
    return np.asarray((ends[1] - ends[0]) / (2.0 * _STEP), dtype=float)


def _bound(point: Array, space: Affordable) -> NDArray[np.bool_]:
    """Which axes (m,) that may move lie on a bound."""
    moves = space.high > space.low
    near_end = np.minimum(point - space.low, space.high - point) < _AT_BOUND
    return np.asarray(moves & near_end)


def _along(space: Affordable, law: FittedLaw) -> int:
    """The column of the iso-cost curve: the first free axis that is split, or the closing one."""
    split = [j for j in space.free if law.axes[j] not in law.hyperparameters]
    others = [j for j in (space.closing, *space.free) if j is not None]
    return (split or others or [0])[0]


def _choice(
    value: float,
    j: int,
    space: Affordable,
    law: FittedLaw,
    best: Array,
    optima: pd.DataFrame,
    nearby: Mapping[int, tuple[float, float]],
    exponents: Array,
) -> AxisChoice:
    name = law.axes[j]
    if name not in optima:
        return AxisChoice(name, "fixed", value)
    low, high = optima[name].quantile([0.5 - 0.5 * LEVEL, 0.5 + 0.5 * LEVEL])
    at_bound = bool(_bound(best, space)[j])
    exponent = float(exponents[j])
    if name in law.hyperparameters:
        return AxisChoice(name, "hyper", value, low, high, exponent=exponent, at_bound=at_bound)
    ends = np.exp(nearby[j])
    return AxisChoice(
        name, "split", value, low, high, float(ends[0]), float(ends[1]), exponent, at_bound
    )


def _table(
    curve: IsoCost, law: FittedLaw, priced: Cost, space: Affordable, tolerance: float
) -> pd.DataFrame:
    frame = pd.DataFrame(np.exp(curve.log_x), columns=list(law.axes))
    cost = priced(curve.log_x)
    frame["cost"] = cost
    frame["median"] = np.atleast_1d(law.predict(frame[list(law.axes)]).median)
    frame["excess"] = curve.excess
    frame["near"] = curve.excess <= np.log1p(tolerance) + 1e-12
    if space.closing is None:
        return frame.assign(overhead=np.nan)
    more = curve.log_x.copy()
    more[:, space.closing] = curve.match
    reached = np.isfinite(curve.match)
    frame["overhead"] = np.where(
        reached, priced(np.where(reached[:, None], more, 0.0)) / cost, np.nan
    )
    frame[f"{law.axes[space.closing]}_to_match"] = np.exp(curve.match)
    return frame


def _cautions(
    chosen: Sequence[AxisChoice], space: Affordable, optima: pd.DataFrame, best: Array
) -> list[ForecastWarning]:
    """What to know before trusting a split, beyond what its forecast says."""
    found = []
    for choice in chosen:
        if choice.at_bound:
            text = f"the best {choice.axis} is the last value looked at, {choice.value:.3g}"
            text += "; the true one may lie beyond it"
            found.append(ForecastWarning("split_at_bound", text, choice.axis, choice.value))
            continue
        column = list(space.cost.axes).index(choice.axis)
        if choice.role == "fixed":
            continue
        logs = np.log(optima[choice.axis].dropna().to_numpy(dtype=float))
        ends = np.minimum(logs - space.low[column], space.high[column] - logs) < _AT_BOUND
        if len(logs) and (share := float(ends.mean())) > _OFTEN:
            text = f"{share:.0%} of posterior draws find no best {choice.axis} within the bounds"
            found.append(ForecastWarning("split_undecided", text, choice.axis, round(share, 3)))
    if space.slack and space.closing is not None:
        spent = float(np.exp(space.cost.log(best[None])[0] - space.ln_budget))
        text = f"spending more than {spent:.0%} of the budget is forecast to do harm"
        found.append(ForecastWarning("budget_not_spent", text, value=round(spent, 4)))
    return found
