"""Words and addresses of trackers, and plugins that are missing, broken or there twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import plugins
from unsl_tracking.errors import DataError, MissingDependency
from unsl_tracking.experiment import open_tracker, tracker_plugins
from unsl_tracking.runs import MemoryTracker


@pytest.fixture(autouse=True)
def no_cache() -> Iterator[None]:
    tracker_plugins.cache_clear()
    yield
    tracker_plugins.cache_clear()


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a distribution of its own, found like an installed one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def install(folder: Path, name: str, place: str, code: str, distribution: str = "extra") -> None:
    points = f"[unsl_tracking.trackers]\n{name} = {place}\n"
    plugins.install(folder, place.partition(":")[0], code, points, distribution)


GOOD = """
from unsl_tracking.runs import MemoryTracker
class Tracker(MemoryTracker):
    pass
"""


def test_memory_is_always_known() -> None:
    assert isinstance(open_tracker("memory"), MemoryTracker)


def test_a_plugin_is_found_by_its_word_and_by_its_scheme(plugin: Path) -> None:
    install(plugin, "extra", "extra_tracker:Tracker", GOOD)
    assert open_tracker("extra").uri == "memory:"
    assert open_tracker("extra://team/project").uri == "extra://team/project"
    assert open_tracker("extra+http://host:1").uri == "http://host:1"


def test_an_unknown_word_lists_the_known_ones(plugin: Path) -> None:
    install(plugin, "extra", "extra_tracker:Tracker", GOOD)
    with pytest.raises(DataError, match=r"one of .*extra, memory.*'extr'"):
        open_tracker("extr")


def test_a_file_of_a_database_is_told_how_to_write_its_address() -> None:
    with pytest.raises(DataError, match="sqlite:///runs/mlflow.db"):
        open_tracker("runs/mlflow.db")


def test_a_broken_plugin_is_named_and_does_not_disturb_the_others(plugin: Path) -> None:
    install(plugin, "broken", "broken_tracker:Tracker", "raise RuntimeError('out of cheese')")
    assert isinstance(open_tracker("memory"), MemoryTracker)
    with pytest.raises(MissingDependency, match=r"`broken` .*RuntimeError: out of cheese"):
        open_tracker("broken")


def test_a_plugin_whose_dependency_is_missing_says_which(plugin: Path) -> None:
    install(plugin, "far", "far_tracker:Tracker", "import a_package_that_is_not_there")
    with pytest.raises(MissingDependency, match="a_package_that_is_not_there"):
        open_tracker("far")


def test_of_two_plugins_of_one_name_the_first_counts_and_a_warning_names_both(
    plugin: Path,
) -> None:
    install(plugin, "extra", "one_tracker:Tracker", GOOD, "one")
    install(plugin, "extra", "two_tracker:Tracker", GOOD, "two")
    with pytest.warns(UserWarning, match="one_tracker:Tracker.*two_tracker:Tracker"):
        tracker_plugins()
