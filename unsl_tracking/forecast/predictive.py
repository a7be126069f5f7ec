"""The predictive distribution of ln y at given points: a mixture of normals, two per member.

A member's variance has two parts. Its Laplace covariance says what its form leaves open; the errors
of the mixture's own average at rolling origins say how wrong such forecasts have been on this very
curve, and grow with the distance extrapolated:

    sd² = laplace² + (width · WIDTH · e · max(h, SHORTEST)^GROWTH)² + surprises²

with width the mixture's own factor (1 unless a backtest says otherwise), e the typical error at the
origins (the product never below the member's residual noise) and h the distance beyond the largest
point in units of the origins' own distance. Surprises are what no origin can have seen: data
repeated more often, distances beyond half of the data's span, a learning rate that changes. What
forms disagree about comes on top, half as the spread of their means and the rest as variance: a
linear pool of few members is lumpy, and drawing their means together at equal variance lowers the
error and raises the log score.

Errors of forecasts have heavier tails than a normal: most are smaller than the sd says, and three
in ten nearly twice as large. So every member is two normals of one mean. The constants were chosen
on development tables; docs/method.md has the figures. On several axes origins lie farther from what
they are scored on than the largest runs from the target, so their errors count for less.
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
# the spread of exponents that such data cannot tell apart from a curve that bends. A curve that
# has hardly moved (less than this per e-fold) is not expected to move as much.
UNSEEN = 0.18
UNSEEN_WHEN_FLAT = 0.01
# ln y that a change of the learning rate still to come may be worth, reached when a run is to go on
# for as long again as it has gone.
SCHEDULE = 0.012
_AS_LONG_AGAIN = float(np.log(2.0))  # e-folds
TAIL, NARROW, WIDE = 0.3, 0.67, 1.9  # share of the wide normals, factors on the sd
KEPT_APART = 0.5  # of the distance between a member's mean and the average
_UNSCORED_ERROR = 0.1  # where no origin could be scored: too few points
_PARTS, _ROUNDS = 32, 9  # 45 halvings: 1e-12 standard deviations
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

    def expected_below(self, ln_y: float) -> Array:
        """E[max(ln_y − ln Y, 0)] (n,): by how much it is expected to come out below."""
        standard = (ln_y - self.mean) / self.sd
        with np.errstate(under="ignore"):
            density = np.exp(-0.5 * standard**2) / np.sqrt(2.0 * np.pi)
            below: Array = self.weight @ ((ln_y - self.mean) * ndtr(standard) + self.sd * density)
        return below

    def quantile(self, level: float) -> Array:
        """ln y (n,) below which a share `level` lies; by cutting a bracket ever finer."""
        low = (self.mean - _REACH * self.sd).min(axis=0)
        high = (self.mean + _REACH * self.sd).max(axis=0)
        for _ in range(_ROUNDS):
            step = (high - low) / _PARTS
            cuts = low + step * np.arange(1, _PARTS)[:, None]
            low = low + step * (self.cdf(cuts) < level).sum(axis=0)
            high = low + step
        result: Array = 0.5 * (low + high)
        return result

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draws (count, n) of ln y; each is a curve: one member, one quantile at all points."""
        member = rng.choice(len(self.weight), size=count, p=self.weight)
        draws: Array = self.mean[member] + self.sd[member] * rng.normal(size=(count, 1))
        return draws

    def pooled(self, other: Predictive) -> Predictive:
        """Half of each, at the same points: a linear pool (Stone 1961)."""
        return Predictive(
            0.5 * np.concatenate([self.weight, other.weight]),
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.sd, other.sd]),
        )

    def spread_by(self, factor: float) -> Predictive:
        """The same medians with everything about them `factor` times as far away."""
        middle = self.quantile(0.5)
        return Predictive(self.weight, middle + factor * (self.mean - middle), factor * self.sd)


def predictive(mixture: Mixture, log_x: Array) -> Predictive:
    """The predictive distribution at log_x (n, m)."""
    return with_tails(members(mixture, log_x))


def with_tails(found: Predictive) -> Predictive:
    """Two normals for each: first all the narrow ones, then the wide ones."""
    return Predictive(
        np.concatenate([(1.0 - TAIL) * found.weight, TAIL * found.weight]),
        np.concatenate([found.mean, found.mean]),
        np.concatenate([NARROW * found.sd, WIDE * found.sd]),
    )


def members(mixture: Mixture, log_x: Array) -> Predictive:
    """One normal for each member of the mixture, in its order: what it expects, before tails."""
    error, surprise = extrapolation_error(mixture, log_x), unseen(mixture, log_x)
    weight, mean, sd = [], [], []
    for member in mixture.members:
        centre, variance = member.component.predict(log_x)
        weight.append(member.weight)
        mean.append(centre)
        scatter = np.maximum(error, member.component.sigma)
        sd.append(np.sqrt(variance + scatter**2 + surprise**2))
    return _agreed(Predictive(np.array(weight), np.array(mean), np.array(sd)))


def extrapolation_error(mixture: Mixture, log_x: Array) -> Array:
    """How wrong forecasts from these data have been at such distances (n,), in ln y."""
    width = WIDTH if mixture.scale.size == 1 else WIDTH_ON_SEVERAL_AXES
    known = mixture.origin_errors
    error = mixture.width * width * (typical_error(known) if known else _UNSCORED_ERROR)
    unit = mixture.horizon if mixture.horizon > 0.0 else 1.0
    growth = np.maximum(mixture.beyond(log_x) / unit, SHORTEST) ** GROWTH
    return np.asarray(error * growth, dtype=float)


def unseen(mixture: Mixture, log_x: Array) -> Array:
    """What no forecast of the past could show (n,), in ln y.

    Overfitting, a curve that bends, a learning rate that changes.
    """
    bend = min(UNSEEN, UNSEEN_WHEN_FLAT + mixture.steepness)
    found = OVERFITTING * mixture.more_repeated(log_x) + bend * mixture.past_half_span(log_x)
    if mixture.unscheduled:
        share = np.minimum(mixture.beyond(log_x) / _AS_LONG_AGAIN, 1.0)
        found = np.hypot(found, SCHEDULE * share)
    return np.asarray(found, dtype=float)


def _agreed(members: Predictive) -> Predictive:
    """Members drawn towards their weighted mean, with the same mean and variance in all.

    Without this the median of two camps of forms sits in one of them.
    """
    weight = members.weight[:, None]
    average = (weight * members.mean).sum(axis=0)
    apart = members.mean - average
    lost = (1.0 - KEPT_APART**2) * (weight * apart**2).sum(axis=0)
    return Predictive(members.weight, average + KEPT_APART * apart, np.sqrt(members.sd**2 + lost))
