from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

if find_spec("benchmarks") is None:
    pytest.skip("benchmarks belong to the checkout, not to the wheel", allow_module_level=True)

from benchmarks.accuracy.tables import Problem
from benchmarks.gate import figures
from benchmarks.gate.__main__ import main
from benchmarks.gate.cases import DISTANCES, Case, Ladder, ask
from benchmarks.gate.plots import draw


def case(distance: float, verdict: str, probability: float) -> Case:
    code = {"GO": "clears", "NO-GO": "misses"}.get(verdict, "straddles")
    return Case(distance, 2.0, verdict, probability, (code,), 0.5, 1.0, 0.8, 4, 0, True)


def ladder(*cases: Case, name: str = "one") -> Ladder:
    rows = pd.DataFrame({"x": [1.0], "value": [1.0]})
    return Ladder(Problem("made", "made", name, ("x",), rows, rows), list(cases))


@pytest.mark.parametrize(
    ("distance", "verdict", "wrong"),
    [
        (0.1, "GO", False),
        (0.1, "NO-GO", True),
        (-0.1, "GO", True),
        (-0.1, "NO-GO", False),
        (-0.1, "UNDECIDED", False),
    ],
)
def test_go_is_right_where_the_target_is_worse_than_the_truth(
    distance: float, verdict: str, wrong: bool
) -> None:
    assert case(distance, verdict, 0.5).wrong == wrong


def test_sets_have_equal_shares_however_many_cases_they_have() -> None:
    cases = figures.frame(
        [
            ladder(case(0.1, "GO", 0.95)),
            ladder(*[case(0.1, "UNDECIDED", 0.5)] * 8, case(0.1, "NO-GO", 0.02), name="two"),
        ]
    )
    found = figures.row(cases)
    assert found["decided"] == pytest.approx(0.5 * (1.0 + 1 / 9))
    assert found["wrong of decided"] == pytest.approx((1 / 9) / (1 + 1 / 9))
    assert found["wrong of GO"] == 0.0 and found["wrong of NO-GO"] == pytest.approx(1.0)
    assert found["sets wrong above 10%"] == 1


def test_nothing_decided_is_no_share_of_wrong() -> None:
    found = figures.row(figures.frame([ladder(case(0.1, "UNDECIDED", 0.5))]))
    assert math.isnan(float(str(found["wrong of decided"])))


def test_reliability_compares_what_was_stated_with_what_came_out() -> None:
    cases = [case(0.1, "GO", 0.95), case(-0.1, "GO", 0.95), case(-0.1, "NO-GO", 0.01)]
    found = figures.reliability(figures.frame([ladder(*cases)]))
    assert found["was better"].tolist() == pytest.approx([0.0, 0.5])
    assert found["stated"].tolist() == pytest.approx([0.01, 0.95])


@pytest.mark.slow
def test_a_ladder_is_asked_on_both_sides_of_what_its_large_runs_reached(tmp_path: Path) -> None:
    x = np.logspace(2, 5, 16)
    table = pd.DataFrame({"steps_seen": x, "value": 0.5 + 20.0 * x**-0.5})
    problem = Problem("made", "made", "curve", ("steps_seen",), table[:12], table[12:])
    found = ask(problem)
    assert len(found.cases) == 4 * 2 * len(DISTANCES)
    assert sum(each.distance > 0 for each in found.cases) == len(found.cases) / 2
    assert sum(each.largest for each in found.cases) == 2 * len(DISTANCES)
    assert not any(each.wrong for each in found.cases if abs(each.distance) > 0.05)
    assert draw(figures.frame([found]), tmp_path / "gate.png").stat().st_size > 10_000


def test_a_folder_without_tables_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "table" in capsys.readouterr().err
