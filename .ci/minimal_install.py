"""Run with the wheel and no extras installed: it imports, forecasts and says what is missing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import unsl_tracking as ut

NOT_INSTALLED = ["alembic", "jinja2", "matplotlib", "mlflow", "rich", "sqlalchemy", "typer"]
DEPENDENCIES = "import numpy, pandas, scipy.linalg, scipy.optimize, scipy.special, scipy.stats"


def is_minimal() -> None:
    """The wheel is what was imported, and nothing of an extra came along."""
    assert Path(ut.__file__).is_relative_to(sys.prefix), f"this is not the wheel: {ut.__file__}"
    present = [name for name in NOT_INSTALLED if importlib.util.find_spec(name)]
    assert not present, f"this is no minimal install, it has {present}"


def imports_quickly() -> None:
    """Our own share of the import time, the best of three fresh interpreters on a busy machine."""
    program = (
        f"{DEPENDENCIES}; from time import perf_counter as now; began = now(); "
        "import unsl_tracking; print(now() - began)"
    )
    command = [sys.executable, "-c", program]
    seconds = min(float(subprocess.check_output(command, text=True)) for _ in range(3))
    print(f"import unsl_tracking: {seconds:.2f} s on top of NumPy, SciPy and pandas")
    assert seconds < 1.0


def fits_and_forecasts() -> None:
    """Chinchilla's published law, sampled with 0.3% noise, forecast ten times beyond both axes."""

    def loss(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return 1.69 + 406.4 * params**-0.34 + 410.7 * tokens**-0.28

    params, tokens = (g.ravel() for g in np.meshgrid(np.logspace(7, 9, 7), np.logspace(8, 10, 7)))
    noise = np.exp(np.random.default_rng(0).normal(0.0, 0.003, params.size))
    frame = pd.DataFrame({"params": params, "tokens": tokens, "loss": loss(params, tokens) * noise})
    law = ut.fit(frame, axes=["params", "tokens"], value="loss", seed=0)
    point = {"params": 1e10, "tokens": 1e11}
    forecast = law.predict(point)
    low, high = forecast.interval(0.95)
    truth = float(loss(np.array(1e10), np.array(1e11)))
    print(f"forecast {forecast.median:.4f}, 95% within {low:.4f} to {high:.4f}; truth {truth:.4f}")
    assert low < truth < high
    assert np.isclose(ut.FittedLaw.from_json(law.to_json()).predict(point).median, forecast.median)


def command_says_what_to_install() -> None:
    """`unsl` without its extra ends with the pip line, not with a traceback."""
    for arguments in (["--help"], ["demo"], ["forecast", "sqlite:///none.db"]):
        command = [str(Path(sys.prefix, "bin", "unsl")), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        said = (done.stdout + done.stderr).strip()
        print(f"unsl {' '.join(arguments)} (exit {done.returncode}): {said}")
        assert "Traceback" not in said
        assert "pip install 'unsl-tracking[cli]'" in said.splitlines()[-1]


if __name__ == "__main__":
    is_minimal()
    imports_quickly()
    fits_and_forecasts()
    command_says_what_to_install()
    print("minimal install: all fine")
