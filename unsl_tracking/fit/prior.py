"""The weakly informative prior of a form's parameters, and starts drawn from it.

Every parameter gets an independent normal prior by its `kind`. Exponents and slope changes are
pure numbers, so their priors hold for any axis and any metric; scales, limits, ceilings and break
positions are placed relative to the data (its centre, its range, its lowest and highest value), so
that multiplying an axis or the metric by a constant changes nothing (a test).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.law import Form, Parameter

Array = NDArray[np.float64]


class Normal(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class PriorSettings:
    """Hyperparameters of the prior.

    Exponents of published language and vision laws lie between 0.05 and 0.6 (arXiv 2001.08361,
    2203.15556, 2209.06640, 2405.10938); slope changes at breaks rarely exceed the exponents.
    The tilted ones are for hyperbreaks over several axes, which development tables show to be
    far smoother than breaks along one (docs/method.md).
    """

    exponent: Normal = Normal(0.3, 0.3)
    slope_change: Normal = Normal(0.0, 0.4)
    tilted_slope_change: Normal = Normal(0.0, 0.35)
    direction: Normal = Normal(0.5, 0.5)
    log_sharpness: Normal = Normal(-0.5, 0.7)
    tilted_log_sharpness: Normal = Normal(1.3, 0.7)
    log_scale_sd: float = 2.0
    limit_depth: Normal = Normal(-0.7, 0.8)
    ceiling_height: Normal = Normal(0.1, 0.2)
    ceiling_exponent: Normal = Normal(0.0, 0.1)
    log_decay: Normal = Normal(2.3, 1.0)
    log_warp: Normal = Normal(0.0, 0.5)


@dataclass(frozen=True)
class DataSummary:
    """What the prior needs to know of the data: all in logs, z measured from the centre."""

    lowest: float  # ln of the lowest metric (a low quantile where there are many points)
    highest: float
    middle: float
    z_range: tuple[float, float]  # of the mean over axes

    @classmethod
    def of(cls, z: Array, ln_y: Array) -> DataSummary:
        """Summarise centred points (n, m) and their metric (n,)."""
        along = z.mean(axis=1)
        return cls(
            lowest=float(ln_y.min()),
            highest=float(ln_y.max()),
            middle=float(np.median(ln_y)),
            z_range=(float(along.min()), float(along.max())),
        )


def prior(
    form: Form, data: DataSummary, settings: PriorSettings | None = None
) -> tuple[Array, Array]:
    """Means and standard deviations (p,) of the form's parameters."""
    settings = settings or PriorSettings()
    summed = sum(p.kind == "log_scale" for p in form.parameters)
    pairs = [_of_kind(p, summed, data, settings) for p in form.parameters]
    return np.array([n.mean for n in pairs]), np.array([n.sd for n in pairs])


def starts(mean: Array, sd: Array, count: int, rng: np.random.Generator) -> Array:
    """`count` starting points (count, p): the prior's mean, then draws from it."""
    draws = mean + sd * rng.normal(size=(count, len(mean)))
    draws[0] = mean
    return draws


def _of_kind(
    parameter: Parameter, summed: int, data: DataSummary, settings: PriorSettings
) -> Normal:
    """The prior of one parameter of a form whose sum has this many terms."""
    low, high = data.z_range
    match parameter.kind:
        case "log_scale":
            return Normal(data.middle - np.log(summed), settings.log_scale_sd)
        case "exponent":
            return settings.exponent
        case "rising_exponent":
            return Normal(-settings.exponent.mean, settings.exponent.sd)
        case "direction":
            return settings.direction
        case "break_position":
            return Normal(0.5 * (low + high), 0.5 * (high - low) + 1e-3)
        case "slope_change":
            return settings.tilted_slope_change if parameter.tilted else settings.slope_change
        case "log_sharpness":
            return settings.tilted_log_sharpness if parameter.tilted else settings.log_sharpness
        case "log_limit":
            return Normal(data.lowest + settings.limit_depth.mean, settings.limit_depth.sd)
        case "log_ceiling":
            return Normal(data.highest + settings.ceiling_height.mean, settings.ceiling_height.sd)
        case "ceiling_exponent":
            return settings.ceiling_exponent
        case "log_decay":
            return settings.log_decay
        case "log_warp":
            return settings.log_warp
