"""Numbers as people read them, the same in the card, the page, the picture and the CLI."""

from __future__ import annotations

import math
from collections.abc import Mapping

_PLAIN_BELOW = 100_000.0
"""Whole numbers below this are written out; larger ones as 1.4e11."""


def scale(value: float) -> str:
    """A place on an axis: 64, 0.125, 7e9, 1.4e11. Never with trailing zeros."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or (abs(value) < _PLAIN_BELOW and value == round(value)):
        return str(round(value))
    if 1e-3 <= abs(value) < _PLAIN_BELOW:
        return f"{value:.4g}"
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    if not exponent:  # 123456 -> 1.23e+05 always has one; 0.00012 does not
        mantissa, _, exponent = f"{value:.2e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def exact(value: float) -> str:
    """A place on an axis without rounding, for typing back: 1.4e11 or 12345.678."""
    text = scale(value)
    return text if float(text) == value else repr(float(value))


def digits_for(low: float, high: float) -> int:
    """Decimals that show two digits of the width of an interval, between 0 and 12."""
    width = abs(high - low)
    if not math.isfinite(width) or width == 0:
        return 4
    return min(12, max(0, 1 - math.floor(math.log10(width))))


def metric(value: float, decimals: int) -> str:
    """A metric value with fixed decimals; very large and very small values in scientific form."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and (abs(value) >= 1e6 or decimals > 6):
        return f"{value:.3g}"
    return f"{value:.{decimals}f}"


def interval(low: float, high: float) -> str:
    """`2.05–2.17`, with the digits that the width deserves."""
    decimals = digits_for(low, high)
    return f"{metric(low, decimals)}–{metric(high, decimals)}"


def point(where: Mapping[str, float]) -> str:
    """`params=7e9, tokens=1.4e11`."""
    return ", ".join(f"{name}={scale(value)}" for name, value in where.items())


def parameter(value: float) -> str:
    """A parameter of a law in three digits: 0.339, −1.2, 4.1e8."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.3g}"
        text = text if "e" not in text else f"{value:.0f}"
    elif abs(value) > 1e99 or abs(value) < 1e-99:
        text = "→ ∞" if abs(value) > 1 else "→ 0"
    else:
        text = scale(value)
    return text.replace("-", "−", 1) if text.startswith("-") else text


def percent(share: float) -> str:
    """A weight as a whole percentage; under one percent says so."""
    if 0 < share < 0.005:
        return "<1%"
    return f"{100 * share:.0f}%"


def plural(count: int, noun: str) -> str:
    """`1 run`, `20 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
