"""From a table of finished runs to a larger one: fit, forecast, look at the warnings.

    python examples/forecast_a_table.py

Needs nothing but unsl_tracking itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import unsl_tracking as ut


def a_table() -> pd.DataFrame:
    """Twenty runs as one would collect them: five model sizes, four data sizes, a little noise."""
    rng = np.random.default_rng(0)
    rows = []
    for params in (1e7, 3e7, 1e8, 3e8, 1e9):
        for tokens in (5e8, 2e9, 6e9, 2e10):
            loss = 1.69 + 406 * params**-0.34 + 411 * tokens**-0.28
            rows.append((params, tokens, loss * np.exp(rng.normal(scale=0.004))))
    return pd.DataFrame(rows, columns=["params", "tokens", "val_loss"])


def main() -> None:
    law = ut.fit(a_table(), axes=["params", "tokens"], value="val_loss")
    forecast = law.predict({"params": 7e9, "tokens": 1.4e11})
    low, high = forecast.interval(0.8)
    print(f"val_loss at 7e9 params, 1.4e11 tokens: {forecast.median:.3f}")
    print(f"80% interval {low:.3f} to {high:.3f}")
    print(f"P(below 2.0) = {forecast.prob_better_than(2.0):.2f}")
    for warning in forecast.warnings:
        print(f"{warning.code}: {warning.message}")
    print()
    print(law.summary())


if __name__ == "__main__":
    main()
