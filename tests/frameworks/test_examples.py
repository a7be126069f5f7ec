"""Every framework's example runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "frameworks").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    # mlflow.set_experiment, called by another test, leaves its choice in the environment.
    outside = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_EXPERIMENT")}
    done = subprocess.run(
        [sys.executable, str(example)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**outside, "OMP_NUM_THREADS": "1", "RAY_DEDUP_LOGS": "0"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_there_is_one_for_each_framework_and_one_for_attach() -> None:
    assert len(EXAMPLES) == 8
