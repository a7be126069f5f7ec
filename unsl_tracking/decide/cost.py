"""What a run costs: arithmetic over the axes of a law, such as `6*params*tokens` or GPU-hours.

A name in the expression is an axis, a given number, or something that runs measured beside the
axes, such as their throughput: that is modelled as a power law of the axes, by least squares on
logs, for a cost must be known where no run has been. Ladders often train all sizes on equally many
tokens a parameter, and then cannot tell whose doing a throughput is: size is taken to matter, and
how long a run trains not to, unless the runs say otherwise (a ridge).

6 FLOPs a parameter and token is the usual count of a dense transformer's forward and backward pass
(Kaplan et al., arXiv 2001.08361, 2.1).

Symbols: log_x (n, m) are natural logs of the law's axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unsl_tracking.errors import DataError
from unsl_tracking.forecast import ForecastWarning
from unsl_tracking.runs.expression import Expression, near_names, parse_expression
from unsl_tracking.runs.names import family_of

Array = NDArray[np.float64]

_STEPS: Final = 100  # of the search for the value that spends the budget; a power law takes one
_CLOSE: Final = 1e-12  # of ln cost
_SCATTER: Final = 0.1  # of ln of something measured, from which a warning says so
# Standard deviations of exponents before any run was seen, in units of a scatter of 1%.
_LIKELY: Final = 3.0
_UNLIKELY: Final = 0.1
_HOW_LONG: Final = frozenset({"progress", "data", "repeats"})
_SMALLEST_SCATTER: Final = 0.01


@dataclass(frozen=True)
class Measured:
    """A quantity as a power law of axes: ln q = `constant` + log_x @ `exponents`, ± `scatter`."""

    name: str
    constant: float
    exponents: Array
    scatter: float

    def __call__(self, log_x: Array) -> Array:
        """The quantity (n,) at log_x (n, m)."""
        return np.asarray(np.exp(self.constant + log_x @ self.exponents), dtype=float)


@dataclass(frozen=True)
class Cost:
    """`training` + `inference`: arithmetic over `axes`, `given` numbers and `measured` laws."""

    axes: tuple[str, ...]
    training: Expression
    inference: Expression | None = None
    given: Mapping[str, float] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()

    def __call__(self, log_x: Array) -> Array:
        """The total cost (n,) at log_x (n, m); not finite where the arithmetic has no value."""
        names = self._names(log_x)
        total = self.training(names)
        if self.inference is not None:
            total = total + self.inference(names)
        return np.broadcast_to(total, len(log_x)).astype(float)

    def of_inference(self, log_x: Array) -> Array:
        """The part of the total that comes after training (n,)."""
        if self.inference is None:
            return np.zeros(len(log_x))
        return np.broadcast_to(self.inference(self._names(log_x)), len(log_x)).astype(float)

    def log(self, log_x: Array) -> Array:
        """ln of the total (n,); infinite, so that nobody goes there, where there is no cost."""
        total = self(log_x)
        usable = np.isfinite(total) & (total > 0.0)
        return np.where(usable, np.log(np.where(usable, total, 1.0)), np.inf)

    def spend(self, log_x: Array, axis: int, ln_budget: float, low: float, high: float) -> Array:
        """ln of the largest value of one axis (n,), in [low, high], that the budget affords.

        The cost must rise along the axis. NaN where even `low` costs more than the budget.
        """
        points = np.array(log_x, dtype=float)

        def over(at: Array) -> Array:
            points[:, axis] = at
            return np.asarray(np.minimum(self.log(points) - ln_budget, 1e300), dtype=float)

        bottom, top = np.full(len(points), low), np.full(len(points), high)
        below, above = over(bottom), over(top)
        cannot, need_not = below > 0.0, above <= 0.0
        # Regula falsi, the stale end's weight halved (the Illinois rule; Dowell & Jarratt 1971):
        # ln cost is nearly straight in ln x.
        found, side = bottom.copy(), np.zeros(len(points))
        open_ = ~(cannot | need_not)
        for _ in range(_STEPS):
            if not open_.any():
                break
            gap = np.where(open_, above - below, 1.0)
            guess = top - above * (top - bottom) / gap
            inside = (guess > bottom) & (guess < top)
            guess = np.where(inside, guess, 0.5 * (bottom + top))
            miss = over(guess)
            found = np.where(open_, guess, found)
            rose = miss > 0.0
            above = np.where(rose, miss, np.where(side < 0, 0.5 * above, above))
            below = np.where(rose, np.where(side > 0, 0.5 * below, below), miss)
            top, bottom = np.where(rose, guess, top), np.where(rose, bottom, guess)
            side = np.where(rose, 1.0, -1.0)
            open_ &= (np.abs(miss) > _CLOSE) & (top - bottom > _CLOSE)
        return np.where(cannot, np.nan, np.where(need_not, high, found))

    def rises_along(self, axis: int, log_x: Array) -> bool:
        """Whether more of an axis costs more at all of these points."""
        more = np.array(log_x, dtype=float)
        more[:, axis] += 1.0
        here, there = self.log(log_x), self.log(more)
        usable = np.isfinite(here) & np.isfinite(there)
        return bool(usable.any() and (there[usable] > here[usable]).all())

    @property
    def warnings(self) -> tuple[ForecastWarning, ...]:
        """Measured quantities that a power law of the axes describes badly."""
        return tuple(
            ForecastWarning(
                "cost_uncertain",
                f"{m.name} scatters by {np.expm1(m.scatter):.0%} around its power law of the axes, "
                "and so does the cost",
                value=round(m.scatter, 4),
            )
            for m in self.measured
            if m.scatter > _SCATTER
        )

    def _names(self, log_x: Array) -> dict[str, Array]:
        columns = {axis: np.exp(log_x[:, j]) for j, axis in enumerate(self.axes)}
        numbers = {name: np.asarray(value, dtype=float) for name, value in self.given.items()}
        return {**{m.name: m(log_x) for m in self.measured}, **numbers, **columns}


def read_cost(
    axes: Sequence[str],
    training: str,
    inference: str | None = None,
    *,
    given: Mapping[str, float] | None = None,
    measured: pd.DataFrame | None = None,
) -> Cost:
    """Parse the expressions and see to it that every name in them has a value.

    Args:
        axes: Of the law, in the order of its columns.
        training: The cost of training a run.
        inference: What the finished model costs over its lifetime, in the same unit.
        given: Numbers by name.
        measured: Runs, with the axes and whatever else the expressions name as columns.

    Raises:
        DataError: text that is no arithmetic, a name without a value, a given number that is not
            finite, or a measured column that is not positive.
    """
    names = tuple(axes)
    first = parse_expression(training)
    second = None if inference is None else parse_expression(inference)
    numbers = _numbers(given or {}, names)
    wanted = dict.fromkeys([*first.names, *(second.names if second else ())])
    columns = set() if measured is None else set(map(str, measured.columns))
    laws = []
    for name in wanted:
        if name in names or name in numbers:
            continue
        if measured is None or name not in columns:
            raise DataError(
                "a name in a cost is an axis of the law, a given number, or measured by the runs",
                got=name,
                next_step=near_names(name, [*names, *numbers, *sorted(columns)]),
            )
        laws.append(fit_measured(measured, names, name))
    return Cost(names, first, second, numbers, tuple(laws))


def check_cost(
    training: str | None, given: Mapping[str, float], inference: str | None = None
) -> None:
    """What can be said about a cost before a law is known.

    Raises:
        DataError: text that is no arithmetic, or numbers given without a cost.
    """
    for text in (training, inference):
        if text is not None:
            parse_expression(text)
    if given and training is None and inference is None:
        raise DataError(
            "given numbers are for a cost that names them",
            got=f"{', '.join(given)} and no cost",
            next_step="Say what a run costs, such as 6*params*tokens/flops.",
        )


def check_names(cost: str | None, known: Sequence[str]) -> None:
    """Raises `DataError` where a cost names what is neither an axis nor a given number."""
    for name in () if cost is None else parse_expression(cost).names:
        if name not in known:
            raise DataError(
                "a name in a cost is an axis or a given number",
                got=name,
                next_step=near_names(name, known),
            )


def fit_measured(runs: pd.DataFrame, axes: tuple[str, ...], name: str) -> Measured:
    """The power law of the axes that describes a column of the runs best.

    Raises:
        DataError: an axis is missing, or fewer than two rows have a positive value and axes.
    """
    if missing := [a for a in axes if a not in runs.columns]:
        raise DataError(f"measured runs have the axes {', '.join(axes)}", got=f"no {missing[0]}")
    columns = [pd.to_numeric(runs[c], errors="coerce") for c in (*axes, name)]
    table = np.stack([np.asarray(c, dtype=float) for c in columns], axis=1)
    table = table[np.isfinite(table).all(axis=1) & (table > 0.0).all(axis=1)]
    if len(table) < 2:
        raise DataError(
            f"two runs or more say what {name} is, with a positive number",
            got=len(table),
            next_step=f"Or give it as a number: given={{{name!r}: …}}.",
        )
    logs = np.log(table)
    centre = logs.mean(axis=0)
    z, q = (logs - centre)[:, :-1], (logs - centre)[:, -1]
    likely = [_UNLIKELY if family_of(a) in _HOW_LONG else _LIKELY for a in axes]
    ridge = np.diag((_SMALLEST_SCATTER / np.array(likely)) ** 2)
    exponents = np.linalg.solve(z.T @ z + ridge, z.T @ q)
    left = q - z @ exponents
    freedom = max(len(table) - len(axes) - 1, 1)
    scatter = math.sqrt(float(left @ left) / freedom)
    constant = float(centre[-1] - centre[:-1] @ exponents)
    return Measured(name, constant, exponents, scatter)


def _numbers(given: Mapping[str, float], axes: tuple[str, ...]) -> dict[str, float]:
    for name, value in given.items():
        if name in axes:
            raise DataError(
                "a given number is not an axis of the law",
                got=name,
                next_step="To hold an axis at a value, say fixed={…}, or --fix.",
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
            raise DataError(f"what is given for {name} is a finite number", got=value)
    return {name: float(value) for name, value in given.items()}
