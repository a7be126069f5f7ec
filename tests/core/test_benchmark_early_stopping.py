from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("benchmarks") is None:
    pytest.skip("benchmarks belong to the checkout, not to the wheel", allow_module_level=True)
pytest.importorskip("optuna")

import optuna

from benchmarks.early_stopping import search
from benchmarks.early_stopping.pools import Pool, Recorded, read_pools
from benchmarks.early_stopping.replay import Outcome, cost, incumbents, replay
from benchmarks.early_stopping.rules import ORACLE, RULES
from benchmarks.early_stopping.screening import Stops, count_stops, screened

PLACES = np.array([1.0, 2.0, 5.0, 10.0])


def pool(*curves: list[float]) -> Pool:
    runs = tuple(Recorded(str(i), PLACES, np.array(c)) for i, c in enumerate(curves))
    return Pool("tiny", runs, horizon=10)


POOL = pool([5.0, 4.0, 3.5, 3.0], [5.0, 4.5, 4.2, 4.0], [5.0, 3.0, 2.5, 2.0])
WHOLE = [Outcome(i, 4, stopped=False) for i in range(3)]
STOPPED = [Outcome(0, 4, stopped=False), Outcome(1, 2, stopped=True), Outcome(2, 4, stopped=False)]
WRONG = [Outcome(0, 4, stopped=False), Outcome(1, 4, stopped=False), Outcome(2, 1, stopped=True)]


class StopAt(optuna.pruners.BasePruner):  # type: ignore[misc]
    def __init__(self, step: int) -> None:
        self.step = step
        self.seen: list[int] = []

    def prune(self, study: optuna.study.Study, trial: optuna.trial.FrozenTrial) -> bool:
        self.seen.append(int(trial.last_step or 0))
        return self.seen[-1] >= self.step


def test_a_replay_tells_steps_from_0_and_stops_where_the_pruner_says_so() -> None:
    pruner = StopAt(4)
    outcomes = replay(POOL, [2, 0], lambda _: pruner)
    assert outcomes == [Outcome(2, 3, stopped=True), Outcome(0, 3, stopped=True)]
    assert pruner.seen == [0, 1, 4, 0, 1, 4]


def test_a_run_is_not_stopped_at_its_last_evaluation() -> None:
    assert replay(POOL, [1], lambda _: StopAt(9)) == [Outcome(1, 4, stopped=False)]


def test_a_run_that_ends_with_nan_fails_and_the_search_goes_on() -> None:
    broken = pool([5.0, np.nan, np.nan, np.nan], [5.0, 4.0, 3.0, 2.0])
    assert [o.stopped for o in replay(broken, [0, 1], RULES["no stop"])] == [False, False]


def test_the_cost_of_a_run_is_the_share_of_the_horizon_that_it_came_to() -> None:
    assert cost(POOL, Outcome(0, 2, stopped=True)) == 0.2
    assert cost(POOL, Outcome(0, 4, stopped=False)) == 1.0


def test_the_incumbent_counts_every_evaluation_or_finished_runs_only() -> None:
    spent, best = incumbents(POOL, STOPPED, best=True)
    assert spent == pytest.approx([0.1, 0.2, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.7, 2.2])
    assert best.tolist() == [5.0, 4.0, 3.5, 3.0, 3.0, 3.0, 3.0, 3.0, 2.5, 2.0]
    _, final = incumbents(POOL, STOPPED, best=False)
    assert final.tolist() == [np.inf] * 3 + [3.0] * 6 + [2.0]


def test_regret_is_what_the_best_known_value_lacks_to_the_best_of_the_pool() -> None:
    at = np.array([0.05, 1.0, 1.69, 1.7, 2.2, 9.0])
    found = search.regrets(POOL, [STOPPED], at)[0]
    assert found == pytest.approx([3.0, 1.0, 1.0, 0.5, 0.0, 0.0])


def test_the_speed_up_is_the_budget_over_the_compute_that_reaches_the_goal() -> None:
    at = np.array([1.0, 4.0, 5.0])
    assert search.speed_up(np.array([3.0, 2.0, 1.0]), at, goal=2.0) == search.BUDGET / 4.0
    assert np.isnan(search.speed_up(np.array([3.0, 2.0, 1.0]), at, goal=0.5))


def test_screening_counts_the_best_run_and_what_was_better_than_the_best_kept() -> None:
    right, wrong = screened(POOL, STOPPED), screened(POOL, WRONG)
    assert (right.best_kept, right.lost, wrong.best_kept, wrong.lost) == (True, 0, False, 1)
    assert right.cost == pytest.approx(2.2)
    assert wrong.speed_up == pytest.approx(3 / 2.1)


def test_a_stop_is_false_when_the_run_would_have_beaten_the_best_finished_before() -> None:
    assert count_stops(POOL, WHOLE) == Stops(stopped=0, wrongly=0, better=1)
    assert count_stops(POOL, STOPPED) == Stops(stopped=1, wrongly=0, better=1)
    assert count_stops(POOL, WRONG) == Stops(stopped=1, wrongly=1, better=1)
    assert (count_stops(POOL, WRONG).false_stops, Stops().missed) == (1.0, 0.0)


def test_the_oracle_stops_exactly_the_runs_that_end_no_better() -> None:
    outcomes = replay(POOL, [0, 1, 2], RULES[ORACLE])
    assert outcomes == [WHOLE[0], Outcome(1, 1, stopped=True), WHOLE[2]]


def test_pools_are_read_by_step_or_by_the_fraction_of_each_runs_own_budget(tmp_path: Path) -> None:
    rows = ["dataset,group,run,step,lr,metric,value"]
    for run, last in (("a", 4000), ("b", 50)):
        rows += [f"d,g,{run},{s},0.1,accuracy,{s / 5000}" for s in (1, last // 2, last)]
    path = tmp_path / "curves.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    (by_fraction,) = read_pools(path, by_fraction=True, fewest=2)
    assert [run.at.tolist() for run in by_fraction.runs] == [[1, 500, 1000], [20, 500, 1000]]
    assert (by_fraction.mode, by_fraction.ceiling, by_fraction.horizon) == ("max", 1.0, 1000)
    assert by_fraction.finals().tolist() == [-0.8, -0.01]
    (by_step,) = read_pools(path, fewest=2)
    assert by_step.horizon == 4000 and by_step.runs[1].at.tolist() == [1, 25, 50]
    assert read_pools(path) == []
