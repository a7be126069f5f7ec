"""The predictive distribution of ln y at given points: a mixture of normals, one per member.

A member's variance has two parts. Its Laplace covariance says what its form leaves open; the errors
of the mixture's own average at rolling origins say how wrong such forecasts have been on this very
curve, and grow with the distance extrapolated:

    sd² = laplace² + (width · WIDTH · e · max(h, SHORTEST)^GROWTH)²

with width the mixture's own factor (1 unless a backtest says otherwise), e the typical error at the
origins (the product never below the member's residual noise) and h the distance beyond the largest
point in units of the origins' own distance. What forms disagree about comes on top, half as the
spread of their means and the rest as variance: a linear pool of few members is lumpy, and drawing
their means together at equal variance lowers the error and raises the log score. The constants were
chosen on development tables; docs/method.md has the figures. On several axes origins lie farther
from what they are scored on than the largest runs from the target, so their errors count for less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from unsl_tracking.fit import Mixture, typical_error

Array = NDArray[np.float64]

WIDTH = 1.0
WIDTH_ON_SEVERAL_AXES = 0.35
GROWTH = 0.6
SHORTEST = 0.3
# ln y per e-fold of repetitions beyond those observed: overfitting begins without a warning, and
# what was seen before it says nothing of when.
OVERFITTING = 0.06
# ln y per e-fold that a point lies farther beyond the data than half of what the data span: about
# the spread of exponents that such data cannot tell apart from a curve that bends.
UNSEEN = 0.18
KEPT_APART = 0.5  # of the distance between a member's mean and the average
_UNSCORED_ERROR = 0.1  # where no origin could be scored: too few points
_BISECTIONS = 60
_REACH = 12.0  # standard deviations beyond the outermost member that bracket every quantile


@dataclass(frozen=True)
class Predictive:
    """weight (k,), mean (k, n) and sd (k, n) of ln y for k members at n points."""

    weight: Array
    mean: Array
    sd: Array

    def cdf(self, ln_y: Array) -> Array:
        """P(ln Y ≤ ln_y) at every point; ln_y broadcasts against (n,)."""
        standard = (np.asarray(ln_y)[..., None, :] - self.mean) / self.sd
        with np.errstate(under="ignore"):
            total: Array = (self.weight[:, None] * ndtr(standard)).sum(axis=-2)
        return total

    def quantile(self, level: float) -> Array:
        """ln y (n,) below which a share `level` lies; by bisection."""
        low = (self.mean - _REACH * self.sd).min(axis=0)
        high = (self.mean + _REACH * self.sd).max(axis=0)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            above = self.cdf(middle) >= level
            high = np.where(above, middle, high)
            low = np.where(above, low, middle)
        result: Array = 0.5 * (low + high)
        return result

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draws (count, n) of ln y; each is a curve: one member, one quantile at all points."""
        member = rng.choice(len(self.weight), size=count, p=self.weight)
        draws: Array = self.mean[member] + self.sd[member] * rng.normal(size=(count, 1))
        return draws


def predictive(mixture: Mixture, log_x: Array) -> Predictive:
    """The predictive distribution at log_x (n, m)."""
    width = WIDTH if mixture.scale.size == 1 else WIDTH_ON_SEVERAL_AXES
    known = mixture.origin_errors
    error = mixture.width * width * (typical_error(known) if known else _UNSCORED_ERROR)
    unit = mixture.horizon if mixture.horizon > 0.0 else 1.0
    growth = np.maximum(mixture.beyond(log_x) / unit, SHORTEST) ** GROWTH
    surprise = OVERFITTING * mixture.more_repeated(log_x) + UNSEEN * mixture.past_half_span(log_x)
    weight, mean, sd = [], [], []
    for member in mixture.members:
        centre, variance = member.component.predict(log_x)
        weight.append(member.weight)
        mean.append(centre)
        scatter = np.maximum(error * growth, member.component.sigma)
        sd.append(np.sqrt(variance + scatter**2 + surprise**2))
    return _agreed(Predictive(np.array(weight), np.array(mean), np.array(sd)))


def _agreed(members: Predictive) -> Predictive:
    """Members drawn towards their weighted mean, with the same mean and variance in all.

    Without this the median of two camps of forms sits in one of them.
    """
    weight = members.weight[:, None]
    average = (weight * members.mean).sum(axis=0)
    apart = members.mean - average
    lost = (1.0 - KEPT_APART**2) * (weight * apart**2).sum(axis=0)
    return Predictive(members.weight, average + KEPT_APART * apart, np.sqrt(members.sd**2 + lost))
