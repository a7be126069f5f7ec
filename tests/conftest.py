"""What holds for every test: warnings and skips are not overlooked, and nothing phones home.

The strict floating point of the numerical tests is in tests/core/conftest.py.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Read when these libraries are imported, so set before any test module is.
os.environ["MPLBACKEND"] = "Agg"  # no window, whatever machine this is
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)  # never into the developer's own tracker
os.environ.setdefault(
    "TERM", "dumb"
)  # rich measures the terminal; the output must not depend on it

# The same examples in every run: a failure seen once is seen again. Search for new ones with
# `pytest --hypothesis-profile=explore`.
settings.register_profile(
    "same-every-time",
    derandomize=True,
    deadline=None,  # the machine may be busy
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("same-every-time")


def pytest_xdist_auto_num_workers() -> int:
    """More workers than processors for `-n auto`: many tests wait for servers."""
    return 2 + (os.cpu_count() or 1)


REQUIRE_ADAPTERS = bool(os.environ.get("UNSL_REQUIRE_ADAPTERS"))
"""Set where everything is installed (`.ci/run`): a missing adapter then fails, it never skips."""


def _fail_if_an_import_was_skipped(report: pytest.CollectReport | pytest.TestReport) -> None:
    """Turn `pytest.importorskip("mlflow")` into a failure; other skips stay what they are."""
    if not (REQUIRE_ADAPTERS and report.skipped and isinstance(report.longrepr, tuple)):
        return
    path, line, reason = report.longrepr
    if "could not import" in reason:
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason}; UNSL_REQUIRE_ADAPTERS forbids to skip this"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """For `importorskip` at the top of a test module."""
    report = yield
    _fail_if_an_import_was_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """For `importorskip` in a fixture or a test."""
    report = yield
    _fail_if_an_import_was_skipped(report)
    return report
