"""The points that a law is fitted to: logs of the axes, log of the metric, weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """`n` observations on `m` axes.

    log_x (n, m) and ln_y (n,) are natural logs, `weight` (n,) says how much evidence each point
    carries relative to a typical one, `scale` (m,) marks the axes along which one scales up
    (hyperparameters do not count when points are ordered from small to large).
    """

    axes: tuple[str, ...]
    log_x: Array
    ln_y: Array
    weight: Array
    scale: Mask

    def __len__(self) -> int:
        return len(self.ln_y)

    def __getitem__(self, mask: Mask) -> Points:
        return Points(self.axes, self.log_x[mask], self.ln_y[mask], self.weight[mask], self.scale)

    @property
    def centre(self) -> Array:
        """Mean of log_x (m,): where z is zero."""
        centre: Array = self.log_x.mean(axis=0)
        return centre

    @property
    def size(self) -> Array:
        """How large each point is (n,): the sum of the logs of its scale axes."""
        return size_of(self.log_x, self.scale)


def size_of(log_x: Array, scale: Mask) -> Array:
    """Sum of the logs of the scale axes (n,); the log of compute, up to a constant."""
    size: Array = (log_x[:, scale] if scale.any() else log_x).sum(axis=1)
    return size
