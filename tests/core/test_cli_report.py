"""`unsl report`: what it writes where, and what it refuses, over a tracker plugin of its own."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.plugins import install
from unsl_tracking.cli.app import app
from unsl_tracking.experiment import tracker_plugins

PLUGIN = """
import numpy as np
from unsl_tracking.runs import MemoryTracker

class Steps(MemoryTracker):
    def __init__(self, uri="steps:"):
        super().__init__(uri)
        for data in ("web", "books"):
            for params in np.geomspace(1e4, 1e7, 9 if data == "web" else 8).round():
                settings = {"params": params, "data": data}
                run = self.new_run("ladder", name=f"[red]{data}[/]", params=settings)
                self.log(run, "loss", [(0.5 + 30 * params**-0.4, 100, 0)])
                self.finish(run)
"""
LADDER = ("report", "steps", "-e", "ladder", "-m", "loss", "--at", "params=1e8")
WEB = (*LADDER, "--group", "", "--target", "0.6")


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


@pytest.fixture(autouse=True)
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tracker plugin `steps`."""
    points = "[unsl_tracking.trackers]\nsteps = steps_tracker:Steps\n"
    install(tmp_path, "steps_tracker", PLUGIN, points, "steps")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    tracker_plugins.cache_clear()
    yield
    tracker_plugins.cache_clear()
    sys.modules.pop("steps_tracker", None)


def unsl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_folder_gets_the_page_markdown_figures_and_json(tmp_path: Path) -> None:
    found = unsl(*WEB, "-o", str(tmp_path / "out"))
    assert found.exit_code == 0, found.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"report.html", "report.md", "report.json", "report-figures"}
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert content["decision"]["target"] == 0.6
    assert found.stdout.startswith(content["decision"]["verdict"])
    assert str(tmp_path / "out" / "report.html") in found.stdout


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = unsl(*WEB, "-o", str(tmp_path / "file" / "out"))
    assert found.exit_code == 1
    assert f"must be usable, but got '{tmp_path}/file/" in found.stderr
    assert "check the path" in found.stderr and "unexpected" not in found.stderr


@pytest.mark.parametrize(
    ("name", "first"), [("r.html", "<!doctype"), ("r.md", "# "), ("r.json", "{")]
)
def test_a_file_is_of_the_kind_that_its_name_says(tmp_path: Path, name: str, first: str) -> None:
    found = unsl(*WEB, "-o", str(tmp_path / name))
    assert found.exit_code == 0, found.output
    assert (tmp_path / name).read_text().lstrip().startswith(first)


def test_the_report_says_how_to_read_the_same_runs_again(tmp_path: Path) -> None:
    page = tmp_path / "report.json"
    asked = ("--axes", "size[scale]=param:params", "--group", "", "--ignore", "team*")
    found = unsl(*LADDER[:6], *asked, "-o", str(page))
    assert found.exit_code == 0, found.output
    made = json.loads(page.read_text())
    words = shlex.split(made["command"])
    assert words[7 : 7 + len(asked)] == ["--axes", "size=param:params", *asked[2:]]
    assert unsl(*words[1:], "-o", str(tmp_path / "again.json")).exit_code == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["command"] == made["command"]
    assert again["forecast"]["answers"] == made["forecast"]["answers"]


def test_every_group_has_a_report_of_its_own(tmp_path: Path) -> None:
    found = unsl(*LADDER, "-o", str(tmp_path / "r.md"))
    assert found.exit_code == 0, found.output
    assert "group: data = web" in (tmp_path / "r.md").read_text()
    assert "group: data = books" in (tmp_path / "r-2.md").read_text()


def test_a_cost_and_a_budget_add_their_sections(tmp_path: Path) -> None:
    found = unsl(*WEB, "--cost", "6*params", "--budget", "1G", "-o", str(tmp_path / "r.md"))
    assert found.exit_code == 0, found.output
    text = (tmp_path / "r.md").read_text()
    assert "the split of the budget" in text or "How to spend the budget" in text


def test_a_cost_may_name_given_numbers(tmp_path: Path) -> None:
    same, other = tmp_path / "a.json", tmp_path / "b.json"
    assert unsl(*WEB, "--cost", "6*params", "--budget", "1G", "-o", str(same)).exit_code == 0
    given = ("--cost", "flops*params", "--given", "flops=6")
    assert unsl(*WEB, *given, "--budget", "1G", "-o", str(other)).exit_code == 0
    plain, named = json.loads(same.read_text()), json.loads(other.read_text())
    assert named["next_runs"]["runs"] == plain["next_runs"]["runs"] != []
    assert named["allocation"]["axes"] == plain["allocation"]["axes"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "/no/such/folder/r.html"), "in a folder that exists"),
        (("-o", "{file}"), "must be a folder, or end in"),
        (("-o", "r.md", "--budget", "lots", "--cost", "params"), "--budget must be a positive"),
        (("-o", "r.md", "--budget", "1e9"), "a budget needs a cost"),
        (("-o", "r.md", "--cost", "6*(params"), "6*(params"),
        (("-o", "r.md", "--cost", "params", "--inference", "2*"), "2*"),
        (("-o", "r.md", "--cost", "params/f", "--given", "f=fast"), "--given must be NAME=NUMBER"),
        (("-o", "r.md", "--given", "f=2"), "a cost that names them"),
        (("-o", "r.md", "--target", "1", "--confidence", "2"), "confidence"),
        (("-o", "r.md", "--at", "params"), "--at must be NAME=NUMBER"),
    ],
)
def test_a_wrong_command_line_is_status_2(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").write_text("")
    given = [each.format(file=tmp_path / "file") for each in arguments]
    found = unsl("report", "steps", "-e", "ladder", "-m", "loss", *given)
    assert found.exit_code == 2, found.output
    assert said in found.stderr
