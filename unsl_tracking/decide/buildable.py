"""Splits that can be built: whole layers, sizes there are, batches that come in multiples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.decide.affordable import Affordable, Law
from unsl_tracking.decide.checks import positive
from unsl_tracking.errors import AxisError, DataError

Array = NDArray[np.float64]
Steps = dict[int, float | tuple[float, ...]]
"""By column: the number of which a value is a multiple, or all the values it can take."""

_FIRST = 9  # points along each axis of the first grid, when the axes that are left are chosen anew


def read_steps(
    axes: Sequence[str],
    multiples: Mapping[str, float] | None,
    choices: Mapping[str, Sequence[float]] | None,
) -> Steps:
    """What each axis can be, by column.

    Raises:
        AxisError: no such axis.
        DataError: an axis in both, or a number that is not positive.
    """
    steps: Steps = {}
    for name, step in (multiples or {}).items():
        steps[_column(axes, name)] = positive(f"a multiple of {name}", step)
    for name, values in (choices or {}).items():
        column = _column(axes, name)
        if column in steps:
            raise DataError("an axis has either multiples or choices", got=name)
        numbers = sorted(positive(f"a choice of {name}", v) for v in values)
        if not numbers:
            raise DataError(f"there is one choice of {name} at least", got=list(values))
        steps[column] = tuple(numbers)
    return steps


def buildable(space: Affordable, law: Law, best: Array, steps: Steps) -> Array:
    """The best affordable point (m,) that can be built, next to the `best` one of all.

    Axes with steps take one of the values around their best; what is left is chosen anew for each,
    and the closing axis is rounded down.

    Raises:
        DataError: none of them is affordable within the bounds.
    """
    rounded = {j: s for j, s in steps.items() if j in space.free}
    found: Array | None = None
    lowest = np.inf
    for values in product(*(_around(float(np.exp(best[j])), s) for j, s in rounded.items())):
        logs = {j: float(np.log(v)) for j, v in zip(rounded, values, strict=True)}
        if any(not _within(space, j, v) for j, v in logs.items()):
            continue
        point, value = space.held(logs).best(law, first=_FIRST if rounded else None)
        if not np.isfinite(value):
            continue
        if space.closing in steps:
            point, value = _floored(space, law, point, steps[space.closing])
        if value < lowest:
            found, lowest = point, value
    if found is None:
        names = ", ".join(space.cost.axes[j] for j in steps)
        raise DataError(
            f"one of the values that {names} can take must be affordable within the bounds",
            got={space.cost.axes[j]: s for j, s in steps.items()},
            next_step="Give smaller multiples, other choices, or a larger budget.",
        )
    return found


def exact(value: float, step: float | tuple[float, ...] | None) -> float:
    """The allowed value that a value stands for, free of what logs have rounded."""
    if isinstance(step, tuple):
        return min(step, key=lambda v: abs(v - value))
    return value if step is None else round(value / step) * step


def _floored(
    space: Affordable, law: Law, point: Array, step: float | tuple[float, ...]
) -> tuple[Array, float]:
    """The point with its closing axis rounded down, and ln y there; infinite where it cannot be."""
    assert space.closing is not None
    value = float(np.exp(point[space.closing])) * (1.0 + 1e-9)  # of a multiple itself, itself
    lower = _around(value, step)[0]
    if lower > value or not _within(space, space.closing, float(np.log(lower))):
        return point, np.inf
    floored = point.copy()
    floored[space.closing] = np.log(lower)
    return floored, float(law(floored[None])[0])


def _around(value: float, step: float | tuple[float, ...]) -> list[float]:
    """The values just below and just above; only one where there is no other."""
    if isinstance(step, tuple):
        below = [v for v in step if v <= value][-1:]
        return [*below, *[v for v in step if v > value][:1]]
    whole = np.floor(value / step)
    return [float(n * step) for n in (whole, whole + 1.0) if n > 0.0]


def _within(space: Affordable, column: int, log_value: float) -> bool:
    return bool(space.low[column] - 1e-9 <= log_value <= space.high[column] + 1e-9)


def _column(axes: Sequence[str], name: str) -> int:
    if name not in axes:
        raise AxisError(f"steps are given for the axes {', '.join(axes)}", got=name)
    return list(axes).index(name)
