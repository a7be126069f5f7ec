"""What is the same on all rows that are averaged stays so to the last digit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


def keep_constants(mean: _Floats, low: _Floats, high: _Floats) -> _Floats:
    """The means (n,), or the value itself where the least and the largest of a bucket are one.

    The exponential of a mean of logs is off by rounding: a constant of a run would become an axis
    that the run trains along, and a row that stands alone could not be corrected any more.
    """
    return np.where(low == high, low, mean)
