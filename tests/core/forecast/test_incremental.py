"""A law that is updated checkpoint by checkpoint stays with a fresh fit to the same rows.

With `refit=True` it is the fresh fit, to rounding. Without, it may be `CLOSE` widths of the fresh
fit's 80% interval away; benchmarks/accuracy/updates.py has how far it is on many curves.

Synthetic curves always, real ones where there are any: the tables of `UNSL_BENCH_DATA`, or of
../shared/data beside the checkout.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from unsl_tracking.forecast.thin import BUCKETS, LONGEST
from unsl_tracking.law import Form, zoo

STAGES = 8
TOLERANCE = 1e-6  # of the width of the fresh law's 80% interval: the same fit, but for rounding
CLOSE = 0.5  # of that width
REAL = Path(os.environ.get("UNSL_BENCH_DATA", Path(__file__).parents[4] / "shared" / "data"))

needs_real_curves = pytest.mark.skipif(
    not (REAL / "alabdulmohsin_curves.csv").is_file(),
    reason=f"no real curves: {REAL} does not hold them (set UNSL_BENCH_DATA)",
)


def small(axis: str) -> tuple[Form, ...]:
    """Two forms stand for the ladder: windows, weights and origins are the same for any."""
    return (zoo.limited([axis]), zoo.bnsl(axis, 1))


def falling(n: int) -> pd.DataFrame:
    step = 10.0 * np.arange(1, n + 1)
    return pd.DataFrame({"step": step, "loss": 1.5 + 30.0 * step**-0.4})


def breaking(n: int) -> pd.DataFrame:
    table = falling(n)
    late = np.log(table["step"] / table["step"].iloc[n // 2]).clip(lower=0.0)
    return table.assign(loss=table["loss"] * np.exp(-0.2 * late))


def rising_again(n: int) -> pd.DataFrame:
    table = falling(n)
    z = np.log(table["step"] / table["step"].iloc[n // 2])
    return table.assign(loss=table["loss"] * (1.0 + 0.3 * np.exp(-0.5 * (z / 0.4) ** 2)))


def noisy(table: pd.DataFrame) -> pd.DataFrame:
    ln_noise = 0.01 * np.random.default_rng(0).normal(size=len(table))
    return table.assign(loss=table["loss"] * np.exp(ln_noise))


def arriving(table: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Per stage what is new and all that is known; the first stage is two fifths of the table."""
    cuts = np.linspace(0.4 * len(table), len(table), STAGES).astype(int)
    for before, now in zip([0, *cuts[:-1]], cuts, strict=True):
        yield table.iloc[before:now], table.iloc[:now]


def agree(updated: ut.FittedLaw, fresh: ut.FittedLaw, tolerance: float = TOLERANCE) -> None:
    """Median and intervals, at the end of the data and a decade beyond them."""
    ends = {axis: fresh.data[axis].max() * np.array([1.0, 10.0]) for axis in fresh.axes}
    low, high = fresh.predict(ends).interval(0.8)
    for level in (0.025, 0.1, 0.5, 0.9, 0.975):
        apart = updated.predict(ends).quantile(level) - fresh.predict(ends).quantile(level)
        assert (np.abs(apart) <= tolerance * (high - low)).all()


def follow(table: pd.DataFrame, axis: str, value: str, forms: tuple[Form, ...] | None) -> None:
    law: ut.FittedLaw | None = None
    for new, known in arriving(table):
        fresh = ut.fit(known, [axis], value, forms=forms)
        law = (
            ut.fit(new, [axis], value, forms=forms) if law is None else law.update(new, refit=True)
        )
        agree(law, fresh)


def step_through(table: pd.DataFrame, axis: str, value: str, first: int, checks: int) -> None:
    """A row at a time, compared at evenly spaced stages."""
    law = ut.fit(table.iloc[:first], [axis], value)
    stages = set(np.linspace(first, len(table) - 1, checks + 1).astype(int)[1:].tolist())
    for at in range(first, len(table)):
        law.update(table.iloc[at : at + 1])
        if at in stages:
            agree(law, ut.fit(table.iloc[: at + 1], [axis], value), CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [falling, breaking, rising_again])
def test_a_law_updated_row_by_row_stays_close_to_fresh_fits(shape) -> None:  # type: ignore[no-untyped-def]
    step_through(noisy(shape(80)), "step", "loss", 40, 3)


