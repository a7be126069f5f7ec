"""The figure of a backtest: any backtest can be drawn, and the same one gives the same bytes."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import unsl_tracking as ut
from unsl_tracking.law import zoo
from unsl_tracking.report import DARK, LIGHT
from unsl_tracking.report.backtest_plot import backtest_png


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


@pytest.fixture(scope="module")
def tested() -> ut.Backtest:
    step = np.logspace(2, 5, 30)
    loss = (1.5 + 20.0 * step**-0.45) * np.exp(0.01 * np.random.default_rng(0).normal(size=30))
    table = pd.DataFrame({"step": step, "loss": loss})
    return ut.fit(table, ["step"], "loss", forms=[zoo.limited(["step"])]).backtest()


def size_of(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.size


def test_the_same_backtest_gives_the_same_bytes(tested: ut.Backtest) -> None:
    assert backtest_png(tested) == backtest_png(tested)
    assert backtest_png(tested, palette=LIGHT) != backtest_png(tested, palette=DARK)


def test_a_metric_to_maximise_is_drawn(tested: ut.Backtest) -> None:
    assert size_of(backtest_png(dataclasses.replace(tested, mode="max"))) == (2112, 768)


def test_names_from_runs_are_never_formulas(tested: ut.Backtest) -> None:
    hostile = dataclasses.replace(tested, metric="$\\frac{1}{$ <b>loss</b>\n" + "x" * 300)
    assert size_of(backtest_png(hostile)) == (2112, 768)


def test_a_single_outcome_is_drawn(tested: ut.Backtest) -> None:
    one = dataclasses.replace(tested, frame=tested.frame.tail(1))
    assert size_of(backtest_png(one)) == (2112, 768)


def test_exact_forecasts_within_the_data_are_drawn(tested: ut.Backtest) -> None:
    exact = tested.frame.assign(ln_error=0.0, decades=0.0, horizon=0.0)
    assert size_of(backtest_png(dataclasses.replace(tested, frame=exact))) == (2112, 768)


def test_many_outcomes_are_thinned(tested: ut.Backtest) -> None:
    many = pd.concat([tested.frame] * 200, ignore_index=True)
    assert size_of(backtest_png(dataclasses.replace(tested, frame=many))) == (2112, 768)
