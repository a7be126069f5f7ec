"""Where everything is installed, a skipped adapter is a failure: CI cannot go green by skipping."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = """
import pytest

def test_that_needs_what_nobody_has():
    pytest.importorskip("no_such_library")

def test_that_has_another_reason():
    pytest.skip("not on this machine")
"""

MODULE_THAT_IS_SKIPPED = """
import pytest

pytest.importorskip("no_such_library")
"""


def closing_line(folder: Path, require_adapters: str) -> str:
    """The last line of pytest over a test and a module that need what nobody has."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_skipped.py").write_text(TESTS)
    (folder / "test_skipped_module.py").write_text(MODULE_THAT_IS_SKIPPED)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "."],
        cwd=folder,
        env={**os.environ, "UNSL_REQUIRE_ADAPTERS": require_adapters},
        capture_output=True,
        text=True,
    )
    return done.stdout.strip().splitlines()[-1]


def test_a_missing_library_skips_on_a_developers_machine(tmp_path: Path) -> None:
    assert closing_line(tmp_path, "").startswith("3 skipped")


def test_a_missing_library_fails_where_adapters_are_required(tmp_path: Path) -> None:
    assert closing_line(tmp_path, "1").startswith("1 failed, 1 skipped, 1 error")
