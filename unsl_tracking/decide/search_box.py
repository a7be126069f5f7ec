"""Where a split is looked for: bounds of every axis, and the axis that takes what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.decide.checks import positive
from unsl_tracking.decide.cost import Cost
from unsl_tracking.errors import AxisError, DataError
from unsl_tracking.fit import Mixture
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.runs.names import family_of

Array = NDArray[np.float64]

_AROUND: Final = float(np.log(10.0))  # e-folds of a scale axis beyond what was observed
_AROUND_HYPER: Final = float(np.log(3.0))


def box_of(
    law: FittedLaw,
    cost: Cost,
    budget: float,
    fixed: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
) -> tuple[Array, Array]:
    """Logs of the lowest and highest value (m,) of each axis; equal where it is fixed.

    Raises:
        AxisError: a name is no axis.
        DataError: bounds are not two positive numbers in order, an axis is fixed and bounded, or
            an axis that costs nothing has no upper bound.
    """
    _check_names(law, fixed, "fixed")
    _check_names(law, bounds, "bounds")
    mixture = law.mixture
    hyper = np.array([a in law.hyperparameters for a in law.axes])
    around = np.where(hyper, _AROUND_HYPER, _AROUND)
    low, high = mixture.lowest - around, mixture.highest + around
    reached = float(cost.log(mixture.highest[None])[0])
    if np.isfinite(reached):
        high = high + np.where(hyper, 0.0, max(float(np.log(budget)) - reached, 0.0))
    for j, name in enumerate(law.axes):
        if name in fixed:
            if name in bounds:
                raise DataError("an axis is either fixed or has bounds", got=name)
            low[j] = high[j] = np.log(positive(f"what {name} is held at", fixed[name]))
        elif name in bounds:
            low[j], high[j] = _pair(name, bounds[name])
        elif not hyper[j] and not _costs(cost, j, mixture):
            raise DataError(
                "more of an axis must cost something, or have a bound, for it to have a best value",
                got=name,
                next_step=f"Add it to the cost, or say fixed={{{name!r}: …}} (--fix {name}=…).",
            )
    return low, high


def closing_axis(law: FittedLaw, cost: Cost, low: Array, high: Array, held: frozenset[str]) -> int:
    """The column that takes what the budget leaves: training progress, else the last that costs.

    Raises:
        DataError: the cost rises along none of the axes that are to be split.
    """
    middle = 0.5 * (low + high)
    somewhere = np.stack([low, middle, high])
    able = [
        j
        for j, name in enumerate(law.axes)
        if name not in held
        and name not in law.hyperparameters
        and high[j] > low[j]
        and cost.rises_along(j, somewhere)
    ]
    if not able:
        split = [a for a in law.axes if a not in held and a not in law.hyperparameters]
        raise DataError(
            "the cost must rise along one of the axes that are split",
            got=cost.training.text,
            next_step=f"These are {', '.join(split) or 'none: free one of them'}.",
        )
    progress = [j for j in able if family_of(law.axes[j]) == "progress"]
    return (progress or able)[-1]


def _costs(cost: Cost, column: int, mixture: Mixture) -> bool:
    """Whether the cost changes along an axis at all."""
    at = np.zeros((2, len(cost.axes)))
    at += 0.5 * (mixture.lowest + mixture.highest)
    at[1, column] += 1.0
    here, there = cost.log(at)
    return bool(here != there)


def _check_names(law: FittedLaw, named: Mapping[str, object], what: str) -> None:
    if unknown := [str(n) for n in named if n not in law.axes]:
        raise AxisError(f"{what} names axes of the law: {', '.join(law.axes)}", got=unknown)


def _pair(name: str, pair: object) -> tuple[float, float]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise DataError(f"bounds of {name} are (lowest, highest)", got=pair)
    low, high = (positive(f"a bound of {name}", each) for each in pair)
    if low >= high:
        raise DataError(f"the lowest {name} lies below the highest", got=pair)
    return float(np.log(low)), float(np.log(high))
