"""Numbers as people write them into params and tags."""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np

SUFFIXES: Final = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
"""Multipliers after a number, in upper or lower case. `m` is million: model sizes, never milli."""

_NUMBER = re.compile(
    r"\s*(?P<digits>[+-]?(?:\d+(?:_\d+)*)?(?:\.\d*)?(?:e[+-]?\d+)?)\s*(?P<suffix>[kmgbt])?\s*",
    re.IGNORECASE | re.ASCII,
)
_LONGEST: Final = 64  # characters; a float has at most 25


def read_number(value: object) -> float | None:
    """The finite number that a value of a param, tag or config stands for, or None.

    Read are numbers (not booleans) and text like `7e9`, `1_000`, ` 125M `, `1.3B`, `10k`; see
    `SUFFIXES`. Not read, because nobody can know what was meant, are `1,000` and `5%`; nor are
    `nan`, `inf`, hexadecimal digits, and what does not fit into a float.
    """
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, str):
        return _read_text(value)
    if not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _read_text(text: str) -> float | None:
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    try:
        number = float(found["digits"])
    except ValueError:  # no digit at all: "", ".", "e5", "M"
        return None
    number *= SUFFIXES[found["suffix"].lower()] if found["suffix"] else 1.0
    return number if math.isfinite(number) else None