@needs_real_curves
@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 20], ids="curve {}".format)
def test_a_law_updated_along_a_real_curve_stays_close_to_fresh_fits(place: int) -> None:
    axis = "seen_examples"
    curves = pd.read_csv(REAL / "alabdulmohsin_curves.csv")
    name = curves["run"].unique()[place]
    table = curves[(curves["run"] == name) & (curves["training"] == 1)].sort_values(axis)
    step_through(table.drop_duplicates(axis, keep="last"), axis, "value", len(table) // 2, 3)


def searches(law: ut.FittedLaw, rows: pd.DataFrame, **options: bool) -> bool:
    """Whether an update fits anew."""
    before = law._searched
    return law.update(rows, **options)._searched is not before


def test_a_row_of_many_costs_a_step_and_a_tenth_more_rows_a_search() -> None:
    table = noisy(falling(220))
    law = ut.fit(table.iloc[:200], ["step"], "loss", forms=small("step"))
    assert not searches(law, table.iloc[200:201])
    assert searches(law, table.iloc[201:])
    assert len(law.data) == 220


def test_a_row_that_the_forecast_did_not_expect_costs_a_search() -> None:
    table = noisy(falling(201))
    law = ut.fit(table.iloc[:200], ["step"], "loss", forms=small("step"))
    assert searches(law, table.iloc[200:].assign(loss=3.5))


def test_a_correction_costs_a_search() -> None:
    table = noisy(falling(200))
    law = ut.fit(table, ["step"], "loss", forms=small("step"))
    assert searches(law, table.iloc[50:51])


def test_without_refit_only_what_cannot_be_taken_in_one_by_one_costs_a_search() -> None:
    table = noisy(falling(240))
    law = ut.fit(table.iloc[:200], ["step"], "loss", forms=small("step"))
    assert not searches(law, table.iloc[200:], refit=False)
    assert searches(law, table.iloc[3:4], refit=False)


def test_a_step_moves_the_parameters_to_where_the_optimum_has_moved() -> None:
    table = noisy(breaking(240))
    forms = [zoo.bnsl("step", 1)]
    stepped = ut.fit(table.iloc[:200], ["step"], "loss", forms=forms)
    stale = stepped.predict({"step": 1e4}).median
    for at in range(200, 240, 10):
        stepped.update(table.iloc[at : at + 10], refit=False)
    fresh = ut.fit(table, ["step"], "loss", forms=forms)
    moved, there = stepped.predict({"step": 1e4}).median, fresh.predict({"step": 1e4}).median
    assert abs(moved - there) < 0.1 * abs(stale - there)


def test_what_a_step_took_in_is_in_the_stored_law() -> None:
    table = noisy(falling(201))
    law = ut.fit(table.iloc[:200], ["step"], "loss", forms=small("step"))
    law.update(table.iloc[200:])
    kept = ut.FittedLaw.from_json(law.to_json())
    assert len(kept.data) == 201
    assert kept.to_json() == law.to_json()


def test_updating_a_copy_of_a_law_leaves_the_law_as_it_was() -> None:
    table = noisy(falling(203))
    law = ut.fit(table.iloc[:200], ["step"], "loss", forms=small("step"))
    law.update(table.iloc[200:201])
    before = law.to_json()
    copy.copy(law).update(table.iloc[201:])
    assert law.to_json() == before


@pytest.mark.parametrize("rows", [60, 2_000], ids=["short", "long"])
@pytest.mark.parametrize("shape", [falling, breaking, rising_again])
def test_every_stage_of_a_curve_is_a_fresh_fit(shape, rows: int) -> None:  # type: ignore[no-untyped-def]
    follow(noisy(shape(rows)), "step", "loss", small("step"))


def test_a_curve_that_becomes_long_on_the_way_is_a_fresh_fit_before_and_after() -> None:
    follow(noisy(falling(LONGEST + 120)), "step", "loss", small("step"))


@pytest.mark.slow
def test_every_stage_of_a_curve_is_a_fresh_fit_of_the_whole_ladder() -> None:
    follow(noisy(breaking(40)), "step", "loss", None)


def test_runs_that_train_side_by_side_are_a_fresh_fit_at_every_stage() -> None:
    runs = [
        noisy(falling(400 if width > 1e6 else 50)).assign(width=width, run=f"w{width:.0e}")
        for width in (1e5, 1e6, 1e7)
    ]
    table = pd.concat(runs).assign(loss=lambda t: t["loss"] + 50.0 * t["width"] ** -0.3)
    table = table.sort_values("step", kind="stable", ignore_index=True)
    axes, forms = ["width", "step"], [zoo.chinchilla(("width", "step"))]
    law = ut.fit(table.iloc[:60], axes, "loss", run="run", forms=forms)
    for at in range(60, len(table), 110):
        law.update(table.iloc[at : at + 110], refit=True)
        agree(law, ut.fit(table.iloc[: at + 110], axes, "loss", run="run", forms=forms))


@pytest.mark.parametrize("rows", [60, 2_000], ids=["short", "long"])
def test_rows_that_come_late_end_where_rows_in_order_do(rows: int) -> None:
    table = noisy(falling(rows))
    late = table.index % 7 == 3
    law = ut.fit(table[~late], ["step"], "loss", forms=small("step")).update(
        table[late], refit=True
    )
    agree(law, ut.fit(table, ["step"], "loss", forms=small("step")))


def test_rows_in_any_order_give_the_same_law() -> None:
    table = noisy(falling(80))
    shuffled = table.sample(frac=1.0, random_state=0)
    law = ut.fit(shuffled.iloc[:40], ["step"], "loss", forms=small("step"))
    for at in range(40, 80, 10):
        law.update(shuffled.iloc[at : at + 10], refit=True)
    agree(law, ut.fit(table, ["step"], "loss", forms=small("step")))


def test_rows_sent_again_change_nothing_in_a_short_curve_and_nearly_nothing_in_a_long_one() -> None:
    for rows, tolerance in ((60, TOLERANCE), (2_000, 0.1)):
        table = noisy(falling(rows))
        law = ut.fit(table, ["step"], "loss", forms=small("step")).update(
            table.iloc[-5:], refit=True
        )
        agree(law, ut.fit(table, ["step"], "loss", forms=small("step")), tolerance)


def test_a_corrected_row_counts_in_place_of_the_wrong_one() -> None:
    right = noisy(falling(60))
    wrong = right.assign(loss=right["loss"].where(right.index != 50, 40.0))
    law = ut.fit(wrong, ["step"], "loss", forms=small("step")).update(right.iloc[50:51])
    agree(law, ut.fit(right, ["step"], "loss", forms=small("step")))


def test_an_early_row_of_a_long_curve_can_still_be_corrected() -> None:
    right = noisy(falling(2_000))  # its first rows are farther apart than buckets are wide
    wrong = right.assign(loss=right["loss"].where(right.index != 2, 40.0))
    law = ut.fit(wrong, ["step"], "loss", forms=small("step")).update(right.iloc[2:3])
    agree(law, ut.fit(right, ["step"], "loss", forms=small("step")))


def test_a_wrong_row_of_a_long_curve_fades_in_its_bucket() -> None:
    right = noisy(falling(50_000))
    wrong = right.assign(loss=right["loss"].where(right.index != 49_000, 2.0))
    law = ut.fit(wrong, ["step"], "loss", forms=small("step")).update(
        right.iloc[49_000:49_001], refit=True
    )
    agree(law, ut.fit(right, ["step"], "loss", forms=small("step")), 0.05)


def test_a_stored_law_remembers_which_curves_are_long() -> None:
    table = noisy(falling(500))
    law = ut.fit(table.iloc[:400], ["step"], "loss", forms=small("step"))
    kept = ut.FittedLaw.from_json(law.to_json())
    assert kept.to_json() == law.to_json()
    agree(
        kept.update(table.iloc[400:], refit=True),
        ut.fit(table, ["step"], "loss", forms=small("step")),
    )


@pytest.mark.slow
def test_a_million_steps_cost_as_many_rows_as_a_thousand_do() -> None:
    steps, batch = 1_000_000, 50_000
    table = noisy(falling(steps))
    law = ut.fit(table.iloc[:1_000], ["step"], "loss", forms=small("step"))
    for at in range(1_000, steps, batch):
        law.update(table.iloc[at : at + batch], refit=True)
        assert len(law.data) <= BUCKETS
    assert law.data["count"].sum() == steps
    assert len(law.to_json()) < 50_000
    agree(law, ut.fit(table, ["step"], "loss", forms=small("step")))


@needs_real_curves
@pytest.mark.parametrize("place", [0, 20, 55], ids="curve {}".format)
def test_every_stage_of_a_real_curve_is_a_fresh_fit(place: int) -> None:
    axis = "seen_examples"
    curves = pd.read_csv(REAL / "alabdulmohsin_curves.csv")
    name = curves["run"].unique()[place]
    table = curves[curves["run"] == name].sort_values(axis, kind="stable", ignore_index=True)
    follow(table.drop_duplicates(axis, keep="last"), axis, "value", small(axis))


@needs_real_curves
@pytest.mark.slow
def test_every_stage_of_real_runs_is_a_fresh_fit_of_the_whole_ladder() -> None:
    curves = pd.read_csv(REAL / "multipowerlaw_curves.csv")
    table = curves[curves["group"] == "cosine_24000"].sort_values(["step", "run"])
    axes = ["params", "step"]
    law: ut.FittedLaw | None = None
    for new, known in arriving(table):
        fresh = ut.fit(known, axes, "value", run="run")
        law = ut.fit(new, axes, "value", run="run") if law is None else law.update(new, refit=True)
        agree(law, fresh)
