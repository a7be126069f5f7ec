"""How far the history of a ladder supports a forecast: what makes a verdict doubtful, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from unsl_tracking.forecast import Backtest, FittedLaw
from unsl_tracking.forecast.cautions import weight_past_unseen_breaks
from unsl_tracking.forecast.recalibration import unit_weights

LEVEL: Final = 0.8  # of the intervals whose coverage is looked at
COMPARABLE: Final = 0.5  # outcomes this share of the asked distance away, or farther, tell of it
# Decades below what was observed that a scale may lie: rounding, or half of the smallest value.
# Backtests only tell of larger scales, and a scale far below is more often a slip ("tokens=140").
BELOW: Final = 0.31
# Standard errors that coverage may fall short by. At 2 the rule alone stopped decisions of which 7%
# would have been wrong, fewer than the 10% that a confidence of 0.9 accepts (benchmarks/gate).
TOLERANCE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is stable and meant for machines, `message` a sentence (part) for people.

    `value` is what was found and `limit` what it was compared with, where there are such numbers.
    """

    code: str
    message: str
    value: float | None = None
    limit: float | None = None

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "code": self.code,
            "message": self.message,
            "value": self.value,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True)
class Support:
    """What is known about forecasts this far ahead.

    `decades`: how far the point lies beyond the data, in decades of size (the product of the scale
    axes), or of one of these axes where that is farther; the distance that backtests tell.
    `by_axis`: decades beyond the values observed, per axis, on either side; only those above 0.
    `below`: the axes of these on which the point lies below what was observed.
    `tested_decades`: the farthest outcome that the backtest scored; None without a backtest.
    `coverage`: share of the outcomes about as far ahead that an 80% interval held, units of the
    backtest having equal shares; None where there was none. `units`: how many origins these were.
    `guessed`: weight of the forms by which the point lies past a hyperbreak that the data have not
    seen; what they say there is a guess. `pooled`: that the law has values from the middle
    of runs whose learning rate falls, for want of ends; empty otherwise.
    """

    decades: float
    by_axis: Mapping[str, float]
    tested_decades: float | None
    coverage: float | None
    units: int
    guessed: float
    pooled: str = ""
    below: tuple[str, ...] = ()

    @property
    def far_below(self) -> str | None:
        """The axis on which the point lies farthest below what was observed, if it is too far."""
        axis = max(self.below, key=lambda name: self.by_axis[name], default=None)
        return axis if axis is not None and self.by_axis[axis] > BELOW else None

    def doubts(
        self,
        confidence: float,
        max_decades: float | None = None,
        required_coverage: float | None = None,
    ) -> tuple[Reason, ...]:
        """Why a forecast this far ahead decides nothing, however sure it is; empty where none."""
        found = [
            Reason("curves_pooled", self.pooled) if self.pooled else None,
            self._too_small(),
            self._too_far(max_decades),
            self._untested(),
            self._overconfident(required_coverage),
            self._break(round(1.0 - confidence, 12)),
        ]
        return tuple(each for each in found if each is not None)

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {
            "decades": self.decades,
            "by_axis": dict(self.by_axis),
            "tested_decades": self.tested_decades,
            "coverage": self.coverage,
            "coverage_level": LEVEL,
            "units": self.units,
            "guessed": self.guessed,
        }

    def _too_small(self) -> Reason | None:
        if (axis := self.far_below) is None:
            return None
        text = (
            f"the target lies {self.by_axis[axis]:.2f} decades below the observed values of "
            f"{axis}, and backtests of this ladder only tell of larger scales"
        )
        return Reason("below_observed", text, self.by_axis[axis], BELOW)

    def _too_far(self, limit: float | None) -> Reason | None:
        if limit is None or not self.by_axis:
            return None
        axis, decades = max(self.by_axis.items(), key=lambda each: each[1])
        if decades <= limit:
            return None
        text = f"the target lies {decades:.2f} decades beyond the observed values of {axis}"
        return Reason("max_decades", f"{text}, more than the {limit:g} allowed", decades, limit)

    def _untested(self) -> Reason | None:
        if self.decades <= 0.0:
            return None
        if self.tested_decades is None:
            text = "no past of this ladder could be forecast, so nothing says how far to trust it"
            return Reason("untested", text, self.decades)
        if self.decades <= self.tested_decades:
            return None
        text = (
            f"the target lies {self.decades:.2f} decades beyond the data, but backtests of this "
            f"ladder reach {self.tested_decades:.2f}"
        )
        return Reason("beyond_backtest", text, self.decades, self.tested_decades)

    def _overconfident(self, required: float | None) -> Reason | None:
        if self.coverage is None or (self.decades <= 0.0 and required is None):
            return None
        least = LEVEL - TOLERANCE * math.sqrt(LEVEL * (1.0 - LEVEL) / self.units)
        least = least if required is None else required
        if self.coverage >= least:
            return None
        text = (
            f"past forecasts about as far ahead were overconfident: {self.coverage:.0%} of the "
            f"outcomes lay in their {LEVEL:.0%} intervals"
        )
        return Reason("overconfident", text, self.coverage, least)

    def _break(self, risk: float) -> Reason | None:
        if self.guessed <= risk or self.decades <= 0.0:
            return None
        text = (
            f"a break may lie beyond the data: {self.guessed:.0%} of the weight is on forms that "
            "bend before the target where at most one observation lies, so what they say there is "
            f"a guess, and the risk accepted is {risk:.0%}"
        )
        return Reason("hyperbreak", text, self.guessed, risk)


def support_of(law: FittedLaw, at: Mapping[str, float], tested: Backtest | None) -> Support:
    """What the law's data and its backtest say about forecasts at the point."""
    mixture = law.mixture
    log_x = np.log(np.array([[at[axis] for axis in law.axes]], dtype=float))
    decades = float(mixture.beyond(log_x)[0]) / math.log(10.0)
    outside = np.maximum(log_x[0] - mixture.highest, mixture.lowest - log_x[0]) / math.log(10.0)
    by_axis = {a: float(d) for a, d in zip(law.axes, outside, strict=True) if d > 0.0}
    coverage, units = _coverage(tested, decades)
    seen = np.log(law.data[list(law.axes)].to_numpy(dtype=float))
    return Support(
        decades=decades,
        by_axis=by_axis,
        tested_decades=None if tested is None else float(tested.frame["decades"].max()),
        coverage=coverage,
        units=units,
        guessed=weight_past_unseen_breaks(mixture, seen, log_x[0]),
        pooled=next((each.message for each in law.warnings if each.code == "curves_pooled"), ""),
        below=tuple(a for a in by_axis if math.log(at[a]) < mixture.lowest[law.axes.index(a)]),
    )


def _coverage(tested: Backtest | None, decades: float) -> tuple[float | None, int]:
    """Share of comparable outcomes that the interval held, and how many units they are of."""
    if tested is None:
        return None, 0
    rows = tested.frame[tested.frame["decades"] >= COMPARABLE * decades]
    if rows.empty:
        return None, 0
    held = np.abs(2.0 * rows["pit"].to_numpy() - 1.0) <= LEVEL
    weight = unit_weights(rows["unit"].to_numpy())
    return float(np.average(held, weights=weight)), int(rows["unit"].nunique())
