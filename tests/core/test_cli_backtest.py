"""`unsl backtest`: what it prints, draws and refuses, over a tracker plugin of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from tests.plugins import install
from unsl_tracking.cli.app import app
from unsl_tracking.experiment import tracker_plugins

PLUGIN = """
import numpy as np
from unsl_tracking.runs import MemoryTracker

class Sizes(MemoryTracker):
    def __init__(self, uri="sizes:"):
        super().__init__(uri)
        rng = np.random.default_rng(0)
        for index, params in enumerate(np.geomspace(1e4, 1e6, 3)):
            run = self.new_run("curves", name=f"[red]run[/] {index}", params={"params": params})
            steps = np.geomspace(20, 2000, 10).astype(int)
            loss = 0.5 + 30 * params**-0.4 + 6 * steps**-0.45
            loss *= np.exp(0.01 * rng.normal(size=10))
            self.log(run, "loss", [(float(v), int(s), int(s)) for v, s in zip(loss, steps)])
            self.finish(run)
        for index, params in enumerate(np.geomspace(1e4, 1e7, 16)):
            run = self.new_run("points", params={"params": params, "data": "ab"[index % 2]})
            self.log(run, "loss", [(0.5 + 30 * params**-0.4, 100, 0)])
            self.finish(run)
        for step in range(1, 6):
            run = self.new_run("few", params={"params": step * 1000})
            self.log(run, "loss", [(3.0 / step, 100, 0)])
            self.finish(run)
"""
CURVES = ("backtest", "sizes", "--experiment", "curves", "--metric", "loss", "--origins", "2")
POINTS = ("backtest", "sizes", "--experiment", "points", "--metric", "loss")


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


@pytest.fixture(autouse=True)
def sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tracker plugin `sizes`."""
    points = "[unsl_tracking.trackers]\nsizes = sizes_tracker:Sizes\n"
    install(tmp_path, "sizes_tracker", PLUGIN, points, "sizes")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    tracker_plugins.cache_clear()
    yield
    tracker_plugins.cache_clear()
    sys.modules.pop("sizes_tracker", None)


def unsl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_runs_are_replayed_from_their_beginnings() -> None:
    found = unsl(*CURVES)
    assert found.exit_code == 0, found.output
    for expected in (
        "loss of experiment curves (sizes:)",
        "2 runs from their beginnings, 6 outcomes",
        "decades beyond the data",
        "80% held",
        "times as wide",
        "could not be replayed",
    ):
        assert expected in found.stdout


@pytest.mark.parametrize("columns", ["80", "40"])
def test_no_number_is_cut_short_in_a_narrow_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = unsl(*CURVES).stdout
    monkeypatch.setenv("COLUMNS", columns)
    narrow = unsl(*CURVES).stdout
    numbers = [word for word in wide.split() if word.endswith("%")]
    assert len(numbers) > 20
    assert [word for word in narrow.split() if word.endswith("%")] == numbers


def test_the_design_can_be_asked_for() -> None:
    found = unsl(*CURVES, "--by", "size", "--json")
    group = json.loads(found.stdout)["groups"][0]
    assert group["backtest"]["design"] == "size"


def test_json_is_all_there_is_on_stdout() -> None:
    content = json.loads(unsl(*CURVES, "--json").stdout)
    assert content["schema"] == "unsl_tracking/experiment-backtest"
    assert content["groups"][0]["name"] == "all runs"
    assert len(content["groups"][0]["backtest"]["rows"]) == 6
    assert content["refused"] == []


def test_a_figure_is_drawn_of_every_group(tmp_path: Path) -> None:
    found = unsl(*POINTS, "--group", "data", "--origins", "1", "--plot", str(tmp_path / "b.png"))
    assert found.exit_code == 0, found.output
    assert "data=a" in found.stdout
    assert found.stdout.count("Written") == 2
    for name in ("b-1.png", "b-2.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (2112, 768)


def test_one_group_is_drawn_into_the_file_itself(tmp_path: Path) -> None:
    unsl(*POINTS, "--group", "", "--origins", "1", "--plot", str(tmp_path / "b.png"), "--json")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_replayed_is_said_and_status_1() -> None:
    found = unsl("backtest", "sizes", "-e", "few", "-m", "loss")
    assert found.exit_code == 1
    assert "Not replayed" in found.stdout
    assert "could have been forecast from a part" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", "time"), "--by must be size or runs"),
        (("--origins", "0"), "origins"),
        (("--mode", "up"), "--mode must be min or max"),
        (("--axes", "n=(("), "n"),
        (("--plot", "/no/such/folder/b.png"), "in a folder that exists"),
    ],
)
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...], said: str) -> None:
    found = unsl(*CURVES, *arguments)
    assert found.exit_code == 2, found.output
    assert said in found.stderr
    assert found.stdout == ""
