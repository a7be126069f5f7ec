"""When a few more rows may be taken in by one step per member, and when it takes a search.

Between searches the forms, their weights and their origin errors stay; the parameters, the noise
and the covariances follow every row (`fit.refresh`). A new search is due when

- the evidence has grown by `GROWTH` since the last one, or the data reach farther by `GROWTH` of
  what they span: weights and windows are then of another curve;
- a new row is improbable under the forecast that was made without it (more than `SURPRISE`
  standard deviations away), the mark of a law that has changed.

The constants were chosen on development curves: benchmarks/accuracy/updates.py measures how far
updates are from fresh fits, docs/method.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.fit import Mixture, Points
from unsl_tracking.forecast.predictive import members

Array = NDArray[np.float64]

GROWTH: Final = 1.05
SURPRISE: Final = 4.0


@dataclass(frozen=True)
class Searched:
    """What was there at the last search; how far the data reached and what they spanned, (d,)."""

    evidence: float
    reached: Array
    spans: Array

    @classmethod
    def at(cls, mixture: Mixture, evidence: float) -> Searched:
        """Of a mixture that has just been searched."""
        spans = np.abs(mixture.directions) @ (mixture.highest - mixture.lowest)
        return cls(evidence, mixture.reached, spans)

    def outgrown(self, mixture: Mixture, points: Points, evidence: float) -> bool:
        """Whether the points are so many more, or reach so much farther, that weights are stale."""
        if evidence > GROWTH * self.evidence:
            return True
        farther = (points.log_x @ mixture.directions.T).max(axis=0) - self.reached
        return bool((farther > (GROWTH - 1.0) * self.spans).any())


def surprising(mixture: Mixture, points: Points, changed: Sequence[int], count: Array) -> bool:
    """Whether any changed point is improbable under a forecast made without what changed it.

    `count` (n,) says how many observations each point stands for: a bucket of a long curve that has
    just been opened scatters as single observations do, of which σ of the fit knows averages only.
    """
    made = members(mixture, points.log_x[changed])
    sigma = np.array([member.component.sigma for member in mixture.members])[:, None]
    noise = sigma**2 * np.maximum(count.mean() / count[changed] - 1.0, 0.0)
    weight = made.weight[:, None]
    mean = (weight * made.mean).sum(axis=0)
    variance = (weight * (made.sd**2 + noise + (made.mean - mean) ** 2)).sum(axis=0)
    return bool((np.abs(points.ln_y[changed] - mean) > SURPRISE * np.sqrt(variance)).any())
