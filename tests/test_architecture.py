"""The house plan, checked: what is where, what imports what, and how large it may get."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

import unsl_tracking

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [Path(p) for p in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]]
ADAPTERS = [package.name for package in PACKAGES if package.parent.name == "integrations"]
TRACKERS = {"unsl_mlflow", "unsl_wandb"}  # the other adapters are for frameworks
MAX_LINES = 400

# What a user who forecasts a table must not have to wait for, or even have installed.
NOT_FOR_THE_CORE = {
    "alembic",
    "hypothesis",
    "jax",
    "jinja2",
    "keras",
    "lightning",
    "optuna",
    "joblib",
    "matplotlib",
    "mlflow",
    "pytest",
    "ray",
    "requests",
    "rich",
    "sqlalchemy",
    "tensorflow",
    "torch",
    "transformers",
    "typer",
    "wandb",
    *ADAPTERS,
}


def folder_of(package: str) -> Path:
    """Where it is imported from: this checkout, or site-packages when a wheel is tested."""
    spec = importlib.util.find_spec(package)  # imports nothing: its framework may be absent
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level names in `sys.modules` of a fresh interpreter after the statement."""
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.skipif(
    not (ROOT / "integrations").is_dir(), reason="no source tree: a wheel is being tested"
)
def test_every_folder_under_integrations_is_a_package_of_the_distribution() -> None:
    folders = [path.name for path in (ROOT / "integrations").iterdir() if path.is_dir()]
    assert sorted(folders) == sorted(ADAPTERS)
    assert not (ROOT / "integrations" / "__init__.py").exists()


@pytest.mark.parametrize("package", [package.name for package in PACKAGES])
def test_every_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (folder_of(package) / "py.typed").is_file()


@pytest.mark.parametrize("package", [package.name for package in PACKAGES])
def test_no_module_is_too_long_to_read_in_one_go(package: str) -> None:
    lengths = {
        path.relative_to(folder_of(package)).as_posix(): len(path.read_text().splitlines())
        for path in folder_of(package).rglob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "import unsl_tracking",
        "from unsl_tracking import *",
        "import unsl_tracking.runs, unsl_tracking.forecast",
        "import unsl_tracking.report, unsl_tracking.cli",
    ],
)
def test_the_core_loads_no_tracker_framework_plotting_or_terminal_library(statement: str) -> None:
    assert modules_loaded_by(statement) & NOT_FOR_THE_CORE == set()


def test_trackers_are_listed_without_loading_one() -> None:
    statement = (
        "from importlib.metadata import entry_points; entry_points(group='unsl_tracking.trackers')"
    )
    assert modules_loaded_by(statement) & NOT_FOR_THE_CORE == set()


def test_every_tracker_adapter_has_an_entry_point_that_loads() -> None:
    trackers = entry_points(group="unsl_tracking.trackers")
    assert {tracker.module.partition(".")[0] for tracker in trackers} >= TRACKERS
    for tracker in trackers:
        assert isinstance(tracker.load(), type)


def test_all_is_exactly_the_public_names() -> None:
    for name in unsl_tracking.__all__:
        assert getattr(unsl_tracking, name) is not None
    public = {
        name
        for name, value in vars(unsl_tracking).items()
        if not name.startswith("_")
        and name != "annotations"
        and not isinstance(value, ModuleType)  # submodules appear once they are imported
    }
    assert public <= set(unsl_tracking.__all__)


def test_the_changelog_knows_the_version() -> None:
    changelog = ROOT / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("no source tree: a wheel is being tested")
    assert f"## {unsl_tracking.__version__}" in changelog.read_text()
