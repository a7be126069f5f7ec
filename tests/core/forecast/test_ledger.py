"""Rows taken in one by one end where merging and thinning the whole table puts them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unsl_tracking.forecast.ledger import MOST_ROWS, Ledger
from unsl_tracking.forecast.table import merge
from unsl_tracking.forecast.thin import LONGEST, long_curves, thin

AXES = ["width", "step"]


def table(*lengths: int) -> pd.DataFrame:
    """One run per length, each of its own width."""
    runs = []
    for place, length in enumerate(lengths):
        step = np.arange(1.0, length + 1.0)
        loss = 2.0 + step**-0.3
        runs.append(
            pd.DataFrame({"width": 10.0**place, "step": step, "loss": loss, "run": f"r{place}"})
        )
    return pd.concat(runs, ignore_index=True)


def ledger_of(frame: pd.DataFrame) -> Ledger:
    long = long_curves(frame, AXES, "run")
    return Ledger.of(thin(frame, AXES, "loss", "run", long), AXES, "loss", "run", long)


def add(ledger: Ledger, rows: pd.DataFrame) -> tuple[Ledger, list[int]] | None:
    x, value = rows[AXES].to_numpy(dtype=float), rows["loss"].to_numpy(dtype=float)
    return ledger.add(x, value, np.ones(len(rows)), rows["run"].tolist())


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["run", "step"], ignore_index=True)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.sampled_from([5, 40, LONGEST - 4, 500, 3_000]), min_size=1, max_size=3),
    count=st.integers(1, MOST_ROWS),
    data=st.data(),
)
def test_a_ledger_holds_what_merging_and_thinning_gives(
    lengths: list[int], count: int, data: st.DataObject
) -> None:
    known = table(*lengths)
    late = data.draw(st.sets(st.integers(0, len(known) - 1), min_size=1, max_size=count))
    rows, first = known.loc[sorted(late)], known.drop(index=sorted(late))
    before = ledger_of(first)
    found = add(before, rows)
    if found is None:  # a curve became long, or its buckets wider
        return
    thinned = thin(first, AXES, "loss", "run", long_curves(first, AXES, "run"))
    merged = merge(thinned, rows, [*AXES, "run"])
    long = long_curves(first, AXES, "run")
    expected = in_order(thin(merged, AXES, "loss", "run", long))
    got = in_order(found[0].frame(AXES, "loss", "run"))
    assert got["run"].tolist() == expected["run"].tolist()
    numbers = [*AXES, "loss"]
    np.testing.assert_allclose(got[numbers], expected[numbers], rtol=1e-12)
    if "count" in expected:
        assert got["count"].tolist() == expected["count"].tolist()


def test_the_places_that_changed_are_named() -> None:
    known = table(40)
    found = add(ledger_of(known.iloc[:38]), known.iloc[38:])
    assert found is not None
    assert found[1] == [38, 39]


def test_a_row_of_a_long_curve_joins_its_bucket() -> None:
    known = table(3_000)
    before = ledger_of(known.iloc[:-1])
    found = add(before, known.iloc[-1:])
    assert found is not None
    after, changed = found
    assert len(after) == len(before)
    assert after.count[changed[0]] == before.count[changed[0]] + 1


@pytest.mark.parametrize(
    "rows",
    [
        table(40).iloc[3:4],
        table(LONGEST + 1).iloc[40:].head(MOST_ROWS + 1),
        pd.concat([table(41).iloc[40:], table(41).iloc[40:]]),
    ],
    ids=["a correction", "too many at once", "a row twice"],
)
def test_what_changes_more_than_its_own_place_is_refused(rows: pd.DataFrame) -> None:
    before = ledger_of(table(40))
    assert add(before, rows) is None
    assert len(before) == 40


def test_a_curve_that_becomes_long_is_refused() -> None:
    known = table(LONGEST + 1)
    assert add(ledger_of(known.iloc[:LONGEST]), known.iloc[LONGEST:]) is None


def test_a_table_that_does_not_tell_runs_apart_never_becomes_long() -> None:
    known = table(LONGEST + 1)
    before = Ledger.of(known.iloc[:LONGEST], AXES, "loss", None, frozenset())
    rows = known.iloc[LONGEST:]
    found = before.add(rows[AXES].to_numpy(), rows["loss"].to_numpy(), np.ones(1), [""])
    assert found is not None
    assert len(found[0]) == LONGEST + 1


def test_a_row_far_beyond_a_long_curve_widens_its_buckets_and_is_refused() -> None:
    known = table(3_000)
    far = known.iloc[-1:].assign(step=1e12)
    assert add(ledger_of(known), far) is None


def test_adding_leaves_the_ledger_as_it_was() -> None:
    known = table(3_000)
    before = ledger_of(known.iloc[:-5])
    counted, places = before.count.copy(), dict(before.places)
    add(before, known.iloc[-5:])
    np.testing.assert_array_equal(before.count, counted)
    assert before.places == places
