"""Where curves end, from what they look like now and where others like them ended.

Curves are compared at one place, `left` e-folds before their end. Two kinds of Gaussian processes
say what follows from that: `momentum` (each goes on from where it is, the errors of curves that
look alike are alike) and `likeness` (curves that came the same way end alike, and there is an end
that none goes much below). Each kind has a few members, with different priors for how large their
errors may be. All are weighted by how likely they make the ends that are known, so a group of
replicas is judged by likeness and a group of two by momentum. The scale of the errors of every
member has an inverse-gamma prior, which makes its prediction a Student t.

Numbers in both were chosen by hand on two families of recorded curves; docs/early-stopping.md says
how, and how little of what is measured there is held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PRIOR_DEGREES: Final = 2.0  # of the prior of the scale of all errors
_MOST_DEGREES: Final = 4.0  # of a prediction: tails stay heavy however much is known
_NEAREST: Final = 120  # known curves that a prediction uses
_NEGLIGIBLE: Final = 1e-6  # weight of a member


class Views(NamedTuple):
    """What curves look like at one place: `level` ln y, `slope` per e-fold, both (n,).

    `past` (n, k): their levels at k places on the way, the same for all. `recipe` (n,): the same
    number for runs of one recipe (see `same_recipe`), NaN where that is not known.
    """

    level: Array
    slope: Array
    past: Array
    recipe: Array


class Known(NamedTuple):
    """Other curves, seen at the same place; `ends` (n,): ln y at their ends."""

    views: Views
    ends: Array


class Ends(NamedTuple):
    """Mixtures of normals for `ln y` at the end: weight (k,), mean and sd (k, q)."""

    weight: Array
    mean: Array
    sd: Array

    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation, (q,)."""
        mean = self.weight @ self.mean
        return mean, np.sqrt(self.weight @ (self.sd**2 + (self.mean - mean) ** 2))


class Member(NamedTuple):
    """One process's answer; `log_weight`: of its prior and its evidence."""

    log_weight: float
    ends: Ends


class Regression(NamedTuple):
    """Mean and sd (q,) of the asked curves' errors, and the log evidence up to a constant."""

    mean: Array
    sd: Array
    evidence: float


def mixed(members: Sequence[Member]) -> Ends:
    """All members together."""
    log_weight = np.array([member.log_weight for member in members])
    with np.errstate(under="ignore"):
        weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    kept = [(w, m.ends) for w, m in zip(weight, members, strict=True) if w > _NEGLIGIBLE]
    total = sum(w for w, _ in kept)
    return Ends(
        np.concatenate([ends.weight * (w / total) for w, ends in kept]),
        np.concatenate([ends.mean for _, ends in kept]),
        np.concatenate([ends.sd for _, ends in kept]),
    )


def together(known: Views, asked: Views) -> Views:
    """The known curves, then the asked ones."""
    return Views(*(np.concatenate(pair) for pair in zip(known, asked, strict=True)))


def nearest(asked: Views, known: Known) -> Known:
    """Not more of the known curves than a prediction can use: those at the nearest levels."""
    if len(known.ends) <= _NEAREST:
        return known
    apart = np.abs(known.views.level - asked.level.mean())
    order = np.argsort(apart, kind="stable")[:_NEAREST]
    views = Views(*(part[order] for part in known.views))
    return Known(views, known.ends[order])


def degrees(known: int) -> float:
    """Of the Student t of a prediction from so many known curves."""
    return min(PRIOR_DEGREES + known, _MOST_DEGREES)


def regress(shared: Array, own: Array, surprise: Array) -> Regression:
    """Errors of the asked curves (q,), given those of the known ones.

    `shared` (n + q, n + q) is the covariance of the errors that curves share, `own` (n + q,) the
    standard deviation of those that they do not, `surprise` (n,) the errors that are known. See
    Rasmussen & Williams (2006), equations 2.23 to 2.30; the Student t as in O'Hagan (1994).
    """
    n = len(surprise)
    variance = np.diag(shared)[n:] + own[n:] ** 2
    if n == 0:
        return Regression(np.zeros(len(variance)), np.sqrt(variance), 0.0)
    covariance = shared[:n, :n] + np.diag(own[:n] ** 2)
    factor = np.linalg.cholesky(covariance)
    solved = np.linalg.solve(factor, np.column_stack([surprise, shared[:n, n:]]))
    error, towards = solved[:, 0], solved[:, 1:]
    size = float(error @ error)
    scale = (PRIOR_DEGREES + size) / (PRIOR_DEGREES + n)
    evidence = -float(np.log(np.diag(factor)).sum())
    evidence -= 0.5 * (PRIOR_DEGREES + n) * float(np.log1p(size / PRIOR_DEGREES))
    variance = np.maximum(variance - (towards**2).sum(axis=0), own[n:] ** 2) * scale
    return Regression(towards.T @ error, np.sqrt(variance), evidence)
