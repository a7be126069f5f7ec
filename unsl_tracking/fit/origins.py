"""Rolling origins: pretend that only the smaller points were seen, forecast the next larger ones.

Points are ordered by size (the sum of the logs of their scale axes). An origin is a size; a form is
fitted to what lies at or below it and scored on what lies just above. Points of equal size stay on
one side, so nothing leaks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit.points import Mask, Points

Array = NDArray[np.float64]

# Shares of the points at which an origin is put, the largest first.
_QUANTILES = (0.85, 0.7, 0.55, 0.4)
_FEWEST_BELOW = 5
# e-folds within which points are of one size: budgets are meant to be equal and are logged with
# rounding errors. Without it an origin between two such points is scored on its own budget.
_TIE = 0.01
_REACH = 0.3  # of the range of sizes: how far above its origin a point still counts as next


@dataclass(frozen=True)
class Origin:
    """`below` and `above` mark points.

    `horizon` is the mean distance of `above` from the origin, in e-folds of size.
    """

    below: Mask
    above: Mask
    horizon: float


def rolling_origins(points: Points, *, along: Array | None = None) -> list[Origin]:
    """Up to four origins, the latest first; fewer where there are few distinct sizes.

    `along` (n,) orders the points by something other than their size, such as repetitions.
    """
    size = points.size if along is None else along
    reach = _REACH * float(np.ptp(size))
    found: list[Origin] = []
    taken: set[int] = set()
    for quantile in _QUANTILES:
        lower = float(np.quantile(size, quantile, method="lower"))
        cut = float(size[size <= lower + _TIE].max())
        below = size <= cut
        above = (size > cut) & (size <= cut + reach)
        if not above.any() and not below.all():
            above = ~below & (size <= size[~below].min() + _TIE)
        if below.sum() < _FEWEST_BELOW or not above.any() or int(below.sum()) in taken:
            continue
        taken.add(int(below.sum()))
        found.append(Origin(below, above, float((size[above] - cut).mean())))
    return found
