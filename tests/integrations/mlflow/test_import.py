"""What importing the adapter does, and does not do, to the process it is in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("mlflow")


def run_python(code: str, **env: str | None) -> str:
    """Run code in a new interpreter with warnings as errors; its output."""
    changed = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env}
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_TRACKING_URI"):
        if name not in env:
            changed.pop(name, None)
    kept = {name: value for name, value in changed.items() if value is not None}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_adapter_does_not_import_mlflow() -> None:
    assert run_python("import sys, unsl_mlflow; print('mlflow' in sys.modules)") == "False"


def test_without_mlflow_the_error_says_what_to_install() -> None:
    code = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "mlflow":
            raise ModuleNotFoundError(name)
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "mlflow" else real(name, *rest)
sys.meta_path.insert(0, Missing())
from unsl_tracking.errors import MissingDependency
try:
    import unsl_mlflow
except MissingDependency as missing:
    print(missing)
"""
    assert "pip install 'unsl-tracking[mlflow]'" in run_python("import importlib.util" + code)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "true None"),
        ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "false None"),
        ({"DO_NOT_TRACK": "false"}, "None false"),
    ],
)
def test_telemetry_is_off_unless_the_user_said_something(
    env: dict[str, str], expected: str
) -> None:
    code = """
import os, unsl_mlflow
unsl_mlflow.MlflowTracker("http://localhost:1")
print(os.environ.get("MLFLOW_DISABLE_TELEMETRY"), os.environ.get("DO_NOT_TRACK"))
"""
    assert run_python(code, CI="true", **env) == expected


def test_an_environment_in_which_mlflow_was_imported_is_left_alone() -> None:
    code = """
import mlflow, os, unsl_mlflow
before = dict(os.environ)
unsl_mlflow.MlflowTracker("http://localhost:1")
print(dict(os.environ) == before)
"""
    assert run_python(code, CI="true") == "True"
