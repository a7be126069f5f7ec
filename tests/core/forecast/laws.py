"""Tables with a known law, and laws fitted to them, shared by the tests of the forecast."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

import unsl_tracking as ut
from unsl_tracking.law import zoo

SMALL = (zoo.limited(["step"]), zoo.bnsl("step", 1))
"""Two forms, fitted in a few hundredths of a second, for what does not depend on the ladder."""


def curve(n: int = 30, noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """A loss that falls as a power law to 1.5 over three decades of steps."""
    step = np.logspace(2, 5, n)
    ln_noise = noise * np.random.default_rng(seed).normal(size=n)
    return pd.DataFrame({"step": step, "loss": (1.5 + 20.0 * step**-0.45) * np.exp(ln_noise)})


def grid(noise: float = 0.01, seed: int = 0) -> pd.DataFrame:
    """Chinchilla's law on 6 sizes × 6 amounts of data."""
    params, tokens = (a.ravel() for a in np.meshgrid(np.logspace(7, 9, 6), np.logspace(8, 10, 6)))
    loss = 1.7 + 400.0 * params**-0.34 + 410.0 * tokens**-0.28
    loss = loss * np.exp(noise * np.random.default_rng(seed).normal(size=36))
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


@cache
def min_law() -> ut.FittedLaw:
    """A law of a loss. Shared: nothing may change it."""
    return ut.fit(curve(), ["step"], "loss", forms=SMALL)


@cache
def max_law() -> ut.FittedLaw:
    """A law of an accuracy below 0.9. Shared: nothing may change it."""
    table = curve().assign(accuracy=lambda t: 0.9 - 0.1 * t["loss"])
    return ut.fit(table, ["step"], "accuracy", mode="max", ceiling=0.9, forms=SMALL)


@cache
def grid_law() -> ut.FittedLaw:
    """A law on two axes. Shared: nothing may change it."""
    return ut.fit(
        grid(), ["params", "tokens"], "loss", forms=[zoo.chinchilla(("params", "tokens"))]
    )


def codes(law_or_forecast: ut.FittedLaw | ut.Forecast) -> set[str]:
    """The codes of its warnings."""
    return {w.code for w in law_or_forecast.warnings}
