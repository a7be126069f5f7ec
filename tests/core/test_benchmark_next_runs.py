"""The replay of ladders: the same start, the same end, and figures that mean what they say."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

if find_spec("benchmarks") is None:
    pytest.skip("benchmarks belong to the checkout, not to the wheel", allow_module_level=True)

from benchmarks.next_runs import report
from benchmarks.next_runs.ladders import Ladder, ladders
from benchmarks.next_runs.replay import FIRST, replay

DATA = Path(__file__).parents[3] / "shared" / "data"


def ladder() -> Ladder:
    """Fourteen runs of a known law, and a target."""
    params = np.geomspace(1e7, 1e9, 15)
    runs = pd.DataFrame({"params": params, "tokens": 20.0 * params})
    runs["loss"] = 1.7 + 400.0 * params**-0.34 + 410.0 * (20.0 * params) ** -0.28
    runs["cost"] = 6.0 * runs["params"] * runs["tokens"]
    return Ladder("made", "up", ("params", "tokens"), runs, runs.iloc[-1])


@pytest.mark.slow
@pytest.mark.parametrize("order", ["designed", "smallest", "largest", "random"])
def test_every_order_starts_with_the_cheapest_runs_and_spends_more_and_more(order: str) -> None:
    made = ladder()
    states = replay(made, order)
    cheapest = made.candidates["cost"].iloc[:FIRST].sum()
    assert states[0].runs == FIRST
    assert states[0].compute == pytest.approx(cheapest)
    assert all(a.compute < b.compute for a, b in pairwise(states))
    assert states[-1].compute <= made.candidates["cost"].sum() * 1.0001
    assert max(made.candidates["cost"]) <= 0.5 * float(made.target["cost"])


@pytest.mark.slow
@pytest.mark.parametrize("order", ["designed", "random"])
def test_an_order_with_a_goal_ends_where_it_is_reached(order: str) -> None:
    made = ladder()
    goal = 0.5 * replay(made, "smallest")[0].width
    *before, last = replay(made, order, goal=goal)
    assert last.width <= goal
    assert all(state.width > goal for state in before)


def states(*rows: tuple[float, float, float, float]) -> list[dict[str, float]]:
    """Of (runs, compute, width, error)."""
    keys = ("runs", "compute", "width", "error")
    return [dict(zip(keys, row, strict=True)) for row in rows]


RESULT: dict[str, Any] = {
    "source": "made",
    "name": "up",
    "runs": 4,
    "orders": {
        "designed": [  # a list for every width that was asked for
            *[states((1, 1.0, 8.0, 0.5))] * 2,
            states((1, 1.0, 8.0, 0.5), (2, 5.0, 3.0, 0.2)),
            states((1, 1.0, 8.0, 0.5), (2, 10.0, 2.0, 0.1)),
            states((1, 1.0, 8.0, 0.5), (2, 10.0, 2.0, 0.01), (3, 50.0, 1.0, 0.02)),
        ],
        "smallest": [states((1, 1.0, 8.0, 0.5), (4, 100.0, 1.0, 0.02))],
        "largest": [states((1, 1.0, 8.0, 0.5), (2, 90.0, 4.0, 0.1), (4, 100.0, 1.0, 0.02))],
        "random": [states((1, 1.0, 8.0, 0.5), (4, 20.0 * k, 1.0, 0.02)) for k in (1, 2, 3)],
    },
}


def test_compute_is_counted_where_the_interval_first_is_narrow() -> None:
    assert report.reached(RESULT, "designed", 3.0) == pytest.approx(0.05)
    assert report.reached(RESULT, "designed", 2.0) == pytest.approx(0.1)
    # Two thirds of the way from a width of 8 to 1, and from 1 to 100, in logs.
    assert report.reached(RESULT, "smallest", 2.0) == pytest.approx(100.0 ** (2 / 3) / 100.0)
    assert report.reached(RESULT, "random", 2.0) == pytest.approx(40.0 ** (2 / 3) / 100.0)
    assert report.reached(RESULT, "largest", 0.5) == 1.0


def test_errors_are_those_of_the_last_law_within_the_compute() -> None:
    assert [s["error"] for s in report.states_after(RESULT, "designed", 0.2)] == [0.01]
    assert [s["error"] for s in report.states_after(RESULT, "largest", 0.2)] == [0.5]


def test_the_table_and_the_plot_are_made(tmp_path: Path) -> None:
    text = report.markdown([RESULT])
    assert "| made up | 4 | 0.100 |" in text
    with np.errstate(all="ignore"):  # matplotlib computes NaN on the way to its ticks
        report.plot([RESULT], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_ladders_of_the_development_tables_have_a_target_beyond_their_candidates() -> None:
    if not DATA.is_dir():
        pytest.skip("the development tables are not there: ../shared/data")
    for each in ladders(DATA):
        assert len(each.candidates) > FIRST
        assert each.candidates["cost"].max() <= 0.5 * float(each.target["cost"])
        assert each.runs["cost"].is_monotonic_increasing
