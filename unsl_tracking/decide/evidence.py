"""What is known of a run when a decision about it is made, and what its curve alone tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Mode = Literal["min", "max"]
_RUNAWAY: Final = (
    0.5  # a runaway is beyond the worst start by this share of it, or all that was won
)
_STARTS: Final = 3  # first points that say where the run started
_ENOUGH: Final = 8  # values before anything is called a runaway


@dataclass(frozen=True)
class Evidence:
    """A run so far.

    `steps` and `values`, shape (n,), hold the finite part of the curve by step, thinned or whole.
    `recent` holds the last raw values as logged, newest last, NaN and infinities included.
    `points` counts the finite values logged, `at` is the place of the last one, and `fraction` the
    share of the horizon that was reached, or None where the horizon is not known.
    """

    mode: Mode
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    recent: tuple[float, ...] = ()
    points: int = 0
    at: float = 0.0
    fraction: float | None = None

    def better(self, one: float, two: float) -> bool:
        """True where the first value is strictly better."""
        return one < two if self.mode == "min" else one > two


def divergence(evidence: Evidence, patience: int) -> str | None:
    """Why the run has diverged, or None: its last `patience` values are not finite or run away.

    Runaway means worse than the worst of the first three points by all that the run had won since,
    and by half of that worst value at the least; a spike during warm-up is neither, and fewer than
    eight values do not tell a runaway from a metric that is noisy, or still near 0.
    """
    last = evidence.recent[-patience:]
    if len(last) < patience:
        return None
    if not any(map(math.isfinite, last)):
        return f"the last {patience} values are not finite"
    if evidence.points < _ENOUGH or not all(map(math.isfinite, last)):
        return None
    sign = 1.0 if evidence.mode == "min" else -1.0
    losses = sign * evidence.values
    worst = float(losses[:_STARTS].max())
    bound = worst + max(worst - float(losses.min()), _RUNAWAY * abs(worst))
    if all(sign * value > bound for value in last):
        return f"the last {patience} values are beyond {sign * bound:.4g}, far worse than the start"
    return None


def plateau(evidence: Evidence, tolerance: float, min_points: int) -> str | None:
    """Why the run stands still, or None: its second half is no better than its first.

    Both halves (by step) must hold `min_points // 2` points; `tolerance` is relative to the best.
    """
    if evidence.points < min_points or not len(evidence.steps):
        return None
    late = evidence.steps > 0.5 * evidence.steps[-1]
    early_values, late_values = evidence.values[~late], evidence.values[late]
    if min(len(early_values), len(late_values)) < max(min_points // 2, 1):
        return None
    if evidence.mode == "min":
        gain = float(early_values.min() - late_values.min())
        best = float(early_values.min())
    else:
        gain = float(late_values.max() - early_values.max())
        best = float(early_values.max())
    if gain > tolerance * abs(best):
        return None
    return f"since step {0.5 * evidence.steps[-1]:.4g} it won {max(gain, 0.0):.3g} over {best:.4g}"
