"""Do intervals hold what they promise, on laws that are known?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import unsl_tracking as ut


def drawn_curve(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A power law above a limit with 1 to 3% noise: three decades seen, one decade ahead."""
    limit, scale, exponent = rng.uniform(0.5, 2.0), rng.uniform(3.0, 10.0), rng.uniform(0.2, 0.6)
    step = np.concatenate([np.logspace(1.0, 4.0, 30), np.logspace(4.2, 5.0, 5)])
    noise = np.exp(rng.uniform(0.01, 0.03) * rng.normal(size=35))
    table = pd.DataFrame({"step": step, "loss": (limit + scale * step**-exponent) * noise})
    return table.iloc[:30], table.iloc[30:]


@pytest.mark.slow
def test_eighty_percent_intervals_hold_about_that_share_of_later_points() -> None:
    inside = []
    for seed in range(60):
        seen, later = drawn_curve(np.random.default_rng(seed))
        forecast = ut.fit(seen, ["step"], "loss").predict(later[["step"]])
        low, high = forecast.interval(0.8)
        inside.append(((later["loss"] >= low) & (later["loss"] <= high)).mean())
    # Mild curves are easier than real ones, on which the intervals were calibrated.
    assert 0.60 <= np.mean(inside) <= 0.97


def test_the_median_is_closer_than_the_last_value() -> None:
    ahead, naive = [], []
    for seed in range(6):
        seen, later = drawn_curve(np.random.default_rng(seed))
        median = ut.fit(seen, ["step"], "loss").predict(later[["step"]]).median
        ahead.append(np.abs(np.log(median / later["loss"])).mean())
        naive.append(np.abs(np.log(seen["loss"].iloc[-1] / later["loss"])).mean())
    assert np.mean(ahead) < 0.6 * np.mean(naive)
