"""Rolling origins: nothing from above an origin reaches what is fitted below it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.fit import Roles, Rung, search
from unsl_tracking.fit.origins import rolling_origins
from unsl_tracking.fit.points import Points
from unsl_tracking.law import zoo

from .synthetic import drawn_from, points, typical


@st.composite
def tables(draw: st.DrawFn) -> Points:
    """Points on one to three axes, on a coarse grid so that many sizes are equal."""
    n, m = draw(st.integers(5, 60)), draw(st.integers(1, 3))
    grid = st.lists(st.integers(0, draw(st.integers(1, 12))), min_size=m, max_size=m)
    log_x = np.array(draw(st.lists(grid, min_size=n, max_size=n)), dtype=float)
    return points(log_x, np.zeros(n))


@settings(max_examples=60)
@given(table=tables())
def test_every_size_lies_on_one_side_and_the_smaller_ones_below(table: Points) -> None:
    for origin in rolling_origins(table):
        assert not (origin.below & origin.above).any()
        assert table.size[origin.below].max() < table.size[origin.above].min()
        assert not set(table.size[origin.below]) & set(table.size[~origin.below])
        assert origin.horizon > 0.0


@settings(max_examples=30)
@given(table=tables(), seed=st.integers(0, 99))
def test_the_order_of_the_rows_does_not_matter(table: Points, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(table))
    moved = points(table.log_x[order], table.ln_y[order])
    for origin, other in zip(rolling_origins(table), rolling_origins(moved), strict=True):
        np.testing.assert_array_equal(origin.below[order], other.below)
        np.testing.assert_array_equal(origin.above[order], other.above)
        assert other.horizon == pytest.approx(origin.horizon)


def test_origins_come_latest_first_and_differ() -> None:
    origins = rolling_origins(points(np.linspace(0, 8, 40)[:, None], np.zeros(40)))
    below = [int(o.below.sum()) for o in origins]
    assert len(origins) >= 2
    assert below == sorted(set(below), reverse=True)


def test_one_size_gives_no_origin() -> None:
    assert rolling_origins(points(np.ones((10, 1)), np.zeros(10))) == []


def test_budgets_that_differ_by_rounding_count_as_one_size() -> None:
    # IsoFLOP sweeps: ln params + ln tokens of a budget agree up to what was rounded when logged.
    budgets = np.repeat(np.arange(4.0) * 2.0, 7)
    shape = np.tile(np.linspace(-1.0, 1.0, 7), 4)
    rounding = 1e-6 * np.random.default_rng(0).normal(size=28)
    table = points(np.stack([budgets + shape + rounding, -shape], axis=1), np.zeros(28))
    origins = rolling_origins(table)
    assert origins
    for origin in origins:
        assert origin.below.sum() % 7 == 0
        assert origin.horizon == pytest.approx(2.0, abs=1e-3)


def test_hyperparameters_do_not_order_the_points() -> None:
    log_x = np.array([[float(i), -5.0 * i] for i in range(20)])
    table = replace(points(log_x, np.zeros(20)), scale=np.array([True, False]))
    assert all(o.below[0] and not o.below[-1] for o in rolling_origins(table))


def test_no_outcome_above_an_origin_influences_its_fit() -> None:
    # What lies above the first origin changes; what the earlier origins score must not.
    form = zoo.bnsl("params", 1)
    table = drawn_from(form, typical(form), noise=0.01)
    top = table.size > np.quantile(table.size, 0.9)
    changed = replace(table, ln_y=np.where(top, table.ln_y + 1.0, table.ln_y))
    untouched = [i for i, o in enumerate(rolling_origins(table)) if not (o.above & top).any()]
    assert untouched
    rungs = [Rung(form)]
    errors = [
        search(t, Roles(form.axes), rungs=rungs).members[0].origin_errors for t in (table, changed)
    ]
    for i in untouched:
        assert errors[0][i] == errors[1][i]
