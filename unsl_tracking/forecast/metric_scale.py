"""Between a metric as people log it and the ln of an error that falls with scale.

A metric to minimise is its own error. A metric to maximise with a ceiling c (1 for accuracies and
other shares) has the error c − y. The law sees ln(error) only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unsl_tracking.errors import DataError

Array = NDArray[np.float64]
Mode = Literal["min", "max"]
# Where exp would leave the range of numbers, denormal ones included.
_LOWEST, _HIGHEST = -744.0, float(np.log(np.finfo(float).max))


@dataclass(frozen=True)
class MetricScale:
    """`ceiling` is the best value of a metric to maximise; None where lower is better."""

    mode: Mode = "min"
    ceiling: float | None = None

    @classmethod
    def for_metric(cls, mode: str, ceiling: float | None, values: Array, name: str) -> MetricScale:
        """Choose the scale and check that the values fit it.

        Raises:
            DataError: an unknown mode, a value that is not positive (mode "min"), a ceiling that is
                no finite number, or a value that is not below it (mode "max").
        """
        if mode not in ("min", "max"):
            raise DataError('mode must be "min" or "max"', got=mode)
        if mode == "min":
            if values.size and values.min() <= 0.0:
                raise DataError(
                    f"every {name} must be positive for a law of falling errors",
                    got=float(values.min()),
                    next_step="Log an error instead, or use mode='max' with a ceiling.",
                )
            return cls("min")
        top = 1.0 if ceiling is None else _finite(ceiling)
        if values.size and values.max() >= top:
            given = "the default ceiling of shares" if ceiling is None else "the given ceiling"
            raise DataError(
                f"every {name} must lie below {top:g}, {given}",
                got=float(values.max()),
                next_step="Pass ceiling= (--ceiling), the best there can be: 100 for percent.",
            )
        return cls("max", top)

    def holds(self, values: Array) -> NDArray[np.bool_]:
        """Which values have a place on it: those above 0, or below the ceiling."""
        found: NDArray[np.bool_] = values > 0.0 if self.ceiling is None else values < self.ceiling
        return found

    def to_log(self, values: Array) -> Array:
        """ln of the error."""
        return np.log(values if self.ceiling is None else self.ceiling - values)

    def from_log(self, ln_error: Array) -> Array:
        """The metric whose error has this ln; never overflows."""
        with np.errstate(under="ignore"):
            error = np.exp(np.clip(ln_error, _LOWEST, _HIGHEST))
        return error if self.ceiling is None else self.ceiling - error

    def level(self, q: float | Array) -> Array:
        """The quantile of ln error at which the metric's quantile q lies."""
        q = np.asarray(q, dtype=float)
        return 1.0 - q if self.mode == "max" else q


def _finite(ceiling: object) -> float:
    number = isinstance(ceiling, (int, float, np.number)) and not isinstance(ceiling, bool)
    if not number or not np.isfinite(ceiling):  # type: ignore[call-overload]
        raise DataError("a ceiling is a finite number", got=ceiling)
    return float(ceiling)  # type: ignore[arg-type]
