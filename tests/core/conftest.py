"""Numerical tests run with strict floating point: a NaN must not pass through unseen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def strict_floating_point() -> Iterator[None]:
    """Raise where NumPy would return inf or NaN. Rounding down to zero is what exp(-800) means."""
    with np.errstate(all="raise", under="ignore"):
        yield
