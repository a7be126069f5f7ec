"""The search for the lowest point of a box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unsl_tracking.decide.minimise import grid, grid_minima, minimise

Array = NDArray[np.float64]


@settings(max_examples=30)
@given(d=st.integers(1, 3), seed=st.integers(0, 999), tilt=st.floats(-0.8, 0.8))
def test_the_lowest_point_of_a_valley_is_found(d: int, seed: int, tilt: float) -> None:
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-3.0, 3.0, d)
    matrix = np.eye(d) + tilt * (np.ones((d, d)) - np.eye(d)) / d

    def valley(points: Array) -> Array:
        away = points - centre
        return np.asarray(np.einsum("ni,ij,nj->n", away, matrix, away), dtype=float)

    best, value = minimise(valley, np.full(d, -4.0), np.full(d, 5.0))
    np.testing.assert_allclose(best, centre, atol=1e-4)
    assert value == pytest.approx(0.0, abs=1e-7)


def test_the_deeper_of_two_valleys_is_taken() -> None:
    def valleys(points: Array) -> Array:
        x = points[:, 0]
        return np.minimum((x - 1.0) ** 2, (x + 2.0) ** 2 - 0.1)

    best, _ = minimise(valleys, np.array([-5.0]), np.array([5.0]))
    assert best[0] == pytest.approx(-2.0, abs=1e-5)


def test_points_that_cannot_be_are_avoided_and_a_box_of_them_says_so() -> None:
    def half(points: Array) -> Array:
        return np.where(points[:, 0] < 0.25, np.inf, points[:, 0])

    best, value = minimise(half, np.array([-1.0]), np.array([1.0]))
    assert best[0] == pytest.approx(0.25, abs=1e-6)
    assert value == best[0]
    assert minimise(lambda p: np.full(len(p), np.inf), np.zeros(1), np.ones(1))[1] == np.inf


def test_nothing_to_search_is_one_point() -> None:
    best, value = minimise(lambda p: np.full(len(p), 3.0), np.empty(0), np.empty(0))
    assert best.shape == (0,)
    assert value == 3.0


@pytest.mark.parametrize(("d", "counts"), [(1, 33), (2, 17)])
def test_minima_lie_between_the_points_of_a_grid(d: int, counts: int) -> None:
    low, high = np.zeros(d), np.ones(d)
    points = grid(low, high, counts)
    centres = np.random.default_rng(0).uniform(0.1, 0.9, (20, d))
    values = ((points[None] - centres[:, None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(grid_minima(values, low, high, counts), centres, atol=1e-9)
