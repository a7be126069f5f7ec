"""What a budget affords: the surface in log space on which all of it is spent.

Every axis of the law is either held at a value, free, or *closing*: it takes whatever the budget
leaves once the others are chosen. A point is described by its free axes `u` (d,), and by how much
less than affordable the closing axis gets (`slack`, e-folds) where spending everything does harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.decide.cost import Cost
from unsl_tracking.decide.minimise import MOST_AXES, minimise
from unsl_tracking.errors import DataError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Law = Callable[[Array], Array]  # log_x (n, m) -> ln y (n,)


@dataclass(frozen=True)
class Affordable:
    """`low`, `high` (m,): logs of bounds, equal where an axis is held. `closing`: its column."""

    cost: Cost
    ln_budget: float
    low: Array
    high: Array
    closing: int | None
    slack: bool = False

    @property
    def free(self) -> list[int]:
        """Columns of the axes that are searched, in order."""
        moves = np.flatnonzero(self.high > self.low)
        return [int(j) for j in moves if j != self.closing]

    @property
    def box(self) -> tuple[Array, Array]:
        """Bounds (d,) of what is searched: the free axes, then the slack."""
        more = [] if self.closing is None or not self.slack else [self.closing]
        return (
            np.append(self.low[self.free], np.zeros(len(more))),
            np.append(self.high[self.free], self.high[more] - self.low[more]),
        )

    def points(self, u: Array) -> Array:
        """log_x (n, m) at u (n, d); NaN in the closing column where nothing is affordable."""
        log_x = np.tile(self.low, (len(u), 1))
        free = self.free
        log_x[:, free] = u[:, : len(free)]
        if self.closing is None:
            return log_x
        low, high = self.low[self.closing], self.high[self.closing]
        most = self.cost.spend(log_x, self.closing, self.ln_budget, float(low), float(high))
        if self.slack:
            most = np.maximum(most - u[:, -1], low)
        log_x[:, self.closing] = most
        return log_x

    def values(self, law: Law, u: Array) -> Array:
        """ln y (n,) at u (n, d); infinite where nothing is affordable."""
        log_x = self.points(u)
        usable = self.usable(log_x)
        values = np.full(len(u), np.inf)
        if usable.any():
            values[usable] = law(log_x[usable])
        return values

    def usable(self, log_x: Array) -> Mask:
        """Which points (n, m) cost no more than the budget."""
        finite = np.asarray(np.isfinite(log_x).all(axis=1), dtype=bool)
        cost = self.cost.log(np.where(finite[:, None], log_x, 0.0))
        return np.asarray(finite & (cost <= self.ln_budget + 1e-9), dtype=bool)

    def best(self, law: Law, *, first: int | None = None) -> tuple[Array, float]:
        """The affordable point (m,) where the law is lowest, and ln y there.

        Raises:
            DataError: too many axes are free, or nothing is affordable.
        """
        low, high = self.box
        if len(low) > MOST_AXES:
            names = [self.cost.axes[j] for j in self.free]
            raise DataError(
                f"a budget is split over {MOST_AXES + 1} axes at most",
                got=", ".join(names),
                next_step="Hold some of them at a value: fixed={…}, or --fix.",
            )
        u, value = minimise(lambda at: self.values(law, at), low, high, first=first)
        return self.points(u[None])[0], value

    def held(self, values: Mapping[int, float]) -> Affordable:
        """The same with some columns held at log values; a held closing axis closes no more."""
        low, high = self.low.copy(), self.high.copy()
        for column, value in values.items():
            low[column] = high[column] = value
        closing = None if self.closing in values else self.closing
        return replace(self, low=low, high=high, closing=closing)

    def least(self) -> float:
        """The cost of the cheapest corner of the bounds."""
        return float(self.cost(self.low[None])[0])
