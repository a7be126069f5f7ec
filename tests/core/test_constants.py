"""What is the same on all rows of a bucket survives averaging."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unsl_tracking.runs.constants import keep_constants


@given(st.floats(1e-300, 1e300), st.integers(1, 9))
def test_a_constant_stays_one_to_the_last_digit(value: float, rows: int) -> None:
    mean = np.exp(np.full(rows, np.log(value)).mean(keepdims=True))
    one = np.array([value])
    assert keep_constants(mean, one, one)[0] == value


def test_what_differs_is_averaged() -> None:
    low, high = np.array([1.0, 3.0]), np.array([4.0, 3.0])
    assert keep_constants(np.array([2.0, 3.0001]), low, high).tolist() == [2.0, 3.0]
