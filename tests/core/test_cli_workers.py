"""The pool of processes that `unsl gate` shares its work with."""

import operator
import os
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut
from tests.waiting import LIMIT, until
from unsl_tracking.cli.workers import worker_pool
from unsl_tracking.decide.gate import backtest_by_size, begin_by_size
from unsl_tracking.forecast.fitting import Prepared, prepare
from unsl_tracking.law import zoo

AXES = ("params", "tokens")


def prepared() -> Prepared:
    """Chinchilla's law on 5 × 5 points with 1% of noise, to be fitted by its own form."""
    params, tokens = (a.ravel() for a in np.meshgrid(np.logspace(7, 9, 5), np.logspace(8, 10, 5)))
    loss = 1.7 + 400.0 * params**-0.34 + 410.0 * tokens**-0.28
    loss = loss * np.exp(0.01 * np.random.default_rng(0).normal(size=25))
    table = pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})
    return prepare(table, AXES, "loss", forms=[zoo.chinchilla(AXES)])


@pytest.fixture(scope="module")
def law() -> ut.FittedLaw:
    return prepared().fitted()


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    """For two processes: this one and another."""
    with worker_pool(2) as found:
        assert found is not None
        yield found


def test_one_job_is_this_process_alone() -> None:
    with worker_pool(1) as pool:
        assert pool is None


def test_what_is_submitted_is_done_in_another_process(pool: Executor) -> None:
    assert pool.submit(os.getpid).result(LIMIT) != os.getpid()


def test_what_no_process_has_begun_can_be_taken_back(pool: Executor, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    first, second = pool.submit(until, go_on.exists), pool.submit(os.getpid)
    until(first.running)
    assert second.cancel()
    go_on.touch()
    assert first.result(LIMIT) is None


def test_an_error_in_a_process_reaches_who_asked(pool: Executor) -> None:
    with pytest.raises(ZeroDivisionError):
        pool.submit(operator.truediv, 1, 0).result(LIMIT)


def test_a_backtest_that_is_shared_out_is_the_same_backtest(
    pool: Executor, law: ut.FittedLaw
) -> None:
    alone, shared = backtest_by_size(law), backtest_by_size(law, pool)
    assert alone is not None and shared is not None
    pd.testing.assert_frame_equal(alone.frame, shared.frame)


def test_a_backtest_may_begin_before_there_is_a_law(pool: Executor, law: ut.FittedLaw) -> None:
    told: list[tuple[int, int]] = []
    ready = prepared()
    begun = begin_by_size(ready.history, pool)
    fitted = ready.fitted()
    alone = backtest_by_size(law)
    assert begun is not None and alone is not None
    tested = begun.finish(lambda done, total: told.append((done, total)))
    pd.testing.assert_frame_equal(tested.frame, alone.frame)
    assert fitted.to_json() == law.to_json()
    assert told == [(done, tested.units) for done in range(1, tested.units + 1)]


def test_a_process_that_is_killed_costs_time_and_nothing_else(law: ut.FittedLaw) -> None:
    with worker_pool(2) as pool:
        assert pool is not None
        killed = pool.submit(os._exit, 1)
        with pytest.raises(BrokenExecutor):
            killed.result(LIMIT)
        shared = backtest_by_size(law, pool)
    alone = backtest_by_size(law)
    assert alone is not None and shared is not None
    pd.testing.assert_frame_equal(alone.frame, shared.frame)


def test_the_pool_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with ExitStack() as stack:
        stack.enter_context(worker_pool(2))
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
