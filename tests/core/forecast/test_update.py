"""More observations: corrections, agreement with a fresh fit, and nothing half done."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut

from .laws import SMALL, codes, curve, grid

# In widths of the fresh law's 80% interval: with refit=True an update is a fresh fit, but for
# rounding. test_incremental.py follows whole curves, with it and without.
MEDIAN = BOUNDS = 1e-6


def small(table: pd.DataFrame, run: str | None = None) -> ut.FittedLaw:
    return ut.fit(table, ["step"], "loss", run=run, forms=SMALL)


def agree(updated: ut.FittedLaw, fresh: ut.FittedLaw, at: dict[str, float]) -> None:
    low, high = fresh.predict(at).interval(0.8)
    width = high - low
    assert abs(updated.predict(at).median - fresh.predict(at).median) < MEDIAN * width
    np.testing.assert_allclose(updated.predict(at).interval(0.8), (low, high), atol=BOUNDS * width)


@pytest.mark.parametrize("seen", [12, 30, 39])
def test_an_updated_law_agrees_with_a_fresh_one_on_a_curve(seen: int) -> None:
    table = curve(40)
    law = ut.fit(table.iloc[:seen], ["step"], "loss").update(table.iloc[seen:], refit=True)
    agree(law, ut.fit(table, ["step"], "loss"), {"step": 1e6})


def test_an_updated_law_agrees_with_a_fresh_one_on_two_axes() -> None:
    table = grid().sort_values(["params", "tokens"], ignore_index=True)
    law = ut.fit(table.iloc[:30], ["params", "tokens"], "loss").update(table.iloc[30:], refit=True)
    fresh = ut.fit(table, ["params", "tokens"], "loss")
    agree(law, fresh, {"params": 1e10, "tokens": 1e11})


def test_many_small_updates_agree_with_one_fresh_fit() -> None:
    table = curve(30)
    law = ut.fit(table.iloc[:20], ["step"], "loss")
    for at in range(20, 30, 2):
        law.update(table.iloc[at : at + 2], refit=True)
    agree(law, ut.fit(table, ["step"], "loss"), {"step": 1e6})


def test_update_works_in_place_and_returns_the_law() -> None:
    table = curve()
    law = small(table.iloc[:20])
    assert law.update(table.iloc[20:]) is law
    assert len(law.data) == 30


def test_a_row_with_the_same_axes_corrects_the_earlier_one() -> None:
    table = curve()
    wrong = table.assign(loss=table["loss"].where(table.index != 29, 9.0))
    law = small(wrong).update(table.iloc[29:])
    assert len(law.data) == 30
    assert law.data["loss"].max() < 9.0
    expected = small(table).predict({"step": 1e6}).median
    assert law.predict({"step": 1e6}).median == pytest.approx(expected, rel=1e-3)


def test_rows_that_are_known_already_change_nothing() -> None:
    table = curve()
    law = small(table)
    before = law.predict({"step": 1e6}).median
    law.update(table.iloc[-3:])
    assert len(law.data) == 30
    assert law.predict({"step": 1e6}).median == pytest.approx(before, rel=1e-3)


def test_runs_at_the_same_scale_do_not_correct_each_other() -> None:
    both = pd.concat([curve(15, seed=s).assign(run=f"r{s}") for s in (0, 1)])
    law = small(both[both["run"] == "r0"], run="run").update(both[both["run"] == "r1"])
    assert len(law.data) == 30
    assert sorted(set(law.data["run"])) == ["r0", "r1"]
    correction = curve(15, seed=2).assign(run="r1")
    assert len(law.update(correction).data) == 30


def test_repeated_measurements_survive_an_update_elsewhere() -> None:
    repeated = pd.concat([curve(15, seed=s) for s in (0, 1)])
    later = pd.DataFrame({"step": [2e5], "loss": [1.6]})
    assert len(small(repeated).update(later).data) == 31


def test_a_step_that_one_run_logged_twice_counts_once_and_is_reported() -> None:
    table = curve(15).assign(run="a")
    twice = pd.concat([table.assign(loss=9.0).iloc[:2], table])
    law = small(twice, run="run")
    assert len(law.data) == 15
    assert law.data["loss"].max() < 9.0
    assert "rows_corrected" in codes(law)
    assert "rows_corrected" not in codes(small(table, run="run"))


def test_no_rows_change_nothing() -> None:
    table = curve()
    law = small(table)
    before = law.predict({"step": 1e6}).quantile([0.1, 0.5, 0.9])
    law.update(table.iloc[:0])
    np.testing.assert_allclose(
        law.predict({"step": 1e6}).quantile([0.1, 0.5, 0.9]), before, rtol=0.01
    )


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"step": [2e5], "loss": ["low"]}),
        pd.DataFrame({"step": [2e5], "loss": [0.0]}),
        pd.DataFrame({"step": [-2e5], "loss": [1.0]}),
        pd.DataFrame({"step": [2e5]}),
    ],
    ids=["text", "zero", "negative axis", "no metric"],
)
def test_a_bad_update_leaves_the_law_as_it_was(rows: pd.DataFrame) -> None:
    law = small(curve())
    before = law.to_json()
    with pytest.raises(ut.DataError):
        law.update(rows)
    assert law.to_json() == before


def test_counts_may_come_later() -> None:
    table = curve()
    law = small(table.iloc[:20]).update(table.iloc[20:].assign(count=4.0))
    assert law.data["count"].tolist() == [1.0] * 20 + [4.0] * 10
    again = small(table.iloc[:20].assign(count=4.0)).update(table.iloc[20:])
    assert again.data["count"].tolist() == [4.0] * 20 + [1.0] * 10
    assert ut.FittedLaw.from_json(again.to_json()).to_json() == again.to_json()


def test_notes_do_not_pile_up() -> None:
    table = curve()
    law = small(table.iloc[:20])
    hole = pd.DataFrame({"step": [2e5], "loss": [np.nan]})
    for _ in range(3):
        law.update(hole)
    assert [w.code for w in law.warnings].count("rows_left_out") == 1


def test_a_stored_law_can_be_updated() -> None:
    table = curve()
    kept = ut.FittedLaw.from_json(small(table.iloc[:20]).to_json()).update(table.iloc[20:])
    direct = small(table.iloc[:20]).update(table.iloc[20:])
    at = {"step": 1e6}
    assert kept.predict(at).median == pytest.approx(direct.predict(at).median, rel=1e-9)
