"""Run with the wheel installed and no extras: the core imports, fits, forecasts and says what is missing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

began = time.perf_counter()
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import scipy.linalg  # noqa: E402, F401
import scipy.optimize  # noqa: E402, F401
import scipy.special  # noqa: E402, F401
import scipy.stats  # noqa: E402, F401

dependencies = time.perf_counter() - began
import unsl_tracking as ut  # noqa: E402

own = time.perf_counter() - began - dependencies
print(f"import: {dependencies:.2f} s for NumPy, SciPy and pandas, {own:.2f} s for unsl_tracking")
assert own < 1.0, "importing unsl_tracking has become slow"
assert Path(ut.__file__).is_relative_to(sys.prefix), f"this is not the wheel: {ut.__file__}"

MISSING = ["alembic", "jinja2", "matplotlib", "mlflow", "rich", "sklearn", "sqlalchemy", "typer"]
for name in MISSING:
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(f"{name} is installed, so this is no minimal install")

# Chinchilla's form with known numbers; the forecast is ten times beyond the data on each axis.
LIMIT, RNG = 1.69, np.random.default_rng(0)
params, tokens = (grid.ravel() for grid in np.meshgrid(np.logspace(7, 9, 7), np.logspace(8, 10, 7)))


def loss(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return LIMIT + 406.4 * n**-0.34 + 410.7 * d**-0.28


noise = np.exp(RNG.normal(0.0, 0.003, params.size))
frame = pd.DataFrame({"params": params, "tokens": tokens, "val_loss": loss(params, tokens) * noise})
law = ut.fit(frame, axes=["params", "tokens"], value="val_loss", seed=0)
forecast = law.predict({"params": 1e10, "tokens": 1e11})
low, high = forecast.interval(0.95)
truth = float(loss(np.array(1e10), np.array(1e11)))
print(
    f"forecast: {float(forecast.median):.4f}, 95% within {low:.4f} … {high:.4f}; truth {truth:.4f}"
)
assert low < truth < high
again = ut.FittedLaw.from_json(law.to_json()).predict({"params": 1e10, "tokens": 1e11})
assert np.isclose(again.median, forecast.median)

for arguments in (["--help"], ["demo"], ["forecast", "sqlite:///none.db"]):
    done = subprocess.run(
        [Path(sys.prefix, "bin", "unsl"), *arguments], capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    print(f"unsl {' '.join(arguments)}: exit {done.returncode}: {said.strip()}")
    assert done.returncode != 0 and "Traceback" not in said
    assert "pip install 'unsl-tracking[" in said.strip().splitlines()[-1]
print("minimal install: all fine")
