"""Rules that arguments of decisions must meet; each answers with the plain number."""

from __future__ import annotations

import math
from numbers import Integral, Real

from unsl_tracking.errors import DataError


def positive(what: str, value: object, *, below: float = math.inf) -> float:
    """A finite number above zero, and below a limit. Raises `DataError`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 < float(value) < below:
        limit = "" if below == math.inf else f" below {below:g}"
        raise DataError(f"{what} is a positive number{limit}", got=value)
    return float(value)


def whole(what: str, value: object, *, least: int) -> int:
    """An integer of at least `least`. Raises `DataError`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise DataError(f"{what} is a whole number of {least} or more", got=value)
    return int(value)
